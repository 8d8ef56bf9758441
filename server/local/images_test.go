package local

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"partita/internal/fixture"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

func (h *harness) ecr() *ecr.Client {
	return ecr.New(ecr.Options{BaseEndpoint: aws.String(h.url), Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("any", "key", ""), RetryMaxAttempts: 1})
}

// entry is an entry of a layer.
type entry struct {
	header tar.Header
	data   string
}

func file(name, data string, mode int64) entry {
	return entry{tar.Header{Name: name, Typeflag: tar.TypeReg, Mode: mode, Size: int64(len(data))}, data}
}

func layer(t testing.TB, entries ...entry) v1.Layer {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range entries {
		if err := w.WriteHeader(&e.header); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(out.Bytes())), nil })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func testProgram(t testing.TB) string {
	t.Helper()
	testPackage(t)
	program, err := os.ReadFile(filepath.Join(bootstrapDir, "bootstrap"))
	if err != nil {
		t.Fatal(err)
	}
	return string(program)
}

func testImage(t testing.TB, config v1.Config, layers ...v1.Layer) v1.Image {
	t.Helper()
	i, err := mutate.AppendLayers(empty.Image, layers...)
	if err == nil {
		i, err = mutate.ConfigFile(i, &v1.ConfigFile{Architecture: "amd64", OS: "linux", Config: config, RootFS: mustConfig(t, i).RootFS})
	}
	if err != nil {
		t.Fatal(err)
	}
	return i
}

func mustConfig(t testing.TB, i v1.Image) *v1.ConfigFile {
	t.Helper()
	c, err := i.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// push sends an image as docker push would, and gives its address by digest.
func (h *harness) push(image v1.Image, address string) string {
	h.t.Helper()
	reference, err := name.ParseReference(address)
	if err == nil {
		err = remote.Write(reference, image, remote.WithAuth(&authn.Basic{Username: "AWS", Password: "any"}))
	}
	if err != nil {
		h.t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		h.t.Fatal(err)
	}
	return reference.Context().Name() + "@" + digest.String()
}

func (h *harness) repository(name string) string {
	h.t.Helper()
	made, err := h.ecr().CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: &name, Tags: []ecrtypes.Tag{{Key: aws.String("by"), Value: aws.String("test")}}})
	if err != nil {
		h.t.Fatal(err)
	}
	return aws.ToString(made.Repository.RepositoryUri)
}

func (h *harness) createImage(name, address string, edit func(*lambda.CreateFunctionInput)) error {
	in := &lambda.CreateFunctionInput{FunctionName: &name, Role: aws.String(role), PackageType: types.PackageTypeImage,
		Code: &types.FunctionCode{ImageUri: &address}, MemorySize: aws.Int32(256), Timeout: aws.Int32(20)}
	if edit != nil {
		edit(in)
	}
	_, err := h.lambda.CreateFunction(ctx, in)
	return err
}

