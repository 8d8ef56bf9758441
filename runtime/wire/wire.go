// Package wire defines what travels between the server, a deployment's gateway and its stages: the manifests packed into
// each function, the events and replies, and the tensors in them. FORMAT.md describes the bytes.
//
// The server writes manifests and gateway events; the gateway writes stage events. Nothing here does input or output.
package wire

import (
	"context"
	"time"

	"partita/planner/plan"
)

// Formats of the documents of this package. A reader refuses any other.
const (
	StageFormat   = "partita.stage/1"
	GatewayFormat = "partita.gateway/1"
	EventFormat   = "partita.event/1"
	ReplyFormat   = "partita.reply/1"
)

// Names of the files in a function's package.
const (
	StageFile   = "stage.json"   // makes the bootstrap a stage
	GatewayFile = "gateway.json" // makes the bootstrap a gateway
	ModelFile   = "stage.onnx"
	WeightsFile = "stage.weights" // external data of ModelFile
	LibraryFile = "libonnxruntime.so"
)

// Transports of a hop.
const (
	Inline = plan.TransportInline
	S3     = plan.TransportS3
)

// TensorSpec describes a tensor without its numbers. A dimension of -1 is the batch.
type TensorSpec struct {
	Name  string  `json:"name"`
	DType string  `json:"dtype"`
	Shape []int64 `json:"shape"`
}

// StageManifest is stage.json. Names are those of the graph's values. A tensor that is both an input and an output
// passes through unchanged and is not part of the ONNX file.
type StageManifest struct {
	Format     string       `json:"format"`
	Deployment string       `json:"deployment"`
	Index      int          `json:"index"` // from 0
	Stages     int          `json:"stages"`
	Layers     string       `json:"layers"`              // for people: "conv1 .. conv4_block6_out"
	Precision  string       `json:"precision,omitempty"` // how the weights are stored: "float32", "float16" or "int8"
	Weights    *Weights     `json:"weights,omitempty"`   // set where WeightsFile is not in the package but an object
	Inputs     []TensorSpec `json:"inputs"`
	Outputs    []TensorSpec `json:"outputs"`
}

// WeightsVariable names the variable in a function's environment that says where the weights are which its package lacks,
// as s3://BUCKET/KEY.
const WeightsVariable = "PARTITA_WEIGHTS"

// Weights describes a weights file that a function fetches when it starts: in parts of PartBytes, the last one shorter, all at
// the same time.
type Weights struct {
	Bytes     int64    `json:"bytes"`
	PartBytes int64    `json:"partBytes"`
	CRC32C    []uint32 `json:"crc32c"` // of each part (RFC 3720, the polynomial of Castagnoli)
}

// What a part of a weights object is at least, and how many there are at most: a range of 8 MiB is large enough for a
// connection's full rate, and that many connections use up what a function's network gives.
const (
	MinWeightsPart  = 8 << 20
	MaxWeightsParts = 16
)

// WeightsPartBytes gives the size of the parts of a weights object.
func WeightsPartBytes(bytes int64) int64 {
	return max(MinWeightsPart, (bytes+MaxWeightsParts-1)/MaxWeightsParts)
}

// GatewayManifest is gateway.json.
type GatewayManifest struct {
	Format      string `json:"format"`
	Deployment  string `json:"deployment"`
	Bucket      string `json:"bucket"`      // for hand-over through S3
	KeyPrefix   string `json:"keyPrefix"`   // "runs/NAME/"
	Wake        bool   `json:"wake"`        // wake all stages when a request arrives (scenario cold-overlapped)
	Batch       int64  `json:"batch"`       // inputs per pass through the pipeline
	Concurrency int    `json:"concurrency"` // pipelines at the same time
	// Turns is how many of its passes a pipeline sends through a stage before the next stage has its turn; 0: 1.
	Turns       int            `json:"turns,omitempty"`
	Preprocess  string         `json:"preprocess"` // for images: "caffe", "tf", "torch", "unit" or "none"
	Inputs      []TensorSpec   `json:"inputs"`     // the model's, under the names users know
	InputNames  []string       `json:"inputNames"` // the graph's names of the same
	Outputs     []TensorSpec   `json:"outputs"`
	OutputNames []string       `json:"outputNames"`
	Stages      []GatewayStage `json:"stages"`
	Cost        FunctionCost   `json:"cost"` // of the gateway itself
	// Workflow is set where a workflow drives the stages, and the gateway's function only prepares inputs and answers.
	Workflow *WorkflowCost `json:"workflow,omitempty"`
}

// WorkflowCost prices an execution of a workflow: a fee, and its time in whole steps.
type WorkflowCost struct {
	PicoUSDPerRun int64 `json:"picoUSDPerRun"`
	PicoUSDPerMs  int64 `json:"picoUSDPerMs"`
	StepMs        int64 `json:"stepMs"`
}

