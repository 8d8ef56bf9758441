// Package plan is the document at the bottom of Partita: which layers run in which function at which size, what that
// takes and costs, and what was asked. Command line, page, API, deployment and link are views of it.
//
// A document has one canonical form and a content hash, and carries the model's architecture, so that a plan and a
// weights file are all that a deployment needs. FORMAT.md describes every field. Documents of a newer version are refused
// by name; those of older versions are read for ever.
package plan

// Format is the version of the document that this package writes.
const Format = "partita.plan/1"

// Status is the outcome of planning.
type Status string

// The outcomes.
const (
	Optimal    Status = "optimal"    // no better plan exists
	Infeasible Status = "infeasible" // no plan satisfies the request; Reason and Advice say why and what would help
	Feasible   Status = "feasible"   // of a baseline: it is a plan, but not looked for among all
	Stopped    Status = "stopped"    // a limit was reached; GapPicoUSD says how far the plan may be from the best
)

// Plan is the document. Money is in pico-dollars (1e-12 USD), time in microseconds.
type Plan struct {
	Format      string     `json:"format"`
	Hash        string     `json:"hash,omitempty"` // set by Encode and Decode
	Model       Model      `json:"model"`
	Platform    string     `json:"platform"`
	PriceBook   PriceBook  `json:"priceBook"`
	Request     Request    `json:"request"`
	Status      Status     `json:"status"`
	Reason      string     `json:"reason,omitempty"`
	Advice      *Advice    `json:"advice,omitempty"`
	Reasons     []Reason   `json:"reasons,omitempty"` // what holds the plan back, or would make it feasible; not part of the hash
	Levers      []Lever    `json:"levers,omitempty"`  // what the plan does out of the ordinary, and what that is worth; not part of the hash
	GapPicoUSD  int64      `json:"gapPicoUSD,omitempty"`
	Batching    *Batching  `json:"batching,omitempty"` // when the request has several inputs
	Times       string     `json:"times"`              // "predicted", or "calibrated" when measured times replaced predictions
	Stages      []Stage    `json:"stages"`
	Gateway     Gateway    `json:"gateway"`
	Workflow    *Workflow  `json:"workflow,omitempty"` // when it drives the stages in the gateway's place
	LatencyUs   int64      `json:"latencyUs"`
	CostPicoUSD int64      `json:"costPicoUSD"`       // of one request: all stages, the gateway and the workflow; expected, when cold and warm requests mix
	Traffic     *Traffic   `json:"traffic,omitempty"` // when the request has a rate
	Frontier    []Point    `json:"frontier"`          // every plan that no other beats in both, by rising latency
	Baselines   []Baseline `json:"baselines"`
}

// Model identifies the model and holds its architecture.
type Model struct {
	Name         string       `json:"name"`
	Source       string       `json:"source"` // format of the file it came from
	Digest       string       `json:"digest"` // of the architecture, "sha256:..."
	Layers       int          `json:"layers"` // as the source framework counts them
	Parameters   int64        `json:"parameters"`
	WeightBytes  int64        `json:"weightBytes"`
	MACs         int64        `json:"macs"`
	Preprocess   string       `json:"preprocess"` // suggested for images
	Architecture Architecture `json:"architecture"`
	Splits       []Split      `json:"splits,omitempty"` // layers computed in parts; the numbers of layers elsewhere count each part, and one more that joins them
	Order        []Reordering `json:"order,omitempty"`  // layers put in another order, so that those of a branch follow each other; the numbers of layers elsewhere are those in this order
}

// Split says that a layer is computed in so many parts of its output channels, each of which may be in a function of its own.
type Split struct {
	Layer string `json:"layer"`
	Parts int    `json:"parts"`
}

// Reordering says which layers stand from a place on: their numbers in the order that the model itself gives, parts included.
type Reordering struct {
	FirstLayer int   `json:"firstLayer"` // from 1
	Layers     []int `json:"layers"`
}

