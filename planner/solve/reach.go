package solve

// reach describes the paths of an instance with the stage limits set aside.
func (s *solver) reach() Reach {
	fewest, most := make([]int, s.nodes), make([]int, s.nodes)
	r := Reach{FirstNode: s.nodes - 1}
	for i := range s.arcs { // by tail, so every path to a tail has been seen
		a := &s.arcs[i]
		if a.tail > 0 && most[a.tail] == 0 {
			continue
		}
		if n := fewest[a.tail] + 1; fewest[a.head] == 0 || n < fewest[a.head] {
			fewest[a.head] = n
		}
		most[a.head] = max(most[a.head], most[a.tail]+1)
		r.LastNode = max(r.LastNode, int(a.head))
	}
	r.FewestStages, r.MostStages = fewest[s.nodes-1], most[s.nodes-1]
	ends := make([]bool, s.nodes)
	ends[s.nodes-1] = true
	for i := len(s.arcs) - 1; i >= 0; i-- {
		if a := &s.arcs[i]; ends[a.head] {
			ends[a.tail] = true
			r.FirstNode = min(r.FirstNode, int(a.tail))
		}
	}
	return r
}
