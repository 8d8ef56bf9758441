package ui

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"partita/app/state"
	"partita/planner"
	"partita/planner/plan"
	"partita/planner/solve"
)

func TestSliderMapsBothWays(t *testing.T) {
	for _, span := range []struct{ fastest, cheapest int64 }{{1, 2}, {147_000, 205_000}, {2_060_217, 3_347_574}, {1000, 900_000_000}} {
		if got := sloAt(0, span.fastest, span.cheapest); got != span.fastest {
			t.Errorf("the slider's start is %d, want the fastest plan's %d", got, span.fastest)
		}
		if got := sloAt(sliderSteps, span.fastest, span.cheapest); got != span.cheapest {
			t.Errorf("the slider's end is %d, want the cheapest plan's %d", got, span.cheapest)
		}
		before := int64(0)
		for position := range sliderSteps + 1 {
			slo := sloAt(position, span.fastest, span.cheapest)
			if slo < before || slo < span.fastest || slo > span.cheapest {
				t.Fatalf("position %d of %+v gives %d after %d", position, span, slo, before)
			}
			before = slo
			if span.cheapest-span.fastest > 10*sliderSteps && positionOf(slo, span.fastest, span.cheapest) != position {
				t.Errorf("position %d of %+v comes back as %d", position, span, positionOf(slo, span.fastest, span.cheapest))
			}
		}
	}
	if got := positionOf(0, 10, 20); got != sliderSteps {
		t.Errorf("no SLO is at %d, want the cheap end", got)
	}
	if got := sloAt(500, 70, 70); got != 70 {
		t.Errorf("a single plan's SLO is %d, want its latency", got)
	}
}

func TestSuggestedNames(t *testing.T) {
	for model, want := range map[string]string{
		"resnet50": "resnet50", "model_1": "model-1", "3D Net": "d-net", "": "model", "日本": "model", "--A--b--": "a-b",
		strings.Repeat("long", 20): strings.Repeat("long", 20)[:30],
	} {
		if got := suggestedName(model); got != want {
			t.Errorf("suggestedName(%q) is %q, want %q", model, got, want)
		}
	}
}

// twoStages is a plan whose timeline is easy to follow.
func twoStages(scenario solve.Scenario) *plan.Plan {
	return &plan.Plan{
		Status:    plan.Optimal,
		Request:   plan.Request{Scenario: string(scenario), SLOUs: 1500},
		Gateway:   plan.Gateway{StartUs: 100, DispatchUs: 10},
		LatencyUs: 1000, CostPicoUSD: 5_000_000,
		Stages: []plan.Stage{
			{Index: 1, FirstLayer: 1, LastLayer: 1, InitUs: 300, InputUs: 1, ComputeUs: 50, OutputUs: 2},
			{Index: 2, FirstLayer: 2, LastLayer: 2, InitUs: 500, InputUs: 3, ComputeUs: 70, OutputUs: 4},
		},
		Baselines: []plan.Baseline{{Name: planner.OneFunction, Status: "feasible", LatencyUs: 1800, CostPicoUSD: 6_250_000}},
	}
}

// twoLayers is the model of twoStages.
func twoLayers() *state.Model {
	return &state.Model{Layers: []state.Layer{{Name: "a", Class: "Dense", WeightBytes: 48}, {Name: "b", Class: "Dense", WeightBytes: 24}}, Crossing: []int64{16, 12, 8}}
}

func TestTimelineFollowsTheLaw(t *testing.T) {
	for scenario, want := range map[solve.Scenario][]span{
		solve.Warm:           {{110, 110, 110, 163}, {173, 173, 173, 250}},
		solve.ColdSequential: {{110, 410, 410, 463}, {473, 973, 973, 1050}},
		solve.ColdOverlapped: {{100, 400, 400, 453}, {100, 600, 600, 677}},
	} {
		got := spansOf(twoStages(scenario))
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: stage %d is at %+v, want %+v", scenario, i+1, got[i], want[i])
			}
		}
	}
}

func TestComparison(t *testing.T) {
	document := twoStages(solve.Warm)
	if got := comparison(document); got != "20 % cheaper and 800 µs faster than one function" {
		t.Errorf("got %q", got)
	}
	document.Baselines[0].Status = "infeasible"
	if got := comparison(document); got != "One function cannot serve this model within the limits" {
		t.Errorf("got %q", got)
	}
	document.Baselines[0] = plan.Baseline{Name: planner.OneFunction, Status: "feasible", LatencyUs: document.LatencyUs, CostPicoUSD: document.CostPicoUSD}
	if got := comparison(document); got != "One function is the best there is" {
		t.Errorf("got %q", got)
	}
}

