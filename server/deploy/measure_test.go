package deploy

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"partita/planner/diag"
	"partita/planner/report"
	"partita/runtime/wire"
	"partita/server/cloud"
)

// loweredBlueprint is blueprintOf of a plan whose second stage has other weights, unless it is the twin in float32.
func loweredBlueprint(ctx context.Context, r *Request, w Weights) (*Blueprint, error) {
	b, err := blueprintOf(ctx, r, w)
	if err == nil && !strings.HasSuffix(r.Name, exactSuffix) {
		b.Stages[1].Precision = "int8"
	}
	if err == nil {
		b.Inputs = []wire.TensorSpec{{Name: "x", DType: "float32", Shape: []int64{wire.Batch, 2}}}
	}
	return b, err
}

// answering makes a fake cloud's gateways answer with scores, those in float32 with exact ones, and counts what they are asked.
func answering(t testing.TB, f *fakeCloud, exact, lowered []float32) map[string]int {
	asked := map[string]int{}
	f.invoke = func(name string, payload []byte) (*cloud.Invoked, error) {
		var event wire.GatewayEvent
		if !strings.HasSuffix(name, "-gateway") || json.Unmarshal(payload, &event) != nil || len(event.Inputs) == 0 {
			return wakened(name), nil
		}
		asked[name]++
		scores := lowered
		if strings.Contains(name, exactSuffix) {
			scores = exact
		}
		var data []byte
		top := 0
		for i, s := range scores {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(s))
			if s > scores[top] {
				top = i
			}
		}
		reply, err := wire.Marshal(wire.GatewayReply{Format: wire.ReplyFormat, Top: [][]wire.Class{{{Index: top, Score: float64(scores[top])}}},
			Outputs: []wire.Tensor{{TensorSpec: wire.TensorSpec{Name: "y", DType: "float32", Shape: []int64{1, int64(len(scores))}}, Data: data}}})
		if err != nil {
			t.Error(err)
		}
		return &cloud.Invoked{Payload: reply}, nil
	}
	return asked
}

func measuring(t testing.TB, f *fakeCloud) *Deployer {
	d := newDeployer(t, f)
	d.options.Prepare, d.options.MeasureErrors = loweredBlueprint, true
	return d
}

// TestMeasuredError compares the outputs of a deployment with those in float32, and leaves only itself behind.
func TestMeasuredError(t *testing.T) {
	f := newFakeCloud()
	d := measuring(t, f)
	asked := answering(t, f, []float32{3, 4}, []float32{6, 0})
	feed, err := start(d, "demo", planDocument(t, 2), "weights")
	if err == nil {
		err = outcome(t, feed)
	}
	if err != nil {
		t.Fatal(err)
	}
	one, err := d.Get(t.Context(), "demo")
	if err != nil {
		t.Fatal(err)
	}
	want := report.OutputError{Samples: madeSamples, MadeUp: true, MaxRelative: 1, MaxAbsolute: 4, Ranked: madeSamples, TopChanged: madeSamples}
	if one.OutputError == nil || *one.OutputError != want {
		t.Errorf("%+v, want %+v", one.OutputError, want)
	}
	if asked["partita-demo-gateway"] != madeSamples || asked["partita-demo_f32-gateway"] != madeSamples {
		t.Errorf("asked: %v", asked)
	}
	if left := strings.Join(f.leftovers(), "\n"); strings.Contains(left, exactSuffix) {
		t.Errorf("the twin is left:\n%s", left)
	}
	var doc Journal
	if err := json.Unmarshal(f.objects[journalKey("demo")], &doc); err != nil || slices.ContainsFunc(doc.Entries, func(r Resource) bool { return strings.Contains(r.Name, exactSuffix) }) {
		t.Errorf("the journal still has the twin: %v, %v", doc.Entries, err)
	}
	if _, err := d.Destroy(t.Context(), "demo"); err != nil {
		t.Fatal(err)
	}
}

