package deploy

import (
	"archive/zip"
	"bytes"
	"context"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner"
	"partita/planner/diag"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/rewrite"
	"partita/runtime/npy"
	"partita/runtime/wire"
	"partita/server/cloud"
	"partita/server/split"
)

// trained is a real model with its weights, an input and what Keras answers to it.
type trained struct {
	weights, input []byte
	model          *load.Model
	want           []float64
}

func openTrained(t testing.TB) *trained {
	t.Helper()
	if testing.Short() {
		t.Skip("deploying MobileNetV2 is left out of the short tests")
	}
	return openCase(t, "trained_mobilenet_v2")
}

// openCase reads a model of the shared test data.
func openCase(t testing.TB, name string) *trained {
	t.Helper()
	read := func(file string) []byte {
		data, err := os.ReadFile(filepath.Join(fixture.Shared(t, "models", name), file))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	m := &trained{weights: read("model.h5"), input: read("input_0.npy")}
	var err error
	if m.model, err = load.Open(load.File{Name: "model.h5", Size: int64(len(m.weights)), Reader: bytes.NewReader(m.weights)}); err != nil {
		t.Fatal(err)
	}
	a, err := npy.Decode(read("expected_0.npy"))
	if err == nil {
		a, err = a.Convert("float64")
	}
	if err != nil {
		t.Fatal(err)
	}
	m.want = a.Float64s()
	return m
}

// plan plans the model in a number of stages and changes the plan as a planner with more choices could have made it.
func (m *trained) plan(t testing.TB, stages int, change func(*plan.Plan)) []byte {
	t.Helper()
	return m.planFor(t, "local", stages, change)
}

func (m *trained) planFor(t testing.TB, platform string, stages int, change func(*plan.Plan)) []byte {
	t.Helper()
	r := planner.DefaultRequest()
	r.Platform, r.MinStages, r.MaxStages = platform, stages, stages
	p, err := planner.Make(m.model, r)
	if err != nil {
		t.Fatal(err)
	}
	change(p)
	document, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return document
}

// distance invokes a deployment and gives how far its answers are from the right ones, relative to them.
func (m *trained) distance(t testing.TB, d *Deployer, name string) float64 {
	t.Helper()
	reply, err := d.Invoke(t.Context(), name, Invocation{Inputs: []InvocationInput{{Data: m.input}}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := (&npy.Array{DType: reply.Outputs[0].DType, Shape: reply.Outputs[0].Shape, Data: reply.Outputs[0].Data}).Convert("float64")
	if err != nil {
		t.Fatal(err)
	}
	g := got.Float64s()
	if len(g) != len(m.want) {
		t.Fatalf("%d numbers, want %d", len(g), len(m.want))
	}
	var apart, size float64
	for i, w := range m.want {
		apart += (g[i] - w) * (g[i] - w)
		size += w * w
	}
	return math.Sqrt(apart / size)
}

// inParts makes a plan compute its model's last dense layer in parts, each in the stages as they are: the numbers of the
// layers behind it rise.
func inParts(t testing.TB, p *plan.Plan, layer string, parts int) {
	t.Helper()
	m, err := rewrite.Model(p)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for i, l := range m.Graph.Layers {
		if l.Name == layer {
			at = i
		}
	}
	p.Model.Splits = append(p.Model.Splits, plan.Split{Layer: layer, Parts: parts})
	// One more stage for each part but the last: copies of the one that holds the layer.
	k := 0
	for p.Stages[k].LastLayer < at+1 {
		k++
	}
	holder := p.Stages[k]
	rest := append([]plan.Stage(nil), p.Stages[k+1:]...)
	p.Stages = p.Stages[:k]
	first := holder.FirstLayer
	for part := range parts {
		s := holder
		s.FirstLayer, s.LastLayer = first, at+part+1
		if part == parts-1 {
			s.LastLayer = holder.LastLayer + parts
		}
		first = s.LastLayer + 1
		p.Stages = append(p.Stages, s)
	}
	for _, s := range rest {
		s.FirstLayer, s.LastLayer = s.FirstLayer+parts, s.LastLayer+parts
		p.Stages = append(p.Stages, s)
	}
	for i := range p.Stages {
		p.Stages[i].Index, p.Stages[i].TransportIn, p.Stages[i].TransportOut = i+1, "inline", "inline"
	}
}

// TestLevers deploys a trained model in every way that a plan can ask for and compares its answers with Keras's.
func TestLevers(t *testing.T) {
	m := openTrained(t)
	c := startCloud(t)
	d := realDeployer(t, c, c)
	for _, way := range []struct {
		name   string
		stages int
		change func(*plan.Plan)
		bound  float64 // of the answers
		weight float64 // of the weights
	}{
		{"exact", 2, func(*plan.Plan) {}, 1e-4, 0},
		{"float16", 2, func(p *plan.Plan) { p.Stages[0].Precision, p.Stages[1].Precision = "float16", "float16" }, 1e-3, 3e-4},
		{"int8", 2, func(p *plan.Plan) { p.Stages[0].Precision, p.Stages[1].Precision = "int8", "int8" }, 2e-2, 2e-2},
		{"mixed", 3, func(p *plan.Plan) {
			p.Stages[0].Precision, p.Stages[1].Packaging, p.Stages[2].Precision, p.Stages[2].Packaging = "float32", "s3", "int8", "s3"
		}, 2e-2, 2e-2},
		{"fetched", 1, func(p *plan.Plan) { p.Stages[0].Packaging = "s3" }, 1e-4, 0},
		{"image", 1, func(p *plan.Plan) { p.Stages[0].Packaging = "image" }, 1e-4, 0},
		{"images", 3, func(p *plan.Plan) {
			p.Stages[0].Packaging, p.Stages[1].Packaging, p.Stages[2].Packaging, p.Stages[2].Precision = "image", "s3", "image", "int8"
		}, 2e-2, 2e-2},
		{"parts", 2, func(p *plan.Plan) { inParts(t, p, m.dense(t), 3) }, 1e-4, 0},
		{"all-at-once", 1, func(p *plan.Plan) {
			inParts(t, p, m.dense(t), 2)
			for i := range p.Stages {
				p.Stages[i].Packaging, p.Stages[i].Precision = "s3", "float16"
			}
		}, 1e-3, 3e-4},
	} {
		t.Run(way.name, func(t *testing.T) {
			feed, err := start(d, way.name, m.plan(t, way.stages, way.change), string(m.weights))
			if err != nil {
				t.Fatal(err)
			}
			if err := outcome(t, feed); err != nil {
				t.Fatal(err)
			}
			away := m.distance(t, d, way.name)
			one, err := d.Get(t.Context(), way.name)
			if err != nil {
				t.Fatal(err)
			}
			worst := 0.0
			for _, s := range one.Stages {
				worst = max(worst, s.WeightError)
				if s.WeightError > 0 && (s.Precision == "" || s.Precision == "float32") {
					t.Errorf("%s of precision %q has the error %g", s.Function, s.Precision, s.WeightError)
				}
			}
			t.Logf("answers %.2e away, weights at most %.2e", away, worst)
			switch e := one.OutputError; {
			case worst == 0 && e != nil:
				t.Errorf("an error of exact outputs was measured: %+v", e)
			case worst > 0 && (e == nil || e.Unmeasured != "" || e.Samples != madeSamples || !e.MadeUp || e.Ranked != madeSamples || e.MaxRelative == 0 || e.MaxRelative > 10*way.bound || e.MaxAbsolute == 0 || e.NotNumbers > 0):
				t.Errorf("the outputs' error: %+v", e)
			case e != nil:
				t.Logf("measured: %+v", *e)
			}
			if away > way.bound || worst > way.weight {
				t.Errorf("the answers are %g away, allowed %g; the weights %g, allowed %g", away, way.bound, worst, way.weight)
			}
			if _, err := d.Destroy(t.Context(), way.name); err != nil {
				t.Fatal(err)
			}
			if left := append(everything(t, c), repositories(t, c, way.name)...); len(left) != 0 {
				t.Errorf("left after destroy: %v", left)
			}
		})
	}
}

// dense names the model's last dense layer.
func (m *trained) dense(t testing.TB) string {
	for i := len(m.model.Graph.Layers) - 1; i >= 0; i-- {
		if l := m.model.Graph.Layers[i]; l.Class == "Dense" {
			return l.Name
		}
	}
	t.Fatal("no dense layer")
	return ""
}

// spoiled is a cloud in which weights that are fetched are not what was put.
type spoiled struct {
	*cloud.Cloud
	spoil func(content []byte) []byte // nil drops the object
}

func (s *spoiled) Put(ctx context.Context, key string, body io.ReadSeeker, size int64, contentType string) error {
	if !strings.HasSuffix(key, ".weights") {
		return s.Cloud.Put(ctx, key, body, size, contentType)
	}
	if s.spoil == nil {
		return nil
	}
	content, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	content = s.spoil(content)
	return s.Cloud.Put(ctx, key, bytes.NewReader(content), int64(len(content)), contentType)
}

// TestFetchedWeightsGone deploys a stage whose weights are absent, cut short or others when it starts. The deployment fails with
// the reason and leaves nothing behind.
func TestFetchedWeightsGone(t *testing.T) {
	m := openTrained(t)
	c := startCloud(t)
	for _, way := range []struct {
		spoil func([]byte) []byte
		code  string
	}{
		{nil, "store.no-object"},
		{func(b []byte) []byte { return b[:len(b)-4096] }, "store.wrong-size"},
		{func(b []byte) []byte { b[len(b)/2] ^= 1; return b }, "store.wrong-content"},
	} {
		f := &spoiled{Cloud: c, spoil: way.spoil}
		document := m.plan(t, 1, func(p *plan.Plan) { p.Stages[0].Packaging = "s3" })
		feed, err := start(realDeployer(t, f, f), "demo", document, string(m.weights))
		if err == nil {
			err = outcome(t, feed)
		}
		if diag.CodeOf(err) != way.code || !strings.Contains(err.Error(), "stage-1.weights") {
			t.Errorf("%v, want %s", err, way.code)
		}
		if left := everything(t, c); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	}
}

// TestUnknownPackaging refuses a plan of a version that packages in other ways.
func TestUnknownPackaging(t *testing.T) {
	document, weights := tinyPlan(t, 1)
	p, err := plan.Decode(document)
	if err != nil {
		t.Fatal(err)
	}
	p.Stages[0].Packaging = "tape"
	if document, err = p.Encode(); err != nil {
		t.Fatal(err)
	}
	c := startCloud(t)
	feed, err := start(realDeployer(t, c, c), "demo", document, string(weights))
	if err == nil {
		err = outcome(t, feed)
	}
	if diag.CodeOf(err) != "deploy.packaging" || !strings.Contains(err.Error(), "tape") {
		t.Error(err)
	}
}

// TestPackageFetchedWeights writes packages for other tools: the weights of a stage that fetches them are a file beside it.
func TestPackageFetchedWeights(t *testing.T) {
	m := openTrained(t)
	native := fixture.Native(t)
	folder := t.TempDir()
	options := Options{AnyArchitecture: true, Native: split.Native{Bootstrap: filepath.Join(native, "bootstrap"), Library: filepath.Join(native, "libonnxruntime.so")}}
	document := m.plan(t, 2, func(p *plan.Plan) { p.Stages[1].Packaging = "s3" })
	written := map[string]int64{}
	b, err := Package(t.Context(), options, "models", folder, Request{Name: "demo", Plan: document}, Weights{Name: "model.h5", Size: int64(len(m.weights)), Reader: bytes.NewReader(m.weights)},
		func(file string, bytes int64) { written[filepath.Base(file)] = bytes })
	if err != nil {
		t.Fatal(err)
	}
	if len(written) != 4 || written["stage-2.weights"] < b.Stages[1].WeightBytes || written["stage-1.weights"] != 0 {
		t.Errorf("wrote %v", written)
	}
	if place := b.Stages[1].Environment[wire.WeightsVariable]; place != "s3://models/deployments/demo/packages/stage-2.weights" || b.Stages[0].Environment != nil {
		t.Errorf("the weights are said to be at %q", place)
	}
	z, err := zip.OpenReader(filepath.Join(folder, "stage-2.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	for _, f := range z.File {
		if f.Name == wire.WeightsFile {
			t.Error("the weights are in the package as well")
		}
	}
	f, err := z.Open(wire.StageFile)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	manifest, err := wire.ReadStageManifest(text)
	if err != nil || manifest.Weights == nil || manifest.Weights.Bytes != written["stage-2.weights"] {
		t.Errorf("the manifest says %+v, %v", manifest, err)
	}
}
