package report

import "math"

// Axis maps figures to places of a drawing, in proportion or by their logarithms.
type Axis struct {
	Low, High   float64 // figures at its ends
	Logarithmic bool
	Ticks       []float64 // round figures on it, rising

	from, to int64 // pixels
}

// manyDecades is a ratio of figures above which only powers of ten are round.
const manyDecades = 1e4

// NewAxis covers figures above zero with a margin, from one pixel to another. Figures that differ by more than a factor of eight stand
// by their logarithms.
func NewAxis(figures []float64, from, to int64) *Axis {
	low, high := figures[0], figures[0]
	for _, f := range figures {
		low, high = min(low, f), max(high, f)
	}
	a := &Axis{from: from, to: to, Logarithmic: high > 8*low}
	if a.Logarithmic {
		a.Low, a.High = low/1.15, high*1.15
		steps := []float64{1, 2, 5}
		if high > manyDecades*low {
			steps = steps[:1]
		}
		for decade := math.Floor(math.Log10(a.Low)); decade <= math.Ceil(math.Log10(a.High)); decade++ {
			for _, step := range steps {
				a.tick(step * math.Pow(10, decade))
			}
		}
		return a
	}
	margin := max(float64((high-low)*0.08), float64(high*0.02)) // no fused multiply-add: all processors draw the same
	return LinearAxis(max(low-margin, 0), high+margin, from, to)
}

// LinearAxis goes from one figure to a larger one, in proportion.
func LinearAxis(low, high float64, from, to int64) *Axis {
	a := &Axis{Low: low, High: high, from: from, to: to}
	step := math.Pow(10, math.Floor(math.Log10((a.High-a.Low)/4)))
	for _, factor := range []float64{5, 2} {
		if (a.High-a.Low)/(step*factor) >= 4 {
			step *= factor
			break
		}
	}
	for n := math.Ceil(a.Low / step); n*step <= a.High; n++ {
		a.tick(n * step)
	}
	return a
}

func (a *Axis) tick(v float64) {
	if v >= a.Low && v <= a.High {
		a.Ticks = append(a.Ticks, v)
	}
}

// At gives the place of a figure in tenths of a pixel.
func (a *Axis) At(v float64) int64 {
	part := (v - a.Low) / (a.High - a.Low)
	if a.Logarithmic {
		part = math.Log(v/a.Low) / math.Log(a.High/a.Low)
	}
	return a.from*10 + int64(math.Round(part*float64(a.to-a.from)*10))
}

// Figure is the inverse of At, for a place in pixels.
func (a *Axis) Figure(pixel float64) float64 {
	part := (pixel - float64(a.from)) / float64(a.to-a.from)
	if a.Logarithmic {
		return a.Low * math.Pow(a.High/a.Low, part)
	}
	return a.Low + float64(part*(a.High-a.Low))
}

// Apart gives ticks that are at least so many pixels apart.
func (a *Axis) Apart(pixels int64) []float64 {
	var kept []float64
	for _, t := range a.Ticks {
		if n := len(kept); n > 0 {
			if gap := a.At(t) - a.At(kept[n-1]); max(gap, -gap) < pixels*10 {
				continue
			}
		}
		kept = append(kept, t)
	}
	return kept
}
