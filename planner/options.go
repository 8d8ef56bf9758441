package planner

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"partita/planner/cost"
	"partita/planner/diag"
	"partita/planner/platform"
	"partita/planner/precision"
	"partita/planner/solve"
)

// Objectives.
const (
	LeastCost    = "cost"    // the cheapest plan within the SLO
	LeastLatency = "latency" // the fastest plan within the budget
)

// Request is what is asked of the planner. DefaultRequest gives one with every default; the zero value is not one.
type Request struct {
	Platform        string
	Objective       string // LeastCost or LeastLatency
	SLOUs           int64  // no plan may be slower; 0: no limit
	BudgetPicoUSD   int64  // no plan may be dearer; 0: no limit
	Scenario        string // solve.ColdOverlapped, solve.ColdSequential or solve.Warm
	MinStages       int
	MaxStages       int
	MemoryMB        []int64 // sizes to consider, rising; nil: the platform's planning grid
	Batch           int64   // inputs per request
	Transport       string  // cost.Inline, cost.S3, or "" for whichever is better at each cut
	GatewayMemoryMB int64   // 0: the platform's default

	Packaging   string                // cost.PackagingZip, cost.PackagingS3, or "" for whichever is better for each function
	Precisions  []precision.Precision // how weights may be stored, the exact ones first; nil: as float32
	SplitLayers string                // off: no layer is computed in parts, though it fits no function

	// A mean rate of requests, in millionths per hour, mixes cold and warm ones; 0: all are as the scenario says. An environment
	// ends when it has been idle for IdleUs; 0: the platform's figure.
	MicroRequestsPH int64
	IdleUs          int64

	// What is fixed by hand; the planner completes the rest.
	Cuts     []string // layers after which a function ends
	NoCuts   []string // layers, or ranges FROM..TO of them, after which none ends
	Fixed    []FixedMemory
	LayerCap int // most layers in a function; 0: no limit

	// Calibration replaces predicted layer times by measured ones. It is not an option: it comes with a model.
	Calibration *cost.Calibration
}

// Bounds of a request.
const (
	maxStages  = 1000
	maxSLOUs   = 24 * 3600 * 1_000_000
	maxMemory  = 1 << 15 // sizes in a list, and MB of a size
	maxListing = 1 << 16 // characters of a list
)

// Option is one knob of a request. This table is the only place that names them: flags, URLs, defaults, help and
// the controls of the page all come from it.
type Option struct {
	Name    string   // flag without dashes, and the name in advice
	Key     string   // in a URL
	Default string   // as Print prints it
	Help    string   // one sentence, without a final stop
	Values  []string // the choices, when they are few

	parse func(r *Request, text string) error
	print func(r *Request) string
}