// GatewayStage is one stage as the gateway sees it.
type GatewayStage struct {
	Function     string `json:"function"`     // name or ARN
	TransportIn  string `json:"transportIn"`  // of the hop before it
	TransportOut string `json:"transportOut"` // of the hop after it
	// Branch numbers stages that run side by side, from 1; they follow each other in the list. 0: the stage runs alone.
	Branch int `json:"branch,omitempty"`
	// Takes names the tensors that the stage is given of those there are: it is set where some are not for it, which is so beside
	// others and after such. nil: all.
	Takes     []string     `json:"takes,omitempty"`
	Cost      FunctionCost `json:"cost"`
	Predicted PhaseTimes   `json:"predicted"`
}

// FunctionCost is what the trace needs to price an invocation: billed milliseconds times PicoUSDPerMs plus the fixed
// fees of an invocation (request fee, S3 requests of its hops).
type FunctionCost struct {
	MemoryMB      int64 `json:"memoryMB"`
	PicoUSDPerMs  int64 `json:"picoUSDPerMs"`
	PicoUSDPerRun int64 `json:"picoUSDPerRun"`
	// RequestPicoUSD is the part of PicoUSDPerRun that any invocation costs, also a wake or one that failed.
	RequestPicoUSD int64 `json:"requestPicoUSD,omitempty"`
}

// PhaseTimes are the phases of a stage's work, in microseconds.
type PhaseTimes struct {
	InitUs    int64 `json:"initUs"` // before the first event: process start to ready; 0 when warm
	InputUs   int64 `json:"inputUs"`
	ComputeUs int64 `json:"computeUs"`
	OutputUs  int64 `json:"outputUs"`
}

// Object names an S3 object.
type Object struct {
	Bucket string `json:"bucket"`
	Key    string `json:"key"`
	Bytes  int64  `json:"bytes"`
}

// Tensor is a tensor with its numbers (little-endian, C order): in Data, or in an object.
type Tensor struct {
	TensorSpec
	Data   []byte  `json:"data,omitempty"`
	Object *Object `json:"object,omitempty"`
	// Encoded is the base64 text of the data where they are only handed on (see UnmarshalRelay); Decode turns it into Data.
	Encoded []byte `json:"-"`
}

// StageEvent is what a stage is invoked with.
type StageEvent struct {
	Format       string   `json:"format"`
	Kind         string   `json:"kind"` // "run" or "wake": a wake only waits for the init phase
	Request      string   `json:"request"`
	TransportOut string   `json:"transportOut"` // a reply over the payload limit goes through S3 whatever this says
	Bucket       string   `json:"bucket"`
	KeyPrefix    string   `json:"keyPrefix"`             // of objects this stage writes
	TensorBytes  int64    `json:"tensorBytes,omitempty"` // most that the reply's tensors may take as text; 0: what fits into the platform's payload
	UntilMs      int64    `json:"untilMs,omitempty"`     // in Unix milliseconds: nothing is written for the request afterwards; 0: no such time
	Tensors      []Tensor `json:"tensors,omitempty"`
}

// Until ends the work for a request when nothing is to be written for it any more: whoever drives it removes what has been written then.
func Until(ctx context.Context, untilMs int64) (context.Context, context.CancelFunc) {
	if untilMs == 0 {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, time.UnixMilli(untilMs))
}

// StageReply is what a stage answers.
type StageReply struct {
	Format      string     `json:"format"`
	Environment string     `json:"environment"` // identifies the function's environment (process)
	Cold        bool       `json:"cold"`        // this is the environment's first invocation
	Times       PhaseTimes `json:"times"`
	Top         int        `json:"top,omitempty"` // of a gateway that has prepared inputs: the classes wanted
	Tensors     []Tensor   `json:"tensors,omitempty"`
}

// Input is one input of the model as a user sent it: a file with its media type.
type Input struct {
	Name        string  `json:"name,omitempty"`        // "" when the model has one input
	ContentType string  `json:"contentType,omitempty"` // "" or application/octet-stream: told by its content
	Data        []byte  `json:"data,omitempty"`
	Object      *Object `json:"object,omitempty"`
}

// Media types of inputs.
const (
	TypeNPY    = "application/x-npy"
	TypePickle = "application/x-pickle"
	TypeJSON   = "application/json" // {"shape":[..],"data":[..]} or nested arrays
	TypeJPEG   = "image/jpeg"
	TypePNG    = "image/png"
	TypeWebP   = "image/webp"
)

// GatewayEvent is what a gateway is invoked with.
type GatewayEvent struct {
	Format     string  `json:"format"`
	Kind       string  `json:"kind,omitempty"` // "": drive the stages; else what a workflow asks for, see WorkflowEvent
	Request    string  `json:"request,omitempty"`
	Inputs     []Input `json:"inputs"`
	Preprocess string  `json:"preprocess,omitempty"` // overrides the manifest's
	Top        int     `json:"top,omitempty"`        // classes wanted per item; 0 means 5
}

