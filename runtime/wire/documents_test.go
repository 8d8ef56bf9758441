package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"partita/planner/diag"
)

func TestParseReport(t *testing.T) {
	for _, c := range []struct {
		name, log string
		want      Report
	}{
		{"as AWS writes it", "START RequestId: a Version: $LATEST\nEND RequestId: a\nREPORT RequestId: a\tDuration: 12.34 ms\tBilled Duration: 250 ms\tMemory Size: 512 MB\tMax Memory Used: 97 MB\tInit Duration: 237.17 ms\t\n",
			Report{RequestID: "a", DurationUs: 12340, BilledMs: 250, MemoryMB: 512, MaxMemoryMB: 97, InitUs: 237170}},
		{"another order, spaces", "REPORT RequestId: b Init Duration: 1 ms Memory Size: 128 MB Duration: 2.5 ms Billed Duration: 3 ms",
			Report{RequestID: "b", DurationUs: 2500, BilledMs: 3, MemoryMB: 128, InitUs: 1000}},
		{"timed out", "REPORT RequestId: c\tDuration: 3000.00 ms\tBilled Duration: 3000 ms\tMemory Size: 128 MB\tMax Memory Used: 30 MB\tStatus: timeout\n",
			Report{RequestID: "c", DurationUs: 3000000, BilledMs: 3000, MemoryMB: 128, MaxMemoryMB: 30, Status: "timeout"}},
		{"with an error type and a trace", "REPORT RequestId: d\tDuration: 1.00 ms\tBilled Duration: 1 ms\tMemory Size: 128 MB\tStatus: error\tError Type: Runtime.ExitError\nXRAY TraceId: 1-2\tSegmentId: 3\tSampled: true\n",
			Report{RequestID: "d", DurationUs: 1000, BilledMs: 1, MemoryMB: 128, Status: "error", ErrorType: "Runtime.ExitError"}},
		{"the last of two", "REPORT RequestId: e\tBilled Duration: 1 ms\nREPORT RequestId: f\tBilled Duration: 2 ms\n", Report{RequestID: "f", BilledMs: 2}},
		{"nonsense values", "REPORT RequestId: g\tDuration: NaN ms\tBilled Duration: -5 ms\tMemory Size: 1e99 MB\tMax Memory Used:", Report{RequestID: "g"}},
	} {
		got, ok := ParseReport(c.log)
		if !ok || got != c.want {
			t.Errorf("%s: %v %+v, want %+v", c.name, ok, got, c.want)
		}
	}
	if _, ok := ParseReport("START RequestId: a\n"); ok {
		t.Error("a log without a REPORT line has a report")
	}
}

func FuzzParseReport(f *testing.F) {
	f.Add("REPORT RequestId: a\tDuration: 12.34 ms\tBilled Duration: 250 ms\tMemory Size: 512 MB\tMax Memory Used: 97 MB\tInit Duration: 237.17 ms")
	f.Add("REPORT RequestId: : : Duration: ms MB")
	f.Fuzz(func(t *testing.T, log string) {
		r, _ := ParseReport(log)
		if r.BilledMs < 0 || r.DurationUs < 0 || r.MemoryMB < 0 || r.MaxMemoryMB < 0 || r.InitUs < 0 {
			t.Fatalf("%+v", r)
		}
	})
}

func TestFailureRoundTrip(t *testing.T) {
	original := diag.New(diag.Limit, "stage.payload-too-large", "running stage 2 of 4", "it is too large", "use S3").
		With("one", "two").Because(errors.New("cause"))
	payload, err := json.Marshal(NewFailure(original))
	if err != nil {
		t.Fatal(err)
	}
	got := ParseFailure("fn", payload)
	if got.Kind != diag.Limit || got.Code != original.Code || got.Fix != original.Fix || !reflect.DeepEqual(got.Details, original.Details) ||
		got.Found != "it is too large: cause" || got.Doing != "running fn: running stage 2 of 4" {
		t.Errorf("%+v", got)
	}
	if f := NewFailure(errors.New("plain")); f.ErrorType != "internal" || f.Diagnostic != nil || f.ErrorMessage != "plain" {
		t.Errorf("%+v", f)
	}
}

