package report

import (
	"math"
	"testing"
)

func TestAxis(t *testing.T) {
	for _, figures := range [][]float64{{4, 5}, {100, 100}, {1.7e6, 2.6e6, 3.8e6}, {4, 71}, {0.07, 1e9}, {1, 1}} {
		for _, ends := range [][2]int64{{60, 700}, {200, 10}} {
			a := NewAxis(figures, ends[0], ends[1])
			if len(a.Ticks) == 0 {
				t.Errorf("%v has no ticks", figures)
			}
			low, high := min(ends[0], ends[1])*10, max(ends[0], ends[1])*10
			for _, v := range append(figures, a.Ticks...) {
				at := a.At(v)
				if at < low || at > high {
					t.Errorf("%v: %g is at %d tenths of a pixel, outside %v", figures, v, at, ends)
				}
				if back := a.Figure(float64(at) / 10); math.Abs(back-v) > 0.02*(a.High-a.Low) && math.Abs(back/v-1) > 0.01 {
					t.Errorf("%v: %g comes back as %g", figures, v, back)
				}
			}
			apart := a.Apart(50)
			for i := 1; i < len(apart); i++ {
				if gap := a.At(apart[i]) - a.At(apart[i-1]); max(gap, -gap) < 500 {
					t.Errorf("%v: ticks %g and %g are %d tenths apart", figures, apart[i-1], apart[i], gap)
				}
			}
		}
	}
}
