package gateway

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"partita/planner/diag"
	"partita/runtime/lambda"
	"partita/runtime/npy"
	"partita/runtime/wire"
)

// memoryStore is a store in memory.
type memoryStore struct {
	mutex   sync.Mutex
	objects map[string][]byte
	puts    int
}

func (m *memoryStore) Get(_ context.Context, o wire.Object) ([]byte, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	data, ok := m.objects[o.Key]
	if !ok {
		return nil, diag.New(diag.NotFound, "store.no-object", "getting", o.Key+" is not there", "")
	}
	return slices.Clone(data), nil
}

func (m *memoryStore) Put(_ context.Context, o wire.Object, data []byte) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.objects == nil {
		m.objects = map[string][]byte{}
	}
	m.puts++
	m.objects[o.Key] = slices.Clone(data)
	return nil
}

func (m *memoryStore) Delete(_ context.Context, o wire.Object) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	delete(m.objects, o.Key)
	return nil
}

func (m *memoryStore) DeletePrefix(_ context.Context, _, prefix string) error {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	for key := range m.objects {
		if strings.HasPrefix(key, prefix) {
			delete(m.objects, key)
		}
	}
	return nil
}

func (m *memoryStore) keys() []string {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	keys := []string{}
	for key := range m.objects {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

// functions is a cloud of stages in memory: stage i takes v<i> and gives v<i+1> = v<i> + 1. Each has environments, of which
// the first invocation is cold.
type functions struct {
	store *memoryStore
	mutex sync.Mutex
	calls []string // "kind stage", in the order of their beginning
	warm  map[string]int
	busy  map[string]int
	most  int // runs at once
	runs  int
	hook  func(kind string, stage int) (*wire.Invocation, error) // replaces the answer when it gives one
	delay time.Duration
}

func (f *functions) Invoke(ctx context.Context, function string, payload []byte) (*wire.Invocation, error) {
	var e wire.StageEvent
	if err := wire.Unmarshal(payload, &e); err != nil {
		return &wire.Invocation{}, err
	}
	if len(payload) > wire.PayloadLimit {
		return &wire.Invocation{}, fmt.Errorf("the event has %d bytes", len(payload))
	}
	var stage int
	if _, err := fmt.Sscanf(function, "f%d", &stage); err != nil {
		return &wire.Invocation{}, err
	}
	f.mutex.Lock()
	f.calls = append(f.calls, fmt.Sprint(e.Kind, " ", stage))
	cold := f.warm[function] <= f.busy[function]
	if cold {
		f.warm[function]++
	}
	f.busy[function]++
	if e.Kind == "run" {
		f.runs++
		f.most = max(f.most, f.runs)
	}
	hook := f.hook
	f.mutex.Unlock()
	defer func() {
		f.mutex.Lock()
		f.busy[function]--
		if e.Kind == "run" {
			f.runs--
		}
		f.mutex.Unlock()
	}()
	if hook != nil {
		if invocation, err := hook(e.Kind, stage); invocation != nil {
			return invocation, err
		}
	}
	select {
	case <-time.After(f.delay):
	case <-ctx.Done():
		return &wire.Invocation{}, ctx.Err()
	}
	reply := wire.StageReply{Format: wire.ReplyFormat, Cold: cold}
	if cold {
		reply.Times.InitUs = 50_000
	}
	if e.Kind == "run" {
		out, err := f.compute(ctx, &e, stage)
		if err != nil {
			return &wire.Invocation{Attempts: 1}, err
		}
		reply.Tensors = out
		reply.Times.InputUs, reply.Times.ComputeUs, reply.Times.OutputUs = 1, 2, 3
	}
	body, err := wire.Marshal(&reply)
	report := wire.Report{BilledMs: 10, MemoryMB: 512, MaxMemoryMB: 100 + int64(stage)}
	return &wire.Invocation{Payload: body, Report: report, Attempts: 1, BilledMs: 10}, err
}

func (f *functions) compute(ctx context.Context, e *wire.StageEvent, stage int) ([]wire.Tensor, error) {
	want := fmt.Sprint("v", stage)
	if len(e.Tensors) != 1 || e.Tensors[0].Name != want {
		return nil, fmt.Errorf("stage %d got %+v", stage, e.Tensors)
	}
	t := e.Tensors[0]
	if t.Object != nil {
		data, err := f.store.Get(ctx, *t.Object)
		if err != nil {
			return nil, err
		}
		t.Data, t.Object = data, nil
	}
	if err := t.Check("testing"); err != nil {
		return nil, err
	}
	out := make([]byte, len(t.Data))
	for i := 0; i < len(out); i += 4 {
		v := math.Float32frombits(binary.LittleEndian.Uint32(t.Data[i:])) + 1
		binary.LittleEndian.PutUint32(out[i:], math.Float32bits(v))
	}
	t.Name, t.Data = fmt.Sprint("v", stage+1), out
	if e.TransportOut == wire.S3 {
		o := wire.Object{Bucket: e.Bucket, Key: e.KeyPrefix + "0", Bytes: int64(len(out))}
		if err := f.store.Put(ctx, o, out); err != nil {
			return nil, err
		}
		t.Data, t.Object = nil, &o
	}
	return []wire.Tensor{t}, nil
}

// deployment makes a gateway in front of stages that pass a tensor ?xWIDTH on.
func deployment(stages int, width int64, change func(*wire.GatewayManifest)) (*Gateway, *functions) {
	m := &wire.GatewayManifest{Format: wire.GatewayFormat, Deployment: "d", Bucket: "bucket", KeyPrefix: "runs/d/", Batch: 1, Concurrency: 1,
		Inputs: []wire.TensorSpec{{Name: "in", DType: "float32", Shape: []int64{-1, width}}}, InputNames: []string{"v0"},
		Outputs: []wire.TensorSpec{{Name: "out", DType: "float32", Shape: []int64{-1, width}}}, OutputNames: []string{fmt.Sprint("v", stages)},
		Cost: wire.FunctionCost{MemoryMB: 512, PicoUSDPerMs: 1, PicoUSDPerRun: 7}}
	for i := range stages {
		m.Stages = append(m.Stages, wire.GatewayStage{Function: fmt.Sprint("f", i), TransportIn: wire.Inline, TransportOut: wire.Inline,
			Cost: wire.FunctionCost{MemoryMB: 512, PicoUSDPerMs: 100, PicoUSDPerRun: 1000, RequestPicoUSD: 200}})
	}
	if change != nil {
		change(m)
	}
	f := &functions{store: &memoryStore{}, warm: map[string]int{}, busy: map[string]int{}}
	return New(m, f, f.store, 1024), f
}

// request is a batch of rows, item i of row r being 100*r + i, as a .npy file.
func request(t testing.TB, rows, width int64) *wire.GatewayEvent {
	t.Helper()
	var v []float64
	for r := range rows {
		for i := range width {
			v = append(v, float64(100*r+i))
		}
	}
	a, err := npy.FromFloat64s([]int64{rows, width}, v).Convert("float32")
	if err != nil {
		t.Fatal(err)
	}
	var file strings.Builder
	if err := a.Write(&file); err != nil {
		t.Fatal(err)
	}
	return &wire.GatewayEvent{Format: wire.EventFormat, Request: "req", Inputs: []wire.Input{{Data: []byte(file.String())}}}
}

func send(t testing.TB, g *Gateway, e *wire.GatewayEvent) (*wire.GatewayReply, error) {
	t.Helper()
	body, err := json.Marshal(e) // of any length
	if err != nil {
		t.Fatal(err)
	}
	reply, err := g.Handle(t.Context(), &lambda.Request{ID: "platform-id", Body: body, Received: time.Now(), First: true, InitUs: 5000})
	if err != nil {
		return nil, err
	}
	reply.After()
	if len(reply.Body) > wire.PayloadLimit {
		t.Errorf("the reply has %d bytes", len(reply.Body))
	}
	var r wire.GatewayReply
	if err := wire.Unmarshal(reply.Body, &r); err != nil {
		t.Fatal(err)
	}
	return &r, nil
}

func checkReply(t *testing.T, r *wire.GatewayReply, rows, width int64, stages int) {
	t.Helper()
	if len(r.Outputs) != 1 || r.Outputs[0].Name != "out" || !slices.Equal(r.Outputs[0].Shape, []int64{rows, width}) {
		t.Fatalf("outputs %+v", r.Outputs)
	}
	for row := range rows {
		for i := range width {
			got := math.Float32frombits(binary.LittleEndian.Uint32(r.Outputs[0].Data[4*(row*width+i):]))
			if want := float32(100*row + i + int64(stages)); got != want {
				t.Fatalf("row %d, item %d is %v, want %v", row, i, got, want)
			}
		}
	}
}

func TestStagesRunInOrder(t *testing.T) {
	g, f := deployment(3, 4, nil)
	r, err := send(t, g, request(t, 1, 4))
	if err != nil {
		t.Fatal(err)
	}
	checkReply(t, r, 1, 4, 3)
	if want := []string{"run 0", "run 1", "run 2"}; !slices.Equal(f.calls, want) {
		t.Errorf("calls %q", f.calls)
	}
	trace := r.Trace
	if trace.Request != "req" || trace.Passes != 1 || len(trace.Stages) != 3 || trace.LatencyUs <= 0 || trace.DecodeUs < 0 {
		t.Fatalf("%+v", trace)
	}
	cost := int64(7) + trace.GatewayBilledMs
	for i, s := range trace.Stages {
		if s.Index != i || !s.Cold || s.InitUs != 50_000 || s.ComputeUs != 2 || s.BilledMs != 10 || s.CostPicoUSD != 10*100+1000 ||
			s.MaxMemoryMB != 100+int64(i) || s.MemoryMB != 512 || s.Attempts != 1 || s.WakeUs != 0 || s.Function != fmt.Sprint("f", i) {
			t.Errorf("stage %d: %+v", i, s)
		}
		cost += s.CostPicoUSD
	}
	if trace.CostPicoUSD != cost || trace.GatewayBilledMs < 5 {
		t.Errorf("cost %d, want %d; gateway billed %d ms", trace.CostPicoUSD, cost, trace.GatewayBilledMs)
	}
	if want := []wire.Class{{Index: 3, Score: 6}, {Index: 2, Score: 5}, {Index: 1, Score: 4}, {Index: 0, Score: 3}}; len(r.Top) != 1 || !slices.Equal(r.Top[0], want) {
		t.Errorf("top %v", r.Top)
	}
}

func TestWakeOverlapsTheStages(t *testing.T) {
	g, f := deployment(3, 4, func(m *wire.GatewayManifest) { m.Wake = true })
	f.delay = 20 * time.Millisecond
	r, err := send(t, g, request(t, 1, 4))
	if err != nil {
		t.Fatal(err)
	}
	checkReply(t, r, 1, 4, 3)
	slices.Sort(f.calls)
	if want := []string{"run 0", "run 1", "run 2", "wake 1", "wake 2"}; !slices.Equal(f.calls, want) {
		t.Errorf("calls %q", f.calls)
	}
	for name, n := range f.warm {
		if n != 1 {
			t.Errorf("%s has %d environments: it was invoked before its wake was over", name, n)
		}
	}
	for _, s := range r.Trace.Stages[1:] {
		if !s.Cold || s.InitUs != 50_000 || s.WakeUs < 20_000 || s.BilledMs != 20 || s.CostPicoUSD != 20*100+1000+200 {
			t.Errorf("%+v", s)
		}
	}
	if s := r.Trace.Stages[2]; s.WaitUs > s.WakeUs {
		t.Errorf("it waited %d us for a wake of %d us", s.WaitUs, s.WakeUs)
	}
	if first := r.Trace.Stages[0]; first.WakeUs != 0 || !first.Cold {
		t.Errorf("%+v", first)
	}
}

func TestBatchIsSplitAndPutTogether(t *testing.T) {
	for _, c := range []struct {
		rows, batch int64
		pipelines   int
		passes      int
	}{{7, 3, 1, 3}, {7, 3, 2, 3}, {6, 3, 4, 2}, {5, 1, 5, 5}, {5, 64, 2, 1}, {1, 0, 0, 1}} {
		for _, wakes := range []bool{false, true} {
			g, f := deployment(2, 4, func(m *wire.GatewayManifest) { m.Batch, m.Concurrency, m.Wake = c.batch, c.pipelines, wakes })
			f.delay = 2 * time.Millisecond
			r, err := send(t, g, request(t, c.rows, 4))
			if err != nil {
				t.Fatal(err)
			}
			checkReply(t, r, c.rows, 4, 2)
			if r.Trace.Passes != c.passes || len(r.Trace.Stages) != 2*c.passes || len(r.Top) != int(c.rows) {
				t.Errorf("%+v: %d passes, %d stages, %d rankings", c, r.Trace.Passes, len(r.Trace.Stages), len(r.Top))
			}
			if f.most > max(c.pipelines, 1) {
				t.Errorf("%+v: %d runs at once", c, f.most)
			}
		}
	}
}

// Every hop planned through S3: nothing stays behind.
func TestHopsThroughStore(t *testing.T) {
	g, f := deployment(3, 4, func(m *wire.GatewayManifest) {
		m.Batch = 2
		for i := range m.Stages {
			m.Stages[i].TransportIn, m.Stages[i].TransportOut = wire.S3, wire.S3
		}
	})
	r, err := send(t, g, request(t, 3, 4))
	if err != nil {
		t.Fatal(err)
	}
	checkReply(t, r, 3, 4, 3)
	if f.store.puts != 2*4 {
		t.Errorf("%d objects were put, want 8", f.store.puts)
	}
	if keys := f.store.keys(); len(keys) != 0 {
		t.Errorf("left in the store: %q", keys)
	}
}

// A payload over the limit goes through S3 although planned inline; so do outputs, which stay for the caller.
func TestLargeTensorsGoThroughStore(t *testing.T) {
	const width = 1 << 21 // 8 MB
	g, f := deployment(1, width, nil)
	e := request(t, 1, width)
	if err := f.store.Put(t.Context(), wire.Object{Key: "runs/d/upload"}, e.Inputs[0].Data); err != nil {
		t.Fatal(err)
	}
	e.Inputs[0] = wire.Input{Object: &wire.Object{Bucket: "bucket", Key: "runs/d/upload", Bytes: int64(len(e.Inputs[0].Data))}}
	f.hook = func(kind string, stage int) (*wire.Invocation, error) {
		out := wire.Tensor{TensorSpec: wire.TensorSpec{Name: "v1", DType: "float32", Shape: []int64{1, width}},
			Object: &wire.Object{Bucket: "bucket", Key: "runs/d/req/p0/s0/0", Bytes: 4 * width}}
		if err := f.store.Put(t.Context(), *out.Object, make([]byte, 4*width)); err != nil {
			return nil, err
		}
		body, err := wire.Marshal(&wire.StageReply{Format: wire.ReplyFormat, Tensors: []wire.Tensor{out}})
		return &wire.Invocation{Payload: body, Attempts: 1}, err
	}
	r, err := send(t, g, e)
	if err != nil {
		t.Fatal(err)
	}
	if o := r.Outputs[0].Object; o == nil || o.Key != "runs/d/req/outputs/0" || o.Bytes != 4*width {
		t.Errorf("%+v", r.Outputs[0].Object)
	}
	if want := []string{"runs/d/req/outputs/0", "runs/d/upload"}; !slices.Equal(f.store.keys(), want) {
		t.Errorf("in the store: %q", f.store.keys())
	}
}

func TestFailuresNameTheStage(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		code string
	}{
		{"its own error", wire.ParseFailure("f1", []byte(`{"errorType":"tensor.wrong-shape","errorMessage":"m","diagnostic":{"kind":"invalid","doing":"running stage 2 of 3 (l)","found":"no"}}`)), "tensor.wrong-shape"},
		{"a crash", wire.ParseFailure("f1", []byte(`{"errorType":"Runtime.ExitError","errorMessage":"exit status 1"}`)), wire.CodeCrashed},
		{"no code", errors.New("network"), "gateway.stage-failed"},
	} {
		for _, wakes := range []bool{false, true} {
			g, f := deployment(3, 4, func(m *wire.GatewayManifest) {
				m.Wake, m.Batch, m.Concurrency = wakes, 1, 2
				m.Stages[0].TransportOut = wire.S3
			})
			f.hook = func(kind string, stage int) (*wire.Invocation, error) {
				if stage == 1 && kind == "run" {
					return &wire.Invocation{Attempts: 2}, c.err
				}
				return nil, nil
			}
			_, err := send(t, g, request(t, 4, 4))
			if diag.CodeOf(err) != c.code || !strings.Contains(err.Error(), "stage 2 of 3 (f1)") {
				t.Errorf("%s: %v", c.name, err)
			}
			if keys := f.store.keys(); len(keys) != 0 {
				t.Errorf("%s leaves %q in the store", c.name, keys)
			}
		}
	}
}

func TestWakeThatFails(t *testing.T) {
	for _, c := range []struct {
		err  *diag.Error
		fine bool
	}{
		{diag.New(diag.Limit, "invoke.throttled", "invoking", "too many", ""), true}, // the run after it may fare better
		{diag.New(diag.Internal, "stage.bad-model", "loading", "broken", ""), false},
	} {
		g, f := deployment(2, 4, func(m *wire.GatewayManifest) { m.Wake = true })
		f.hook = func(kind string, stage int) (*wire.Invocation, error) {
			if kind == "wake" {
				return &wire.Invocation{Attempts: 1}, c.err
			}
			return nil, nil
		}
		_, err := send(t, g, request(t, 1, 4))
		if (err == nil) != c.fine || (err != nil && diag.CodeOf(err) != c.err.Code) {
			t.Errorf("%s: %v", c.err.Code, err)
		}
	}
}

func TestDeadline(t *testing.T) {
	g, f := deployment(2, 4, func(m *wire.GatewayManifest) { m.Wake = true })
	f.delay = time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	body, err := wire.Marshal(request(t, 1, 4))
	if err != nil {
		t.Fatal(err)
	}
	_, err = g.Handle(ctx, &lambda.Request{ID: "x", Body: body, Received: time.Now()})
	if diag.CodeOf(err) != "gateway.deadline" {
		t.Error(err)
	}
	// The gateway's own deadline comes before the platform's, so that the answer still arrives.
	for _, left := range []time.Duration{time.Hour, time.Second} {
		platform, cancel := context.WithTimeout(t.Context(), left)
		defer cancel()
		own, cancelOwn := withMargin(platform)
		defer cancelOwn()
		at, _ := platform.Deadline()
		if early, ok := own.Deadline(); !ok || at.Sub(early) <= 0 || at.Sub(early) > min(500*time.Millisecond, left/10) {
			t.Errorf("of %v the gateway leaves %v", left, at.Sub(early))
		}
	}
}

func TestRequestIDIsSafeInKeys(t *testing.T) {
	for wanted, want := range map[string]string{"abc-1_Z": "abc-1_Z", "": "p", "../x": "p", "a/b": "p", strings.Repeat("x", 65): "p"} {
		if got := requestID(wanted, "p"); got != want {
			t.Errorf("%q: %q", wanted, got)
		}
	}
}

func TestRank(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	scores := npy.FromFloat64s([]int64{2, 4}, []float64{1, nan, 3, 3, inf, -1, 0, -2})
	other := wire.Tensor{TensorSpec: wire.TensorSpec{DType: "float64", Shape: []int64{1, 2, 1}}, Data: make([]byte, 16)}
	got := rank([]wire.Tensor{other, {TensorSpec: wire.TensorSpec{DType: "float64", Shape: scores.Shape}, Data: scores.Data}}, 2)
	if want := "[[{2 3} {3 3}] [{2 0} {1 -1}]]"; fmt.Sprint(got) != want {
		t.Errorf("%v, want %s", got, want)
	}
	if got := rank([]wire.Tensor{other}, 5); got == nil || len(got) != 0 {
		t.Errorf("%v", got)
	}
}
