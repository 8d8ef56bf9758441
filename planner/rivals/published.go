package rivals

import (
	"math"
	"slices"

	"partita/planner/cost"
	"partita/planner/graph"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/solve"
)

// Published names the comparison with AMPS-Inf (Jarachanthan, Chen, Xu, Li: ICPP 2021) as its slides describe it.
const Published = "AMPS-Inf 2021"

// PublishedBasis says what that comparison rests on: it is no plan of the same instance.
const PublishedBasis = "prices and limits of 2020, 169 MB of Keras in every function, one function after another through S3, at most ceil(layers/k) layers in each, least cost without an SLO"

// What the slides tell. A function holds 169 MB of dependencies beside its weights. One lambda takes 22.03, 10.65, 7.52
// and 6.38 s for one image and MobileNet at 512, 1,024, 1,536 and 2,048 MB: that is 11,300 s x MB of start-up (Keras, the
// model, its weights) within 5 %, whatever the model, as they give no second series.
const (
	kerasBytes        = 169 << 20
	kerasStartMBUs    = 11_300 * 1_000_000
	kerasFullSpeedMB  = 1792
	publishedPlatform = "aws-lambda-2020"
)

// PublishedPlan plans a model as AMPS-Inf does: the cheapest partition into at most maxStages functions, with a coordinator
// that costs nothing. Its program has no SLO. The S3 storage of the seconds between two functions, which it counts, comes to some
// hundred pico-dollars a megabyte and is left out here.
//
// Several inputs go in ten batches one after another, as the slides send 100 images, or one by one where they are fewer than ten.
func PublishedPlan(g *graph.Graph, maxStages int, inputs int64) (plan.Baseline, error) {
	batch := (inputs + publishedBatches - 1) / publishedBatches
	b, err := publishedPlan(g, maxStages, batch, nil)
	batches := (inputs + batch - 1) / batch
	b.LatencyUs, b.CostPicoUSD = batches*b.LatencyUs, batches*b.CostPicoUSD
	return b, err
}

// publishedBatches is how many batches the slides send inputs in.
const publishedBatches = 10

// publishedPlan is PublishedPlan of one batch at some of the sizes; nil: all 46.
func publishedPlan(g *graph.Graph, maxStages int, batch int64, sizes []int64) (plan.Baseline, error) {
	b := plan.Baseline{Name: Published, Status: plan.Infeasible, Stages: []plan.Choice{}}
	a, err := newPartition(g, batch, sizes)
	if err != nil {
		return b, err
	}
	best := a.best(maxStages, len(g.Layers))
	if best == nil {
		return b, nil
	}
	b.Status = plan.Feasible
	for _, s := range best {
		b.LatencyUs += a.platform.DispatchUs + s.us
		b.CostPicoUSD += s.picoUSD
		b.Stages = append(b.Stages, plan.Choice{LastLayer: s.last, MemoryMB: s.memoryMB})
	}
	return b, nil
}

// partition is a model as AMPS-Inf sees it: pieces between neighbouring cuts, and what each of them takes.
type partition struct {
	platform *platform.Platform
	sizes    []int64
	pieces   []cost.Stage
	lambdas  map[[2]int]lambda // by first piece and the piece after the last
}

// lambda is a function of some pieces at its cheapest size; picoUSD is negative when none holds them.
type lambda struct {
	memoryMB, us, picoUSD int64
	last                  int // layer, from 1
}

// newPartition measures a model on the platform of the slides, every function of which holds Keras.
func newPartition(g *graph.Graph, batch int64, sizes []int64) (*partition, error) {
	sold, err := platform.Get(publishedPlatform)
	if err != nil {
		return nil, err
	}
	p := *sold
	p.LibraryBytes, p.BootstrapBytes, p.RuntimeBaseMB = kerasBytes, 0, kerasBytes>>20
	if sizes == nil {
		sizes = p.Grid(p.MemoryStepMB)
	}
	table, err := cost.NewTable(g, &p, cost.Settings{Scenario: solve.Warm, MinStages: 1, MaxStages: 1, MemoryMB: sizes, Batch: batch, Transport: cost.S3,
		GatewayMemoryMB: p.GatewayMemoryMB})
	if err != nil {
		return nil, err
	}
	a := &partition{platform: &p, sizes: sizes, lambdas: map[[2]int]lambda{}}
	for c := 0; c <= table.Cuts(); c++ { // with one transport, nodes are cuts
		a.pieces = append(a.pieces, table.Stage(c, c+1, sizes[len(sizes)-1]))
	}
	return a, nil
}

// best finds the cheapest partition: for each k, the cheapest way to reach each cut with so many functions of at most
// ceil(layers/k) layers.
func (a *partition) best(maxStages, layers int) []lambda {
	n := len(a.pieces)
	const unreached = math.MaxInt64
	var best []lambda
	cheapest := int64(unreached)
	for k := 1; k <= min(maxStages, n); k++ {
		most := (layers + k - 1) / k
		costs, from := make([][]int64, k+1), make([][]int, k+1)
		for s := range costs {
			costs[s], from[s] = slices.Repeat([]int64{unreached}, n+1), make([]int, n+1)
		}
		costs[0][0] = 0
		for s := range k {
			for i := range n {
				if costs[s][i] == unreached {
					continue
				}
				for j := i + 1; j <= n && a.pieces[j-1].Last-a.pieces[i].First <= most; j++ {
					l := a.lambda(i, j)
					if l.picoUSD < 0 {
						break // what lies behind only adds to it
					}
					if total := costs[s][i] + l.picoUSD; total < costs[s+1][j] {
						costs[s+1][j], from[s+1][j] = total, i
					}
				}
			}
		}
		if costs[k][n] >= cheapest {
			continue
		}
		cheapest, best = costs[k][n], make([]lambda, k)
		for s, j := k, n; s > 0; s-- {
			i := from[s][j]
			best[s-1], j = a.lambda(i, j), i
		}
	}
	return best
}

// lambda prices a function of the pieces [i, j) at each size and keeps the cheapest.
func (a *partition) lambda(i, j int) lambda {
	if l, known := a.lambdas[[2]int{i, j}]; known {
		return l
	}
	p := a.platform
	first, last := &a.pieces[i], &a.pieces[j-1]
	var weights, compute, largest int64
	for k := i; k < j; k++ {
		s := &a.pieces[k]
		weights, compute = weights+s.WeightBytes, compute+s.OneVCPUUs
		largest = max(largest, s.InputBytes+s.OutputBytes)
	}
	l := lambda{picoUSD: -1, last: last.Last}
	needMB := p.RuntimeBaseMB + (weights+largest+1<<20-1)>>20
	fees := p.RequestPicoUSD
	if i > 0 { // the user sends the image and gets the answer; all between is an object for each function
		fees += p.ObjectGetPicoUSD
	}
	if j < len(a.pieces) {
		fees += p.ObjectPutPicoUSD
	}
	fits := kerasBytes+weights <= p.PackageLimitBytes && weights+first.InputBytes <= p.TemporaryMB<<20
	for _, m := range a.sizes {
		if !fits || m < needMB {
			continue
		}
		speed := min(m, kerasFullSpeedMB)
		us := first.InputUs + (kerasStartMBUs+compute*kerasFullSpeedMB+speed-1)/speed + last.OutputUs
		if us > p.TimeoutUs {
			continue
		}
		if price := p.ComputePicoUSD(p.BilledUs(us), m) + fees; l.picoUSD < 0 || price < l.picoUSD {
			l.picoUSD, l.us, l.memoryMB = price, us, m
		}
	}
	a.lambdas[[2]int{i, j}] = l
	return l
}
