package gateway

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"partita/planner/diag"
	"partita/runtime/wire"
)

// fork is a cloud of five stages in memory: f0 makes a of v0; f1 and f2, side by side, make b of a and c of v0 and a; f3 makes d of b; and
// f4 makes out of a, c and d. What a stage makes is the sum of what it takes, plus ten to the power of its number. No two
// branches end before both have begun.
type fork struct {
	store   *memoryStore
	mutex   sync.Mutex
	wakes   []int
	begun   sync.WaitGroup
	fails   int            // a stage that does; 0: none
	running sync.WaitGroup // what nobody may be waiting for any more
}

var forkTakes = [][]string{{"v0"}, {"a"}, {"v0", "a"}, {"b"}, {"a", "c", "d"}}
var forkGives = []string{"a", "b", "c", "d", "out"}

// forkKeeps are the tensors that a stage hands on unchanged beside its own, as every stage does that runs alone.
var forkKeeps = [][]string{{"v0"}, nil, nil, {"a", "c"}, nil}

// slow is a function that takes its time, and that nobody ends by going away.
func (f *fork) slow(ctx context.Context, e *wire.StageEvent, stage int) (*wire.Invocation, error) {
	for i := range e.Tensors {
		if t := &e.Tensors[i]; t.Object != nil {
			data, err := f.store.Get(ctx, *t.Object)
			if err != nil {
				return &wire.Invocation{}, err
			}
			t.Data, t.Object = data, nil
		}
	}
	ended := make(chan struct{})
	f.running.Add(1)
	go func() {
		defer f.running.Done()
		defer close(ended)
		time.Sleep(100 * time.Millisecond)
		_, _ = f.compute(context.WithoutCancel(ctx), e, stage)
	}()
	select {
	case <-ctx.Done():
		return &wire.Invocation{}, ctx.Err()
	case <-ended:
		body, err := wire.Marshal(&wire.StageReply{Format: wire.ReplyFormat})
		return &wire.Invocation{Payload: body, Attempts: 1}, err
	}
}

func (f *fork) Invoke(ctx context.Context, function string, payload []byte) (*wire.Invocation, error) {
	var e wire.StageEvent
	if err := wire.Unmarshal(payload, &e); err != nil {
		return &wire.Invocation{}, err
	}
	var stage int
	if _, err := fmt.Sscanf(function, "f%d", &stage); err != nil {
		return &wire.Invocation{}, err
	}
	reply := wire.StageReply{Format: wire.ReplyFormat}
	if e.Kind == "run" {
		if stage == 1 || stage == 2 {
			f.begun.Done()
			f.begun.Wait()
			if f.fails != 0 && stage != f.fails {
				return f.slow(ctx, &e, stage) // when the other has failed
			}
		}
		if f.fails != 0 && stage == f.fails {
			return &wire.Invocation{Attempts: 1}, diag.New(diag.Internal, "stage.broken", "running "+function, "it is broken", "")
		}
		out, err := f.compute(ctx, &e, stage)
		if err != nil {
			return &wire.Invocation{Attempts: 1}, err
		}
		reply.Tensors = out
	} else {
		f.mutex.Lock()
		f.wakes = append(f.wakes, stage)
		f.mutex.Unlock()
	}
	body, err := wire.Marshal(&reply)
	return &wire.Invocation{Payload: body, Attempts: 1, BilledMs: 10}, err
}

func (f *fork) compute(ctx context.Context, e *wire.StageEvent, stage int) ([]wire.Tensor, error) {
	sum := make([]float32, 4)
	for n := range sum {
		sum[n] = float32(math.Pow10(stage))
	}
	var out []wire.Tensor
	var names []string
	for _, t := range e.Tensors {
		names = append(names, t.Name)
		if slices.Contains(forkKeeps[stage], t.Name) {
			out = append(out, t)
			if !slices.Contains(forkTakes[stage], t.Name) {
				continue
			}
		}
		data := t.Data
		if t.Object != nil {
			var err error
			if data, err = f.store.Get(ctx, *t.Object); err != nil {
				return nil, err
			}
		}
		for n := range sum {
			sum[n] += math.Float32frombits(binary.LittleEndian.Uint32(data[4*n:]))
		}
	}
	slices.Sort(names)
	want := append(slices.Clone(forkTakes[stage]), forkKeeps[stage]...)
	slices.Sort(want)
	if want = slices.Compact(want); !slices.Equal(names, want) {
		return nil, fmt.Errorf("stage %d got %q, not %q", stage, names, want)
	}
	made := wire.Tensor{TensorSpec: wire.TensorSpec{Name: forkGives[stage], DType: "float32", Shape: []int64{1, 4}}}
	for _, v := range sum {
		made.Data = binary.LittleEndian.AppendUint32(made.Data, math.Float32bits(v))
	}
	if e.TransportOut == wire.S3 {
		o := wire.Object{Bucket: e.Bucket, Key: e.KeyPrefix + "0", Bytes: 16}
		if err := f.store.Put(ctx, o, made.Data); err != nil {
			return nil, err
		}
		made.Data, made.Object = nil, &o
	}
	return append(out, made), nil
}

