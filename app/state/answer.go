package state

import (
	"context"

	"partita/planner"
	"partita/planner/plan"
)

// Planner opens models and plans them. The page's is another program, in a Web Worker, so that nothing that it does keeps the
// page from answering the user; see Engine for the one that does the work. What it gives must not be changed.
type Planner interface {
	// Open gives what to show of a model. read is told now and then how far the reading of its files is.
	Open(ctx context.Context, o *Opening, read func(bytes int64)) (*Model, error)
	// Plan answers a request for a model.
	Plan(ctx context.Context, o *Opening, r planner.Request) (*Answer, error)
	// Document gives the whole plan in its canonical form, as it is deployed and exported.
	Document(ctx context.Context, o *Opening, r planner.Request) ([]byte, error)
}

// How much of a frontier an answer holds: points enough for a drawing, and rows of its table.
const (
	drawnPoints = 512
	tableRows   = 12
)

// Answer is a plan as the page shows it. The document's frontier has thousands of points with their stages: of it only what
// is drawn crosses to the page.
type Answer struct {
	Plan     *plan.Plan // without its frontier, hash and the model's architecture
	Frontier *Frontier
}

// Frontier is what the page shows of a frontier. Answers to requests that differ in the SLO only have the same one.
type Frontier struct {
	ID     int64        // tells the frontiers of an engine apart
	Points int          // there are in all
	Drawn  [][2]int64   // latency in microseconds and cost in pico-dollars, by rising latency; the first and the last are always there
	Table  []plan.Point // evenly thinned, with the stages
}

func newFrontier(id int64, points []plan.Point) *Frontier {
	f := &Frontier{ID: id, Points: len(points)}
	for _, i := range evenly(len(points), drawnPoints) {
		f.Drawn = append(f.Drawn, [2]int64{points[i].LatencyUs, points[i].CostPicoUSD})
	}
	for _, i := range evenly(len(points), tableRows) {
		f.Table = append(f.Table, points[i])
	}
	return f
}

// evenly picks at most so many of n places, the first and the last among them.
func evenly(n, most int) []int {
	if n < most {
		most = n
	}
	picked := make([]int, most)
	for i := range picked {
		picked[i] = n - 1
		if most > 1 {
			picked[i] = i * (n - 1) / (most - 1)
		}
	}
	return picked
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
