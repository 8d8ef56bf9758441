package planner

import (
	"slices"

	"partita/planner/cost"
	"partita/planner/diag"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/rewrite"
)

// partsTried are the numbers of parts that are tried for a layer that fits no function.
var partsTried = []int{2, 3, 4, 5, 6, 8, 10, 12, 16, 24, 32, 48, 64}

// spare is how many times finer than needed a layer is divided: smaller parts fill functions better.
const spare = 4

// inParts finds the layers that fit no function and computes them in parts that do. It gives the model so changed and its
// table, or the model and the table as they are where nothing needs it or nothing helps.
func (r *Request) inParts(m model, p *platform.Platform, settings cost.Settings, table *cost.Table) (model, *cost.Table, error) {
	if r.SplitLayers == off {
		return m, table, nil
	}
	skipped := map[string]bool{}
	for range rewrite.MaxSplits {
		c, found := firstObstacle(m, table, skipped)
		if !found {
			break
		}
		name := m.graph.Layers[c.Layer].Name
		skipped[name] = true
		for k, parts := range partsTried {
			if int64(parts) > c.Channels {
				break
			}
			next, nextTable, err := r.divided(m, c, parts, p, settings)
			if err != nil {
				return m, nil, err
			}
			if blocked(nextTable, c.Layer, c.Layer+parts+1) {
				continue
			}
			finer := partsTried[k]
			for _, n := range partsTried[k:] {
				if n <= spare*parts && int64(n) <= c.Channels {
					finer = n
				}
			}
			if finer != parts {
				if next, nextTable, err = r.divided(m, c, finer, p, settings); err != nil {
					return m, nil, err
				}
			}
			m, table = next, nextTable
			break
		}
	}
	return m, table, nil
}

// firstObstacle finds a layer that is in the way of every plan and can be computed in parts.
func firstObstacle(m model, t *cost.Table, skipped map[string]bool) (best rewrite.Candidate, found bool) {
	for _, o := range t.Obstacles() {
		if o.Limit != cost.PackageLimit && o.Limit != cost.MemoryLimit && o.Limit != cost.InitLimit {
			continue
		}
		for l := o.First; l < o.Last; l++ {
			if c, ok := rewrite.Find(m.graph, l); ok && !skipped[m.graph.Layers[l].Name] && (!found || c.Bytes > best.Bytes) {
				best, found = c, true
			}
		}
		if found {
			return best, true
		}
	}
	return best, false
}

// blocked tells whether some of the layers first to last fit no function.
func blocked(t *cost.Table, first, last int) bool {
	return slices.ContainsFunc(t.Obstacles(), func(o cost.Obstacle) bool { return o.First < last && o.Last > first })
}

// divided computes one layer in parts.
func (r *Request) divided(m model, c rewrite.Candidate, parts int, p *platform.Platform, settings cost.Settings) (model, *cost.Table, error) {
	split := rewrite.Split{Layer: m.graph.Layers[c.Layer].Name, Parts: parts}
	g, err := rewrite.Apply(m.graph, []rewrite.Split{split})
	if err != nil {
		return m, nil, err
	}
	m.graph = g
	m.document.Splits = append(slices.Clone(m.document.Splits), plan.Split(split))
	if settings.Calibration, err = spread(settings.Calibration, c.Layer, parts); err != nil {
		return m, nil, err
	}
	if settings.Pins, err = r.pins(g, p); err != nil {
		return m, nil, err
	}
	table, err := cost.NewTable(g, p, settings)
	return m, table, err
}

// spread gives the parts of a layer equal shares of its measured time. Joining them takes next to nothing.
func spread(c *cost.Calibration, layer, parts int) (*cost.Calibration, error) {
	if c == nil {
		return nil, nil
	}
	if layer >= len(c.LayerNs) {
		return nil, diag.New(diag.Usage, "cost.bad-settings", "preparing the law of cost", "the calibration belongs to another model", "measure this model")
	}
	ns := c.LayerNs[layer]
	times := slices.Clone(c.LayerNs[:layer])
	for k := range parts {
		if ns < 0 {
			times = append(times, ns)
		} else {
			times = append(times, ns*int64(k+1)/int64(parts)-ns*int64(k)/int64(parts))
		}
	}
	times = append(times, min(ns, 0))
	return &cost.Calibration{Batch: c.Batch, LayerNs: append(times, c.LayerNs[layer+1:]...)}, nil
}