// TestMeasuredWith measures with the inputs that are given, when it is asked to, and not when it is told not to.
func TestMeasuredWith(t *testing.T) {
	sample := []InvocationInput{{Name: "x", Data: []byte("input")}}
	for _, c := range []struct {
		name    string
		always  bool
		request Request
		samples int
		code    string
	}{
		{"given", false, Request{Samples: [][]InvocationInput{sample, sample}}, 2, ""},
		{"asked", false, Request{MeasureError: MeasureOn}, madeSamples, ""},
		{"not asked", false, Request{}, 0, ""},
		{"told not to", true, Request{MeasureError: MeasureOff}, 0, ""},
		{"contradictory", true, Request{MeasureError: MeasureOff, Samples: [][]InvocationInput{sample}}, 0, "deploy.bad-measure"},
		{"empty", true, Request{Samples: [][]InvocationInput{{}}}, 0, "deploy.bad-sample"},
		{"upload", true, Request{Samples: [][]InvocationInput{{{Upload: "0"}}}}, 0, "deploy.bad-sample"},
		{"unknown", true, Request{MeasureError: "perhaps"}, 0, "deploy.bad-measure"},
		{"too many", true, Request{Samples: make([][]InvocationInput, maxSamples+1)}, 0, "deploy.too-many-samples"},
	} {
		f := newFakeCloud()
		d := measuring(t, f)
		d.options.MeasureErrors = c.always
		asked := answering(t, f, []float32{1}, []float32{1})
		u, err := d.ReceiveUpload(t.Context(), "model.h5", strings.NewReader("w"))
		if err != nil {
			t.Fatal(err)
		}
		c.request.Name, c.request.Plan, c.request.Upload = "demo", planDocument(t, 2), u.ID
		_, err = d.Start(t.Context(), c.request)
		if err == nil {
			feed, _ := d.Watch(t.Context(), "demo")
			err = outcome(t, feed)
		}
		if diag.CodeOf(err) != c.code {
			t.Errorf("%s: %v", c.name, err)
		}
		if err != nil {
			continue
		}
		one, err := d.Get(t.Context(), "demo")
		if err != nil {
			t.Fatal(err)
		}
		if asked["partita-demo-gateway"] != c.samples || (one.OutputError == nil) != (c.samples == 0) || one.OutputError != nil && (one.OutputError.Samples != c.samples || one.OutputError.MadeUp != (len(c.request.Samples) == 0)) {
			t.Errorf("%s: asked %v, %+v", c.name, asked, one.OutputError)
		}
	}
}

// TestFailureWhileMeasuring fails each change of a deployment that measures in turn. What fails in the measurement takes nothing back: the
// deployment says why it does not know its error. In either case destroy leaves nothing.
func TestFailureWhileMeasuring(t *testing.T) {
	document := planDocument(t, 2)
	unmeasured := 0
	for _, dead := range []bool{false, true} {
		for at := 3; ; at++ {
			f := newFakeCloud()
			f.failAt, f.applied, f.dead = at, at%2 == 0, dead
			answering(t, f, []float32{1, 2}, []float32{1, 2.5})
			feed, err := start(measuring(t, f), "demo", document, "weights")
			if err != nil {
				t.Fatal(err)
			}
			err = outcome(t, feed)
			if f.changes < at {
				break
			}
			f.down = false
			second := measuring(t, f)
			if one, getting := second.Get(t.Context(), "demo"); err == nil {
				if getting != nil || one.State != Ready || one.OutputError == nil {
					t.Fatalf("after change %d: %+v, %v", at, one, getting)
				}
				if one.OutputError.Unmeasured != "" {
					unmeasured++
				}
			}
			if _, err := second.Destroy(t.Context(), "demo"); err != nil && diag.CodeOf(err) != "deploy.unknown" {
				t.Errorf("after change %d: destroy: %v", at, err)
			}
			if left := f.leftovers(); len(left) != 0 {
				t.Errorf("after change %d destroy leaves %v", at, left)
			}
		}
	}
	if unmeasured < 5 {
		t.Errorf("only %d failures were in the measurement", unmeasured)
	}
}
