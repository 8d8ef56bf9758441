package solve

import (
	"cmp"
	"slices"
)

// Origin names a point of one of the results that were merged.
type Origin struct{ Result, Point int }

// Merge joins the results of several problems whose plans serve the same purpose: the points that none of any result beats, to
// the resolution that each was solved to, and where each comes from. Of equal points that of the first result counts. What is
// joined has no Stages of its own; of Reach, LastNode and FirstNode are those of the first result.
func Merge(results []*Result, resolutionUs int64) (m *Result, from []Origin) {
	m = &Result{Status: Infeasible}
	for i, r := range results {
		for k := range r.Frontier {
			from = append(from, Origin{i, k})
		}
		m.Labels += r.Labels
		m.GapPicoUSD = max(m.GapPicoUSD, r.GapPicoUSD)
		switch {
		case r.Status == Stopped:
			m.Status = Stopped
		case r.Status == Optimal && m.Status == Infeasible:
			m.Status = Optimal
		}
		if i == 0 {
			m.Reach = r.Reach
			continue
		}
		if fewest := r.Reach.FewestStages; fewest > 0 && (m.Reach.FewestStages == 0 || fewest < m.Reach.FewestStages) {
			m.Reach.FewestStages = fewest
		}
		m.Reach.MostStages = max(m.Reach.MostStages, r.Reach.MostStages)
	}
	at := func(o Origin) Point { return results[o.Result].Frontier[o.Point] }
	slices.SortFunc(from, func(a, b Origin) int {
		p, q := at(a), at(b)
		return cmp.Or(cmp.Compare(p.LatencyUs, q.LatencyUs), cmp.Compare(p.CostPicoUSD, q.CostPicoUSD), cmp.Compare(a.Result, b.Result))
	})
	step := max(resolutionUs, 1)
	kept := from[:0]
	for _, o := range from {
		p := at(o)
		if n := len(kept); n > 0 {
			last := m.Frontier[n-1]
			if p.CostPicoUSD >= last.CostPicoUSD {
				continue
			}
			if (p.LatencyUs+step-1)/step == (last.LatencyUs+step-1)/step {
				kept, m.Frontier = kept[:n-1], m.Frontier[:n-1] // within the same step of SLOs the cheaper one counts
			}
		}
		kept, m.Frontier = append(kept, o), append(m.Frontier, p)
	}
	return m, kept
}
