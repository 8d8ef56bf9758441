package state

import (
	"context"

	"partita/planner/plan"
	"partita/planner/report"
)

// Planner opens models and plans them. It is another program, in a Web Worker, so that nothing that it does keeps the page from
// answering the user; see package engine for what does the work. What it gives must not be changed.
type Planner interface {
	// About says what the planner offers.
	About(ctx context.Context) (*About, error)
	// Link reads the fragment of a link.
	Link(ctx context.Context, fragment string) (*Link, error)
	// Open gives what to show of a model. read is told now and then how far the reading of its files is.
	Open(ctx context.Context, o *Opening, read func(bytes int64)) (*Model, error)
	// Plan answers a request for a model.
	Plan(ctx context.Context, o *Opening, r Request) (*Answer, error)
	// Explain says what holds a plan back, or what would make the request feasible. It takes a while, beside the others.
	Explain(ctx context.Context, o *Opening, r Request) (*Explained, error)
	// Outlook tells what follows from a plan.
	Outlook(ctx context.Context, o *Opening, r Request) (*Outlook, error)
	// Export gives a plan in one of the forms that About lists, as a file.
	Export(ctx context.Context, o *Opening, r Request, form string) (*Exported, error)
	// Document gives the whole plan in its canonical form, as it is deployed and exported.
	Document(ctx context.Context, o *Opening, r Request) ([]byte, error)
	// Bundle says what to send to a server that deploys the model.
	Bundle(ctx context.Context, o *Opening) (*Bundle, error)
}

// Answer is a plan as the page shows it. The document's frontier has thousands of points with their stages: of it only what
// is drawn crosses to the page.
type Answer struct {
	Plan     *plan.Plan // without its frontier, hash and the model's architecture
	Frontier *Frontier
	Cold     report.Timeline // of one request, where there is a plan
	Warm     report.Timeline
	Rest     *int64   `json:",omitempty"` // pico-USD a month that a deployment costs while nobody asks, at most; nil: not known
	Request  Request  // in its canonical form
	Query    string   // the request as a link holds it
	Sources  []int    `json:",omitempty"` // which layer of the model each layer of the plan came from, where some are computed in parts
	Ordered  *Ordered `json:",omitempty"` // the model's layers as the plan has them, where it puts them in another order
}

// Ordered is what changes in a Model when its layers stand in another order.
type Ordered struct {
	Layers   []Layer
	Crossing []int64
	Cuts     []int
}

// Answered gives the view with an answer. The model is shown in the order of the plan's layers, so that each function is a range of them.
func (v View) Answered(a *Answer) View {
	v.Answer = a
	if v.Model != nil {
		v.Model = v.Model.inOrderOf(a)
	}
	return v
}

// Place gives how many of the model's layers lie before a position of the plan, which counts the parts of a layer that is
// computed in parts: within them it is the layer's own place.
func (a *Answer) Place(position, layers int) int {
	switch {
	case a.Sources == nil:
		return min(position, layers)
	case position < len(a.Sources):
		return a.Sources[position]
	}
	return layers
}

// Frontier is what the page shows of a frontier. Answers to requests that differ in the SLO only have the same one.
type Frontier struct {
	ID     int64        // tells the frontiers of a planner apart
	Points int          // there are in all
	Drawn  [][2]int64   // latency in microseconds and cost in pico-dollars, by rising latency; the first and the last are always there
	Table  []plan.Point // evenly thinned, with the stages
}

// Span gives the latencies of the fastest and of the cheapest plan; the SLO matters only between them. ok is false when no
// plan exists at all.
func (a *Answer) Span() (fastestUs, cheapestUs int64, ok bool) {
	if a == nil || len(a.Frontier.Drawn) == 0 {
		return 0, 0, false
	}
	d := a.Frontier.Drawn
	return d[0][0], d[len(d)-1][0], true
}
