package stage

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/onnx"
	"partita/runtime/lambda"
	"partita/runtime/wire"
)

// memoryStore is a store in memory.
type memoryStore struct {
	mutex   sync.Mutex
	objects map[string][]byte
	gets    []string
	fail    error
}

func (m *memoryStore) Get(_ context.Context, o wire.Object) ([]byte, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.gets = append(m.gets, o.Key)
	data, ok := m.objects[o.Key]
	if !ok {
		return nil, diag.New(diag.NotFound, "store.no-object", "getting", o.Key, "")
	}
	return slices.Clone(data), m.fail
}

func (m *memoryStore) Put(_ context.Context, o wire.Object, data []byte) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.objects == nil {
		m.objects = map[string][]byte{}
	}
	m.objects[o.Key] = slices.Clone(data)
	return m.fail
}

const columns = 3

func spec(name, dtype string, dims ...int64) wire.TensorSpec {
	return wire.TensorSpec{Name: name, DType: dtype, Shape: dims}
}

// testManifest describes a stage with inputs a, b and n, of which b also passes through and n only does: sum = a + b,
// scaled = a * weights.
func testManifest() *wire.StageManifest {
	return &wire.StageManifest{
		Format: wire.StageFormat, Deployment: "test", Index: 1, Stages: 3, Layers: "l4 .. l7",
		Inputs:  []wire.TensorSpec{spec("a", "float32", -1, columns), spec("b", "float32", -1, columns), spec("n", "int64", -1, 1)},
		Outputs: []wire.TensorSpec{spec("n", "int64", -1, 1), spec("scaled", "float32", -1, columns), spec("b", "float32", -1, columns), spec("sum", "float32", -1, columns)},
	}
}

func testModel() *onnx.Model {
	info := func(name string) onnx.ValueInfo {
		return onnx.ValueInfo{Name: name, DType: graph.Float32, Shape: graph.Shape{graph.Batch, columns}}
	}
	return &onnx.Model{
		Name: "test", Producer: "test", Inputs: []onnx.ValueInfo{info("b"), info("a")}, Outputs: []onnx.ValueInfo{info("sum"), info("scaled")},
		Initializers: []onnx.Tensor{{ValueInfo: onnx.ValueInfo{Name: "weights", DType: graph.Float32, Shape: graph.Shape{columns}},
			External: &onnx.External{Location: wire.WeightsFile, Offset: 0, Length: 4 * columns}}},
		Nodes: []onnx.Node{
			{Op: "Add", Name: "add", Inputs: []string{"a", "b"}, Outputs: []string{"sum"}},
			{Op: "Mul", Name: "mul", Inputs: []string{"a", "weights"}, Outputs: []string{"scaled"}},
		},
	}
}

