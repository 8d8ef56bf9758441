package local

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
)

// code gives the code with which an API call was refused.
func code(err error) string {
	var refused smithy.APIError
	if errors.As(err, &refused) {
		return refused.ErrorCode()
	}
	return fmt.Sprint(err)
}

func TestFunctionLifeCycle(t *testing.T) {
	h := open(t, testOptions(t))
	h.create("alpha", func(in *lambda.CreateFunctionInput) {
		in.Description = ptr("the first")
		in.Tags = map[string]string{"a": "1", "b": "2"}
		in.EphemeralStorage = &types.EphemeralStorage{Size: aws.Int32(1024)}
	})
	got, err := h.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: ptr("alpha")})
	if err != nil {
		t.Fatal(err)
	}
	c := got.Configuration
	if c.State != types.StateActive || c.LastUpdateStatus != types.LastUpdateStatusSuccessful || aws.ToString(c.Description) != "the first" ||
		aws.ToInt32(c.EphemeralStorage.Size) != 1024 || aws.ToInt32(c.MemorySize) != 256 || aws.ToInt32(c.Timeout) != 30 ||
		aws.ToString(c.FunctionArn) != "arn:aws:lambda:us-east-1:000000000000:function:alpha" || c.PackageType != types.PackageTypeZip ||
		c.Runtime != types.RuntimeProvidedal2023 || c.CodeSize != int64(len(testPackage(t))) || got.Tags["b"] != "2" {
		t.Errorf("%+v %v", c, got.Tags)
	}
	response, err := http.Get(aws.ToString(got.Code.Location))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(response.Body)
	response.Body.Close()
	if !bytes.Equal(body, testPackage(t)) {
		t.Errorf("the package's address answers %s with %d bytes", response.Status, len(body))
	}

	// Every form of the name.
	for _, name := range []string{"alpha", "alpha:$LATEST", "000000000000:function:alpha", "function:alpha", aws.ToString(c.FunctionArn), aws.ToString(c.FunctionArn) + ":$LATEST"} {
		if _, err := h.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := h.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := h.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: ptr("alpha"), Qualifier: ptr("7")}); code(err) != "ResourceNotFoundException" {
		t.Errorf("a version that is not there: %v", err)
	}

	// Tags.
	arn := c.FunctionArn
	if _, err := h.lambda.TagResource(ctx, &lambda.TagResourceInput{Resource: arn, Tags: map[string]string{"c": "3"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.lambda.UntagResource(ctx, &lambda.UntagResourceInput{Resource: arn, TagKeys: []string{"a", "b"}}); err != nil {
		t.Fatal(err)
	}
	if tags, err := h.lambda.ListTags(ctx, &lambda.ListTagsInput{Resource: arn}); err != nil || len(tags.Tags) != 1 || tags.Tags["c"] != "3" {
		t.Errorf("%v %v", tags, err)
	}
	if _, err := h.lambda.TagResource(ctx, &lambda.TagResourceInput{Resource: arn, Tags: map[string]string{"aws:x": "3"}}); code(err) != "InvalidParameterValueException" {
		t.Errorf("a reserved tag: %v", err)
	}

	// Others.
	if versions, err := h.lambda.ListVersionsByFunction(ctx, &lambda.ListVersionsByFunctionInput{FunctionName: ptr("alpha")}); err != nil || len(versions.Versions) != 1 {
		t.Errorf("%v %v", versions, err)
	}
	if settings, err := h.lambda.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{}); err != nil || settings.AccountUsage.FunctionCount != 1 {
		t.Errorf("%v %v", settings, err)
	}
	if _, err := h.lambda.GetFunctionCodeSigningConfig(ctx, &lambda.GetFunctionCodeSigningConfigInput{FunctionName: ptr("alpha")}); err != nil {
		t.Error(err)
	}
	dry, err := h.lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: ptr("alpha"), DryRun: true, ZipFile: mustZip(t, zipEntry{"bootstrap", []byte("x"), 0o755})})
	if err != nil || aws.ToString(dry.CodeSha256) == aws.ToString(c.CodeSha256) {
		t.Errorf("%v %v", dry, err)
	}
	if now, err := h.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: ptr("alpha")}); err != nil || aws.ToString(now.CodeSha256) != aws.ToString(c.CodeSha256) {
		t.Errorf("a dry run has changed the code: %v", err)
	}
	_, err = h.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: ptr("alpha"), RevisionId: ptr("old"), Timeout: aws.Int32(5)})
	if code(err) != "PreconditionFailedException" {
		t.Errorf("an old revision: %v", err)
	}
}

