package planner

import (
	"slices"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/cost"
	"partita/planner/diag"
	"partita/planner/plan"
	"partita/planner/precision"
	"partita/planner/rewrite"
	"partita/planner/solve"
)

func vgg(t *testing.T, options ...string) *plan.Plan {
	t.Helper()
	m := mustModel(t, fixture.Shared(t, "zoo", "keras3", "VGG16.json.gz"))
	return mustPlan(t, mustProblem(t, m, append(options, "scenario=cold-sequential", "max-stages=5")...))
}

// VGG16's layer of 411 MB fits no package. Every lever by itself makes it fit, and the plan says which was used.
func TestLeversLetVGG16Fit(t *testing.T) {
	if d := vgg(t, "packaging=zip", "split-layers=off"); d.Status != plan.Infeasible || d.Request.SplitLayers != "off" || d.Request.Packaging != "zip" {
		t.Errorf("without levers: %s, %+v", d.Status, d.Request)
	}
	inParts := vgg(t, "packaging=zip")
	if inParts.Status != plan.Optimal || len(inParts.Model.Splits) != 1 || inParts.Model.Splits[0].Layer != "fc1" {
		t.Fatalf("in parts: %s, %+v", inParts.Status, inParts.Model.Splits)
	}
	m, err := rewrite.Model(inParts)
	if err != nil {
		t.Fatal(err)
	}
	if last := inParts.Stages[len(inParts.Stages)-1].LastLayer; last != len(m.Graph.Layers) || len(m.Graph.Layers) != inParts.Model.Layers+inParts.Model.Splits[0].Parts {
		t.Errorf("the plan ends at layer %d of %d", last, len(m.Graph.Layers))
	}
	for _, s := range inParts.Stages {
		if s.PackageBytes > 262_144_000 || s.Packaging != "zip" || s.Precision != "" {
			t.Errorf("stage %d: %d bytes, %s, %s", s.Index, s.PackageBytes, s.Packaging, s.Precision)
		}
	}
	fetched := vgg(t, "packaging=s3", "split-layers=off")
	if fetched.Status != plan.Optimal || fetched.Model.Splits != nil {
		t.Fatalf("fetched: %s, %+v", fetched.Status, fetched.Model.Splits)
	}
	for _, s := range fetched.Stages {
		if s.Packaging != "s3" || s.WeightBytes > 496<<20 {
			t.Errorf("stage %d: %s, %d bytes", s.Index, s.Packaging, s.WeightBytes)
		}
	}
	for _, w := range []string{"float16", "int8"} {
		d := vgg(t, "packaging=zip", "split-layers=off", "precision="+w)
		if w == "float16" { // 206 MB fit beside the library
			if d.Status != plan.Optimal {
				t.Errorf("%s: %s", w, d.Reason)
			}
		}
		for _, s := range d.Stages {
			if s.Precision != w {
				t.Errorf("stage %d is in %q, want %s", s.Index, s.Precision, w)
			}
		}
	}
	// All together are no dearer than any of them.
	all := vgg(t, "precision=auto")
	for _, d := range []*plan.Plan{inParts, fetched} {
		if all.CostPicoUSD > d.CostPicoUSD {
			t.Errorf("with every lever it costs %d, with one %d", all.CostPicoUSD, d.CostPicoUSD)
		}
	}
	// The document survives the way through its bytes.
	text, err := inParts.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := plan.Decode(text); err != nil || !slices.Equal(back.Model.Splits, inParts.Model.Splits) {
		t.Errorf("%v", err)
	}
}

// The plan says what each lever that it uses is worth, and that is the difference to the plan without it.
func TestUsedLevers(t *testing.T) {
	m := mustModel(t, fixture.Shared(t, "zoo", "keras3", "VGG16.json.gz"))
	base := []string{"scenario=cold-sequential", "max-stages=4", "memory=512,1024,2048"}
	p := mustProblem(t, m, append(base, "packaging=zip")...)
	d := mustPlan(t, p)
	p.Explain(d)
	if len(d.Levers) != 1 || d.Levers[0].Lever != "split-layers" || !d.Levers[0].Needed || !strings.Contains(d.Levers[0].Use, "fc1 in") {
		t.Errorf("in parts: %+v", d.Levers)
	}
	hash := d.Hash
	if _, err := d.Encode(); err != nil || d.Hash != hash {
		t.Errorf("explaining changes the hash: %v", err)
	}
	p = mustProblem(t, m, append(base, "precision=float32,int8")...)
	d = mustPlan(t, p)
	p.Explain(d)
	for _, l := range d.Levers {
		change := map[string]string{"packaging": "zip,s3", "precision": "float32", "split-layers": "off"}[l.Lever]
		without := mustPlan(t, mustProblem(t, m, append(base, "precision=float32,int8", l.Lever+"="+change)...))
		if l.Needed != (without.Status == plan.Infeasible) || !l.Needed && l.SavesPicoUSD != without.CostPicoUSD-d.CostPicoUSD {
			t.Errorf("%+v; without it %s at %d, with it %d", l, without.Status, without.CostPicoUSD, d.CostPicoUSD)
		}
	}
	if len(d.Levers) == 0 {
		t.Error("no lever is used")
	}
}

