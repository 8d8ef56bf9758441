package check

import (
	"encoding/json"
	"math/rand/v2"
	"testing"

	"partita/internal/models"
	"partita/planner/plan"
)

// Plans whose functions have more temporary storage than their price includes cost what their simulation is billed.
func TestTemporaryStorageComesTrue(t *testing.T) {
	b := &builder{}
	at := b.add("InputLayer", map[string]any{"batch_input_shape": []any{nil, 32, 32, 3}, "dtype": "float32"})
	at = b.add("GlobalAveragePooling2D", map[string]any{"data_format": "channels_last"}, at)
	for _, units := range []int{12_000, 12_000, 10} {
		at = b.add("Dense", map[string]any{"units": units, "activation": "relu", "use_bias": true}, at)
	}
	data, err := json.Marshal(map[string]any{"class_name": "Model", "config": map[string]any{"name": "wide", "layers": b.layers,
		"input_layers": []any{[]any{b.name(0), 0, 0}}, "output_layers": []any{[]any{b.name(at), 0, 0}}}})
	if err != nil {
		t.Fatal(err)
	}
	m := models.Keras(t, data)
	rng := rand.New(rand.NewPCG(5, 12))
	large := 0
	for range 30 {
		r := randomRequest(rng)
		r.Platform, r.MinStages, r.MemoryMB, r.Packaging, r.SplitLayers, r.LayerCap, r.Orchestration = "aws-lambda-arm64", 1, nil, plan.PackagingS3, "off", 0, ""
		for document := range documents(t, m, r, 4) {
			for _, s := range document.Stages {
				if s.TemporaryMB > 512 {
					large++
				}
			}
			holds(t, document)
		}
	}
	if large < 50 {
		t.Errorf("only %d functions had more temporary storage", large)
	}
}
