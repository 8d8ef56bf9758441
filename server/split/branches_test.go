//go:build cgo

package split

import (
	"fmt"
	"testing"

	ort "github.com/yalue/onnxruntime_go"
)

// TestArchitectures splits networks with branches, for which there are no trained weights here, and compares with the
// unsplit and unfolded model.
func TestArchitectures(t *testing.T) {
	if testing.Short() {
		t.Skip("running models with branches, all of them large, is left out of the short tests")
	}
	runtimeReady(t)
	for _, c := range []struct {
		version, name string
		gain          float64
	}{
		{"keras1", "InceptionV3", 1.5}, {"keras2", "Xception", 1}, {"keras3", "MobileNetV2", 1.5},
	} {
		t.Run(c.version+" "+c.name, func(t *testing.T) {
			g := architecture(t, c.version, c.name)
			src := invent(g, c.gain)
			given := randomInputs(newModel(t, ""), g, 1)
			want := runPipeline(t, []*Stage{unfolded(t, g)}, src, given, ort.GraphOptimizationLevelEnableBasic)
			for _, way := range [][]int{nil, spread(g.Cuts(), 4)} {
				stages, err := Stages(g, way, "test")
				must(t, err)
				got := runPipeline(t, stages, src, given, ort.GraphOptimizationLevelEnableAll)
				same(t, fmt.Sprintf("cuts %v", way), got, want, 1e-4) // of other kernels: folding and fusion round differently
				crossing := 0
				for _, s := range stages {
					crossing = max(crossing, len(s.Manifest.Outputs))
				}
				t.Logf("cuts %v: up to %d tensors cross; output %v", way, crossing, first(got))
			}
		})
	}
}

func first(m map[string]tensor32) []float32 {
	for _, x := range m {
		return x.data[:min(5, len(x.data))]
	}
	return nil
}
