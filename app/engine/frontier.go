package engine

import (
	"partita/app/state"
	"partita/planner/plan"
)

// How much of a frontier an answer holds: points enough for a drawing, and rows of its table.
const (
	drawnPoints = 512
	tableRows   = 12
)

func newFrontier(id int64, points []plan.Point) *state.Frontier {
	f := &state.Frontier{ID: id, Points: len(points)}
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