// WorkflowEvent is what a workflow invokes a gateway's function with: before the first stage to prepare the inputs of the
// GatewayEvent whose members it has as well, after the last to make the answer, and after a failure to remove what was written.
type WorkflowEvent struct {
	Format      string         `json:"format"`
	Kind        string         `json:"kind"` // KindPrepare, KindAnswer or KindAbandon
	Request     string         `json:"request"`
	KeyPrefix   string         `json:"keyPrefix"` // of the request's objects
	TensorBytes int64          `json:"tensorBytes,omitempty"`
	UntilMs     int64          `json:"untilMs,omitempty"`   // as of a StageEvent
	StartedMs   int64          `json:"startedMs,omitempty"` // when the execution began, in Unix milliseconds
	Top         int            `json:"top,omitempty"`
	Tensors     []Tensor       `json:"tensors,omitempty"`
	Steps       []WorkflowStep `json:"steps,omitempty"`
}

// Kinds of a WorkflowEvent.
const (
	KindPrepare = "prepare"
	KindAnswer  = "answer"
	KindAbandon = "abandon"
)

// WorkflowStep is a state of a workflow that has run: KindPrepare, or "run" or "wake" of a stage.
type WorkflowStep struct {
	Kind      string     `json:"kind"`
	Stage     int        `json:"stage"` // from 0
	EnteredMs int64      `json:"enteredMs"`
	LeftMs    int64      `json:"leftMs"`
	Retries   int        `json:"retries"`
	Cold      bool       `json:"cold"`
	Times     PhaseTimes `json:"times"`
	Objects   []Object   `json:"objects,omitempty"` // that it names in its answer
}

// Class is one entry of a ranking of a model's output.
type Class struct {
	Index int     `json:"index"`
	Score float64 `json:"score"`
}

// GatewayReply is what a gateway answers. Top has a ranking per batch item of the first output that is a matrix.
type GatewayReply struct {
	Format  string    `json:"format"`
	Outputs []Tensor  `json:"outputs"` // an output over the payload limit goes through S3
	Top     [][]Class `json:"top"`
	Trace   Trace     `json:"trace"`
}

// Trace is what one request was measured to take and cost.
type Trace struct {
	Request         string `json:"request"`
	LatencyUs       int64  `json:"latencyUs"` // in the gateway, or the workflow that drives: from event to reply
	DecodeUs        int64  `json:"decodeUs"`  // decoding and preprocessing of the inputs
	GatewayBilledMs int64  `json:"gatewayBilledMs"`
	CostPicoUSD     int64  `json:"costPicoUSD"`
	Passes          int    `json:"passes"`              // times the pipeline ran, for a batch
	Pipelines       int    `json:"pipelines,omitempty"` // that shared the passes
	// Workflow is what drove the stages, where that was not the gateway, which then is billed for its work before and after them.
	Workflow *WorkflowTrace `json:"workflow,omitempty"`
	Stages   []StageTrace   `json:"stages"` // per stage and pass, in the order in which they finished
}

// WorkflowTrace is what the execution of a workflow is billed for.
type WorkflowTrace struct {
	BilledMs    int64 `json:"billedMs"`
	CostPicoUSD int64 `json:"costPicoUSD"`
}

// StageTrace is one invocation of one stage. QueueUs is what the caller waited beyond the stage's own phases. After a
// wake, cold, initUs and the wake's share of billedMs and costPicoUSD are counted here.
type StageTrace struct {
	Index    int    `json:"index"`
	Pass     int    `json:"pass"`
	Function string `json:"function"`
	// Environment is the one in which it ran: passes of one pipeline share it.
	Environment string `json:"environment,omitempty"`
	Cold        bool   `json:"cold"`
	CalledUs    int64  `json:"calledUs"` // when it was invoked, after the event reached the gateway
	QueueUs     int64  `json:"queueUs"`
	PhaseTimes
	BilledMs    int64 `json:"billedMs"`
	CostPicoUSD int64 `json:"costPicoUSD"`
	MemoryMB    int64 `json:"memoryMB"`
	MaxMemoryMB int64 `json:"maxMemoryMB"`
	Attempts    int   `json:"attempts"`
	WakeUs      int64 `json:"wakeUs"` // what the wake before it took; 0 without one
	WaitUs      int64 `json:"waitUs"` // how long the pass stood still for that wake: what the overlap did not hide
}

// Invocation is what came of invoking a function, over all attempts; one that failed has no payload.
type Invocation struct {
	Payload  []byte
	Report   Report // of the last attempt; zero where the platform sent no REPORT line
	Attempts int
	BilledMs int64 // of all attempts together
}