func TestParseFailureOfThePlatform(t *testing.T) {
	for _, c := range []struct {
		payload, code string
		kind          diag.Kind
	}{
		{`{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: X Error: Task timed out after 3.00 seconds"}`, CodeTimedOut, diag.Limit},
		{`{"errorMessage":"2026-01-01T00:00:00Z x Task timed out after 3.00 seconds"}`, CodeTimedOut, diag.Limit},
		{`{"errorType":"Runtime.ExitError","errorMessage":"RequestId: X Error: Runtime exited with error: exit status 1"}`, CodeCrashed, diag.Unavailable},
		{`{"errorType":"Runtime.ExitError","errorMessage":"RequestId: X Error: Runtime exited with error: signal: killed"}`, CodeOutOfMemory, diag.Limit},
		{`{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"too large"}`, CodeResponseTooLarge, diag.Limit},
		{`{"errorType":"ValueError","errorMessage":"no","stackTrace":[["a",1]]}`, CodeFailed, diag.Unavailable},
		{`not JSON`, CodeFailed, diag.Unavailable},
		{``, CodeFailed, diag.Unavailable},
	} {
		if got := ParseFailure("fn", []byte(c.payload)); got.Code != c.code || got.Kind != c.kind || !strings.Contains(got.Doing, "fn") {
			t.Errorf("%s: %+v", c.payload, got)
		}
	}
}

func TestManifests(t *testing.T) {
	spec := `[{"name":"x","dtype":"float32","shape":[-1,3]}]`
	stage := `{"format":"partita.stage/1","inputs":` + spec + `,"outputs":` + spec + `}`
	if m, err := ReadStageManifest([]byte(stage)); err != nil || !m.Inputs[0].Batched() {
		t.Error(err)
	}
	gateway := `{"format":"partita.gateway/1","inputs":` + spec + `,"inputNames":["x"],"outputs":` + spec + `,"outputNames":["y"],"stages":[{"function":"f","transportIn":"inline","transportOut":"s3"}]}`
	if _, err := ReadGatewayManifest([]byte(gateway)); err != nil {
		t.Error(err)
	}
	for _, c := range []struct{ from, to, code string }{
		{`partita.gateway/1`, `partita.gateway/9`, "wire.unsupported-format"},
		{`"stages":[`, `"stages":5,"x":[`, "wire.bad-manifest"},
		{`"inputNames":["x"]`, `"inputNames":[]`, "wire.bad-manifest"},
		{`"function":"f"`, `"function":""`, "wire.bad-manifest"},
		{`"inline"`, `"pigeon"`, "wire.bad-manifest"},
		{`float32`, `complex`, "wire.bad-manifest"},
		{`[-1,3]`, `[-1,-3]`, "wire.bad-manifest"},
		{`[-1,3]`, `[9223372036854775807,9]`, "wire.bad-manifest"},
	} {
		text := strings.ReplaceAll(gateway, c.from, c.to)
		if text == gateway {
			t.Fatalf("%s is not there", c.from)
		}
		if _, err := ReadGatewayManifest([]byte(text)); diag.CodeOf(err) != c.code {
			t.Errorf("%s -> %s: %v", c.from, c.to, err)
		}
	}
	for _, text := range []string{`{}`, `[]`, `{"format":"partita.stage/1"}`, strings.Replace(stage, `"name":"x"`, `"name":"x","dtype":"float32","shape":[1]},{"name":"x"`, 1)} {
		if _, err := ReadStageManifest([]byte(text)); err == nil {
			t.Errorf("%s is accepted", text)
		}
	}
}

