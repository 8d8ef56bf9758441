package state

import (
	"context"
	"encoding/json"
	"io"

	"partita/planner/report"
)

// File is a file that the user chose; it is read by slices.
type File interface {
	io.ReaderAt
	Name() string
	Size() int64
	// BytesRead counts what has been read so far: the page shows that only the bytes needed were.
	BytesRead() int64
	// Key tells the file from others, also on another visit.
	Key() string
}

// Upload is one stream to send to the server: parts of it are made here, parts are files.
type Upload struct {
	Name  string
	Parts []Part
}

// Part is one stretch of an upload: a file, or else bytes.
type Part struct {
	Bytes []byte
	File  File
}

// Server is what the page asks of the server it came from. Planning needs none of it.
type Server interface {
	// Upload sends a model's weights; sent is told now and then how many bytes have been.
	Upload(ctx context.Context, what *Upload, sent func(bytes int64)) (upload string, err error)
	Deploy(ctx context.Context, name string, plan json.RawMessage, upload string) error
	Destroy(ctx context.Context, name string) error
	// Follow reports the steps of the operation under way on a deployment until it has ended.
	Follow(ctx context.Context, name string, step func(Step)) error
	Invoke(ctx context.Context, name string, input Input) (*Reply, error)
	// Cloud says where deployments go, and Look what the server knows of one.
	Cloud(ctx context.Context) (*Cloud, error)
	Look(ctx context.Context, name string) (*Deployed, error)
	// Shorten keeps the fragment of a link on the server under a short name, and Lengthen gives it back.
	Shorten(ctx context.Context, fragment string) (*ShortLink, error)
	Lengthen(ctx context.Context, id string) (fragment string, err error)
	ShortLinks(ctx context.Context) ([]ShortLink, error)
	Revoke(ctx context.Context, id string) error
}

// Problem is an error that the server or the page explains to the user.
type Problem struct {
	Code  string
	Found string
	Fix   string
}

// Error gives the problem in one line.
func (p *Problem) Error() string {
	message := p.Found
	if p.Fix != "" {
		message += ". " + p.Fix
	}
	if p.Code != "" {
		message += " [" + p.Code + "]"
	}
	return message
}

// Step is one event of a deploy or destroy, as the server sends it.
type Step struct {
	Resource   string `json:"resource"`
	Action     string `json:"action"`
	State      string `json:"state"` // "started", "progress", "done" or "failed"
	Bytes      int64  `json:"bytes"`
	TotalBytes int64  `json:"totalBytes"`
	ElapsedMs  int64  `json:"elapsedMs"`
}

// Input is one input of a model, as the server's interface takes it.
type Input struct {
	Name        string `json:"name,omitempty"`
	ContentType string `json:"contentType,omitempty"`
	Data        []byte `json:"data"`
}

// Reply is the answer of a deployment to one invocation.
type Reply struct {
	Outputs []struct {
		Name  string  `json:"name"`
		Shape []int64 `json:"shape"`
	} `json:"outputs"`
	Top [][]struct {
		Index int     `json:"index"`
		Score float64 `json:"score"`
	} `json:"top"`
	Trace Trace `json:"trace"`
}

// Trace is what a request was measured to take and cost.
type Trace struct {
	LatencyUs       int64 `json:"latencyUs"`
	DecodeUs        int64 `json:"decodeUs"`
	GatewayBilledMs int64 `json:"gatewayBilledMs"`
	CostPicoUSD     int64 `json:"costPicoUSD"`
	Passes          int   `json:"passes"`
	Workflow        *struct {
		BilledMs int64 `json:"billedMs"`
	} `json:"workflow"` // where one drove the stages
	Stages []StageTrace `json:"stages"`
}

// Driver names what drove the stages, and measured.
func (t *Trace) Driver() string {
	if t.Workflow != nil {
		return "workflow"
	}
	return "gateway"
}

// Timeline tells what happened when, as that of a prediction does; nil where functions were called several times.
func (t *Trace) Timeline() *report.Timeline {
	if t.Passes > 1 || len(t.Stages) == 0 {
		return nil
	}
	line := &report.Timeline{LatencyUs: t.LatencyUs, CostPicoUSD: t.CostPicoUSD, StartUs: t.LatencyUs, Spans: make([]report.Span, len(t.Stages))}
	for i := range t.Stages {
		s := &t.Stages[i]
		if s.Index < 0 || s.Index >= len(t.Stages) {
			return nil
		}
		line.StartUs = max(min(line.StartUs, s.CalledUs-s.WaitUs), 0)
	}
	last := int64(0)
	for i := range t.Stages {
		s := &t.Stages[i]
		one := report.Span{WakeUs: s.CalledUs, InputUs: s.InputUs, ComputeUs: s.ComputeUs, OutputUs: s.OutputUs}
		one.ReadyUs = one.WakeUs
		switch {
		case s.WakeUs > 0:
			one.WakeUs, one.ReadyUs = line.StartUs, line.StartUs+s.WakeUs
			one.CallUs = s.CalledUs + s.QueueUs
		case s.Cold:
			one.ReadyUs += s.InitUs
			fallthrough
		default:
			one.CallUs = one.ReadyUs + s.QueueUs
		}
		last = max(last, one.EndUs())
		line.Spans[s.Index] = one
	}
	if t.Workflow != nil {
		line.EndUs = max(t.LatencyUs-last, 0)
	}
	return line
}

// StageTrace is one invocation of one stage.
type StageTrace struct {
	Index       int   `json:"index"`
	Pass        int   `json:"pass"`
	Cold        bool  `json:"cold"`
	CalledUs    int64 `json:"calledUs"`
	WakeUs      int64 `json:"wakeUs"` // what a wake before the call took
	WaitUs      int64 `json:"waitUs"` // for that wake
	QueueUs     int64 `json:"queueUs"`
	InitUs      int64 `json:"initUs"`
	InputUs     int64 `json:"inputUs"`
	ComputeUs   int64 `json:"computeUs"`
	OutputUs    int64 `json:"outputUs"`
	BilledMs    int64 `json:"billedMs"`
	CostPicoUSD int64 `json:"costPicoUSD"`
	MaxMemoryMB int64 `json:"maxMemoryMB"`
}
