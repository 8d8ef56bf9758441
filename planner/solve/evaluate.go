package solve

import "fmt"

// Evaluate computes the totals of a plan by the rule of the scenario. It gives an error when the path is not one of the
// instance or breaks its stage limits.
func Evaluate(in *Instance, path []Choice) (Point, error) {
	return in.evaluate(path, len(in.Segments), func(c Choice) (i, j int, o Option, ok bool) {
		g := &in.Segments[c.Segment]
		if c.Option < 0 || c.Option >= len(g.Options) {
			return 0, 0, Option{}, false
		}
		return g.I, g.J, g.Options[c.Option], true
	})
}

func (t *Terms) evaluate(path []Choice, segments int, look func(Choice) (i, j int, o Option, ok bool)) (Point, error) {
	if len(path) < t.MinStages || len(path) > t.MaxStages {
		return Point{}, fmt.Errorf("%d stages, not %d to %d", len(path), t.MinStages, t.MaxStages)
	}
	var finish, cost int64
	at := 0
	for k, c := range path {
		if c.Segment < 0 || c.Segment >= segments {
			return Point{}, fmt.Errorf("stage %d: no segment %d", k, c.Segment)
		}
		i, j, o, ok := look(c)
		if !ok {
			return Point{}, fmt.Errorf("stage %d: segment %d has no option %d", k, c.Segment, c.Option)
		}
		if i != at {
			return Point{}, fmt.Errorf("stage %d starts at node %d, not %d", k, i, at)
		}
		finish = t.ends(finish, &o)
		cost += o.CostPicoUSD
		at = j
	}
	if at != len(t.Nodes)-1 {
		return Point{}, fmt.Errorf("the last stage ends at node %d, not %d", at, len(t.Nodes)-1)
	}
	return t.total(finish, cost), nil
}