// forkDeployment makes a gateway in front of them, with a transport for every hop.
func forkDeployment(transport string, wake bool) (*Gateway, *fork) {
	m := &wire.GatewayManifest{Format: wire.GatewayFormat, Deployment: "d", Bucket: "bucket", KeyPrefix: "runs/d/", Batch: 1, Concurrency: 1, Wake: wake,
		Inputs: []wire.TensorSpec{{Name: "in", DType: "float32", Shape: []int64{-1, 4}}}, InputNames: []string{"v0"},
		Outputs: []wire.TensorSpec{{Name: "out", DType: "float32", Shape: []int64{-1, 4}}}, OutputNames: []string{"out"}}
	for i := range forkTakes {
		s := wire.GatewayStage{Function: fmt.Sprint("f", i), TransportIn: transport, TransportOut: transport, Takes: append(slices.Clone(forkTakes[i]), forkKeeps[i]...)}
		if i == 1 || i == 2 {
			s.Branch = i
		}
		m.Stages = append(m.Stages, s)
	}
	m.Stages[0].TransportIn, m.Stages[4].TransportOut = wire.Inline, wire.Inline
	f := &fork{store: &memoryStore{}}
	f.begun.Add(2)
	return New(m, f, f.store, 1024), f
}

// Stages of a wave run at the same time on what each takes; tensors that are for none of them wait; and no object is left.
func TestStagesSideBySide(t *testing.T) {
	for _, transport := range []string{wire.Inline, wire.S3} {
		for _, wake := range []bool{false, true} {
			g, f := forkDeployment(transport, wake)
			r, err := send(t, g, request(t, 1, 4))
			if err != nil {
				t.Fatalf("%s: %v", transport, err)
			}
			for n := range 4 {
				v := float64(n)
				a := v + 1
				b, c := a+10, v+a+100
				want := float32(a + c + (b + 1000) + 10000)
				if got := math.Float32frombits(binary.LittleEndian.Uint32(r.Outputs[0].Data[4*n:])); got != want {
					t.Errorf("%s: item %d is %v, want %v", transport, n, got, want)
				}
			}
			if keys := f.store.keys(); len(keys) != 0 {
				t.Errorf("%s leaves %q in the store", transport, keys)
			}
			slices.Sort(f.wakes)
			if want := []int{1, 2, 3, 4}; wake && !slices.Equal(f.wakes, want) {
				t.Errorf("%v were woken, want %v", f.wakes, want)
			}
			if len(r.Trace.Stages) != 5 {
				t.Fatalf("the trace has %+v", r.Trace.Stages)
			}
			slices.SortFunc(r.Trace.Stages, func(x, y wire.StageTrace) int { return x.Index - y.Index })
			for i := 1; i < 5; i++ {
				if s := r.Trace.Stages; s[i].CalledUs < s[0].CalledUs {
					t.Errorf("stage %d was called %d us after the event, the first %d", i+1, s[i].CalledUs, s[0].CalledUs)
				}
			}
		}
	}
}

// The stages of the first step are called at once, so none of them is woken.
func TestFirstBranchesAreNotWoken(t *testing.T) {
	m := &wire.GatewayManifest{Stages: []wire.GatewayStage{{Branch: 1}, {Branch: 2}, {}, {Branch: 1}, {Branch: 2}, {Branch: 3}, {Branch: 1}, {Branch: 2}}}
	if steps := m.Steps(); !slices.Equal(steps, []int{0, 2, 3, 6, 8}) {
		t.Errorf("the steps begin at %v", steps)
	}
}

// When one branch fails, the others are waited for, since they write what has to be removed, and the error names the one that did.
func TestBranchThatFails(t *testing.T) {
	for _, fails := range []int{1, 2} {
		g, f := forkDeployment(wire.S3, true)
		f.fails = fails
		_, err := send(t, g, request(t, 1, 4))
		if diag.CodeOf(err) != "stage.broken" || !strings.Contains(err.Error(), fmt.Sprintf("stage %d of 5", fails+1)) {
			t.Errorf("%v", err)
		}
		f.running.Wait()
		if keys := f.store.keys(); len(keys) != 0 {
			t.Errorf("%q is left in the store", keys)
		}
	}
}

// A manifest whose branches do not follow each other is refused.
func TestBranchesOfAManifest(t *testing.T) {
	g, _ := forkDeployment(wire.Inline, false)
	for _, c := range []struct {
		branches []int
		ok       bool
	}{
		{[]int{0, 1, 2, 0, 0}, true}, {[]int{1, 2, 1, 2, 0}, true}, {[]int{2, 0, 0, 0, 0}, false}, {[]int{0, 1, 3, 0, 0}, false}, {[]int{0, 0, 2, 0, 0}, false}, {[]int{-1, 0, 0, 0, 0}, false},
	} {
		m := *g.manifest
		m.Stages = slices.Clone(m.Stages)
		for i, b := range c.branches {
			m.Stages[i].Branch = b
		}
		text, err := json.Marshal(&m)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wire.ReadGatewayManifest(text); (err == nil) != c.ok {
			t.Errorf("%v: %v", c.branches, err)
		}
	}
}