// An image is pushed by another program than ours, becomes a function, runs, is replaced, and outlives the server and the
// repository.
func TestImageFunctions(t *testing.T) {
	options := testOptions(t)
	h := open(t, options)
	uri := h.repository("team/echo")
	runtime := layer(t, file("var/task/bootstrap", testProgram(t), 0o755))
	first := testImage(t, v1.Config{Entrypoint: []string{"/var/task/bootstrap"}, WorkingDir: "/var/task", Env: []string{"COLOUR=red", "SHADE=dark", "AWS_REGION=mars"}}, runtime,
		layer(t, file("var/task/old", "1", 0o644), file("var/task/kept", "1", 0o644)), layer(t, file("var/task/.wh.old", "", 0), file("./var/task/kept", "2", 0o644)))
	address := h.push(first, uri+":one")
	if err := h.createImage("echo", uri+":one", func(in *lambda.CreateFunctionInput) {
		in.Environment = &types.Environment{Variables: map[string]string{"COLOUR": "blue"}}
	}); err != nil {
		t.Fatal(err)
	}
	out, answer := h.invoke("echo", event{"echo": 1, "env": true, "list": "."})
	env, _ := answer["env"].(map[string]any)
	if out.FunctionError != nil || env["COLOUR"] != "blue" || env["SHADE"] != "dark" || env["AWS_REGION"] != "us-east-1" || env["AWS_EXECUTION_ENV"] != "AWS_Lambda_Image" || env["_HANDLER"] != nil {
		t.Fatalf("%v %v", aws.ToString(out.FunctionError), answer)
	}
	got, err := h.lambda.GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: aws.String("echo")})
	if err != nil {
		t.Fatal(err)
	}
	digest := address[strings.Index(address, "sha256:")+7:]
	if c := got.Configuration; c.PackageType != types.PackageTypeImage || c.Runtime != "" || c.CodeSize != 0 || aws.ToString(c.CodeSha256) != digest {
		t.Errorf("%+v", c)
	}
	if aws.ToString(got.Code.ImageUri) != uri+":one" || aws.ToString(got.Code.ResolvedImageUri) != address || aws.ToString(got.Code.RepositoryType) != "ECR" {
		t.Errorf("%+v", got.Code)
	}
	task := filepath.Join(h.dir, "lambda", "functions", "echo")
	found, _ := filepath.Glob(filepath.Join(task, "code-*", "root", "var", "task", "*"))
	var names []string
	for _, path := range found {
		names = append(names, filepath.Base(path))
	}
	if strings.Join(names, " ") != "bootstrap kept" {
		t.Errorf("unpacked: %v", names)
	}

	// Another image with the same layer: only what is new is sent.
	second := testImage(t, v1.Config{Entrypoint: []string{"/app/run"}}, runtime, layer(t, entry{tar.Header{Name: "app/run", Typeflag: tar.TypeSymlink, Linkname: "../var/task/bootstrap"}, ""}))
	address = h.push(second, uri+":two")
	if _, err := h.lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: aws.String("echo"), ImageUri: &address}); err != nil {
		t.Fatal(err)
	}
	if out, answer := h.invoke("echo", event{"echo": 2}); out.FunctionError != nil || answer["count"] != 1.0 {
		t.Errorf("after the update: %v %v", aws.ToString(out.FunctionError), answer)
	}
	// The settings of the function take the place of the image's.
	if _, err := h.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("echo"), ImageConfig: &types.ImageConfig{EntryPoint: []string{"/nothing"}}}); err != nil {
		t.Fatal(err)
	}
	if out, answer := h.invoke("echo", event{}); out.FunctionError == nil || answer["errorType"] != "Runtime.InvalidEntrypoint" {
		t.Errorf("another entry point: %v", answer)
	}
	if _, err := h.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: aws.String("echo"), ImageConfig: &types.ImageConfig{}}); err != nil {
		t.Fatal(err)
	}

	if _, err := h.ecr().DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: aws.String("team/echo")}); err == nil || !strings.Contains(err.Error(), "RepositoryNotEmptyException") {
		t.Errorf("a repository with images is deleted: %v", err)
	}
	h.stop()
	h = open(t, options)
	images, err := h.ecr().DescribeImages(ctx, &ecr.DescribeImagesInput{RepositoryName: aws.String("team/echo")})
	if err != nil || len(images.ImageDetails) != 2 {
		t.Errorf("after a restart: %v %+v", err, images)
	}
	if _, err := h.ecr().DeleteRepository(ctx, &ecr.DeleteRepositoryInput{RepositoryName: aws.String("team/echo"), Force: true}); err != nil {
		t.Error(err)
	}
	if out, answer := h.invoke("echo", event{"echo": 3}); out.FunctionError != nil || answer["echo"] != 3.0 {
		t.Errorf("after a restart: %v %v", aws.ToString(out.FunctionError), answer)
	}
	if _, err := h.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: aws.String("echo")}); err != nil {
		t.Error(err)
	}
	for _, dir := range []string{"ecr", "lambda/functions"} {
		if left, err := os.ReadDir(filepath.Join(h.dir, dir)); err != nil || len(left) > 0 {
			t.Errorf("left in %s: %v %v", dir, left, err)
		}
	}
}