// writePackage lays out a stage's package.
func writePackage(t testing.TB, manifest *wire.StageManifest, model []byte) string {
	t.Helper()
	dir := t.TempDir()
	text, err := json.Marshal(manifest)
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{wire.StageFile: text, wire.ModelFile: model, wire.WeightsFile: float32s(10, 100, 1000)} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func float32s(v ...float32) []byte {
	var b []byte
	for _, f := range v {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
	}
	return b
}

func testStage(t testing.TB, store Store) *Stage {
	t.Helper()
	s, err := open(writePackage(t, testManifest(), testModel().Encode()), fixture.Library(t), store, defaults(512, 2))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// inputs of a batch: a counts 1, 2, 3 ...; b is 0.5 everywhere; n counts from 7.
func testInputs(batch int) []wire.Tensor {
	var a, b []float32
	var n []byte
	for i := range batch * columns {
		a, b = append(a, float32(i+1)), append(b, 0.5)
	}
	for i := range batch {
		n = binary.LittleEndian.AppendUint64(n, uint64(7+i))
	}
	rows := int64(batch)
	return []wire.Tensor{
		{TensorSpec: spec("n", "int64", rows, 1), Data: n},
		{TensorSpec: spec("b", "float32", rows, columns), Data: float32s(b...)},
		{TensorSpec: spec("a", "float32", rows, columns), Data: float32s(a...)},
	}
}

func checkOutputs(t *testing.T, batch int, outputs []wire.Tensor) {
	t.Helper()
	inputs := testInputs(batch)
	var sum, scaled []float32
	for i := range batch * columns {
		sum = append(sum, float32(i+1)+0.5)
		scaled = append(scaled, float32(i+1)*[]float32{10, 100, 1000}[i%columns])
	}
	want := []struct {
		name string
		data []byte
	}{{"n", inputs[0].Data}, {"scaled", float32s(scaled...)}, {"b", inputs[1].Data}, {"sum", float32s(sum...)}}
	if len(outputs) != len(want) {
		t.Fatalf("%d outputs", len(outputs))
	}
	for i, w := range want {
		if o := &outputs[i]; o.Name != w.name || !slices.Equal(o.Data, w.data) || o.Shape[0] != int64(batch) {
			t.Errorf("output %d is %s with %v, want %s with %v", i, o.TensorSpec.String(), o.Data, w.name, w.data)
		}
	}
}

func TestRunAnyBatch(t *testing.T) {
	s := testStage(t, nil)
	for _, batch := range []int{1, 5, 64, 2} {
		outputs, err := s.Run(testInputs(batch))
		if err != nil {
			t.Fatal(err)
		}
		checkOutputs(t, batch, outputs)
	}
}

// Numbers that do not lie at a multiple of their size are used all the same.
func TestRunUnaligned(t *testing.T) {
	s := testStage(t, nil)
	inputs := testInputs(4)
	for i := range inputs {
		shifted := append([]byte{0}, inputs[i].Data...)
		inputs[i].Data = shifted[1:]
	}
	outputs, err := s.Run(inputs)
	if err != nil {
		t.Fatal(err)
	}
	checkOutputs(t, 4, outputs)
}

func TestRunRefuses(t *testing.T) {
	s := testStage(t, nil)
	for _, c := range []struct {
		name   string
		change func([]wire.Tensor) []wire.Tensor
		code   string
	}{
		{"a missing tensor", func(in []wire.Tensor) []wire.Tensor { return in[:2] }, "stage.missing-tensor"},
		{"another shape", func(in []wire.Tensor) []wire.Tensor { in[1].Shape = []int64{1, 4}; return in }, "tensor.wrong-shape"},
		{"another type", func(in []wire.Tensor) []wire.Tensor { in[1].DType = "float64"; return in }, "tensor.wrong-dtype"},
		{"mixed batches", func(in []wire.Tensor) []wire.Tensor { in[0] = testInputs(2)[0]; return in }, "stage.mixed-batches"},
		{"too few bytes", func(in []wire.Tensor) []wire.Tensor { in[2].Data = in[2].Data[:4]; return in }, "tensor.wrong-size"},
		{"no data", func(in []wire.Tensor) []wire.Tensor { in[2].Data = nil; return in }, "tensor.wrong-size"},
		{"no batch", func(in []wire.Tensor) []wire.Tensor { in[2].Shape[0] = 0; return in }, "tensor.wrong-shape"},
	} {
		_, err := s.Run(c.change(testInputs(1)))
		if diag.CodeOf(err) != c.code || !strings.Contains(err.Error(), "stage 2 of 3 (l4 .. l7)") {
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	library := fixture.Library(t)
	good := testModel().Encode()
	for _, c := range []struct {
		name   string
		change func(dir string, m *wire.StageManifest)
		code   string
	}{
		{"no manifest", func(dir string, _ *wire.StageManifest) { _ = os.Remove(filepath.Join(dir, wire.StageFile)) }, "stage.no-manifest"},
		{"no model", func(dir string, _ *wire.StageManifest) { _ = os.Remove(filepath.Join(dir, wire.ModelFile)) }, "stage.no-model"},
		{"no weights", func(dir string, _ *wire.StageManifest) { _ = os.Remove(filepath.Join(dir, wire.WeightsFile)) }, "stage.bad-model"},
		{"half a model", func(dir string, _ *wire.StageManifest) {
			_ = os.Truncate(filepath.Join(dir, wire.ModelFile), int64(len(good)/2))
		}, "stage.bad-model"},
		{"an input that nobody names", func(_ string, m *wire.StageManifest) { m.Inputs = m.Inputs[1:] }, "stage.bad-manifest"},
		{"an output that nobody makes", func(_ string, m *wire.StageManifest) { m.Outputs[1].Name = "other" }, "stage.bad-manifest"},
		{"an output that nobody hands on", func(_ string, m *wire.StageManifest) { m.Outputs = m.Outputs[:3] }, "stage.bad-manifest"},
		{"a precision of another version", func(_ string, m *wire.StageManifest) { m.Precision = "int2" }, "stage.bad-manifest"},
		{"a type that ONNX Runtime lacks", func(_ string, m *wire.StageManifest) { m.Inputs[2].DType = "string" }, "wire.bad-manifest"},
	} {
		manifest := testManifest()
		dir := writePackage(t, manifest, good)
		c.change(dir, manifest)
		if text, err := json.Marshal(manifest); err != nil {
			t.Fatal(err)
		} else if c.code != "stage.no-manifest" {
			if err := os.WriteFile(filepath.Join(dir, wire.StageFile), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := open(dir, library, nil, defaults(512, 1)); diag.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want %s", c.name, err, c.code)
		}
	}
}

// TestOpenTellsWhatHelps opens models that no other deployment would make run: the advice is about the model.
func TestOpenTellsWhatHelps(t *testing.T) {
	library := fixture.Library(t)
	for name, c := range map[string]struct {
		change func(m *onnx.Model)
		again  bool
	}{
		"no code for this version":     {func(m *onnx.Model) { m.Nodes[0].Op, m.Nodes[0].Inputs = "LpNormalization", []string{"a"} }, false},
		"operators of its own":         {func(m *onnx.Model) { m.Nodes[0].Op, m.Nodes[0].Domain = "Quant", "onnx.brevitas" }, false},
		"a tensor that nobody defines": {func(m *onnx.Model) { m.Nodes[0].Inputs[0] = "nothing" }, true},
	} {
		m := testModel()
		m.Opset = 24
		c.change(m)
		_, err := open(writePackage(t, testManifest(), m.Encode()), library, nil, defaults(512, 1))
		if diag.CodeOf(err) != "stage.bad-model" || strings.Contains(diag.As(err).Fix, "deploy again") != c.again {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestThreads(t *testing.T) {
	for _, c := range []struct {
		memory int64
		cores  int
		want   int
	}{{0, 8, 1}, {128, 8, 1}, {1769, 8, 1}, {1770, 8, 2}, {3538, 8, 2}, {3539, 8, 3}, {10240, 6, 6}, {10240, 2, 2}} {
		if got := Threads(c.memory, c.cores); got != c.want {
			t.Errorf("%d MB, %d processors: %d threads, want %d", c.memory, c.cores, got, c.want)
		}
	}
}

func FuzzGraphPorts(f *testing.F) {
	f.Add(testModel().Encode())
	f.Add([]byte{7<<3 | 2, 4, 11<<3 | 2, 2, 1<<3 | 2, 0})
	f.Fuzz(func(t *testing.T, model []byte) {
		inputs, outputs, _ := graphPorts(model)
		if n := len(inputs) + len(outputs); n > len(model) {
			t.Fatalf("%d names from %d bytes", n, len(model))
		}
	})
}

// handle sends one event through the handler.
func handle(t *testing.T, s *Stage, event *wire.StageEvent, first bool) (*wire.StageReply, error) {
	t.Helper()
	payload, err := wire.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	reply, err := s.Handle(t.Context(), &lambda.Request{ID: "r", Body: payload, First: first, InitUs: 1234})
	if err != nil {
		return nil, err
	}
	if len(reply.Body) > wire.PayloadLimit {
		t.Errorf("the reply has %d bytes", len(reply.Body))
	}
	var r wire.StageReply
	if err := wire.Unmarshal(reply.Body, &r); err != nil {
		t.Fatal(err)
	}
	return &r, nil
}

func event(tensors []wire.Tensor) *wire.StageEvent {
	return &wire.StageEvent{Format: wire.EventFormat, Kind: "run", TransportOut: wire.Inline, Bucket: "bucket", KeyPrefix: "runs/x/", Tensors: tensors}
}

func TestHandleInline(t *testing.T) {
	s := testStage(t, &memoryStore{})
	cold, err := handle(t, s, &wire.StageEvent{Format: wire.EventFormat, Kind: "wake"}, true)
	if err != nil || !cold.Cold || cold.Times.InitUs != 1234 || len(cold.Tensors) != 0 {
		t.Fatalf("%+v, %v", cold, err)
	}
	warm, err := handle(t, s, event(testInputs(3)), false)
	if err != nil {
		t.Fatal(err)
	}
	if warm.Cold || warm.Times.InitUs != 0 || warm.Environment != cold.Environment || warm.Environment == "" {
		t.Errorf("%+v", warm)
	}
	checkOutputs(t, 3, warm.Tensors)
	if _, err := handle(t, s, &wire.StageEvent{Format: wire.EventFormat, Kind: "dance"}, false); diag.CodeOf(err) != "stage.unknown-kind" {
		t.Error(err)
	}
}

// Through the store: inputs are fetched, outputs put; what only passes through is named again, not copied.
func TestHandleThroughStore(t *testing.T) {
	store := &memoryStore{}
	s := testStage(t, store)
	inputs := testInputs(2)
	for i := range inputs {
		in := &inputs[i]
		in.Object = &wire.Object{Bucket: "bucket", Key: "in/" + in.Name, Bytes: int64(len(in.Data))}
		if err := store.Put(t.Context(), *in.Object, in.Data); err != nil {
			t.Fatal(err)
		}
		in.Data = nil
	}
	e := event(inputs)
	e.TransportOut = wire.S3
	reply, err := handle(t, s, e, false)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Sort(store.gets); !slices.Equal(store.gets, []string{"in/a", "in/b"}) {
		t.Errorf("fetched %q", store.gets)
	}
	for i := range reply.Tensors {
		o := reply.Tensors[i].Object
		if o == nil || len(reply.Tensors[i].Data) != 0 {
			t.Fatalf("%s is in the payload", reply.Tensors[i].Name)
		}
		if passes := reply.Tensors[i].Name == "n" || reply.Tensors[i].Name == "b"; passes != strings.HasPrefix(o.Key, "in/") || passes == strings.HasPrefix(o.Key, "runs/x/") {
			t.Errorf("%s is at %s", reply.Tensors[i].Name, o.Key)
		}
		reply.Tensors[i].Data = store.objects[o.Key]
	}
	checkOutputs(t, 2, reply.Tensors)

	// Back into the payload: now also what passes through must come.
	e.TransportOut = wire.Inline
	if reply, err = handle(t, s, e, false); err != nil {
		t.Fatal(err)
	}
	for i := range reply.Tensors {
		if reply.Tensors[i].Object != nil {
			t.Errorf("%s is in the store", reply.Tensors[i].Name)
		}
	}
	checkOutputs(t, 2, reply.Tensors)
}

// Nothing is written for a request whose time is over: what has been written may have been removed already.
func TestHandleTooLate(t *testing.T) {
	store := &memoryStore{}
	s := testStage(t, store)
	for until, code := range map[int64]string{time.Now().Add(-time.Second).UnixMilli(): "stage.too-late", time.Now().Add(time.Hour).UnixMilli(): "", 0: ""} {
		e := event(testInputs(2))
		e.TransportOut, e.UntilMs = wire.S3, until
		if _, err := handle(t, s, e, false); diag.CodeOf(err) != code {
			t.Errorf("until %d: %v, want %q", until, err, code)
		}
		if wrote := len(store.objects) > 0; wrote != (code == "") {
			t.Errorf("until %d: it has written: %v", until, wrote)
		}
		store.objects = nil
	}
}

// A reply over the payload limit goes through the store whatever the plan says; without a bucket that is an error.
func TestHandleSpills(t *testing.T) {
	store := &memoryStore{}
	s := testStage(t, store)
	batch := 200_000 // 2.4 MB for each tensor of three columns
	e := event(testInputs(batch))
	reply, err := handle(t, s, e, false)
	if err != nil {
		t.Fatal(err)
	}
	spilled := 0
	for i := range reply.Tensors {
		if o := reply.Tensors[i].Object; o != nil {
			spilled++
			reply.Tensors[i].Data = store.objects[o.Key]
		}
	}
	if spilled == 0 || spilled == len(reply.Tensors) {
		t.Errorf("%d tensors went through the store", spilled)
	}
	checkOutputs(t, batch, reply.Tensors)
	e.Bucket = ""
	if _, err := handle(t, s, e, false); diag.CodeOf(err) != "stage.payload-too-large" {
		t.Error(err)
	}
}

func TestHandleRefuses(t *testing.T) {
	store := &memoryStore{}
	s := testStage(t, store)
	missing := testInputs(1)
	missing[2].Data, missing[2].Object = nil, &wire.Object{Key: "nowhere", Bytes: 4 * columns}
	if _, err := handle(t, s, event(missing), false); diag.CodeOf(err) != "store.no-object" {
		t.Error(err)
	}
	missing[2].Object.Bytes = 1 << 50
	if _, err := handle(t, s, event(missing), false); diag.CodeOf(err) != "tensor.wrong-size" {
		t.Error(err)
	}
	if _, err := s.Handle(t.Context(), &lambda.Request{Body: []byte(`{}`)}); diag.CodeOf(err) != "wire.unsupported-format" {
		t.Error(err)
	}
	store.fail = errors.New("no")
	e := event(testInputs(1))
	e.TransportOut = wire.S3
	if _, err := handle(t, s, e, false); err == nil {
		t.Error("a failing store is not noticed")
	}
}