// options is in the order of importance to a reader.
var options = []Option{
	{Name: "slo", Key: "slo", Default: "none", Help: "longest time a request may take, as in 2s or 500ms, or none",
		parse: func(r *Request, text string) (err error) { r.SLOUs, err = parseDuration(text); return err },
		print: func(r *Request) string { return printDuration(r.SLOUs) }},
	{Name: "scenario", Key: "start", Default: string(solve.ColdOverlapped), Help: "how functions start: all woken at once, each in its turn, or already warm",
		Values: []string{string(solve.ColdOverlapped), string(solve.ColdSequential), string(solve.Warm)},
		parse:  func(r *Request, text string) error { r.Scenario = text; return nil },
		print:  func(r *Request) string { return r.Scenario }},
	{Name: "platform", Key: "on", Default: "aws-lambda-x86_64", Help: "where the functions run", Values: platform.Names(),
		parse: func(r *Request, text string) error { r.Platform = text; _, err := platform.Get(text); return err },
		print: func(r *Request) string { return r.Platform }},
	{Name: "objective", Key: "least", Default: LeastCost, Help: "what to make least: the cost within the SLO, or the latency within the budget",
		Values: []string{LeastCost, LeastLatency},
		parse:  func(r *Request, text string) error { r.Objective = text; return nil },
		print:  func(r *Request) string { return r.Objective }},
	{Name: "budget", Key: "budget", Default: "none", Help: "most that a request may cost in USD, as in 0.0001, or none",
		parse: func(r *Request, text string) (err error) { r.BudgetPicoUSD, err = parseMoney(text); return err },
		print: func(r *Request) string { return printMoney(r.BudgetPicoUSD) }},
	{Name: "min-stages", Key: "min", Default: "1", Help: "fewest functions in a pipeline",
		parse: func(r *Request, text string) (err error) { r.MinStages, err = parseCount(text, maxStages); return err },
		print: func(r *Request) string { return strconv.Itoa(r.MinStages) }},
	{Name: "max-stages", Key: "max", Default: "10", Help: "most functions in a pipeline",
		parse: func(r *Request, text string) (err error) { r.MaxStages, err = parseCount(text, maxStages); return err },
		print: func(r *Request) string { return strconv.Itoa(r.MaxStages) }},
	{Name: "memory", Key: "mb", Default: "grid", Help: "memory sizes to consider in MB, as in 512,1024 or 128-3008/64, or the platform's grid",
		parse: func(r *Request, text string) (err error) { r.MemoryMB, err = parseSizes(text); return err },
		print: func(r *Request) string { return printSizes(r.MemoryMB) }},
	{Name: "batch", Key: "batch", Default: "1", Help: "inputs that pass through the pipeline together",
		parse: func(r *Request, text string) error {
			n, err := parseCount(text, cost.MaxBatch)
			r.Batch = int64(n)
			return err
		},
		print: func(r *Request) string { return strconv.FormatInt(r.Batch, 10) }},
	{Name: "transport", Key: "via", Default: "auto", Help: "how tensors travel between functions: in payloads, through S3, or whichever is better",
		Values: []string{"auto", cost.Inline, cost.S3},
		parse: func(r *Request, text string) error {
			r.Transport = text
			if text == "auto" {
				r.Transport = ""
			}
			return nil
		},
		print: func(r *Request) string {
			if r.Transport == "" {
				return "auto"
			}
			return r.Transport
		}},
	{Name: "packaging", Key: "pack", Default: auto, Help: "where weights are: in each function's package, in S3 to be fetched when it starts, or whichever is better",
		Values: []string{auto, cost.PackagingZip, cost.PackagingS3},
		parse: func(r *Request, text string) error {
			r.Packaging = text
			if text == auto {
				r.Packaging = ""
			}
			return nil
		},
		print: func(r *Request) string {
			if r.Packaging == "" {
				return auto
			}
			return r.Packaging
		}},
	{Name: "precision", Key: "w", Default: string(precision.Float32), Help: "how weights may be stored: float32, float16, int8, a list of them, or auto for any; less than float32 changes answers a little",
		parse: func(r *Request, text string) (err error) { r.Precisions, err = parsePrecisions(text); return err },
		print: func(r *Request) string { return printPrecisions(r.Precisions) }},
	{Name: "split-layers", Key: "parts", Default: auto, Help: "whether a layer that fits no function is computed in parts by several",
		Values: []string{auto, off},
		parse: func(r *Request, text string) error {
			r.SplitLayers = text
			if text == auto {
				r.SplitLayers = ""
			}
			return nil
		},
		print: func(r *Request) string {
			if r.SplitLayers == "" {
				return auto
			}
			return r.SplitLayers
		}},
	{Name: "gateway-memory", Key: "gmb", Default: "default", Help: "memory of the gateway in MB, or the platform's default",
		parse: func(r *Request, text string) error {
			if text == "default" {
				r.GatewayMemoryMB = 0
				return nil
			}
			n, err := parseCount(text, maxMemory)
			r.GatewayMemoryMB = int64(n)
			return err
		},
		print: func(r *Request) string {
			if r.GatewayMemoryMB == 0 {
				return "default"
			}
			return strconv.FormatInt(r.GatewayMemoryMB, 10)
		}},
	{Name: "rate", Key: "rate", Default: "none", Help: "mean rate of requests, as in 2.5/s or 100/h, that mixes cold and warm ones, or none",
		parse: func(r *Request, text string) (err error) {
			if r.MicroRequestsPH = 0; text != "none" {
				r.MicroRequestsPH, err = ParseRate(text)
			}
			return err
		},
		print: func(r *Request) string { return printRate(r.MicroRequestsPH) }},
	{Name: "idle", Key: "idle", Default: "default", Help: "how long an unused function stays warm, as in 10m, or the platform's default",
		parse: func(r *Request, text string) (err error) {
			if r.IdleUs = 0; text != "default" && text != "none" {
				r.IdleUs, err = parseDuration(text)
			}
			return err
		},
		print: func(r *Request) string {
			if r.IdleUs == 0 {
				return "default"
			}
			return printDuration(r.IdleUs)
		}},
	{Name: "cut", Key: "cut", Default: "none", Help: "layers after which a function must end, by number or name, as in 52,block5_pool, or none",
		parse: func(r *Request, text string) (err error) { r.Cuts, err = parseLayers(text); return err },
		print: func(r *Request) string { return printLayers(r.Cuts) }},
	{Name: "no-cut", Key: "nocut", Default: "none", Help: "layers after which no function may end, as in 10,20..30, or none",
		parse: func(r *Request, text string) (err error) { r.NoCuts, err = parseLayers(text); return err },
		print: func(r *Request) string { return printLayers(r.NoCuts) }},
	{Name: "stage-memory", Key: "fix", Default: "none", Help: "memory in MB of the functions that hold some layers, as in 1..52=1024,fc1=2048, or none",
		parse: func(r *Request, text string) (err error) { r.Fixed, err = parseFixed(text); return err },
		print: func(r *Request) string { return printFixed(r.Fixed) }},
	{Name: "layer-cap", Key: "cap", Default: "none", Help: "most layers in a function, or none",
		parse: func(r *Request, text string) (err error) {
			if r.LayerCap = 0; text != "none" {
				r.LayerCap, err = parseCount(text, maxListing)
			}
			return err
		},
		print: func(r *Request) string { return printCap(r.LayerCap) }},
}

