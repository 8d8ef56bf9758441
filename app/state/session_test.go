package state

import (
	"bytes"
	"context"
	"errors"
	"os"
	"testing"

	"partita/internal/fixture"
	"partita/planner"
	"partita/planner/diag"
)

// counted is a file in memory that counts what is read of it.
type counted struct {
	name string
	raw  []byte
	read int64
}

func (f *counted) Name() string     { return f.name }
func (f *counted) Size() int64      { return int64(len(f.raw)) }
func (f *counted) BytesRead() int64 { return f.read }
func (f *counted) ReadAt(p []byte, offset int64) (int, error) {
	n, err := bytes.NewReader(f.raw).ReadAt(p, offset)
	f.read += int64(n)
	return n, err
}

func shared(t *testing.T, name string, elem ...string) *counted {
	t.Helper()
	raw, err := os.ReadFile(fixture.Shared(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	return &counted{name: name, raw: raw}
}

func TestSession(t *testing.T) {
	file := shared(t, "model.h5", "models", "trained_mobilenet_v2", "model.h5")
	s, err := Open(t.Context(), []File{file}, planner.DefaultRequest())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Weights) != 1 || s.Weights[0] != File(file) || s.Inspect.Layers != 162 || s.Inspect.Parameters != 2619461 {
		t.Errorf("opened as %+v", s.Inspect)
	}
	if file.read > file.Size()/4 {
		t.Errorf("%d of %d bytes were read to plan", file.read, file.Size())
	}

	fastest, cheapest, ok := s.Span()
	if !ok || fastest >= cheapest {
		t.Fatalf("the frontier spans %d to %d", fastest, cheapest)
	}
	cheap := s.Plan.CostPicoUSD
	if err := s.MoveSLO(fastest); err != nil {
		t.Fatal(err)
	}
	if s.Plan.LatencyUs != fastest || s.Plan.CostPicoUSD <= cheap || s.Request.SLOUs != fastest {
		t.Errorf("at an SLO of %d the plan takes %d and costs %d", fastest, s.Plan.LatencyUs, s.Plan.CostPicoUSD)
	}
	moved, err := s.Plan.Encode()
	if err != nil {
		t.Fatal(err)
	}
	// The lookup must be the very plan that planning anew gives.
	again, err := planner.Make(s.Model, s.Request)
	if err != nil {
		t.Fatal(err)
	}
	if fresh, err := again.Encode(); err != nil || !bytes.Equal(moved, fresh) {
		t.Errorf("moving the SLO gives another document than planning anew (%v)", err)
	}

	before := s.Plan
	if err := s.Change(func(r *planner.Request) { r.MemoryMB = []int64{77} }); diag.CodeOf(err) == "" {
		t.Error("a size that is not sold was accepted")
	}
	if s.Plan != before || s.Request.MemoryMB != nil {
		t.Error("a refused change left traces")
	}
	if err := s.Change(func(r *planner.Request) { r.MinStages, r.SLOUs = 3, 0 }); err != nil {
		t.Fatal(err)
	}
	if len(s.Plan.Stages) < 3 {
		t.Errorf("%d stages, at least 3 were asked for", len(s.Plan.Stages))
	}
}

func TestArchitectureAloneCannotBeDeployed(t *testing.T) {
	config := shared(t, "model.json", "models", "k3_tiny_cnn", "model.json")
	s, err := Open(t.Context(), []File{config}, planner.DefaultRequest())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Weights) > 0 {
		t.Error("a .json counts as weights")
	}
	weights := shared(t, "model.weights.h5", "models", "k3_tiny_cnn", "model.weights.h5")
	s, err = Open(t.Context(), []File{weights, config}, planner.DefaultRequest())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Weights) != 1 || s.Weights[0] != File(weights) {
		t.Error("the weights beside the architecture were not recognised")
	}
}

func TestBrokenFile(t *testing.T) {
	if _, err := Open(t.Context(), []File{&counted{name: "notes.txt", raw: []byte("no model")}}, planner.DefaultRequest()); diag.CodeOf(err) != "model.unknown-format" {
		t.Errorf("got %v", err)
	}
}

func TestModelOverSeveralFiles(t *testing.T) {
	model, shard := shared(t, "model.json", "models", "tfjs_functional", "model.json"), shared(t, "weights.bin", "models", "tfjs_functional", "weights.bin")
	s, err := Open(t.Context(), []File{shard, model}, planner.DefaultRequest())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Weights) != 2 || s.WeightsSize() != model.Size()+shard.Size() {
		t.Fatalf("%d files hold the weights", len(s.Weights))
	}
	upload, err := s.Upload(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var packed []byte
	for _, part := range upload.Parts {
		if part.File != nil {
			packed = append(packed, part.File.(*counted).raw...)
		} else {
			packed = append(packed, part.Bytes...)
		}
	}
	// What is sent must open as the very same model, with weights.
	again, err := Open(t.Context(), []File{&counted{name: upload.Name, raw: packed}}, planner.DefaultRequest())
	if err != nil {
		t.Fatal(err)
	}
	if again.Model.Digest != s.Model.Digest || !again.Model.HasWeights {
		t.Errorf("the upload opens as %s with weights %v, want %s", again.Model.Digest, again.Model.HasWeights, s.Model.Digest)
	}
}

func TestOpeningCanBeCancelled(t *testing.T) {
	file := shared(t, "model.h5", "models", "trained_mobilenet_v2", "model.h5")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Open(ctx, []File{file}, planner.DefaultRequest()); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if file.read != 0 {
		t.Errorf("%d bytes were read after the cancellation", file.read)
	}
}