func mustZip(t testing.TB, entries ...zipEntry) []byte {
	t.Helper()
	raw, err := makeZip(entries...)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestListFunctionsInPages(t *testing.T) {
	h := open(t, testOptions(t))
	want := []string{}
	small := mustZip(t, zipEntry{"bootstrap", []byte("x"), 0o755})
	for i := range 7 {
		name := fmt.Sprintf("f-%d", i)
		want = append(want, name)
		h.create(name, func(in *lambda.CreateFunctionInput) { in.Code.ZipFile = small })
	}
	got := []string{}
	pages := lambda.NewListFunctionsPaginator(h.lambda, &lambda.ListFunctionsInput{MaxItems: aws.Int32(3)})
	count := 0
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		count++
		for _, f := range page.Functions {
			got = append(got, aws.ToString(f.FunctionName))
		}
	}
	if !slices.Equal(got, want) || count != 3 {
		t.Errorf("%v in %d pages", got, count)
	}
}

func TestRefusedFunctions(t *testing.T) {
	h := open(t, testOptions(t))
	small := mustZip(t, zipEntry{"bootstrap", []byte("x"), 0o755})
	create := func(edit func(*lambda.CreateFunctionInput)) error {
		in := &lambda.CreateFunctionInput{FunctionName: ptr("bad"), Role: ptr(role), Handler: ptr("main"), Runtime: types.RuntimeProvidedal2023,
			Code: &types.FunctionCode{ZipFile: small}}
		edit(in)
		_, err := h.lambda.CreateFunction(ctx, in)
		return err
	}
	bomb := mustZip(t, zipEntry{"bootstrap", []byte("x"), 0o755}, zipEntry{"zeros", make([]byte, 262_144_000), 0o644})
	link := zipEntry{"link", []byte("/etc/passwd"), os.ModeSymlink | 0o777}
	for name, c := range map[string]struct {
		edit func(*lambda.CreateFunctionInput)
		text string
	}{
		"memory too small": {func(in *lambda.CreateFunctionInput) { in.MemorySize = aws.Int32(127) }, "greater than or equal to 128"},
		"memory too large": {func(in *lambda.CreateFunctionInput) { in.MemorySize = aws.Int32(10241) }, "less than or equal to 10240"},
		"timeout 0":        {func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(0) }, "'timeout'"},
		"timeout 901":      {func(in *lambda.CreateFunctionInput) { in.Timeout = aws.Int32(901) }, "'timeout'"},
		"storage": {func(in *lambda.CreateFunctionInput) {
			in.EphemeralStorage = &types.EphemeralStorage{Size: aws.Int32(100)}
		}, "'ephemeralStorage.size'"},
		"runtime":           {func(in *lambda.CreateFunctionInput) { in.Runtime = types.RuntimePython312 }, "provided.al2023"},
		"no handler":        {func(in *lambda.CreateFunctionInput) { in.Handler = nil }, "mandatory"},
		"role":              {func(in *lambda.CreateFunctionInput) { in.Role = ptr("me") }, "'role'"},
		"name":              {func(in *lambda.CreateFunctionInput) { in.FunctionName = ptr("not/a name") }, "'functionName'"},
		"long name":         {func(in *lambda.CreateFunctionInput) { in.FunctionName = ptr(strings.Repeat("a", 65)) }, "'functionName'"},
		"reserved variable": {func(in *lambda.CreateFunctionInput) { in.Environment = vars("AWS_REGION", "x") }, "Reserved keys used in this request: AWS_REGION"},
		"variable name":     {func(in *lambda.CreateFunctionInput) { in.Environment = vars("1X", "x") }, "'environment.variables"},
		"large variables":   {func(in *lambda.CreateFunctionInput) { in.Environment = vars("XX", strings.Repeat("x", 5000)) }, "4KB limit"},
		"layers":            {func(in *lambda.CreateFunctionInput) { in.Layers = []string{"arn:aws:lambda:us-east-1:1:layer:x:1"} }, "layers"},
		"image":             {func(in *lambda.CreateFunctionInput) { in.PackageType = types.PackageTypeImage }, "don't provide Handler or Runtime"},
		"no code":           {func(in *lambda.CreateFunctionInput) { in.Code = &types.FunctionCode{} }, "source for function code"},
		"no such object": {func(in *lambda.CreateFunctionInput) {
			in.Code = &types.FunctionCode{S3Bucket: ptr("none"), S3Key: ptr("x")}
		}, "NoSuchKey"},
		"not a zip":     {code2([]byte("hello")), "Could not unzip"},
		"empty zip":     {code2(mustZip(t)), "non-empty zip"},
		"zip slip":      {code2(mustZip(t, zipEntry{"../out", nil, 0o644})), "leads out of the package"},
		"absolute path": {code2(mustZip(t, zipEntry{"/etc/passwd", nil, 0o644})), "leads out of the package"},
		"backslash":     {code2(mustZip(t, zipEntry{`..\out`, nil, 0o644})), "leads out of the package"},
		"link":          {code2(mustZip(t, link)), "link or a device"},
		"twice":         {code2(mustZip(t, zipEntry{"a", nil, 0o644}, zipEntry{"a", nil, 0o644})), "twice"},
		"bomb":          {code2(bomb), "Unzipped size must be smaller than 262144000 bytes"},
		"damaged":       {code2(damaged(t)), "Could not unzip"},
	} {
		t.Run(name, func(t *testing.T) {
			err := create(c.edit)
			if code(err) != "InvalidParameterValueException" || !strings.Contains(err.Error(), c.text) {
				t.Errorf("%v", err)
			}
		})
	}
	if left, _ := os.ReadDir(filepath.Join(h.dir, "lambda", "functions")); len(left) > 0 {
		t.Errorf("refused functions have left %v", left)
	}
	if listed, err := h.lambda.ListFunctions(ctx, &lambda.ListFunctionsInput{}); err != nil || len(listed.Functions) > 0 {
		t.Errorf("%v %v", listed, err)
	}
	h.create("taken", func(in *lambda.CreateFunctionInput) { in.Code.ZipFile = small })
	if err := create(func(in *lambda.CreateFunctionInput) { in.FunctionName = ptr("taken") }); code(err) != "ResourceConflictException" {
		t.Errorf("a name in use: %v", err)
	}
	if _, err := h.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: ptr("absent")}); code(err) != "ResourceNotFoundException" ||
		!strings.Contains(err.Error(), "Function not found: arn:aws:lambda:us-east-1:000000000000:function:absent") {
		t.Errorf("%v", err)
	}
}

