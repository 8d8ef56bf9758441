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
)

// Objectives.
const (
	LeastCost    = "cost"    // the cheapest plan within the SLO
	LeastLatency = "latency" // the fastest plan within the budget
)

// AutoGateway leaves the gateway's size to the planner.
const AutoGateway = -1

// Request is what is asked of the planner. DefaultRequest gives one with every default; the zero value is not one.
type Request struct {
	Platform        string
	Region          string // whose prices count; "": that of the platform's prices
	Objective       string // LeastCost or LeastLatency
	SLOUs           int64  // no plan may be slower; 0: no limit
	BudgetPicoUSD   int64  // no plan may be dearer; 0: no limit
	Scenario        string // solve.ColdOverlapped, solve.ColdSequential or solve.Warm
	MinStages       int
	MaxStages       int
	MemoryMB        []int64 // sizes to consider, rising; nil: the platform's planning grid
	Inputs          int64   // of a request; at least a batch
	Batch           int64   // inputs that pass through the pipeline together; 0: as many as is best
	Pipelines       int64   // that run at the same time; 0: as many as is best
	Transport       string  // cost.Inline, cost.S3, or "" for whichever is better at each cut
	GatewayMemoryMB int64   // 0: the platform's default; AutoGateway: the best
	PicturePixels   int64   // of the pictures that are sent; 0: of usual ones
	Orchestration   string  // plan.StepFunctions, auto for whichever is better, or "" for the gateway: what drives the stages

	Packaging   string                // how functions may be packaged: some of plan.Packagings, in their order, with commas; "" for whichever way is better for each
	Precisions  []precision.Precision // how weights may be stored, the exact ones first; nil: as float32
	Temporary   string                // included: no function has more temporary storage than its price includes
	SplitLayers string                // off: no layer is computed in parts, though it fits no function

	Branches string // off: no functions run side by side; allBranches: however little a branch takes; "": where it takes long enough

	// A mean rate of requests, in millionths per hour, mixes cold and warm ones; 0: all are as the scenario says. An environment
	// ends when it has been idle for IdleUs; 0: the platform's figure.
	MicroRequestsPH int64
	IdleUs          int64

	// What is fixed by hand; the planner completes the rest.
	Cuts     []string // layers after which a function ends
	NoCuts   []string // layers, or ranges FROM..TO of them, after which none ends
	Fixed    []FixedMemory
	LayerCap int // most layers in a function; 0: no limit; EvenLayers: ceil(layers / functions)

	FixedPrecisions []FixedPrecision

	// Calibration replaces predicted layer times by measured ones. It is not an option: it comes with a model.
	Calibration *cost.Calibration
}

// DefaultRequest gives a request with every option at its default.
func DefaultRequest() Request {
	var r Request
	for _, o := range options {
		if err := o.parse(&r, o.Default); err != nil {
			panic("planner: the default of " + o.Name + ": " + err.Error())
		}
	}
	return r
}

// Bounds of a request.
const (
	maxStages  = 1000
	maxSLOUs   = 24 * 3600 * 1_000_000
	maxMemory  = 1 << 15 // sizes in a list, and MB of a size
	maxListing = 1 << 16 // characters of a list

	// MaxMicroRequestsPH bounds a rate, in millionths of requests per hour: a million requests per second.
	MaxMicroRequestsPH = 3600 * 1_000_000 * microRequest
)

// Platforms lists the platforms that a request may name, in the price book's order.
func Platforms() []*platform.Platform {
	var all []*platform.Platform
	for _, name := range platform.Names() {
		if p, err := platform.Get(name); err == nil {
			all = append(all, p)
		}
	}
	return all
}

// platformRegion leaves the region to the platform.
const platformRegion = "default"

// regions lists the regions that some platform has prices for.
func regions() []string {
	all := []string{platformRegion}
	for _, name := range platform.Names() {
		for _, region := range platform.Regions(name) {
			if !slices.Contains(all, region) {
				all = append(all, region)
			}
		}
	}
	return all
}

// place names the platform with its region, as the price book does.
func (r *Request) place() string {
	if r.Region == "" {
		return r.Platform
	}
	return r.Platform + "@" + r.Region
}

