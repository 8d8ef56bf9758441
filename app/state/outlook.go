package state

import (
	"partita/planner/plan"
	"partita/planner/report"
)

// Explained is what is found about a plan by planning again.
type Explained struct {
	Reasons []plan.Reason
	Levers  []plan.Lever
}

// Outlook is what follows from a plan beyond the plan itself.
type Outlook struct {
	Months report.Months
	// Of each layer of the model: what it takes on one vCPU, in nanoseconds, and the most bytes of activations that are live while it runs.
	LayerNs        []int64
	LayerPeakBytes []int64
}

// Form is a form in which a plan can be exported.
type Form struct{ Name, Summary, Extension string }

// Exported is a plan in a form.
type Exported struct{ FileName, MediaType, Text string }