// What is wrong with an image is said, and nothing is left of the attempt.
func TestBadImages(t *testing.T) {
	h := open(t, testOptions(t))
	uri := h.repository("bad")
	outside := filepath.Join(t.TempDir(), "outside")
	link := func(name, target string, kind byte) entry {
		return entry{tar.Header{Name: name, Typeflag: kind, Linkname: target}, ""}
	}
	config := v1.Config{Entrypoint: []string{"/run"}}
	for what, c := range map[string]struct {
		layers []v1.Layer
		says   string
	}{
		"a name that leads out":            {[]v1.Layer{layer(t, file("../../evil", "x", 0o644))}, "leads out"},
		"a link out and a file through it": {[]v1.Layer{layer(t, link("out", filepath.Dir(outside), tar.TypeSymlink), file("out/outside", "x", 0o644))}, "out/outside"},
		"the same over two layers":         {[]v1.Layer{layer(t, link("out", "../../../../../../../../../../.."+filepath.Dir(outside), tar.TypeSymlink)), layer(t, file("out/outside", "x", 0o644))}, "out/outside"},
		"a hard link out":                  {[]v1.Layer{layer(t, link("passwd", "../../../../etc/passwd", tar.TypeLink))}, "leads out"},
		"a hard link to nothing":           {[]v1.Layer{layer(t, link("passwd", "/etc/passwd", tar.TypeLink))}, "passwd"},
		"a whiteout of everything above":   {[]v1.Layer{layer(t, file("a/.wh...", "", 0o644))}, "hides nothing"},
		"a file where a folder is":         {[]v1.Layer{layer(t, file("a", "x", 0o644), file("a/b", "x", 0o644))}, "a/b"},
	} {
		address := h.push(testImage(t, config, c.layers...), uri+":x")
		err := h.createImage("bad", address, nil)
		if err == nil || !strings.Contains(err.Error(), "InvalidParameterValueException") || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := os.Lstat(outside); err == nil {
		t.Error("something was written outside")
	}
	for what, c := range map[string]struct {
		address string
		edit    func(*lambda.CreateFunctionInput)
	}{
		"an absent tag":        {uri + ":none", nil},
		"an absent repository": {strings.TrimSuffix(uri, "bad") + "none:x", nil},
		"another registry":     {"docker.io/library/alpine:latest", nil},
		"no address":           {"x y", nil},
		"a runtime beside it": {uri + ":x", func(in *lambda.CreateFunctionInput) {
			in.Runtime, in.Handler = types.RuntimeProvidedal2023, aws.String("x")
		}},
		"an image as a zip": {uri + ":x", func(in *lambda.CreateFunctionInput) {
			in.PackageType, in.Runtime, in.Handler = types.PackageTypeZip, types.RuntimeProvidedal2023, aws.String("x")
		}},
		"a zip as an image":          {uri + ":x", func(in *lambda.CreateFunctionInput) { in.Code = &types.FunctionCode{ZipFile: []byte("x")} }},
		"a kind that does not exist": {uri + ":x", func(in *lambda.CreateFunctionInput) { in.PackageType = "Tar" }},
		"settings of an image of zip": {uri + ":x", func(in *lambda.CreateFunctionInput) {
			in.Code, in.PackageType, in.Runtime, in.Handler, in.ImageConfig = &types.FunctionCode{ZipFile: testPackage(t)}, "", types.RuntimeProvidedal2023, aws.String("x"), &types.ImageConfig{Command: []string{"x"}}
		}},
	} {
		if err := h.createImage("bad", c.address, c.edit); err == nil || !strings.Contains(err.Error(), "InvalidParameterValueException") {
			t.Errorf("%s: %v", what, err)
		}
	}
	if left, err := os.ReadDir(filepath.Join(h.dir, "lambda", "functions")); err != nil || len(left) > 0 {
		t.Errorf("left: %v %v", left, err)
	}
	// An image without a program is found out when it runs.
	if err := h.createImage("empty", h.push(testImage(t, v1.Config{}, layer(t, file("a", "x", 0o644))), uri+":x"), nil); err != nil {
		t.Fatal(err)
	}
	if out, answer := h.invoke("empty", event{}); out.FunctionError == nil || answer["errorType"] != "Runtime.InvalidEntrypoint" {
		t.Errorf("%v", answer)
	}
}

// The registry asks for a password, keeps the manifests it is given to the byte, and refuses what does not hold together.
func TestRegistryProtocol(t *testing.T) {
	h := open(t, testOptions(t))
	h.repository("raw")
	do := func(method, path, body string, want int, header ...string) *http.Response {
		t.Helper()
		r, err := http.NewRequest(method, h.url+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("AWS", "any")
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(answer.Body)
		answer.Body.Close()
		if answer.StatusCode != want {
			t.Errorf("%s %s: %s %s, want %d", method, path, answer.Status, text, want)
		}
		answer.Body = io.NopCloser(bytes.NewReader(text))
		return answer
	}
	plain, err := http.Get(h.url + "/v2/")
	if err != nil || plain.StatusCode != http.StatusUnauthorized || !strings.HasPrefix(plain.Header.Get("WWW-Authenticate"), "Basic ") {
		t.Errorf("without a password: %v %v", err, plain)
	}
	do("GET", "/v2/", "", 200)
	const hello = "sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
	do("POST", "/v2/none/blobs/uploads/", "", 404)
	do("POST", "/v2/UPPER/blobs/uploads/", "", 400)
	do("POST", "/v2/raw/blobs/uploads/?digest=md5:1", "", 400)
	place := do("POST", "/v2/raw/blobs/uploads/", "", 202).Header.Get("Location")
	if got := do("PATCH", place, "hel", 202).Header.Get("Range"); got != "0-2" {
		t.Errorf("range %q", got)
	}
	do("PATCH", place, "xx", 416, "Content-Range", "7-9")
	do("PATCH", place, "lo", 202, "Content-Range", "3-4")
	do("GET", place, "", 204)
	do("PUT", place+"?digest="+strings.Replace(hello, ":2c", ":3c", 1), "", 400)
	do("PUT", place+"?digest="+hello, "", 404) // it is gone
	do("POST", "/v2/raw/blobs/uploads/?digest="+hello, "hello", 201)
	do("HEAD", "/v2/raw/blobs/"+hello, "", 200)
	do("GET", "/v2/raw/blobs/..%2f..", "", 404)
	if text, _ := io.ReadAll(do("GET", "/v2/raw/blobs/"+hello, "", 206, "Range", "bytes=1-2").Body); string(text) != "el" {
		t.Errorf("a range is %q", text)
	}
	h.repository("other")
	do("POST", "/v2/other/blobs/uploads/?mount="+hello+"&from=raw", "", 201)
	do("HEAD", "/v2/other/blobs/"+hello, "", 200)
	manifest := ` {"schemaVersion":2, "mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"digest":"` + hello + `","size":5},"layers":[]}`
	do("PUT", "/v2/raw/manifests/a", strings.Replace(manifest, `"size":5`, `"size":6`, 1), 400)
	do("PUT", "/v2/raw/manifests/a", "[]", 400)
	do("PUT", "/v2/raw/manifests/a", strings.Repeat(" ", 5<<20), 413)
	do("PUT", "/v2/raw/manifests/"+hello, manifest, 400)
	digest := do("PUT", "/v2/raw/manifests/a", manifest, 201, "Content-Type", "application/vnd.oci.image.manifest.v1+json").Header.Get("Docker-Content-Digest")
	if text, _ := io.ReadAll(do("GET", "/v2/raw/manifests/"+digest, "", 200).Body); string(text) != manifest {
		t.Errorf("the manifest is %q", text)
	}
	if text, _ := io.ReadAll(do("GET", "/v2/raw/tags/list", "", 200).Body); !strings.Contains(string(text), `"tags":["a"]`) {
		t.Errorf("tags: %s", text)
	}
	found, err := h.ecr().BatchCheckLayerAvailability(ctx, &ecr.BatchCheckLayerAvailabilityInput{RepositoryName: aws.String("raw"), LayerDigests: []string{hello, digest}})
	if err != nil || len(found.Layers) != 2 || found.Layers[0].LayerAvailability != ecrtypes.LayerAvailabilityAvailable || found.Layers[1].LayerAvailability != ecrtypes.LayerAvailabilityUnavailable {
		t.Errorf("%v %+v", err, found)
	}
	do("DELETE", "/v2/raw/manifests/a", "", 202)
	do("GET", "/v2/raw/manifests/a", "", 404)
	do("GET", "/v2/raw/unknown", "", 404)

	var exists *ecrtypes.RepositoryAlreadyExistsException
	if _, err := h.ecr().CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: aws.String("raw")}); !errors.As(err, &exists) {
		t.Errorf("made twice: %v", err)
	}
	var absent *ecrtypes.RepositoryNotFoundException
	if _, err := h.ecr().DescribeRepositories(ctx, &ecr.DescribeRepositoriesInput{RepositoryNames: []string{"none"}}); !errors.As(err, &absent) {
		t.Errorf("absent: %v", err)
	}
	if _, err := h.ecr().CreateRepository(ctx, &ecr.CreateRepositoryInput{RepositoryName: aws.String("a--b")}); err == nil {
		t.Error("a name that ECR does not take is taken")
	}
	unsigned, err := http.NewRequest("POST", h.url+"/", strings.NewReader(`{"repositoryName":"evil"}`))
	if err != nil {
		t.Fatal(err)
	}
	unsigned.Header.Set("X-Amz-Target", "AmazonEC2ContainerRegistry_V20150921.CreateRepository")
	if answer, err := http.DefaultClient.Do(unsigned); err != nil || answer.StatusCode != 400 {
		t.Errorf("an unsigned request: %v %v", err, answer)
	}
}

