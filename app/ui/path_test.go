package ui

import "testing"

func TestPath(t *testing.T) {
	var d path
	d.to('M', 0, 1.5)
	d.to('h', -3.25)
	d.to('L', 719.999, 0.004)
	d.to('v', -0.004, -0.09)
	if got, want := string(d), "M0 1.5h-3.25L720 0v0 -0.09"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// BenchmarkGround draws the part of a large network that plans do not change.
func BenchmarkGround(b *testing.B) {
	m := twoLayers()
	for len(m.Layers) < 1041 {
		m.Layers = append(m.Layers, m.Layers[0])
		m.Crossing = append(m.Crossing, int64(len(m.Layers)))
	}
	values := make([]int64, len(m.Layers))
	for i := range m.Layers {
		values[i] = m.Layers[i].WeightBytes
	}
	for b.Loop() {
		groundSVG(m, 0, values, 700)
		groundSVG(m, layerWidth, values, 700)
	}
}