func vars(name, value string) *types.Environment {
	return &types.Environment{Variables: map[string]string{name: value}}
}

func code2(archive []byte) func(*lambda.CreateFunctionInput) {
	return func(in *lambda.CreateFunctionInput) { in.Code.ZipFile = archive }
}

// damaged gives a zip one of whose bytes was changed.
func damaged(t *testing.T) []byte {
	raw := bytes.Clone(mustZip(t, zipEntry{"bootstrap", bytes.Repeat([]byte("0123456789"), 1000), 0o755}))
	raw[60] ^= 0xff
	return raw
}

func TestPayloads(t *testing.T) {
	h := open(t, testOptions(t))
	h.create("echo", nil)
	invoke := func(kind types.InvocationType, payload []byte) error {
		_, err := h.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: ptr("echo"), InvocationType: kind, Payload: payload})
		return err
	}
	text := func(n int) []byte { return []byte(`"` + strings.Repeat("a", n-2) + `"`) }
	if err := invoke(types.InvocationTypeRequestResponse, text(6<<20)); err != nil {
		t.Errorf("6 MB: %v", err)
	}
	if err := invoke(types.InvocationTypeRequestResponse, text(6<<20+1)); code(err) != "RequestTooLargeException" || !strings.Contains(err.Error(), "413") {
		t.Errorf("more than 6 MB: %v", err)
	}
	if err := invoke(types.InvocationTypeEvent, text(1<<20+1)); code(err) != "RequestTooLargeException" {
		t.Errorf("an event of more than 1 MB: %v", err)
	}
	if err := invoke(types.InvocationTypeRequestResponse, []byte("not json")); code(err) != "InvalidRequestContentException" {
		t.Errorf("not JSON: %v", err)
	}
	out, answer := h.invoke("echo", event{"printKB": 20})
	if log := tail(t, out); len(log) != 4096 || !strings.HasSuffix(log, "\t\n") {
		t.Errorf("the end of a long log has %d bytes (%v)", len(log), answer)
	}
	context := `eyJjdXN0b20iOnsiYSI6MX19` // {"custom":{"a":1}}
	got, err := h.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: ptr("echo"), ClientContext: &context})
	if err != nil || !strings.Contains(string(got.Payload), `{\"custom\":{\"a\":1}}`) {
		t.Errorf("client context: %s %v", got.Payload, err)
	}
}

