package ui

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"partita/app/engine"
	"partita/app/state"
	"partita/planner"
	"partita/planner/plan"
	"partita/planner/report"
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

func TestDeploymentNames(t *testing.T) {
	for model, want := range map[string]string{
		"resnet50": "resnet50", "model_1": "model-1", "3D Net": "d-net", "": "model", "日本": "model", "--A--b--": "a-b",
		strings.Repeat("long", 20): strings.Repeat("long", 20)[:30],
	} {
		if got := state.DeploymentName(model); got != want {
			t.Errorf("state.DeploymentName(%q) is %q, want %q", model, got, want)
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

func TestComparison(t *testing.T) {
	document := twoStages(solve.Warm)
	if got := oneFunctionWords(document); got != "20 % cheaper and 800 µs faster than one function" {
		t.Errorf("got %q", got)
	}
	document.Baselines[0].Status = "infeasible"
	if got := oneFunctionWords(document); got != "One function cannot serve this model within the limits" {
		t.Errorf("got %q", got)
	}
	document.Baselines[0] = plan.Baseline{Name: planner.OneFunction, Status: "feasible", LatencyUs: document.LatencyUs, CostPicoUSD: document.CostPicoUSD}
	if got := oneFunctionWords(document); got != "One function is the best there is" {
		t.Errorf("got %q", got)
	}
}

// someMonths has a way that becomes cheaper with the rate and one that is cheaper at some rates only.
func someMonths() *report.Months {
	m := &report.Months{MicroRequestsPH: []int64{1_000_000, 10_000_000, 100_000_000}}
	for name, costs := range map[string][]int64{"a this plan": {5, 50, 500}, `b <script>"&`: {100, 100, 100}, "c": {7, 30, 700}, "d": {0, 1, 2}, "e": {9, 90, 900}} {
		m.Ways = append(m.Ways, report.Way{Name: name, Basis: "how; where", MonthMicroUSD: costs})
	}
	slices.SortFunc(m.Ways, func(a, b report.Way) int { return strings.Compare(a.Name, b.Name) })
	cross := func(way int, rate int64, cheaper bool) {
		m.Crossings = append(m.Crossings, report.Crossing{Way: way, MicroRequestsPH: rate, Cheaper: cheaper})
	}
	cross(1, 20_000_000, true)
	cross(2, 3_000_000, true)
	cross(2, 36_000_000_000, false)
	return m
}

func TestCheaperWords(t *testing.T) {
	for way, want := range []string{"", "from 20/h on", "from 3/h to 10/s", "at every rate", "at no rate"} {
		if got := cheaperWords(someMonths(), way); got != want {
			t.Errorf("way %d costs less %q, want %q", way, got, want)
		}
	}
	if got := basisOfHosts(someMonths()); got != "where" {
		t.Errorf("the hosts' figures rest on %q", got)
	}
}

// The exact cost of a point is what the planner is asked for, and a rate is written as it reads it.
func TestAmountsForThePlanner(t *testing.T) {
	for picoUSD, want := range map[int64]string{1: "0.000000000001", 66_712_345: "0.000066712345", 1_234_567_890_123: "1.234567890123"} {
		if got := dollars(picoUSD); got != want {
			t.Errorf("%d is written %s, want %s", picoUSD, got, want)
		}
	}
	for rate, want := range map[int64]string{100_000: "0.1/h", 1_500_000: "1.5/h", 1_000_000_000: "1000/h"} {
		if got := perHour(rate); got != want {
			t.Errorf("%d is written %s, want %s", rate, got, want)
		}
	}
}

// Keys lead from point to point and stop at the ends; from between two points they lead to the neighbours.
func TestKeysOfTheFrontier(t *testing.T) {
	for _, c := range []struct {
		key       string
		now       int
		exact     bool
		want      int
		forgotten bool
	}{
		{"ArrowRight", 3, true, 4, false}, {"ArrowLeft", 3, true, 2, false}, {"ArrowLeft", 3, false, 3, false}, {"ArrowUp", 49, true, 49, false}, {"ArrowDown", 0, true, 0, false},
		{"PageUp", 3, true, 8, false}, {"PageDown", 3, true, 0, false}, {"Home", 30, true, 0, false}, {"End", 30, true, 49, false}, {"a", 30, true, 0, true},
	} {
		if got, ok := keyed(c.key, c.now, 50, c.exact); got != c.want || ok == c.forgotten {
			t.Errorf("%s leads from %d to %d, %v; want %d", c.key, c.now, got, ok, c.want)
		}
	}
	points := [][2]int64{{1000, 50}, {2000, 40}, {3000, 30}}
	for us, want := range map[int64]int{1000: 0, 1999: 0, 2000: 1, 2500: 1, 9000: 2, 10: 0} {
		if got := onFrontier(points, &plan.Plan{Status: plan.Optimal, LatencyUs: us}); got != want {
			t.Errorf("a plan of %d is at %d, want %d", us, got, want)
		}
	}
	picture := newFrontierPicture(twoStages(solve.Warm), points, nil, 700)
	for i, one := range points {
		if x, y := picture.place(one[0], one[1]); picture.nearest(x+2, y-1) != i {
			t.Errorf("near point %d is %d", i, picture.nearest(x, y))
		}
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
		"chart": newFrontierPicture(document, points, document, 700).ground(document), "marks": newFrontierPicture(document, points, document, 300).marks(document, document),
		"one point": newFrontierPicture(twoStages(solve.Warm), points[:1], nil, 0).ground(twoStages(solve.Warm)), "tip": newFrontierPicture(document, points, nil, 700).told(1),
		"timeline": timelineSVG(`<script>"&`, &report.Timeline{LatencyUs: 1000, StartUs: 10, Spans: []report.Span{{WakeUs: 10, ReadyUs: 300, CallUs: 300, ComputeUs: 500}}}, false, 1000, 300),
		"no time":  timelineSVG("", &report.Timeline{}, true, 0, 700),
		"months":   newMonthsPicture(someMonths(), 700).draw(), "rate": newMonthsPicture(someMonths(), 700).mark(2_000_000), "way": wayLine(3),
		"plan":   planSVG(model, &state.Answer{Plan: document}, pins{cuts: []int{1}, noCuts: []int{1}}, mark{selected: 1, dragged: 1}, layerWidth, 20),
		"blocks": groundSVG(model, 0, []int64{48, 24}, 700), "layers": groundSVG(model, layerWidth, nil, 300),
		"no plan": planSVG(model, &state.Answer{Plan: &plan.Plan{Status: plan.Infeasible}}, pins{}, mark{selected: -1}, 0, 700),
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

// Where a workflow drives, that is what the timeline says; the gateway is there before it and after.
func TestTimelineOfAWorkflow(t *testing.T) {
	line := &report.Timeline{LatencyUs: 1000, StartUs: 100, EndUs: 50, Spans: []report.Span{{WakeUs: 100, ReadyUs: 300, CallUs: 300, ComputeUs: 650}}}
	with, without := timelineSVG("", line, true, 1000, 700), timelineSVG("", line, false, 1000, 700)
	for _, want := range []string{">workflow<", "drives 850 µs", "makes the answer 50 µs"} {
		if !strings.Contains(with, want) {
			t.Errorf("a workflow's timeline lacks %q: %s", want, with)
		}
	}
	if strings.Contains(without, "workflow") || !strings.Contains(without, "drives 900 µs") {
		t.Errorf("the gateway's timeline is %s", without)
	}
	if r := (&state.Reply{}); r.Trace.Driver() != "gateway" {
		t.Errorf("a reply without a workflow is from the %s", r.Trace.Driver())
	}
	r := &state.Reply{}
	if err := json.Unmarshal([]byte(`{"trace": {"passes": 1, "workflow": {"billedMs": 100}}}`), r); err != nil || r.Trace.Driver() != "workflow" {
		t.Errorf("a reply of a workflow is from the %s, %v", r.Trace.Driver(), err)
	}
}

func TestPriceOfADeployment(t *testing.T) {
	rest := int64(2_300_000_000)
	document := twoStages(solve.Warm)
	document.Platform = "aws"
	p := &Page{session: &state.Session{View: state.View{Answer: &state.Answer{Plan: document, Rest: &rest}}}, cloud: &state.Cloud{Kind: "aws"}}
	if got := p.priceOf(); got != "Costs $0.50 per 100,000 requests, as predicted for aws, and while nobody asks at most $0.00230 a month for what it stores." {
		t.Errorf("on AWS it says %q", got)
	}
	p.cloud.Kind = "local"
	if got := p.priceOf(); !strings.HasPrefix(got, "Costs nothing here. On aws it would cost $0.50 per 100,000 requests, and while") {
		t.Errorf("on the local cloud it says %q", got)
	}
	p.session.Answer.Rest = nil
	if got := p.priceOf(); got != "Costs nothing here. On aws it would cost $0.50 per 100,000 requests." {
		t.Errorf("where storage has no price it says %q", got)
	}
}

// What was asked and has no plan is compared with nothing.
func TestNothingIsComparedWithNoPlan(t *testing.T) {
	document := twoStages(solve.Warm)
	document.Status, document.LatencyUs, document.CostPicoUSD = plan.Infeasible, 0, 0
	if got := oneFunctionWords(document); got != "" {
		t.Errorf("of no plan it is said that it is %q", got)
	}
}

func TestNamesOfLayersInTheirBoxes(t *testing.T) {
	for name, want := range map[string]string{"conv": "conv", "exactly_sixteen_": "exactly_sixteen_", "block_11_depthwise_BN": "block_1…thwise_BN"[:7] + "…hwise_BN"} {
		if got := shortened(name, longestName); got != want {
			t.Errorf("%s is written %q, want %q", name, got, want)
		}
	}
	if width := 6.7 * longestName; width > namesHeight {
		t.Errorf("the longest name takes %v pixels of %v", width, namesHeight)
	}
}

func TestFoundNote(t *testing.T) {
	for want, v := range map[string]modelView{
		"": {}, "No layer's name or kind contains it": {sought: "x"}, "2 of 3": {sought: "x", found: []int{1, 4, 9}, selected: 4}, "1 of 3": {sought: "x", found: []int{1, 4, 9}, selected: 1},
	} {
		if got := foundNote(&v); got != want {
			t.Errorf("%+v: %q, want %q", v, got, want)
		}
	}
}

func TestPassWords(t *testing.T) {
	several := &plan.Plan{Batching: &plan.Batching{Inputs: 64, Batch: 11, Pipelines: 6, Passes: 6}}
	if got := passWords(several); got != "64 inputs in 6 passes of 11, the last of 9, over 6 pipelines at the same time. Sizes and times are of a pass of 11, what is billed and costs of all 6." {
		t.Errorf("got %q", got)
	}
	together := &plan.Plan{Batching: &plan.Batching{Inputs: 8, Batch: 8, Pipelines: 1, Passes: 1}}
	if got := passWords(together); got != "8 inputs together." {
		t.Errorf("got %q", got)
	}
}

// A block's figures are the sums of its layers', but for memory, which is taken again and again.
func TestFiguresOfBlocks(t *testing.T) {
	for measure := range measures {
		want := int64(6)
		if strings.HasPrefix(measures[measure].label, "memory") {
			want = 3
		}
		if got := blockValue(measure, []int64{1, 3, 2}); got != want {
			t.Errorf("%s of a block is %d, want %d", blockMeasure(measure), got, want)
		}
	}
}

// Figures beside an axis have room, however long they are.
func TestFiguresHaveRoom(t *testing.T) {
	for _, picoUSD := range []int64{1, 5_000_000, 123_456_789_012, 987_654_321_098_765} {
		document := twoStages(solve.Warm)
		document.CostPicoUSD = picoUSD
		p := newFrontierPicture(document, [][2]int64{{1000, picoUSD}, {2000, picoUSD / 2}}, nil, 700)
		for _, v := range p.y.Apart(yApart) {
			if room := float64(p.left - 8); textWidth(axisPrice(v)) > room {
				t.Errorf("%s has %v pixels of room", axisPrice(v), room)
			}
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
	document.Stages = []plan.Stage{
		{Index: 1, FirstLayer: 1, LastLayer: 2, Layers: "a .. b (1 of 2)"}, {Index: 2, FirstLayer: 3, LastLayer: 3, Layers: "b (2 of 2)"}, {Index: 3, FirstLayer: 4, LastLayer: 4, Layers: "b"},
	}
	model := twoLayers()
	answer := &state.Answer{Plan: document, Sources: []int{0, 1, 1, 1}}
	for position, want := range []int{0, 1, 1, 1, 2} {
		if got := answer.Place(position, len(model.Layers)); got != want {
			t.Errorf("position %d is at layer %d, want %d", position, got, want)
		}
	}
	if picture := planSVG(model, answer, pins{}, mark{selected: -1}, 0, 700); strings.Count(picture, `line class="cut"`) != 2 {
		t.Errorf("the picture is %s", picture)
	}
	for i, want := range []string{"a … b (1 of 2) (2)", "b (2 of 2)", "b"} {
		if got := layerSpan(&document.Stages[i]); got != want {
			t.Errorf("stage %d holds %q, want %q", i+1, got, want)
		}
	}
}

// Pins are read in every form that the planner takes, and written as it prints them.
func TestPins(t *testing.T) {
	model := &state.Model{Layers: []state.Layer{{Name: "in"}, {Name: "conv"}, {Name: "pool"}, {Name: "fc"}, {Name: "out"}}, Cuts: []int{1, 2, 4}}
	r := state.Request{"cut": "2,fc", "no-cut": "conv..pool,1", "rate": "1/s"}
	now := pinsOf(model, r)
	if !slices.Equal(now.cuts, []int{2, 4}) || !slices.Equal(now.noCuts, []int{1, 2, 3}) {
		t.Fatalf("read as %+v", now)
	}
	for what, c := range map[string]struct {
		changed    pins
		cut, noCut string
	}{
		"force":  {now.force(1), "1,2,4", "2..3"},
		"forbid": {now.forbid(4), "2", "1..4"},
		"free":   {now.free(2), "4", "1,3"},
		"move":   {now.move(4, 3), "2,3", "1..2"},
		"none":   {pins{}.free(1), "none", "none"},
	} {
		if to := c.changed.in(r); to["cut"] != c.cut || to["no-cut"] != c.noCut || to["rate"] != "1/s" {
			t.Errorf("%s gives %v", what, to)
		}
	}
	if r["cut"] != "2,fc" || !slices.Equal(now.cuts, []int{2, 4}) {
		t.Error("what was there has been changed")
	}
	if got := pinned(model, "none,nobody,9,3..x"); len(got) > 0 {
		t.Errorf("no layers are read as %v", got)
	}
	for position, want := range map[int]int{0: 1, 3: 2, 5: 4} {
		if got := nearestCut(model, position); got != want {
			t.Errorf("the nearest cut to %d is %d, want %d", position, got, want)
		}
	}
}

func TestLocks(t *testing.T) {
	entry := locked(1, 52, 1024)
	if entry != "1..52=1024" || toggleLock("", entry) != entry || toggleLock("none", entry) != entry || toggleLock(entry, entry) != "none" {
		t.Errorf("alone, %s is put in and out as %q, %q", entry, toggleLock("none", entry), toggleLock(entry, entry))
	}
	both := toggleLock("fc=2048", entry)
	if both != "fc=2048,1..52=1024" || !hasLock(both, entry) || hasLock("fc=2048", entry) || toggleLock(both, entry) != "fc=2048" {
		t.Errorf("beside another it gives %q", both)
	}
}

func TestBlocks(t *testing.T) {
	model := &state.Model{}
	for _, name := range []string{"input_1", "conv1_conv", "conv1_bn", "conv2_block1_1_conv", "conv2_block1_1_bn", "conv2_block2_out", "fc"} {
		model.Layers = append(model.Layers, state.Layer{Name: name})
	}
	want := []block{{"input", 0, 0}, {"conv1", 1, 2}, {"conv2_block1", 3, 4}, {"conv2_block2", 5, 5}, {"fc", 6, 6}}
	if got := blocksOf(model); !slices.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	for len(model.Layers) < 1000 {
		model.Layers = append(model.Layers, state.Layer{Name: fmt.Sprintf("a%d", len(model.Layers))})
	}
	next := 0
	for _, b := range blocksOf(model) {
		if b.first != next || b.last < b.first {
			t.Fatalf("a block begins at %d after %d", b.first, next)
		}
		next = b.last + 1
	}
	if next != 1000 {
		t.Errorf("blocks hold %d layers", next)
	}
}

// Layers that Keras itself named belong to the next that somebody named; where two parts of a name make too many blocks, others are tried.
func TestBlocksOfLargeModels(t *testing.T) {
	inception, cells := &state.Model{}, &state.Model{}
	for m := range 11 {
		for i := range 20 {
			inception.Layers = append(inception.Layers, state.Layer{Name: fmt.Sprintf("conv2d_%d", m*20+i), Class: "Conv2D"}, state.Layer{Name: fmt.Sprintf("batch_normalization_%d", m*20+i), Class: "BatchNormalization"})
		}
		inception.Layers = append(inception.Layers, state.Layer{Name: fmt.Sprintf("mixed%d", m), Class: "Concatenate"})
	}
	for c := range 18 {
		for i := range 9 {
			cells.Layers = append(cells.Layers, state.Layer{Name: fmt.Sprintf("activation_%d", c*9+i), Class: "Activation"},
				state.Layer{Name: fmt.Sprintf("separable_conv_1_normal_left%d_%d", i, c), Class: "SeparableConv2D"}, state.Layer{Name: fmt.Sprintf("normal_add_%d_%d", i, c), Class: "Add"})
		}
	}
	for name, c := range map[string]struct {
		model *state.Model
		count int
		first block
	}{"named joins": {inception, 11, block{"mixed0", 0, 40}}, "numbered cells": {cells, 18, block{"0", 0, 26}}} {
		if got := blocksOf(c.model); len(got) != c.count || got[0] != c.first {
			t.Errorf("%s: %d blocks, the first %v", name, len(got), got[0])
		}
	}
}

// Large models have a level of zoom between the whole and single layers; small ones need none.
func TestLevelsOfZoom(t *testing.T) {
	for layers, want := range map[int]int{2: 1, 40: 2, 177: 2, 1041: 3} {
		m := &state.Model{Layers: make([]state.Layer, layers)}
		all := units(m, 820)
		if len(all) != want {
			t.Errorf("%d layers have the levels %v", layers, all)
		}
		if got := zoomable(m, 1e9, 820); got > max(widestLayer, all[0]) || zoomable(m, 1.01*all[0], 820) != 0 || zoomable(m, 0.01, 820) != 0 {
			t.Errorf("%d layers: the widest is %v", layers, got)
		}
		for level := range all {
			unit := all[level]
			if level == 0 {
				unit = 0
			}
			l := layoutOf(m, unit, 820)
			if l.zoomed != (level > 0) || l.arches != (len(all) == 1 || level == len(all)-1) || l.at(0.9999) != layers-1 || l.width < 819 {
				t.Errorf("%d layers at level %d: %+v", layers, level, l)
			}
			next, before := unit, 0.0
			if level+1 < len(all) {
				next = all[level+1]
			}
			if level > 1 {
				before = all[level-1]
			}
			if got := nearer(m, unit, 820); got != next {
				t.Errorf("%d layers: nearer than %v is %v, want %v", layers, unit, got, next)
			}
			if got := farther(m, unit, 820); got != before {
				t.Errorf("%d layers: farther than %v is %v, want %v", layers, unit, got, before)
			}
			if got := zoomable(m, unit, 820); got != unit {
				t.Errorf("%d layers: %v is drawn as %v", layers, unit, got)
			}
		}
	}
}

// The sample says in words what its drawings show, for whoever does not see them.
func TestSampleInWords(t *testing.T) {
	document := twoStages(solve.ColdOverlapped)
	document.Stages[0].MemoryMB, document.Stages[1].MemoryMB = 128, 2048
	frontier := &state.Frontier{Drawn: [][2]int64{{900, 7_000_000}, {1000, 5_000_000}, {2000, 4_000_000}}}
	if got, want := sampleChartWords(document, frontier), "Cost against latency: from 900 µs at $0.70 to 2.00 ms at $0.40 per 100,000 requests; this plan takes 1.00 ms and costs $0.50"; got != want {
		t.Errorf("the chart is told as %q, want %q", got, want)
	}
	view := &state.View{Model: twoLayers(), Answer: &state.Answer{Plan: document}}
	if got, want := sampleModelWords(view), "2 layers in 2 functions: layers 1 to 1 in 128 MB, layers 2 to 2 in 2,048 MB"; got != want {
		t.Errorf("the drawing of the model is told as %q, want %q", got, want)
	}
}

// The sample's request is one that the planner takes, and that shows a split that pays.
func TestSampleShowsASplit(t *testing.T) {
	e := &engine.Engine{}
	task := state.NewTask(state.OpPlan, state.OpenBuiltIn(sampleModel), state.Request{"slo": sampleSLO})
	text, err := e.Run(t.Context(), &task, nil, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	var answer state.Answer
	if err := json.Unmarshal(text, &answer); err != nil {
		t.Fatal(err)
	}
	if document := answer.Plan; document.Status != plan.Optimal || len(document.Stages) < 2 || !strings.Contains(oneFunctionWords(document), "cheaper") {
		t.Errorf("the sample is %s in %d functions: %q", document.Status, len(document.Stages), oneFunctionWords(document))
	}
}