// PriceBook identifies the prices and limits used.
type PriceBook struct {
	Date          string `json:"date"`
	Hash          string `json:"hash"`
	Orchestration string `json:"orchestration,omitempty"` // hash of the figures of what drives the stages, when that is not the gateway
}

// Request is what was asked, with every default filled in.
type Request struct {
	Objective       string  `json:"objective"` // "cost" or "latency"
	SLOUs           int64   `json:"sloUs,omitempty"`
	BudgetPicoUSD   int64   `json:"budgetPicoUSD,omitempty"`
	Scenario        string  `json:"scenario"`
	MinStages       int     `json:"minStages"`
	MaxStages       int     `json:"maxStages"`
	MemoryMB        []int64 `json:"memoryMB"`                // the sizes considered
	Inputs          int64   `json:"inputs,omitempty"`        // of a request; absent: a batch
	Batch           int64   `json:"batch"`                   // inputs that pass through the pipeline together; 0: as many as is best
	Pipelines       int64   `json:"pipelines,omitempty"`     // that run at the same time; absent: as many as is best
	Transport       string  `json:"transport"`               // "auto", "inline" or "s3"
	Packaging       string  `json:"packaging"`               // "auto", or a list of "zip", "s3" and "image"
	Quantization    string  `json:"quantization"`            // how weights may be stored: "none", "auto", or a list of precisions
	SplitLayers     string  `json:"splitLayers,omitempty"`   // "off": no layer may be computed in parts
	Temporary       string  `json:"temporary,omitempty"`     // "included": no function has more temporary storage than its price includes
	Branches        string  `json:"branches,omitempty"`      // "off": no functions run side by side; "all": however little there is to compute in a branch
	GatewayMemoryMB int64   `json:"gatewayMemoryMB"`         // 0: the best
	PicturePixels   int64   `json:"picturePixels,omitempty"` // of the pictures that are sent; absent: of usual ones
	Orchestration   string  `json:"orchestration,omitempty"` // StepFunctions, or "auto" for whichever is better; absent: the gateway drives

	MicroRequestsPerHour int64          `json:"microRequestsPerHour,omitempty"` // a mean rate, in millionths, that mixes cold and warm requests
	IdleUs               int64          `json:"idleUs,omitempty"`               // after which an unused environment is ended
	Cuts                 []int          `json:"cuts,omitempty"`                 // layers after which a stage must end
	NoCuts               []int          `json:"noCuts,omitempty"`               // layers after which none may end
	MemoryPins           []MemoryPin    `json:"memoryPins,omitempty"`           // sizes fixed by hand
	PrecisionPins        []PrecisionPin `json:"precisionPins,omitempty"`        // precisions fixed by hand
	LayerCap             int            `json:"layerCap,omitempty"`             // most layers in a stage
	EvenLayers           bool           `json:"evenLayers,omitempty"`           // at most ceil(layers / stages) layers in a stage
}

// MemoryPin is a memory size fixed for every stage that holds one of some layers.
type MemoryPin struct {
	FirstLayer int   `json:"firstLayer"` // from 1
	LastLayer  int   `json:"lastLayer"`  // inclusive
	MemoryMB   int64 `json:"memoryMB"`
}

// PrecisionPin is a precision fixed for every stage that holds one of some layers.
type PrecisionPin struct {
	FirstLayer int    `json:"firstLayer"` // from 1
	LastLayer  int    `json:"lastLayer"`  // inclusive
	Precision  string `json:"precision"`  // "float32", "float16" or "int8"
}

// Advice is the smallest change to the request that would make it feasible.
type Advice struct {
	Option string `json:"option"` // name of the option, as on the command line without dashes
	Value  string `json:"value"`
}

