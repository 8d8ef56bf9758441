package report

import "math"

// OutputError says how far the answers of a deployment that stores weights in less than float32 are from those of the same
// model in float32, measured on sample inputs.
type OutputError struct {
	Samples     int     `json:"samples" doc:"inputs that were sent through both"`
	MadeUp      bool    `json:"madeUp,omitempty" doc:"none were given with the request, so they are made up: noise, which is harder than most real inputs"`
	MaxRelative float64 `json:"maxRelative" doc:"of all outputs: the Euclidean norm of the difference over that of the exact output"`
	MaxAbsolute float64 `json:"maxAbsolute" doc:"the largest difference of a number"`
	Ranked      int     `json:"ranked,omitempty" doc:"answers that are scores of classes"`
	TopChanged  int     `json:"topChanged" doc:"of the ranked ones, those whose highest class is another"`
	NotNumbers  int     `json:"notNumbers,omitempty" doc:"numbers that are finite in float32 and not here"`
	// Unmeasured is the only member that says something where nothing could be measured.
	Unmeasured string `json:"unmeasured,omitempty" doc:"why it is not known"`
}

// Compare takes one output. Numbers that are not finite in float32 say nothing and are left out.
func (e *OutputError) Compare(want, got []float64) {
	var apart, size float64
	for i, w := range want {
		if math.IsNaN(w) || math.IsInf(w, 0) {
			continue
		}
		d := math.Abs(got[i] - w)
		if math.IsNaN(d) || math.IsInf(d, 0) {
			e.NotNumbers++
			continue
		}
		e.MaxAbsolute = max(e.MaxAbsolute, d)
		apart += float64(d * d)
		size += float64(w * w)
	}
	if relative := math.Sqrt(apart / size); apart > 0 && size > 0 && !math.IsInf(relative, 0) {
		e.MaxRelative = max(e.MaxRelative, relative)
	}
}