const botoImages = `
import json
e, l = client("ecr"), client("lambda")
uri = e.describe_repositories(repositoryNames=["team/boto"])["repositories"][0]["repositoryUri"]
arn = e.describe_repositories()["repositories"][0]["repositoryArn"]
assert e.list_tags_for_resource(resourceArn=arn)["tags"] == [{"Key": "by", "Value": "test"}]
images = e.describe_images(repositoryName="team/boto")["imageDetails"]
assert len(images) == 1 and images[0]["imageTags"] == ["v1"] and images[0]["imageSizeInBytes"] > 1000, images
token = e.get_authorization_token()["authorizationData"][0]
assert token["proxyEndpoint"].endswith(uri.split("/")[0]), token
made = l.create_function(FunctionName="boto", PackageType="Image", Code={"ImageUri": uri + ":v1"}, Role=sys.argv[1], Timeout=20)
assert made["PackageType"] == "Image" and "Runtime" not in made, made
l.get_waiter("function_active_v2").wait(FunctionName="boto")
out = l.invoke(FunctionName="boto", Payload=json.dumps({"echo": "hé"}))
assert json.load(out["Payload"])["echo"] == "hé" and "FunctionError" not in out, out
l.delete_function(FunctionName="boto")
got = e.batch_get_image(repositoryName="team/boto", imageIds=[{"imageTag": "v1"}])
assert json.loads(got["images"][0]["imageManifest"])["schemaVersion"] == 2
e.set_repository_policy(repositoryName="team/boto", policyText='{"Version":"2012-10-17","Statement":[]}')
assert "Statement" in e.get_repository_policy(repositoryName="team/boto")["policyText"]
gone = e.batch_delete_image(repositoryName="team/boto", imageIds=[{"imageTag": "v1"}, {"imageTag": "none"}])
assert len(gone["imageIds"]) == 1 and len(gone["failures"]) == 1, gone
e.delete_repository(repositoryName="team/boto")
try:
    e.describe_images(repositoryName="team/boto")
    raise AssertionError("found")
except e.exceptions.RepositoryNotFoundException:
    pass
print("done")
`