func TestFunctionFromObjectOutlivesRestart(t *testing.T) {
	o := testOptions(t)
	h := open(t, o)
	if _, err := h.s3.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: ptr("code")}); err != nil {
		t.Fatal(err)
	}
	if _, err := h.s3.PutObject(ctx, &s3.PutObjectInput{Bucket: ptr("code"), Key: ptr("a/package.zip"), Body: bytes.NewReader(testPackage(t))}); err != nil {
		t.Fatal(err)
	}
	h.create("stored", func(in *lambda.CreateFunctionInput) {
		in.Code = &types.FunctionCode{S3Bucket: ptr("code"), S3Key: ptr("a/package.zip")}
		in.Environment = vars("COLOUR", "green")
		in.Tags = map[string]string{"k": "v"}
	})
	if _, answer := h.invoke("stored", event{"echo": 1}); answer["echo"] != 1.0 {
		t.Errorf("%v", answer)
	}
	// The function does not depend on the object any more.
	if _, err := h.s3.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: ptr("code"), Key: ptr("a/package.zip")}); err != nil {
		t.Fatal(err)
	}
	before, err := h.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: ptr("stored")})
	if err != nil {
		t.Fatal(err)
	}
	h.stop()
	// What a server that was killed may have left behind.
	half := filepath.Join(o.Dir, "lambda", "functions", "half-made", "code-1")
	if err := os.MkdirAll(half, 0o755); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(o.Dir, "lambda", "functions", "stored", "code-0123456789abcdef")
	if err := os.MkdirAll(old, 0o755); err != nil {
		t.Fatal(err)
	}

	h = open(t, o)
	after, err := h.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: ptr("stored")})
	if err != nil {
		t.Fatal(err)
	}
	if *after.Configuration.CodeSha256 != *before.Configuration.CodeSha256 || *after.Configuration.RevisionId != *before.Configuration.RevisionId || after.Tags["k"] != "v" {
		t.Errorf("before %+v\nafter %+v", before.Configuration, after.Configuration)
	}
	if _, answer := h.invoke("stored", event{"env": true}); answer["env"].(map[string]any)["COLOUR"] != "green" {
		t.Errorf("%v", answer)
	}
	for _, path := range []string{half, old} {
		if _, err := os.Stat(path); !os.IsNotExist(err) {
			t.Errorf("%s is still there", path)
		}
	}
}

func TestUnsignedRequests(t *testing.T) {
	h := open(t, testOptions(t))
	for _, c := range []struct {
		method, path string
		headers      map[string]string
		status       int
	}{
		{"POST", "/2015-03-31/functions", nil, 403},
		{"POST", "/2015-03-31/functions/x/invocations", nil, 403},
		{"DELETE", "/2015-03-31/functions/x", nil, 403},
		{"PUT", "/bucket", nil, 403},
		{"PUT", "/bucket/key", nil, 403},
		{"POST", "/bucket?delete", nil, 403},
		{"POST", "/bucket", map[string]string{"Content-Type": "multipart/form-data; boundary=x"}, 403},
		{"OPTIONS", "/bucket", map[string]string{"Origin": "http://evil.example", "Access-Control-Request-Method": "PUT"}, 403},
		{"OPTIONS", "/2015-03-31/functions", map[string]string{"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}, 403},
		{"PUT", "/bucket", map[string]string{"Authorization": "Bearer x"}, 403},
		{"PUT", "/bucket", map[string]string{"Authorization": "AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=host, Signature=00"}, 200},
		{"GET", "/2015-03-31/functions", nil, 200},
		{"GET", "/", nil, 200},
		{"PUT", "/bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&X-Amz-Signature=b", map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{"PUT", "/bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&X-Amz-Signature=b", map[string]string{"Origin": "http://evil.example"}, 403},
		{"PUT", "/bucket/key?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=a&X-Amz-Signature=b", nil, 200},
		{"GET", "/2015-03-31/nothing", nil, 404},
	} {
		request, err := http.NewRequest(c.method, h.url+c.path, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		for name, value := range c.headers {
			request.Header.Set(name, value)
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(response.Body)
		response.Body.Close()
		if response.StatusCode != c.status {
			t.Errorf("%s %s %v: %s %s", c.method, c.path, c.headers, response.Status, body)
		}
		for name := range response.Header {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s %s answers %s", c.method, c.path, name)
			}
		}
	}
}