// TestPicturesAreWellFormed parses the pictures, with names in them that would break out of careless markup.
func TestPicturesAreWellFormed(t *testing.T) {
	document := twoStages(solve.ColdOverlapped)
	document.Baselines[0].Name = `<script>"&`
	points := [][2]int64{{1000, 5_000_000}, {2000, 4_000_000}}
	model := twoLayers()
	model.Layers[0].Name = `<script>"&`
	for name, picture := range map[string]string{
		"chart": chartSVG(document, points), "one point": chartSVG(twoStages(solve.Warm), points[:1]), "timeline": timelineSVG(document),
		"strip": stagesSVG(model, document), "ground": groundSVG(model), "strip without a plan": stagesSVG(model, &plan.Plan{Status: plan.Infeasible}),
	} {
		decoder := xml.NewDecoder(strings.NewReader(picture))
		for {
			token, err := decoder.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v\n%s", name, err, picture)
			}
			if element, ok := token.(xml.StartElement); ok && element.Name.Local == "script" {
				t.Errorf("%s: a name became markup", name)
			}
		}
		if strings.Contains(picture, "NaN") || strings.Contains(picture, "Inf") {
			t.Errorf("%s has a coordinate that is no number: %s", name, picture)
		}
	}
}

func TestStepsKeepOneLineEach(t *testing.T) {
	var d deployment
	for _, s := range []state.Step{
		{Action: "upload", Resource: "stage-1", State: "started"},
		{Action: "upload", Resource: "stage-1", State: "progress", Bytes: 10},
		{Action: "create", Resource: "stage-1", State: "started"},
		{Action: "upload", Resource: "stage-1", State: "done", Bytes: 20},
	} {
		d.addStep(s)
	}
	if len(d.steps) != 2 || d.steps[0].State != "done" || d.steps[0].Bytes != 20 || d.steps[1].Action != "create" {
		t.Errorf("got %+v", d.steps)
	}
}

func TestSinceLink(t *testing.T) {
	a := &state.Answer{Plan: twoStages(solve.Warm)}
	a.Plan.PriceBook = plan.PriceBook{Date: "2026-01-02", Hash: "sha256:0123456789abcdef0123"}
	same := state.Shown{Book: "0123456789abcdef", LatencyUs: a.Plan.LatencyUs, CostPicoUSD: a.Plan.CostPicoUSD}
	if got := sinceLink(same, a) + sinceLink(state.Shown{}, a); got != "" {
		t.Errorf("the same plan is said to differ: %q", got)
	}
	dearer := same
	dearer.CostPicoUSD++
	if got := sinceLink(dearer, a); !strings.HasPrefix(got, "This link was made by another version of Partita") || !strings.Contains(got, "2026-01-02") {
		t.Errorf("got %q", got)
	}
	dearer.Book = "ffff"
	if got := sinceLink(dearer, a); !strings.HasPrefix(got, "Prices or speeds have changed") {
		t.Errorf("got %q", got)
	}
}

// A layer in parts is one bar, in whose place the functions between its parts begin.
func TestStripOfALayerInParts(t *testing.T) {
	document := twoStages(solve.Warm)
	document.Model.Splits = []plan.Split{{Layer: "b", Parts: 2}}
	document.Stages = []plan.Stage{
		{Index: 1, FirstLayer: 1, LastLayer: 2, Layers: "a .. b (1 of 2)"}, {Index: 2, FirstLayer: 3, LastLayer: 3, Layers: "b (2 of 2)"}, {Index: 3, FirstLayer: 4, LastLayer: 4, Layers: "b"},
	}
	model := twoLayers()
	at := places(model, document)
	for position, want := range []int{0, 1, 1, 1, 2} {
		if got := at(position); got != want {
			t.Errorf("position %d is at layer %d, want %d", position, got, want)
		}
	}
	if picture := stagesSVG(model, document); strings.Count(picture, `class="cut"`) != 2 {
		t.Errorf("the picture is %s", picture)
	}
	for i, want := range []string{"a … b (1 of 2) (2)", "b (2 of 2)", "b"} {
		if got := layerSpan(&document.Stages[i]); got != want {
			t.Errorf("stage %d holds %q, want %q", i+1, got, want)
		}
	}
}
