package deploy

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"partita/planner"
	"partita/planner/plan"
	"partita/runtime/npy"
	"partita/runtime/wire"
)

// several makes inputs of the first in a file, each a little darker than the one before, and puts them together along the batch.
func several(t testing.TB, one []byte, n int) (all []byte, each [][]byte) {
	t.Helper()
	a, err := npy.Decode(one)
	if err == nil {
		a, err = a.Convert("float64")
	}
	if err != nil {
		t.Fatal(err)
	}
	encode := func(data []byte, items int64) []byte {
		var b bytes.Buffer
		if err := (&npy.Array{DType: "float32", Shape: append([]int64{items}, a.Shape[1:]...), Data: data}).Write(&b); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	var together []byte
	first := a.Float64s()[:a.Elements()/a.Shape[0]]
	for k := range n {
		var item []byte
		for _, v := range first {
			bits := math.Float32bits(float32(v * (1 - float64(k)/20)))
			item = append(item, byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24))
		}
		each = append(each, encode(item, 1))
		together = append(together, item...)
	}
	return encode(together, int64(n)), each
}

// TestInputsAsPlanned plans for ten inputs, deploys that, and sends them as one request. Answers are those to one input at a
// time; passes and environments are as planned.
func TestInputsAsPlanned(t *testing.T) {
	m := openTrained(t)
	c := startCloud(t)
	d := realDeployer(t, c, c)
	const inputs = 10
	all, each := several(t, m.input, inputs)
	for _, way := range []struct {
		name             string
		batch, pipelines int64
		scenario         string
		stages           int
	}{
		{"shared", 3, 2, "cold-overlapped", 2},
		{"free", 0, 0, "cold-overlapped", 2},
		{"one-by-one", 1, 1, "cold-sequential", 1},
		{"at-once", 2, 0, "warm", 1},
	} {
		t.Run(way.name, func(t *testing.T) {
			r := planner.DefaultRequest()
			r.Platform, r.Scenario, r.MinStages, r.MaxStages, r.Branches = "local", way.scenario, way.stages, way.stages, "off"
			r.Inputs, r.Batch, r.Pipelines = inputs, way.batch, way.pipelines
			p, err := planner.Make(m.model, r)
			if err != nil {
				t.Fatal(err)
			}
			b := p.Batching
			if p.Status != plan.Optimal || b == nil || b.Inputs != inputs || way.batch > 0 && b.Batch != way.batch || way.pipelines > 0 && b.Pipelines != way.pipelines {
				t.Fatalf("%s, %+v", p.Status, b)
			}
			document, err := p.Encode()
			if err != nil {
				t.Fatal(err)
			}
			feed, err := start(d, way.name, document, string(m.weights))
			if err != nil {
				t.Fatal(err)
			}
			if err := outcome(t, feed); err != nil {
				t.Fatal(err)
			}
			reply, err := d.Invoke(t.Context(), way.name, Invocation{Inputs: []InvocationInput{{Data: all}}})
			if err != nil {
				t.Fatal(err)
			}
			checkPasses(t, b, &reply.Trace, way.stages)
			out := reply.Outputs[0]
			if out.Shape[0] != inputs || len(reply.Top) != inputs {
				t.Fatalf("outputs of shape %v, %d rankings", out.Shape, len(reply.Top))
			}
			item := len(out.Data) / inputs
			for k, one := range each {
				single, err := d.Invoke(t.Context(), way.name, Invocation{Inputs: []InvocationInput{{Data: one}}})
				if err != nil {
					t.Fatal(err)
				}
				if apart := relative(t, out.DType, out.Data[k*item:(k+1)*item], single.Outputs[0].Data); apart > 1e-5 {
					t.Errorf("input %d: %g from its answer alone", k+1, apart)
				}
				if k == 0 && single.Trace.Passes != 1 {
					t.Errorf("one input takes %d passes", single.Trace.Passes)
				}
			}
			if _, err := d.Destroy(t.Context(), way.name); err != nil {
				t.Fatal(err)
			}
			if left := everything(t, c); len(left) != 0 {
				t.Errorf("left after destroy: %v", left)
			}
		})
	}
}

// checkPasses holds a trace against the plan: every pass goes through every stage once, and no stage has more environments than
// there are pipelines. The first has several where these are: all begin with it, but one may be done before the last begins.
func checkPasses(t *testing.T, b *plan.Batching, trace *wire.Trace, stages int) {
	t.Helper()
	if int64(trace.Passes) != b.Passes || int64(trace.Pipelines) != b.Pipelines || len(trace.Stages) != stages*int(b.Passes) {
		t.Errorf("%d passes over %d pipelines, %d invocations; planned %+v", trace.Passes, trace.Pipelines, len(trace.Stages), b)
	}
	for stage := range stages {
		var passes []int
		environments := map[string]bool{}
		for _, s := range trace.Stages {
			if s.Index == stage {
				passes = append(passes, s.Pass)
				environments[s.Environment] = true
			}
		}
		slices.Sort(passes)
		for n, p := range passes {
			if n != p {
				t.Errorf("stage %d had the passes %v", stage+1, passes)
				break
			}
		}
		if n := int64(len(environments)); n > b.Pipelines || stage == 0 && b.Pipelines > 1 && n < 2 {
			t.Errorf("stage %d ran in %d environments, planned %d", stage+1, n, b.Pipelines)
		}
	}
}

// relative is how far two tensors are apart, relative to the second.
func relative(t testing.TB, dtype string, a, b []byte) float64 {
	t.Helper()
	numbers := func(data []byte) []float64 {
		x, err := (&npy.Array{DType: dtype, Shape: []int64{int64(len(data) / 4)}, Data: data}).Convert("float64")
		if err != nil {
			t.Fatal(err)
		}
		return x.Float64s()
	}
	x, y := numbers(a), numbers(b)
	if len(x) != len(y) {
		t.Fatalf("%d numbers and %d", len(x), len(y))
	}
	var apart, size float64
	for i := range y {
		apart += (x[i] - y[i]) * (x[i] - y[i])
		size += y[i] * y[i]
	}
	return math.Sqrt(apart / size)
}

// TestTemporaryStorage deploys a function with more temporary storage than is included, as a plan may have it for weights that
// are fetched: the platform is asked for it, and the function starts and answers.
func TestTemporaryStorage(t *testing.T) {
	m := openTrained(t)
	c := startCloud(t)
	d := realDeployer(t, c, c)
	document := m.plan(t, 1, func(p *plan.Plan) { p.Stages[0].Packaging, p.Stages[0].TemporaryMB = "s3", 700 })
	feed, err := start(d, "roomy", document, string(m.weights))
	if err != nil {
		t.Fatal(err)
	}
	if err := outcome(t, feed); err != nil {
		t.Fatal(err)
	}
	if away := m.distance(t, d, "roomy"); away > 1e-4 {
		t.Errorf("the answers are %g away", away)
	}
	if f, err := c.Function(t.Context(), functionsOf("roomy")+"stage-1"); err != nil || f.TemporaryMB != 700 {
		t.Errorf("the function is %+v, %v", f, err)
	}
	if _, err := d.Destroy(t.Context(), "roomy"); err != nil {
		t.Fatal(err)
	}
}
