package engine

import (
	"encoding/json"
	"strings"
	"testing"

	"partita/app/state"
	"partita/planner"
	"partita/planner/export"
	"partita/planner/plan"
	"partita/planner/report"
)

func TestOutlook(t *testing.T) {
	e := &Engine{}
	r := planner.DefaultRequest()
	r.MinStages = 2
	v := asked(t, e, state.OpenBuiltIn("MobileNetV2"), r)
	if v.Answer.Cold.LatencyUs != v.Answer.Plan.LatencyUs || v.Answer.Warm.LatencyUs >= v.Answer.Cold.LatencyUs || len(v.Answer.Warm.Spans) != len(v.Answer.Plan.Stages) {
		t.Errorf("cold %+v, warm %+v", v.Answer.Cold, v.Answer.Warm)
	}
	look, err := e.Outlook(t.Context(), v.Opening, r)
	if err != nil {
		t.Fatal(err)
	}
	if len(look.LayerNs) != len(v.Model.Layers) || len(look.LayerPeakBytes) != len(v.Model.Layers) || len(look.Months.Ways) < 6 {
		t.Fatalf("%d times of %d layers, %d ways", len(look.LayerNs), len(v.Model.Layers), len(look.Months.Ways))
	}
	var ns int64
	for i, peak := range look.LayerPeakBytes {
		if ns += look.LayerNs[i]; peak <= 0 && v.Model.Layers[i].Class != "InputLayer" {
			t.Errorf("while layer %d runs %d bytes are live", i+1, peak)
		}
	}
	if ns < 1_000_000 {
		t.Errorf("all layers take %d ns", ns)
	}
	r.SLOUs = 1
	if none := asked(t, e, v.Opening, r); len(none.Answer.Cold.Spans) > 0 {
		t.Errorf("no plan has the timeline %+v", none.Answer.Cold)
	}
	if look, err = e.Outlook(t.Context(), v.Opening, r); err != nil || len(look.Months.Ways) > 0 {
		t.Errorf("no plan has the outlook %+v, %v", look.Months, err)
	}
}

// A layer in parts is one of the model's layers: its parts' times are its own.
func TestOutlookOfLayersInParts(t *testing.T) {
	e := &Engine{}
	r := planner.DefaultRequest()
	r.Packaging = plan.PackagingZip
	v := asked(t, e, state.OpenBuiltIn("VGG16"), r)
	if len(v.Answer.Plan.Model.Splits) == 0 {
		t.Fatalf("no layer is in parts: %s", report.Summary(v.Answer.Plan))
	}
	look, err := e.Outlook(t.Context(), v.Opening, r)
	if err != nil {
		t.Fatal(err)
	}
	if len(look.LayerNs) != len(v.Model.Layers) {
		t.Errorf("%d times of %d layers", len(look.LayerNs), len(v.Model.Layers))
	}
}

// Every form is written, under a name of the model and the plan's hash; one that there is not is refused.
func TestExport(t *testing.T) {
	e := &Engine{}
	o, r := state.OpenBuiltIn("VGG16"), planner.DefaultRequest()
	document, err := e.Document(t.Context(), o, r)
	if err != nil {
		t.Fatal(err)
	}
	var head struct{ Hash string }
	if err := json.Unmarshal(document, &head); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range About().Forms {
		x, err := e.Export(t.Context(), o, r, f.Name)
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
			continue
		}
		if !strings.HasPrefix(x.FileName, "vgg16-"+state.ShortHash(head.Hash)[:8]+".") || !strings.HasSuffix(x.FileName, f.Extension) || seen[x.FileName] {
			t.Errorf("%s is in %s", f.Name, x.FileName)
		}
		if seen[x.FileName] = true; len(x.Text) < 100 || x.MediaType == "" || f.Summary == "" {
			t.Errorf("%s is %q of %q", f.Name, x.Text, x.MediaType)
		}
	}
	if len(seen) != len(export.Formats()) {
		t.Errorf("%d forms", len(seen))
	}
	if _, err := e.Export(t.Context(), o, r, "cdk"); err == nil || ProblemOf(err).Code != "export.unknown-format" {
		t.Errorf("%v", err)
	}
}