func TestImagesWithBoto3(t *testing.T) {
	h := open(t, testOptions(t))
	h.push(testImage(t, v1.Config{Entrypoint: []string{"/bootstrap"}}, layer(t, file("bootstrap", testProgram(t), 0o755))), h.repository("team/boto")+":v1")
	runBoto3(t, h, botoImages, role)
}

func TestImagesWithTheCommandLineOfAWS(t *testing.T) {
	program := fixture.AWS(t, "images by another client")
	h := open(t, testOptions(t))
	run := func(args ...string) string {
		t.Helper()
		command := exec.Command(program, append([]string{"--endpoint-url", h.url}, args...)...)
		command.Env = awsEnv(h)
		out, err := command.CombinedOutput()
		if err != nil {
			t.Fatalf("aws %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	uri := strings.TrimSpace(run("ecr", "create-repository", "--repository-name", "cli", "--query", "repository.repositoryUri", "--output", "text"))
	if password := run("ecr", "get-login-password"); strings.TrimSpace(password) == "" {
		t.Error("no password")
	}
	h.push(testImage(t, v1.Config{Entrypoint: []string{"/bootstrap"}}, layer(t, file("bootstrap", testProgram(t), 0o755))), uri+":v1")
	run("lambda", "create-function", "--function-name", "cli", "--package-type", "Image", "--code", "ImageUri="+uri+":v1", "--role", role, "--timeout", "20")
	if out := run("lambda", "get-function", "--function-name", "cli"); !strings.Contains(out, `"PackageType": "Image"`) || !strings.Contains(out, `"ResolvedImageUri"`) {
		t.Errorf("%s", out)
	}
	if out, _ := h.invoke("cli", event{}); out.FunctionError != nil {
		t.Errorf("%s", aws.ToString(out.FunctionError))
	}
	run("lambda", "delete-function", "--function-name", "cli")
	run("ecr", "delete-repository", "--repository-name", "cli", "--force")
}