// Options lists every option, the most important first.
func Options() []Option { return slices.Clone(options) }

// OptionNamed finds an option by its name.
func OptionNamed(name string) (Option, bool) {
	for _, o := range options {
		if o.Name == name {
			return o, true
		}
	}
	return Option{}, false
}

// Parse sets the option of a request from text. The error is a *diag.Error of kind Usage that says what would work.
func (o Option) Parse(r *Request, text string) error {
	text = strings.TrimSpace(text)
	if len(o.Values) > 0 && !slices.Contains(o.Values, text) && o.Name != "platform" { // platforms list themselves
		return o.bad(text, "it is none of the choices", "use one of "+strings.Join(o.Values, ", "))
	}
	changed := *r
	if err := o.parse(&changed, text); err != nil {
		if diag.As(err) != nil {
			return err
		}
		return o.bad(text, err.Error(), "give "+o.Help)
	}
	*r = changed
	return nil
}

func (o Option) bad(text, found, fix string) error {
	if len(text) > 60 {
		text = strings.ToValidUTF8(text[:60], "?") + "..."
	}
	return diag.New(diag.Usage, "planner.bad-option", "reading the option "+o.Name, fmt.Sprintf("%q: %s", text, found), fix)
}

// Print gives the option of a request as Parse reads it.
func (o Option) Print(r Request) string { return o.print(&r) }

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

// parseDuration reads a duration into microseconds; "none" is 0.
func parseDuration(text string) (int64, error) {
	if text == "none" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("it is no duration")
	case d < 0:
		return 0, fmt.Errorf("it is negative")
	case d < time.Microsecond:
		return 0, fmt.Errorf("it is less than a microsecond")
	case d.Microseconds() > maxSLOUs:
		return 0, fmt.Errorf("it is more than a day")
	}
	return d.Microseconds(), nil
}

