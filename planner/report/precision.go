package report

import (
	"fmt"

	"partita/planner/plan"
)

// Expected says what is known of the error of a plan's weights before anything is deployed; "" where all are exact.
func Expected(p *plan.Plan) string {
	// See package precision: half a step of 11 bits, and of 127 steps to either side.
	bounds := map[string]string{"float16": "each weight at most 1/2,048 of itself off", "int8": "each weight at most 1/254 of the largest of its channel off"}
	text := ""
	for _, name := range []string{"float16", "int8"} {
		for _, s := range p.Stages {
			if s.Precision == name {
				if text != "" {
					text += "; "
				}
				text += name + ": " + bounds[name]
				break
			}
		}
	}
	if text != "" {
		text += ". That is of the weights: deploy measures the outputs"
	}
	return text
}

// Outputs says how far a deployment's answers are from exact.
func Outputs(e *OutputError) string {
	if e.Unmeasured != "" {
		return "how far its outputs are from float32's is not known: " + e.Unmeasured
	}
	of := Count(e.Samples, "input") + " that you gave"
	if e.MadeUp {
		of = Count(e.Samples, "made-up input")
	}
	text := fmt.Sprintf("measured on %s, its outputs are up to %s off float32's, a number up to %.2g", of, Share(int64(e.MaxRelative*1e6)), e.MaxAbsolute)
	if e.Ranked > 0 {
		text += fmt.Sprintf("; the highest class is another in %d of %d", e.TopChanged, e.Ranked)
	}
	if e.NotNumbers > 0 {
		text += fmt.Sprintf("; %d are no numbers any more", e.NotNumbers)
	}
	return text
}