// Stage is one function of the pipeline.
type Stage struct {
	Index          int     `json:"index"`      // from 1
	FirstLayer     int     `json:"firstLayer"` // from 1, inclusive
	LastLayer      int     `json:"lastLayer"`
	Layers         string  `json:"layers"`           // for people: "conv1 .. conv4_block6_out"
	Branch         int     `json:"branch,omitempty"` // of functions side by side, which follow each other in the list: from 1; absent: it runs alone
	MemoryMB       int64   `json:"memoryMB"`
	MemoryNeededMB int64   `json:"memoryNeededMB"`
	WeightBytes    int64   `json:"weightBytes"`
	PackageBytes   int64   `json:"packageBytes"` // unzipped
	InputBytes     int64   `json:"inputBytes"`
	OutputBytes    int64   `json:"outputBytes"`
	TransportIn    string  `json:"transportIn"`
	TransportOut   string  `json:"transportOut"`
	Packaging      string  `json:"packaging"`             // PackagingZip, PackagingS3 or PackagingImage
	Precision      string  `json:"precision,omitempty"`   // how weights are stored: "float16", "int8"; absent: "float32"
	TemporaryMB    int64   `json:"temporaryMB,omitempty"` // size of /tmp; absent: what every function has
	InitUs         int64   `json:"initUs"`                // 0 when warm
	InputUs        int64   `json:"inputUs"`
	ComputeUs      int64   `json:"computeUs"`
	OutputUs       int64   `json:"outputUs"`
	LastPass       *Phases `json:"lastPass,omitempty"` // of the last pass, where it has fewer inputs; the times above are those of the others
	BilledUs       int64   `json:"billedUs"`           // of all invocations
	Invocations    int64   `json:"invocations"`        // one for each pass, and one for each environment that is woken by a call of its own
	FeesPicoUSD    int64   `json:"feesPicoUSD"`        // of requests and S3 objects, part of the cost
	CostPicoUSD    int64   `json:"costPicoUSD"`
}

// Phases are the times of a pass through a stage.
type Phases struct {
	InputUs   int64 `json:"inputUs"`
	ComputeUs int64 `json:"computeUs"`
	OutputUs  int64 `json:"outputUs"`
}

// How tensors travel between functions.
const (
	TransportInline = "inline" // in the payload of the invocation
	TransportS3     = "s3"     // as an object; the payload names it
)

// How a stage is packaged.
const (
	PackagingZip   = "zip"   // everything in one zip, unpacked by the platform
	PackagingS3    = "s3"    // the weights are an object, fetched in parallel ranges when the function starts
	PackagingImage = "image" // everything in a container image, of which the platform loads what is read
)

// Packagings lists them, the plain one first.
var Packagings = []string{PackagingZip, PackagingS3, PackagingImage}

// FetchesWeights tells whether the function fetches weights when it starts.
func (s *Stage) FetchesWeights() bool { return s.Packaging == PackagingS3 && s.WeightBytes > 0 }

// StepFunctions is the orchestration by a workflow of AWS Step Functions, and OrchestrationAuto that by whichever is better, it or the
// gateway.
const (
	StepFunctions     = "step-functions"
	OrchestrationAuto = "auto"
)

// Workflow is what drives the stages where the gateway does not. The gateway's function then prepares the input before the first
// stage and makes the answer after the last.
type Workflow struct {
	EndUs       int64 `json:"endUs"`    // after the last stage, until the answer is made
	BilledUs    int64 `json:"billedUs"` // the whole request, in the steps in which it is billed
	FeesPicoUSD int64 `json:"feesPicoUSD"`
	CostPicoUSD int64 `json:"costPicoUSD"` // fees included
}

// Orchestration names what drives the stages of the plan; "" is the gateway.
func (p *Plan) Orchestration() string {
	if p.Workflow == nil {
		return ""
	}
	return StepFunctions
}

// Gateway is the function in front of the stages.
type Gateway struct {
	MemoryMB    int64 `json:"memoryMB"`
	StartUs     int64 `json:"startUs"`    // before the first stage
	DispatchUs  int64 `json:"dispatchUs"` // before each stage
	BilledUs    int64 `json:"billedUs"`   // it is billed for the whole request, by the millisecond
	FeesPicoUSD int64 `json:"feesPicoUSD"`
	CostPicoUSD int64 `json:"costPicoUSD"`
}