// printDuration gives the shortest exact form: 2s, 1.5s, 500ms, 750us.
func printDuration(us int64) string {
	switch {
	case us == 0:
		return "none"
	case us >= 1_000_000:
		return platform.FormatDecimal(us, 6) + "s"
	case us >= 1000:
		return platform.FormatDecimal(us, 3) + "ms"
	}
	return strconv.FormatInt(us, 10) + "us"
}

// parseMoney reads an amount of USD into pico-dollars; "none" is 0.
func parseMoney(text string) (int64, error) {
	if text == "none" {
		return 0, nil
	}
	v, err := platform.ParseDecimal(strings.TrimPrefix(text, "$"), 12)
	if err != nil {
		return 0, err
	}
	if v == 0 {
		return 0, fmt.Errorf("nothing is free")
	}
	return v, nil
}

// printRate gives the shortest exact form in requests per hour or second.
func printRate(microRequestsPH int64) string {
	switch {
	case microRequestsPH == 0:
		return "none"
	case microRequestsPH%3600 == 0 && microRequestsPH >= 3600*microRequest:
		return platform.FormatDecimal(microRequestsPH/3600, 6) + "/s"
	}
	return platform.FormatDecimal(microRequestsPH, 6) + "/h"
}

func printMoney(picoUSD int64) string {
	if picoUSD == 0 {
		return "none"
	}
	return platform.FormatDecimal(picoUSD, 12)
}

func parseCount(text string, most int) (int, error) {
	n, err := strconv.Atoi(text)
	switch {
	case err != nil:
		return 0, fmt.Errorf("it is no whole number")
	case n < 1 || n > most:
		return 0, fmt.Errorf("it is not between 1 and %d", most)
	}
	return n, nil
}

func printCap(layers int) string {
	if layers == 0 {
		return "none"
	}
	return strconv.Itoa(layers)
}

// parseSizes reads a list of sizes and ranges FROM-TO/STEP into rising sizes; "grid" is nil.
func parseSizes(text string) ([]int64, error) {
	if text == "grid" {
		return nil, nil
	}
	if len(text) > maxListing {
		return nil, fmt.Errorf("it is too long")
	}
	var sizes []int64
	for _, item := range strings.Split(text, ",") {
		bounds, stepText, stepped := strings.Cut(strings.TrimSpace(item), "/")
		fromText, toText, ranged := strings.Cut(bounds, "-")
		from, err := parseCount(fromText, maxMemory)
		to, step := from, 1
		if err == nil && ranged {
			to, err = parseCount(toText, maxMemory)
		}
		if err == nil && stepped {
			step, err = parseCount(stepText, maxMemory)
		}
		switch {
		case err != nil:
			return nil, err
		case ranged != stepped || to < from:
			return nil, fmt.Errorf("a range is FROM-TO/STEP")
		case len(sizes)+(to-from)/step >= maxMemory:
			return nil, fmt.Errorf("it has more than %d sizes", maxMemory)
		}
		for m := from; m <= to; m += step {
			sizes = append(sizes, int64(m))
		}
	}
	return sorted(sizes), nil
}

// sorted puts sizes in order, each once.
func sorted(sizes []int64) []int64 {
	slices.Sort(sizes)
	return slices.Compact(sizes)
}

// printSizes writes runs of four and more equal steps as ranges.
func printSizes(sizes []int64) string {
	if sizes == nil {
		return "grid"
	}
	var parts []string
	for i := 0; i < len(sizes); {
		j := i + 1
		for j+1 < len(sizes) && sizes[j+1]-sizes[j] == sizes[i+1]-sizes[i] {
			j++
		}
		if j-i >= 3 && j < len(sizes) {
			parts = append(parts, fmt.Sprintf("%d-%d/%d", sizes[i], sizes[j], sizes[i+1]-sizes[i]))
			i = j + 1
			continue
		}
		parts = append(parts, strconv.FormatInt(sizes[i], 10))
		i++
	}
	return strings.Join(parts, ",")
}
