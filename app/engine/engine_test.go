package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"

	"partita/app/state"
	"partita/planner"
	"partita/planner/diag"
	"partita/planner/keras"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/zoo"
)

// asked opens and plans as the page does.
func asked(t *testing.T, e *Engine, o *state.Opening, r planner.Request) state.View {
	t.Helper()
	m, err := e.Open(t.Context(), o, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := e.Plan(t.Context(), o, r)
	if err != nil {
		t.Fatal(err)
	}
	return state.View{Opening: o, Model: m, Request: a.Request, Answer: a}
}

func TestEngine(t *testing.T) {
	file := shared(t, "model.h5", "models", "trained_mobilenet_v2", "model.h5")
	e := &Engine{}
	v := asked(t, e, state.OpenFiles([]state.File{file}), planner.DefaultRequest())
	if w := v.Weights(); len(w) != 1 || w[0] != state.File(file) || v.Model.Inspect.Layers != 162 || v.Model.Inspect.Parameters != 2619461 || len(v.Model.Crossing) != len(v.Model.Layers)+1 {
		t.Errorf("opened as %+v", v.Model.Inspect)
	}
	if file.read > file.Size()/4 || v.Model.BytesRead != file.read {
		t.Errorf("%d of %d bytes were read to plan; %d are told", file.read, file.Size(), v.Model.BytesRead)
	}
	fastest, cheapest, ok := v.Answer.Span()
	if !ok || fastest >= cheapest || len(v.Answer.Frontier.Drawn) > drawnPoints || len(v.Answer.Frontier.Table) > tableRows {
		t.Fatalf("the frontier spans %d to %d", fastest, cheapest)
	}
	r := planner.DefaultRequest()
	r.SLOUs = fastest
	moved, err := e.Plan(t.Context(), v.Opening, r)
	if err != nil {
		t.Fatal(err)
	}
	if moved.Plan.LatencyUs != fastest || moved.Plan.CostPicoUSD <= v.Answer.Plan.CostPicoUSD || moved.Frontier != v.Answer.Frontier {
		t.Errorf("at an SLO of %d the plan takes %d and costs %d", fastest, moved.Plan.LatencyUs, moved.Plan.CostPicoUSD)
	}
	// The lookup must be the very plan that planning anew gives, and what is shown must be that plan without its bulk.
	document, err := e.Document(t.Context(), v.Opening, r)
	if err != nil {
		t.Fatal(err)
	}
	m, err := load.Open(load.File{Name: file.name, Size: file.Size(), Reader: file})
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := planner.Make(m, r)
	if err != nil {
		t.Fatal(err)
	}
	if text, err := fresh.Encode(); err != nil || !bytes.Equal(document, text) {
		t.Errorf("moving the SLO gives another document than planning anew (%v)", err)
	}
	if first, last := fresh.Frontier[0], fresh.Frontier[len(fresh.Frontier)-1]; moved.Frontier.Points != len(fresh.Frontier) || moved.Frontier.Table[0].LatencyUs != first.LatencyUs || cheapest != last.LatencyUs {
		t.Errorf("the frontier is shown as %d points from %d to %d", moved.Frontier.Points, fastest, cheapest)
	}
	fresh.Frontier, fresh.Hash, fresh.Model.Architecture = nil, "", plan.Architecture{}
	if !reflect.DeepEqual(fresh, moved.Plan) {
		t.Errorf("shown is %+v, want %+v", moved.Plan, fresh)
	}

	r.MemoryMB = []int64{77}
	if _, err := e.Plan(t.Context(), v.Opening, r); diag.CodeOf(err) == "" {
		t.Error("a size that is not sold was accepted")
	}
	r = planner.DefaultRequest()
	r.MinStages = 3
	if more, err := e.Plan(t.Context(), v.Opening, r); err != nil || len(more.Plan.Stages) < 3 {
		t.Errorf("at least 3 stages were asked for (%v)", err)
	}
	r.Objective = planner.LeastLatency
	if quick, err := e.Plan(t.Context(), v.Opening, r); err != nil || quick.Plan.Request.Objective != planner.LeastLatency || quick.Plan.LatencyUs != quick.Frontier.Drawn[0][0] {
		t.Errorf("the least latency was asked for (%v)", err)
	}
}

// TestTasksCross does through text what an engine does directly.
func TestTasksCross(t *testing.T) {
	e, direct := &Engine{}, &Engine{}
	file := shared(t, "model.weights.h5", "models", "k3_tiny_cnn", "model.weights.h5")
	config := shared(t, "model.json", "models", "k3_tiny_cnn", "model.json")
	o := state.OpenFiles([]state.File{config}).WithWeights(file)
	r := planner.DefaultRequest()
	r.Scenario, r.SLOUs = "warm", 2_000_000
	want := asked(t, direct, o, r)
	run := func(op string) []byte {
		text, err := json.Marshal(state.NewTask(op, o, requestOf(r)))
		if err != nil {
			t.Fatal(err)
		}
		var task state.Task
		if err := json.Unmarshal(text, &task); err != nil {
			t.Fatal(err)
		}
		var read int64
		reply, err := e.Run(t.Context(), &task, o.AllFiles(), func(n int64) { read = n }, nil)
		if err != nil {
			t.Fatal(err)
		}
		if op == state.OpOpen && read == 0 {
			t.Error("nothing was told of what was read")
		}
		return reply
	}
	var a state.Answer
	m, err := state.DecodeModel(string(run(state.OpOpen)), func() {})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(run(state.OpPlan), &a); err != nil {
		t.Fatal(err)
	}
	m.BytesRead = want.Model.BytesRead // the files have been read before
	if !reflect.DeepEqual(m, want.Model) || !reflect.DeepEqual(a.Frontier, want.Answer.Frontier) || a.Plan.CostPicoUSD != want.Answer.Plan.CostPicoUSD {
		t.Errorf("got %+v and %+v", m, a)
	}
	if w := m.Weights(o); len(w) != 1 || w[0] != state.File(file) {
		t.Errorf("the weights are in %v", w)
	}
	task := state.NewTask(state.OpPlan, o, requestOf(r))
	task.Have = a.Frontier.ID
	var kept state.Answer
	if reply, err := e.Run(t.Context(), &task, o.AllFiles(), nil, nil); err != nil || json.Unmarshal(reply, &kept) != nil || kept.Frontier != nil || !reflect.DeepEqual(kept.Plan, a.Plan) {
		t.Errorf("a frontier that the page has comes again, or the plan is another (%v)", err)
	}
	p, err := plan.Decode(run(state.OpDocument))
	if err != nil || p.CostPicoUSD != a.Plan.CostPicoUSD {
		t.Errorf("the document is of another plan (%v)", err)
	}
	if got := ProblemOf(diag.New(diag.Usage, "a.b", "doing", "found", "fix")); got.Error() != "doing: found. fix [a.b]" {
		t.Errorf("a problem crosses as %q", got.Error())
	}
	_, err = e.Run(t.Context(), &state.Task{Op: state.OpOpen, Request: state.Request{"slo": "nonsense"}}, nil, nil, nil)
	if diag.CodeOf(err) != "planner.bad-option" {
		t.Errorf("got %v", err)
	}
}

func TestMadeUpWeights(t *testing.T) {
	e := &Engine{}
	v := asked(t, e, state.OpenBuiltIn("MobileNetV3Small"), planner.DefaultRequest())
	if len(v.Weights()) > 0 || v.Model.Inspect.Parameters != 2554968 || v.ReadNote(func(int64) string { return "?" }) != "built in" {
		t.Errorf("opened as %+v", v.Model.Inspect)
	}
	var made bytes.Buffer
	if err := e.MakeWeights(t.Context(), v.Opening, func(piece []byte) error { made.Write(piece); return nil }); err != nil {
		t.Fatal(err)
	}
	weights := &counted{name: "w.h5", raw: made.Bytes()}
	with := asked(t, e, v.Opening.WithWeights(weights), planner.DefaultRequest())
	if w := with.Weights(); len(w) != 1 || w[0] != state.File(weights) || with.WeightsSize() != weights.Size() || with.Answer.Plan.CostPicoUSD != v.Answer.Plan.CostPicoUSD {
		t.Error("the weights do not belong to the model")
	}
	bundle, err := e.Bundle(t.Context(), with.Opening)
	if err != nil {
		t.Fatal(err)
	}
	upload := bundle.Upload(with.Opening)
	if err != nil || len(upload.Parts) != 1 || upload.Parts[0].File != state.File(weights) {
		t.Errorf("the upload is %+v, %v", upload, err)
	}
	if _, err := e.Open(t.Context(), state.OpenBuiltIn("MobileNetV2").WithWeights(weights), nil); diag.CodeOf(err) != "weights.missing" {
		t.Errorf("got %v, want code weights.missing", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	if err := e.MakeWeights(ctx, v.Opening, func([]byte) error { cancel(); return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("making weights up went on after its end was asked for: %v", err)
	}
}

func TestOpeningsThatFail(t *testing.T) {
	e := &Engine{}
	weights := shared(t, "model.weights.h5", "models", "k3_tiny_cnn", "model.weights.h5")
	for code, o := range map[string]*state.Opening{
		"model.unknown-format": state.OpenFiles([]state.File{&counted{name: "notes.txt", raw: []byte("no model")}}),
		"zoo.unknown":          state.OpenBuiltIn("AlexNet"),
		"model.weights-only":   state.OpenFiles([]state.File{weights}),
		"link.broken":          state.OpenLinked(&state.Linked{Format: load.KerasJSON, Packed: "AAAA"}),
	} {
		_, err := e.Open(t.Context(), o, nil)
		if diag.CodeOf(err) != code {
			t.Errorf("got %v, want code %s", err, code)
		}
		if state.WeightsOnly(ProblemOf(err)) != (code == "model.weights-only") {
			t.Errorf("%v is taken for a file of weights, or is not", err)
		}
	}
}

func TestModelsWithoutWeights(t *testing.T) {
	e := &Engine{}
	config := shared(t, "model.json", "models", "k3_tiny_cnn", "model.json")
	if v := asked(t, e, state.OpenFiles([]state.File{config}), planner.DefaultRequest()); len(v.Weights()) > 0 {
		t.Error("a .json counts as weights")
	}
	weights := shared(t, "model.weights.h5", "models", "k3_tiny_cnn", "model.weights.h5")
	if v := asked(t, e, state.OpenFiles([]state.File{weights, config}), planner.DefaultRequest()); len(v.Weights()) != 1 || v.Weights()[0] != state.File(weights) {
		t.Error("the weights beside the architecture were not recognised")
	}
}

func TestModelOverSeveralFiles(t *testing.T) {
	e := &Engine{}
	model, shard := shared(t, "model.json", "models", "tfjs_functional", "model.json"), shared(t, "weights.bin", "models", "tfjs_functional", "weights.bin")
	v := asked(t, e, state.OpenFiles([]state.File{shard, model}), planner.DefaultRequest())
	if len(v.Weights()) != 2 || v.WeightsSize() != model.Size()+shard.Size() {
		t.Fatalf("%d files hold the weights", len(v.Weights()))
	}
	bundle, err := e.Bundle(t.Context(), v.Opening)
	if err != nil {
		t.Fatal(err)
	}
	upload := bundle.Upload(v.Opening)
	var packed []byte
	for _, part := range upload.Parts {
		if part.File != nil {
			packed = append(packed, part.File.(*counted).raw...)
		} else {
			packed = append(packed, part.Bytes...)
		}
	}
	// What is sent must open as the very same model, with weights.
	again := asked(t, e, state.OpenFiles([]state.File{&counted{name: upload.Name, raw: packed}}), planner.DefaultRequest())
	if again.Model.Inspect.Digest != v.Model.Inspect.Digest || len(again.Weights()) == 0 {
		t.Errorf("the upload opens as %s, want %s", again.Model.Inspect.Digest, v.Model.Inspect.Digest)
	}
}

func TestOpeningCanBeCancelled(t *testing.T) {
	file := shared(t, "model.h5", "models", "trained_mobilenet_v2", "model.h5")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := (&Engine{}).Open(ctx, state.OpenFiles([]state.File{file}), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if file.read != 0 {
		t.Errorf("%d bytes were read after the cancellation", file.read)
	}
}

// TestOpenSizes settles a size that an ONNX model leaves open, and leaves it open again.
func TestOpenSizes(t *testing.T) {
	file := shared(t, "model.onnx", "models", openONNXCase, "model.onnx")
	e := &Engine{}
	o := state.OpenFiles([]state.File{file})
	v := asked(t, e, o, planner.DefaultRequest())
	if len(v.Model.Open) == 0 {
		t.Fatal("no size is open")
	}
	d := v.Model.Open[0]
	other := asked(t, e, o.WithDim(d.Name, d.Size/2), planner.DefaultRequest())
	if len(other.Model.Open) != len(v.Model.Open)-1 || other.Model.Inspect.MACs >= v.Model.Inspect.MACs {
		t.Errorf("at %s %d the model has %d MACs, before %d; open are %v", d.Name, d.Size/2, other.Model.Inspect.MACs, v.Model.Inspect.MACs, other.Model.Open)
	}
	back := other.Opening.WithDim(d.Name, 0)
	if again := asked(t, e, back, planner.DefaultRequest()); len(back.Dims) != 0 || again.Model.Inspect.MACs != v.Model.Inspect.MACs {
		t.Error("left open again, the model is another one")
	}
}

// TestEveryBuiltInLinkIsShort makes sure that a link to a built-in model holds its name instead of its architecture.
func TestEveryBuiltInLinkIsShort(t *testing.T) {
	for _, name := range zoo.Names() {
		if link := state.EncodeLink(state.OpenBuiltIn(name), nil, "", nil); len(link) > 60 || !strings.Contains(link, name) {
			t.Errorf("%s: the link is %q", name, link)
		}
	}
}

// openONNXCase is a model whose images may have any size.
const openONNXCase = "onnx_ch_ppocr_mobile_v2_0_cls_infer"

// TestAssumedSizes takes sizes for what Keras models leave open: the same ones, whichever of them somebody has settled.
func TestAssumedSizes(t *testing.T) {
	open := &keras.OpenSizes{Names: []string{"image[1]", "image[2]", "text[1]"}}
	dims, assumed := assume(&state.Opening{}, open)
	if dims["image[1]"] != assumedImage || dims["image[2]"] != assumedImage || dims["text[1]"] != assumedSequence || len(assumed) != 3 {
		t.Errorf("assumed are %v", dims)
	}
	open.Names = open.Names[1:2]
	dims, assumed = assume(&state.Opening{Dims: map[string]int64{"image[1]": 7}}, open)
	if dims["image[1]"] != 7 || dims["image[2]"] != assumedImage || len(assumed) != 1 {
		t.Errorf("beside a size that is settled, assumed are %v", dims)
	}
}