// check finds the platform and refuses what no model could make sense of.
func (r *Request) check() (*platform.Platform, error) {
	p, err := platform.Get(r.place())
	if err != nil {
		return nil, err
	}
	bad := func(code, found, fix string) error {
		return diag.New(diag.Usage, code, "checking the request", found, fix)
	}
	if r.MaxStages < r.MinStages || r.MinStages < 1 || r.MaxStages > maxStages {
		return nil, bad("planner.bad-stages", fmt.Sprintf("at least %d and at most %d functions are wanted", r.MinStages, r.MaxStages),
			fmt.Sprintf("use 1 <= min-stages <= max-stages <= %d", maxStages))
	}
	if r.SLOUs < 0 || r.SLOUs > maxSLOUs {
		return nil, bad("planner.bad-slo", fmt.Sprintf("the SLO is %d microseconds", r.SLOUs), "use a time above zero and below a day, or none")
	}
	if r.MicroRequestsPH < 0 || r.MicroRequestsPH > MaxMicroRequestsPH || r.IdleUs < 0 || r.IdleUs > maxSLOUs {
		return nil, bad("planner.bad-rate", fmt.Sprintf("%s requests arrive and a function is kept for %s", printRate(r.MicroRequestsPH), printDuration(r.IdleUs)),
			"use at most a million a second, and at most a day")
	}
	if r.LayerCap < 0 && r.LayerCap != EvenLayers {
		return nil, bad("planner.bad-layer-cap", fmt.Sprintf("at most %d layers may be in a function", r.LayerCap), "use one at least, or no limit")
	}
	if r.BudgetPicoUSD < 0 {
		return nil, bad("planner.bad-budget", fmt.Sprintf("the budget is %d pico-dollars", r.BudgetPicoUSD), "use an amount above zero, or none")
	}
	if r.PicturePixels < 0 || r.PicturePixels > cost.MaxPicturePixels {
		return nil, bad("planner.bad-picture", fmt.Sprintf("pictures have %d pixels", r.PicturePixels), "use at most "+printPicture(cost.MaxPicturePixels)+" megapixels")
	}
	if r.Batch < 0 || r.Batch > cost.MaxBatch {
		return nil, bad("planner.bad-batch", fmt.Sprintf("the batch is %d", r.Batch), fmt.Sprintf("use 1 to %d, or leave it to the planner", cost.MaxBatch))
	}
	if r.Inputs < 0 || r.Inputs > cost.MaxInputs || r.Pipelines < 0 || r.Pipelines >= cost.Concurrency {
		return nil, bad("planner.bad-inputs", fmt.Sprintf("%d inputs over %d pipelines are wanted", r.Inputs, r.Pipelines),
			fmt.Sprintf("use 1 to %d inputs and 1 to %d pipelines, which is what an account may have under way beside a gateway", cost.MaxInputs, cost.Concurrency-1))
	}
	if most := (cost.Batching{Pipelines: max(r.Pipelines, 1)}).MaxStages(); int64(r.MinStages) > most {
		return nil, bad("planner.bad-inputs", fmt.Sprintf("%d pipelines of at least %d functions are wanted, more than the %d invocations that an account may have under way", r.Pipelines, r.MinStages, cost.Concurrency),
			fmt.Sprintf("use at most %d pipelines", (cost.Concurrency-1)/int64(r.MinStages)))
	}
	for _, choice := range []struct{ name, value string }{{"objective", r.Objective}, {"scenario", r.Scenario}, {"transport", r.Transport}} {
		o, _ := OptionNamed(choice.name)
		if !slices.Contains(o.Values, choice.value) && (choice.name != "transport" || choice.value != "") {
			return nil, bad("planner.bad-choice", fmt.Sprintf("the %s is %.40q", choice.name, choice.value), "use one of "+strings.Join(o.Values, ", "))
		}
	}
	if err := r.checkLevers(p); err != nil {
		return nil, err
	}
	if _, err := r.driven(p); err != nil {
		return nil, err
	}
	return p, r.checkMemory(p, bad)
}

