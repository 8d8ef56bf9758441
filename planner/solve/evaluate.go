package solve

import "fmt"

// Evaluate computes the totals of a plan by the rule of the scenario. It gives an error when the path is not one of the
// instance or breaks its stage limits.
func Evaluate(in *Instance, path []Choice) (Point, error) {
	if len(path) < in.MinStages || len(path) > in.MaxStages {
		return Point{}, fmt.Errorf("%d stages, not %d to %d", len(path), in.MinStages, in.MaxStages)
	}
	var finish, cost int64
	at := 0
	for k, c := range path {
		if c.Segment < 0 || c.Segment >= len(in.Segments) {
			return Point{}, fmt.Errorf("stage %d: no segment %d", k, c.Segment)
		}
		g := &in.Segments[c.Segment]
		if g.I != at {
			return Point{}, fmt.Errorf("stage %d starts at node %d, not %d", k, g.I, at)
		}
		if c.Option < 0 || c.Option >= len(g.Options) {
			return Point{}, fmt.Errorf("stage %d: segment %d has no option %d", k, c.Segment, c.Option)
		}
		o := &g.Options[c.Option]
		finish = in.ends(finish, o)
		cost += o.CostPicoUSD
		at = g.J
	}
	if at != len(in.Nodes)-1 {
		return Point{}, fmt.Errorf("the last stage ends at node %d, not %d", at, len(in.Nodes)-1)
	}
	return in.total(finish, cost), nil
}