func TestMatch(t *testing.T) {
	want := TensorSpec{Name: "x", DType: "float32", Shape: []int64{-1, 2, 3}}
	for _, c := range []struct {
		shape []int64
		dtype string
		batch int64
		code  string
	}{
		{[]int64{5, 2, 3}, "float32", 5, ""},
		{[]int64{5, 2, 4}, "float32", 0, "tensor.wrong-shape"},
		{[]int64{0, 2, 3}, "float32", 0, "tensor.wrong-shape"},
		{[]int64{-1, 2, 3}, "float32", 0, "tensor.wrong-shape"},
		{[]int64{2, 3}, "float32", 0, "tensor.wrong-shape"},
		{nil, "float32", 0, "tensor.wrong-shape"},
		{[]int64{5, 2, 3}, "int64", 0, "tensor.wrong-dtype"},
	} {
		batch, err := want.Match("testing", &TensorSpec{Name: "x", DType: c.dtype, Shape: c.shape})
		if batch != c.batch || diag.CodeOf(err) != c.code {
			t.Errorf("%v %s: %d, %v", c.shape, c.dtype, batch, err)
		}
	}
	for _, c := range []struct {
		tensor Tensor
		code   string
	}{
		{Tensor{TensorSpec: TensorSpec{DType: "float32", Shape: []int64{2, 3}}, Data: make([]byte, 24)}, ""},
		{Tensor{TensorSpec: TensorSpec{DType: "float32", Shape: []int64{2, 3}}, Data: make([]byte, 23)}, "tensor.wrong-size"},
		{Tensor{TensorSpec: TensorSpec{DType: "float33", Shape: []int64{2, 3}}}, "tensor.no-size"},
		{Tensor{TensorSpec: TensorSpec{DType: "uint8", Shape: []int64{-1, 3}}}, "tensor.no-size"},
		{Tensor{TensorSpec: TensorSpec{DType: "float64", Shape: []int64{1 << 40, 1 << 40}}}, "tensor.no-size"},
	} {
		if err := c.tensor.Check("testing"); diag.CodeOf(err) != c.code {
			t.Errorf("%s: %v", c.tensor.String(), err)
		}
	}
}

func TestSpillTakesTheLargestFirst(t *testing.T) {
	megabytes := func(sizes ...int) (tensors []Tensor) {
		for i, s := range sizes {
			tensors = append(tensors, Tensor{TensorSpec: TensorSpec{Name: fmt.Sprint(i)}, Data: make([]byte, s<<20)})
		}
		return tensors
	}
	for _, c := range []struct {
		sizes []int
		all   bool
		want  string
	}{
		{[]int{1, 2, 1}, false, ""},
		{[]int{1, 2, 1}, true, "0 1 2"},
		{[]int{1, 4, 2}, false, "1"},
		{[]int{3, 5, 4}, false, "1 2"},
		{[]int{9}, false, "0"},
		{nil, true, ""},
	} {
		tensors := megabytes(c.sizes...)
		var names []string
		left := 0
		for _, s := range Spill(tensors, c.all, 0) {
			names = append(names, s.Name)
			s.Data = nil
		}
		for i := range tensors {
			left += tensors[i].EncodedBytes()
		}
		if got := strings.Join(names, " "); got != c.want || left > PayloadLimit {
			t.Errorf("%v: spills %q, want %q; %d bytes stay", c.sizes, got, c.want, left)
		}
	}
	stored := Tensor{Object: &Object{Key: "k"}}
	if got := Spill([]Tensor{stored}, true, 0); len(got) != 0 {
		t.Error("a tensor that is in the store is spilled again")
	}
}

// The weights that a stage fetches are described in parts that make up the whole.
func TestStageManifestWeights(t *testing.T) {
	manifest := func(w *Weights) []byte {
		m := StageManifest{Format: StageFormat, Stages: 1, Weights: w, Inputs: []TensorSpec{{"x", "float32", []int64{-1, 2}}}, Outputs: []TensorSpec{{"y", "float32", []int64{-1, 2}}}}
		text, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	for bytes, parts := range map[int64]int{1: 1, MinWeightsPart: 1, MinWeightsPart + 1: 2, 500 << 20: MaxWeightsParts, 1<<40 + 1: MaxWeightsParts} {
		w := &Weights{Bytes: bytes, PartBytes: WeightsPartBytes(bytes), CRC32C: make([]uint32, parts)}
		if m, err := ReadStageManifest(manifest(w)); err != nil || m.Weights.Bytes != bytes {
			t.Errorf("%d bytes in %d parts: %v", bytes, parts, err)
		}
	}
	for _, w := range []Weights{{}, {Bytes: 1}, {Bytes: 1, PartBytes: 1}, {Bytes: 10, PartBytes: 5, CRC32C: make([]uint32, 3)}, {Bytes: -1, PartBytes: 5},
		{Bytes: 100, PartBytes: 1, CRC32C: make([]uint32, 100)}, {Bytes: 10, PartBytes: -5, CRC32C: make([]uint32, 1)}} {
		if _, err := ReadStageManifest(manifest(&w)); diag.CodeOf(err) != "wire.bad-manifest" {
			t.Errorf("%+v: %v", w, err)
		}
	}
}