// Batching is how the inputs of a request go through the pipeline: in passes of a batch each, of which the last may have fewer. The
// pipelines take turns: pass n is that of pipeline n mod Pipelines, and a pipeline sends all of its passes through a stage before
// it goes on to the next.
type Batching struct {
	Inputs    int64 `json:"inputs"`
	Batch     int64 `json:"batch"`
	Pipelines int64 `json:"pipelines"`
	Passes    int64 `json:"passes"`
}

// Turns counts the passes of the pipeline with the most.
func (b *Batching) Turns() int64 { return (b.Passes + b.Pipelines - 1) / b.Pipelines }

// LastBatch counts the inputs of the last pass.
func (b *Batching) LastBatch() int64 { return b.Inputs - (b.Passes-1)*b.Batch }

// Sending tells how the inputs of a request go through the pipeline, also of a plan that says nothing of it.
func (p *Plan) Sending() Batching {
	if p.Batching != nil {
		return *p.Batching
	}
	batch := max(p.Request.Batch, 1)
	return Batching{Inputs: batch, Batch: batch, Pipelines: 1, Passes: 1}
}

// Traffic is what a rate of requests means: how many find the functions cold, and what each kind takes and costs.
type Traffic struct {
	MicroRequestsPerHour int64 `json:"microRequestsPerHour"`
	IdleUs               int64 `json:"idleUs"`
	ColdPpm              int64 `json:"coldPpm"`
	ColdLatencyUs        int64 `json:"coldLatencyUs"`
	ColdCostPicoUSD      int64 `json:"coldCostPicoUSD"`
	WarmLatencyUs        int64 `json:"warmLatencyUs"`
	WarmCostPicoUSD      int64 `json:"warmCostPicoUSD"`
}

// Point is one plan of the frontier.
type Point struct {
	LatencyUs   int64 `json:"latencyUs"`
	CostPicoUSD int64 `json:"costPicoUSD"`
	Batch       int64 `json:"batch,omitempty"`     // inputs that pass through together, where the request leaves it open
	Pipelines   int64 `json:"pipelines,omitempty"` // absent: 1
	// Orchestration is what drives the stages, where the request leaves it open and it is not the gateway.
	Orchestration string `json:"orchestration,omitempty"`
	// GatewayMemoryMB is there where the request leaves it open.
	GatewayMemoryMB int64    `json:"gatewayMemoryMB,omitempty"`
	Stages          []Choice `json:"stages"`
}

// Choice is a stage in short: up to which layer, at which size, and how it is packaged and stored where that is not the
// usual way.
type Choice struct {
	LastLayer int    `json:"lastLayer"` // from 1, inclusive
	MemoryMB  int64  `json:"memoryMB"`
	Packaging string `json:"packaging,omitempty"` // absent: "zip"
	Precision string `json:"precision,omitempty"` // absent: "float32"
	Branch    int    `json:"branch,omitempty"`    // as of a stage
}

// Waves divides the stages into those that run one after another: first and end of each are indices into Stages. All but waves of
// functions side by side hold one stage.
func (p *Plan) Waves() (first []int) {
	for i := range p.Stages {
		if p.Stages[i].Branch <= 1 {
			first = append(first, i)
		}
	}
	return append(first, len(p.Stages))
}

// Baseline is what a simpler way of planning would give on the same problem.
type Baseline struct {
	Name        string `json:"name"`
	Status      Status `json:"status"` // Feasible or Infeasible
	LatencyUs   int64  `json:"latencyUs,omitempty"`
	CostPicoUSD int64  `json:"costPicoUSD,omitempty"`
	Batch       int64  `json:"batch,omitempty"` // as of a point of the frontier
	Pipelines   int64  `json:"pipelines,omitempty"`

	GatewayMemoryMB int64    `json:"gatewayMemoryMB,omitempty"`
	Stages          []Choice `json:"stages"`
}