// checkLevers refuses what cannot be wanted together.
func (r *Request) checkLevers(p *platform.Platform) error {
	bad := func(found, fix string) error {
		return diag.New(diag.Usage, "planner.bad-choice", "checking the request", found, fix)
	}
	if packaging, err := parsePackaging(printAuto(r.Packaging)); err != nil || packaging != r.Packaging {
		return bad(fmt.Sprintf("the packaging is %.40q", r.Packaging), "use "+strings.Join(plan.Packagings, ", ")+" in this order, or auto")
	}
	switch {
	case len(r.packagings(p)) == 0:
		return bad("the packaging is "+r.Packaging+" on "+p.Name, "use "+strings.Join(packagings(p), " or ")+", which that platform has and plans can be made for")
	case r.Temporary != "" && r.Temporary != included:
		return bad(fmt.Sprintf("temporary is %.40q", r.Temporary), "use auto or included")
	case r.SplitLayers != "" && r.SplitLayers != off:
		return bad(fmt.Sprintf("split-layers is %.40q", r.SplitLayers), "use auto or off")
	}
	if r.Branches != "" && r.Branches != allBranches && r.Branches != off {
		return bad(fmt.Sprintf("branches is %.40q", r.Branches), "use auto, all or off")
	}
	for _, w := range r.Precisions {
		if !slices.Contains(precision.All, w) {
			return bad(fmt.Sprintf("the precision is %.40q", w), "use float32, float16 and int8")
		}
	}
	return nil
}

func (r *Request) checkMemory(p *platform.Platform, bad func(code, found, fix string) error) error {
	sells := "it sells " + p.Assortment()
	refused := func(what string, m int64) error {
		return bad("planner.memory-not-sold", fmt.Sprintf("%s: %s sells no functions of %d MB", what, p.Name, m),
			fmt.Sprintf("%s; the nearest size is %d MB", sells, p.NearestMemory(m)))
	}
	for i, m := range r.MemoryMB {
		if !p.Sells(m) {
			return refused("memory", m)
		}
		if i > 0 && r.MemoryMB[i-1] >= m {
			return bad("planner.bad-memory", "the memory sizes do not rise", "sort them, each once")
		}
	}
	if r.MemoryMB != nil && len(r.MemoryMB) == 0 {
		return bad("planner.bad-memory", "the list of memory sizes is empty", "give a size or leave the list out")
	}
	if r.GatewayMemoryMB != 0 && r.GatewayMemoryMB != AutoGateway && !p.Sells(r.GatewayMemoryMB) {
		return refused("gateway-memory", r.GatewayMemoryMB)
	}
	return nil
}

// variants lists the ways in which stages may be packaged and stored, the plain one first where it is among them: of equals
// the first counts.
func (r *Request) variants(p *platform.Platform) []cost.Variant {
	precisions := r.Precisions
	if len(precisions) == 0 {
		precisions = []precision.Precision{precision.Float32}
	}
	var all []cost.Variant
	for _, w := range precisions {
		for _, packaging := range r.packagings(p) {
			all = append(all, cost.Variant{Packaging: packaging, Precision: w})
		}
	}
	return all
}

// packagings lists those that a platform has and the request allows.
func (r *Request) packagings(p *platform.Platform) []string {
	return slices.DeleteFunc(packagings(p), func(packaging string) bool {
		return r.Packaging != "" && !slices.Contains(strings.Split(r.Packaging, ","), packaging)
	})
}

// packagings lists what a platform has, the plain one first.
func packagings(p *platform.Platform) []string {
	if p.PlanningOnly {
		return []string{plan.PackagingZip}
	}
	return slices.DeleteFunc(slices.Clone(plan.Packagings), func(packaging string) bool {
		return packaging == plan.PackagingImage && p.ImageLimitBytes == 0
	})
}

// arrivals gives the mix of cold and warm requests that a rate makes; nil without a rate.
func (r *Request) arrivals(p *platform.Platform) *cost.Arrivals {
	if r.MicroRequestsPH == 0 {
		return nil
	}
	return &cost.Arrivals{ColdPpm: cost.ColdPpm(r.MicroRequestsPH, r.idleUs(p))}
}

func (r *Request) idleUs(p *platform.Platform) int64 {
	if r.IdleUs == 0 {
		return p.IdleUs
	}
	return r.IdleUs
}

// leastBatch is the smallest batch that the request leaves open.
func (r *Request) leastBatch() int64 { return max(r.Batch, 1) }
