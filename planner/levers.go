package planner

import (
	"fmt"
	"slices"
	"strings"

	"partita/planner/cost"
	"partita/planner/diag"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/precision"
	"partita/planner/rewrite"
)

// Choices of the options packaging and split-layers beside the packagings themselves.
const (
	auto = "auto" // whatever is better
	off  = "off"
)

// parsePrecisions reads a list of precisions, or "auto" for any.
func parsePrecisions(text string) ([]precision.Precision, error) {
	if text == auto {
		return slices.Clone(precision.All), nil
	}
	var list []precision.Precision
	for _, item := range strings.Split(text, ",") {
		p, err := precision.Parse(strings.TrimSpace(item))
		if err != nil || item == "" {
			return nil, fmt.Errorf("it has %.40q; the precisions are float32, float16 and int8", item)
		}
		if !slices.Contains(list, p) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b precision.Precision) int {
		return slices.Index(precision.All, a) - slices.Index(precision.All, b)
	})
	if slices.Equal(list, []precision.Precision{precision.Float32}) {
		return nil, nil
	}
	return list, nil
}

func printPrecisions(list []precision.Precision) string {
	switch len(list) {
	case 0:
		return string(precision.Float32)
	case len(precision.All):
		return auto
	}
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = string(p)
	}
	return strings.Join(names, ",")
}

// checkLevers refuses what cannot be wanted together.
func (r *Request) checkLevers(p *platform.Platform) error {
	bad := func(found, fix string) error {
		return diag.New(diag.Usage, "planner.bad-choice", "checking the request", found, fix)
	}
	switch {
	case r.Packaging != "" && r.Packaging != cost.PackagingZip && r.Packaging != cost.PackagingS3:
		return bad(fmt.Sprintf("the packaging is %.40q", r.Packaging), "use auto, zip or s3")
	case r.Packaging == cost.PackagingS3 && p.PlanningOnly:
		return bad("the packaging is s3 on "+p.Name, "use zip: weights are fetched by functions of AWS Lambda and of the local cloud")
	case r.SplitLayers != "" && r.SplitLayers != off:
		return bad(fmt.Sprintf("split-layers is %.40q", r.SplitLayers), "use auto or off")
	}
	for _, w := range r.Precisions {
		if !slices.Contains(precision.All, w) {
			return bad(fmt.Sprintf("the precision is %.40q", w), "use float32, float16 and int8")
		}
	}
	return nil
}

// variants lists the ways in which stages may be packaged and stored, the plain one first where it is among them: of equals
// the first counts.
func (r *Request) variants(p *platform.Platform) []cost.Variant {
	packagings := []string{cost.PackagingZip, cost.PackagingS3}
	switch {
	case r.Packaging != "":
		packagings = []string{r.Packaging}
	case p.PlanningOnly:
		packagings = packagings[:1]
	}
	precisions := r.Precisions
	if len(precisions) == 0 {
		precisions = []precision.Precision{precision.Float32}
	}
	var all []cost.Variant
	for _, w := range precisions {
		for _, packaging := range packagings {
			all = append(all, cost.Variant{Packaging: packaging, Precision: w})
		}
	}
	return all
}

// quantization is what a plan's request says of the precisions wanted.
func (r *Request) quantization() string {
	if len(r.Precisions) == 0 {
		return "none"
	}
	return printPrecisions(r.Precisions)
}

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

// variantOf finds the variant of a stage of a plan for this problem.
func (p *Problem) variantOf(s *plan.Stage) int {
	k := slices.IndexFunc(p.table.Variants, func(v cost.Variant) bool { return v.Packaging == s.Packaging && stored(v) == s.Precision })
	if k < 0 {
		panic("planner: a stage of the plan is of no variant")
	}
	return k
}

// levers tries what the request switches off: other packagings, layers in parts, and weights in less than float32, the more
// exact first.
func (e *explainer) levers(set func(option, value, words string) bool) {
	r := e.request
	if r.Packaging != "" {
		set("packaging", auto, "let each function have its weights the better way")
	}
	if r.SplitLayers == off {
		set("split-layers", auto, "compute layers that fit no function in parts")
	}
	for _, w := range precision.All[1:] {
		allowed := r.Precisions
		if len(allowed) == 0 {
			allowed = precision.All[:1]
		}
		if slices.Contains(allowed, w) {
			continue
		}
		wider, err := parsePrecisions(printPrecisions(append(slices.Clone(allowed), w)))
		if err == nil && set("precision", printPrecisions(wider), "allow weights in "+string(w)) && e.document.Status == plan.Infeasible {
			break
		}
	}
}

// used lists the levers that a plan uses. What each is worth is found by planning without it.
func (e *explainer) used() []plan.Lever {
	var all []plan.Lever
	d := e.document
	try := func(option, value, use string) {
		lever := plan.Lever{Lever: option, Use: use}
		without, feasible := e.try(change{option: option, value: value})
		switch {
		case !feasible:
			lever.Needed = true
		case e.request.Objective == LeastLatency:
			lever.SavesUs = max(without.LatencyUs-d.LatencyUs, 0)
		default:
			lever.SavesPicoUSD = max(without.CostPicoUSD-d.CostPicoUSD, 0)
		}
		all = append(all, lever)
	}
	count := func(counts func(s *plan.Stage) bool) int {
		n := 0
		for i := range d.Stages {
			if counts(&d.Stages[i]) {
				n++
			}
		}
		return n
	}
	of := fmt.Sprintf(" of %d", len(d.Stages))
	if n := count(func(s *plan.Stage) bool { return s.Packaging == cost.PackagingS3 && s.WeightBytes > 0 }); n > 0 {
		try("packaging", cost.PackagingZip, functions(n)+of+" with weights in S3")
	}
	if n := count(func(s *plan.Stage) bool { return s.Precision != "" }); n > 0 {
		try("precision", string(precision.Float32), functions(n)+of+" with weights in less than float32")
	}
	for _, s := range d.Model.Splits {
		try("split-layers", off, fmt.Sprintf("%s in %d parts", s.Layer, s.Parts))
	}
	return all
}
