package planner

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"partita/planner/cost"
	"partita/planner/diag"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/precision"
	"partita/planner/solve"
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
		parse: func(r *Request, text string) error {
			if _, region, elsewhere := strings.Cut(text, "@"); elsewhere {
				return fmt.Errorf("a region is an option of its own: region %s", region)
			}
			r.Platform = text
			_, err := platform.Get(text)
			return err
		},
		print: func(r *Request) string { return r.Platform }},
	{Name: "region", Key: "in", Default: platformRegion, Help: "region whose prices count, or the one that the platform's prices are of", Values: regions(),
		parse: func(r *Request, text string) error {
			if r.Region = text; text == platformRegion {
				r.Region = ""
			}
			return nil
		},
		print: func(r *Request) string { return cmp.Or(r.Region, platformRegion) }},
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
	{Name: "max-stages", Key: "max", Default: "10", Help: "most functions in a pipeline, of which those side by side count as one",
		parse: func(r *Request, text string) (err error) { r.MaxStages, err = parseCount(text, maxStages); return err },
		print: func(r *Request) string { return strconv.Itoa(r.MaxStages) }},
	{Name: "memory", Key: "mb", Default: "grid", Help: "memory sizes to consider in MB, as in 512,1024 or 128-3008/64, or the platform's grid",
		parse: func(r *Request, text string) (err error) { r.MemoryMB, err = parseSizes(text); return err },
		print: func(r *Request) string { return printSizes(r.MemoryMB) }},
	{Name: "inputs", Key: "n", Default: "1", Help: "inputs in a request: it is answered when all of them are",
		parse: func(r *Request, text string) (err error) {
			r.Inputs, err = parseMany(text, cost.MaxInputs)
			return err
		},
		print: func(r *Request) string { return strconv.FormatInt(max(r.Inputs, 1), 10) }},
	{Name: "batch", Key: "batch", Default: auto, Help: "inputs that pass through the pipeline together, or as many as is best; a request has no fewer",
		parse: func(r *Request, text string) (err error) {
			r.Batch, err = parseAutoMany(text, cost.MaxBatch)
			return err
		},
		print: func(r *Request) string { return printAutoMany(r.Batch) }},
	{Name: "pipelines", Key: "c", Default: auto, Help: "pipelines that share the inputs of a request at the same time, or as many as is best",
		parse: func(r *Request, text string) (err error) {
			r.Pipelines, err = parseAutoMany(text, cost.Concurrency-1)
			return err
		},
		print: func(r *Request) string { return printAutoMany(r.Pipelines) }},
	{Name: "transport", Key: "via", Default: auto, Help: "how tensors travel between functions: in payloads, through S3, or whichever is better",
		Values: []string{auto, cost.Inline, cost.S3},
		parse:  func(r *Request, text string) error { r.Transport = parseAuto(text); return nil },
		print:  func(r *Request) string { return printAuto(r.Transport) }},
	{Name: "packaging", Key: "pack", Default: auto, Help: "how functions may be packaged: zip, s3 for a zip and weights that are fetched from S3 at the start, image for a container image, a list of them, or auto for any",
		parse: func(r *Request, text string) (err error) { r.Packaging, err = parsePackaging(text); return err },
		print: func(r *Request) string { return printAuto(r.Packaging) }},
	{Name: "precision", Key: "w", Default: string(precision.Float32), Help: "how weights may be stored: float32, float16, int8, a list of them, or auto for any; less than float32 changes answers a little",
		parse: func(r *Request, text string) (err error) { r.Precisions, err = parsePrecisions(text); return err },
		print: func(r *Request) string { return printPrecisions(r.Precisions) }},
	{Name: "split-layers", Key: "parts", Default: auto, Help: "whether a layer that fits no function is computed in parts by several",
		Values: []string{auto, off},
		parse:  func(r *Request, text string) error { r.SplitLayers = parseAuto(text); return nil },
		print:  func(r *Request) string { return printAuto(r.SplitLayers) }},
	{Name: "temporary", Key: "tmp", Default: auto, Help: "temporary storage of functions that fetch their weights: as much as these need, or no more than the price includes",
		Values: []string{auto, included},
		parse:  func(r *Request, text string) error { r.Temporary = parseAuto(text); return nil },
		print:  func(r *Request) string { return printAuto(r.Temporary) }},
	{Name: "branches", Key: "fork", Default: auto, Help: "whether branches of a model may run in functions side by side: those that take long enough, all, or none",
		Values: []string{auto, allBranches, off},
		parse:  func(r *Request, text string) error { r.Branches = parseAuto(text); return nil },
		print:  func(r *Request) string { return printAuto(r.Branches) }},
	{Name: "gateway-memory", Key: "gmb", Default: "default", Help: "memory of the gateway in MB, or the platform's default, or auto for the best of the platform's grid that has room for what is sent",
		parse: func(r *Request, text string) error {
			switch text {
			case "default":
				r.GatewayMemoryMB = 0
				return nil
			case auto:
				r.GatewayMemoryMB = AutoGateway
				return nil
			}
			n, err := parseCount(text, maxMemory)
			r.GatewayMemoryMB = int64(n)
			return err
		},
		print: func(r *Request) string {
			switch r.GatewayMemoryMB {
			case 0:
				return "default"
			case AutoGateway:
				return auto
			}
			return strconv.FormatInt(r.GatewayMemoryMB, 10)
		}},
	{Name: "picture", Key: "mp", Default: usual, Help: "size of the pictures that are sent in megapixels, as in 12 or 0.3, which the gateway has room for and decodes, or usual",
		parse: func(r *Request, text string) (err error) { r.PicturePixels, err = parsePicture(text); return err },
		print: func(r *Request) string { return printPicture(r.PicturePixels) }},
	{Name: "orchestration", Key: "by", Default: gateway, Help: "what drives the functions: the gateway, a Step Functions workflow for which the gateway only prepares inputs and answers, or auto for whichever is better",
		Values: []string{gateway, plan.StepFunctions, auto},
		parse: func(r *Request, text string) error {
			if r.Orchestration = ""; text != gateway {
				r.Orchestration = text
			}
			return nil
		},
		print: func(r *Request) string {
			if r.Orchestration == "" {
				return gateway
			}
			return r.Orchestration
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
		parse: func(r *Request, text string) (err error) { r.Fixed, err = parseFixedMemory(text); return err },
		print: func(r *Request) string { return printAll(r.Fixed) }},
	{Name: "stage-precision", Key: "fixw", Default: "none", Help: "how the functions that hold some layers store their weights, whatever precision says, as in fc1=int8,1..52=float16, or none",
		parse: func(r *Request, text string) (err error) {
			r.FixedPrecisions, err = parseFixedPrecisions(text)
			return err
		},
		print: func(r *Request) string { return printAll(r.FixedPrecisions) }},
	{Name: "layer-cap", Key: "cap", Default: "none", Help: "most layers in a function, or even: no more than the layers divided by the functions, rounded up, or none",
		parse: func(r *Request, text string) (err error) {
			switch text {
			case "none":
				r.LayerCap = 0
			case even:
				r.LayerCap = EvenLayers
			default:
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