// A request for something else starts from the model as it came.
func TestWithUndoesParts(t *testing.T) {
	m := mustModel(t, fixture.Shared(t, "zoo", "keras3", "VGG16.json.gz"))
	p := mustProblem(t, m, "packaging=zip")
	r := p.Request()
	r.SplitLayers = off
	q, err := p.With(r)
	if err != nil {
		t.Fatal(err)
	}
	if len(q.model.graph.Layers) != len(m.Graph.Layers) || len(p.model.graph.Layers) <= len(m.Graph.Layers) || mustPlan(t, q).Status != plan.Infeasible {
		t.Errorf("%d layers, %d in parts, %d without", len(m.Graph.Layers), len(p.model.graph.Layers), len(q.model.graph.Layers))
	}
}

// The measured time of a layer is shared out among its parts.
func TestPartsShareMeasuredTime(t *testing.T) {
	c := &cost.Calibration{Batch: 2, LayerNs: []int64{5, 100, -1, 7}}
	got, err := spread(c, 1, 3)
	if err != nil || got.Batch != 2 || !slices.Equal(got.LayerNs, []int64{5, 33, 33, 34, 0, -1, 7}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err = spread(c, 2, 2); err != nil || !slices.Equal(got.LayerNs, []int64{5, 100, -1, -1, -1, 7}) {
		t.Errorf("%+v, %v", got, err)
	}
	if got, err := spread(nil, 2, 2); got != nil || err != nil {
		t.Error("nothing measured is something")
	}
	if _, err := spread(c, 4, 2); err == nil {
		t.Error("another model's times are taken")
	}
}

// On a real network fetched weights start sooner, and what each lever brings adds up: more choice never costs more.
func TestMoreChoiceNeverCostsMore(t *testing.T) {
	m := tiny(t)
	for _, scenario := range []solve.Scenario{solve.ColdSequential, solve.ColdOverlapped, solve.Warm} {
		var last int64
		for i, choice := range [][]string{{"packaging=zip"}, {"packaging=auto"}, {"precision=float32,float16"}, {"precision=auto"}} {
			d := mustPlan(t, mustProblem(t, m, append(choice, "scenario="+string(scenario))...))
			if i > 0 && d.CostPicoUSD > last {
				t.Errorf("%s, %v: %d, with less choice %d", scenario, choice, d.CostPicoUSD, last)
			}
			last = d.CostPicoUSD
		}
	}
}

func TestLeverOptions(t *testing.T) {
	for text, want := range map[string]string{"float32": "float32", "auto": "auto", "int8": "int8", "int8,float32": "float32,int8", "float16, int8,float16": "float16,int8", "int8,float16,float32": "auto"} {
		list, err := parsePrecisions(text)
		if err != nil || printPrecisions(list) != want {
			t.Errorf("%s is read as %v and printed %s: %v", text, list, printPrecisions(list), err)
		}
	}
	for text, want := range map[string]string{"auto": "auto", "zip": "zip", "image, s3": "s3,image", "s3,zip,s3": "zip,s3", "image,zip,s3": "auto"} {
		packaging, err := parsePackaging(text)
		if err != nil || printAuto(packaging) != want {
			t.Errorf("%s is read as %q: %v", text, packaging, err)
		}
	}
	for _, text := range []string{"", "zip,", "tar", "auto,zip", "ZIP"} {
		if _, err := parsePackaging(text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
	for _, text := range []string{"", "int4", "float32,", "none"} {
		if _, err := parsePrecisions(text); err == nil {
			t.Errorf("%q is read", text)
		}
	}
	base := DefaultRequest()
	for _, c := range []func(r *Request){
		func(r *Request) { r.Packaging = "s3,zip" }, func(r *Request) { r.Packaging = "tar" }, func(r *Request) { r.SplitLayers = "on" }, func(r *Request) { r.Precisions = []precision.Precision{"int2"} },
		func(r *Request) { r.Packaging, r.Platform = "s3", "azure-functions-flex" },
		func(r *Request) { r.Packaging, r.Platform = "image", "aws-lambda-2020" },
		func(r *Request) { r.Packaging, r.Platform = "s3,image", "gcp-cloud-run-functions" },
	} {
		r := base
		c(&r)
		if _, err := New(tiny(t), r); diag.CodeOf(err) != "planner.bad-choice" || strings.TrimSpace(err.Error()) == "" {
			t.Errorf("%+v: %v", r, err)
		}
	}
	r := base
	r.Platform = "azure-functions-flex"
	if v := r.variants(mustProblem(t, tiny(t), "platform=azure-functions-flex").platform); len(v) != 1 || v[0] != cost.Plain {
		t.Errorf("%+v", v)
	}
}

// Weights of more than the 512 MB of temporary storage that a function's price includes are fetched into more of it, which the
// plan pays for; a platform or a request without it has to do otherwise.
func TestTemporaryStorage(t *testing.T) {
	m := mustModel(t, fixture.Shared(t, "zoo", "keras3", "VGG16.json.gz"))
	base := []string{"packaging=s3", "split-layers=off", "max-stages=1", "scenario=cold-sequential", "memory=3072"}
	p := mustProblem(t, m, base...)
	d := mustPlan(t, p)
	whole(t, p, d)
	s := d.Stages[0]
	if s.TemporaryMB <= 512 || s.TemporaryMB < s.WeightBytes>>20+16 || s.TemporaryMB > s.WeightBytes>>20+20 {
		t.Fatalf("%d MB of temporary storage for %d bytes", s.TemporaryMB, s.WeightBytes)
	}
	// By hand: the excess in MB / 1,024 GB at 30.9 nano-dollars per GB-s, beside the memory's price.
	seconds := float64(s.BilledUs) / 1e6
	want := seconds*(3*16_666_700+float64(s.TemporaryMB-512)/1024*30_900) + float64(s.FeesPicoUSD)
	if apart := float64(s.CostPicoUSD) - want; apart < -2 || apart > 2 {
		t.Errorf("costs %d, not %.1f", s.CostPicoUSD, want)
	}
	p.Explain(d)
	if !slices.ContainsFunc(d.Levers, func(l plan.Lever) bool { return l.Lever == "temporary" && l.Needed }) {
		t.Errorf("levers %+v", d.Levers)
	}
	if d := mustPlan(t, mustProblem(t, m, append(base, "temporary=included")...)); d.Status != plan.Infeasible || d.Request.Temporary != "included" {
		t.Errorf("without: %s", d.Status)
	}
	if d := mustPlan(t, mustProblem(t, m, append(slices.Clone(base[:4]), "platform=aws-lambda-2020")...)); d.Status != plan.Infeasible {
		t.Errorf("in 2020: %s", d.Status)
	}
	// With images and free choice the cheapest is found as before; it never costs more than with images or included storage alone.
	free := mustPlan(t, mustProblem(t, m, "max-stages=2", "scenario=cold-sequential"))
	for _, narrower := range []string{"temporary=included", "packaging=zip", "packaging=s3"} {
		if d := mustPlan(t, mustProblem(t, m, "max-stages=2", "scenario=cold-sequential", narrower)); d.Status == plan.Optimal && d.CostPicoUSD < free.CostPicoUSD {
			t.Errorf("%s costs %d, all ways %d", narrower, d.CostPicoUSD, free.CostPicoUSD)
		}
	}
}

// A model that no zip holds in one function is served from a container image, and that is what the planner advises to somebody who
// allows zips only.
func TestImagesHoldWhatZipsDoNot(t *testing.T) {
	m := mustModel(t, fixture.Shared(t, "zoo", "keras3", "VGG16.json.gz"))
	one := []string{"max-stages=1", "split-layers=off", "temporary=included"}
	for _, c := range []struct{ platform, packaging, advised string }{
		{"aws-lambda-x86_64", "zip", "zip,image"},
		{"aws-lambda-x86_64", "zip,s3", "auto"},
		{"aws-lambda-2020", "zip", ""},
	} {
		p := mustProblem(t, m, append(one, "platform="+c.platform, "packaging="+c.packaging)...)
		d := mustPlan(t, p)
		if d.Status != plan.Infeasible || !strings.Contains(d.Reason, "package") {
			t.Fatalf("%+v: %s: %s", c, d.Status, d.Reason)
		}
		p.Explain(d)
		advised := ""
		for _, r := range d.Reasons {
			if r.Option == "packaging" {
				advised = r.Value
				if again := mustPlan(t, mustProblem(t, m, append(one, "platform="+c.platform, "packaging="+r.Value)...)); again.CostPicoUSD != r.CostPicoUSD || again.Stages[0].Packaging != plan.PackagingImage {
					t.Errorf("%+v: %+v", r, again.Stages)
				}
			}
		}
		if advised != c.advised {
			t.Errorf("%+v: advised %q among %+v", c, advised, d.Reasons)
		}
	}
	p := mustProblem(t, m, append(one, "packaging=image")...)
	d := mustPlan(t, p)
	if d.Status != plan.Optimal || len(d.Stages) != 1 || d.Stages[0].Packaging != "image" || d.Stages[0].PackageBytes < 500<<20 || d.Request.Packaging != "image" {
		t.Fatalf("%s %+v", d.Reason, d.Stages)
	}
	p.Explain(d)
	if len(d.Levers) != 1 || d.Levers[0].Lever != "packaging" || !d.Levers[0].Needed {
		t.Errorf("%+v", d.Levers)
	}
	text, err := d.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if back, err := plan.Decode(text); err != nil || back.Hash != d.Hash {
		t.Errorf("%v", err)
	}
}
