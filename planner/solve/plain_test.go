package solve

import "sort"

// plainLabel is a way to reach a node with a number of stages.
type plainLabel struct {
	finish, cost int64
	prev         *plainLabel
	choice       choice
}

// better orders labels at one node with one number of stages: by finish, then cost, then the rule of Result.Stages.
func (l *plainLabel) better(m *plainLabel) bool {
	switch {
	case l.finish != m.finish:
		return l.finish < m.finish
	case l.cost != m.cost:
		return l.cost < m.cost
	}
	for l != m && l.prev != nil {
		if l.choice != m.choice {
			return l.choice.segment < m.choice.segment || l.choice.segment == m.choice.segment && l.choice.option < m.choice.option
		}
		l, m = l.prev, m.prev
	}
	return false
}

func plainFront(labels []*plainLabel) []*plainLabel {
	sort.SliceStable(labels, func(a, b int) bool { return labels[a].better(labels[b]) })
	out := labels[:0]
	for _, l := range labels {
		if len(out) == 0 || l.cost < out[len(out)-1].cost {
			out = append(out, l)
		}
	}
	return append([]*plainLabel(nil), out...)
}

// solvePlain keeps every non-dominated label per node and number of stages.
func solvePlain(in *Instance) *Result {
	n := len(in.Nodes)
	from := make([][]int, n)
	for s := range in.Segments {
		from[in.Segments[s].I] = append(from[in.Segments[s].I], s)
	}
	r := &Result{Status: Infeasible, first: []int32{0}}
	cur := make([][]*plainLabel, n)
	cur[0] = []*plainLabel{{}}
	type end struct {
		Point
		l *plainLabel
		k int
	}
	var ends []end
	for k := 1; k <= in.stageLimit(); k++ {
		next := make([][]*plainLabel, n)
		for i := range cur {
			for _, s := range from[i] {
				g := &in.Segments[s]
				for o := range g.Options {
					for _, l := range cur[i] {
						next[g.J] = append(next[g.J], &plainLabel{in.ends(l.finish, &g.Options[o]), l.cost + g.Options[o].CostPicoUSD, l,
							choice{int32(s), int32(o)}})
						r.Labels++
					}
				}
				if len(next[g.J]) > 1<<18 {
					next[g.J] = plainFront(next[g.J])
				}
			}
		}
		for j := range next {
			next[j] = plainFront(next[j])
		}
		if k >= in.MinStages {
			for _, l := range next[n-1] {
				ends = append(ends, end{in.total(l.finish, l.cost), l, k})
			}
		}
		cur = next
	}
	sort.SliceStable(ends, func(a, b int) bool {
		p, q := &ends[a], &ends[b]
		switch {
		case p.LatencyUs != q.LatencyUs:
			return p.LatencyUs < q.LatencyUs
		case p.CostPicoUSD != q.CostPicoUSD:
			return p.CostPicoUSD < q.CostPicoUSD
		}
		return p.k < q.k
	})
	for _, e := range ends {
		if len(r.Frontier) > 0 && e.CostPicoUSD >= r.Frontier[len(r.Frontier)-1].CostPicoUSD {
			continue
		}
		r.Status = Optimal
		r.Frontier = append(r.Frontier, e.Point)
		path := make([]choice, 0, e.k)
		for l := e.l; l.prev != nil; l = l.prev {
			path = append(path, l.choice)
		}
		for i := len(path) - 1; i >= 0; i-- {
			r.choices = append(r.choices, path[i])
		}
		r.first = append(r.first, int32(len(r.choices)))
	}
	return r
}
