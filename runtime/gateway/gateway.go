// Package gateway is a deployment's front: it takes what a user sends (images, arrays), makes the model's input tensors of it,
// drives the stages in order, and answers with the outputs, a ranking of classes and a trace of what it took and cost.
package gateway

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"partita/planner/diag"
	"partita/runtime/lambda"
	"partita/runtime/wire"
)

// Invoker runs functions. The invocation is never nil; beside an error it tells attempts and billed time.
type Invoker interface {
	Invoke(ctx context.Context, function string, payload []byte) (*wire.Invocation, error)
}

// Store is where tensors wait that are too large for a payload.
type Store interface {
	Get(ctx context.Context, object wire.Object) ([]byte, error)
	Put(ctx context.Context, object wire.Object, data []byte) error
	Delete(ctx context.Context, object wire.Object) error
	DeletePrefix(ctx context.Context, bucket, prefix string) error
}

// Gateway answers the requests of one deployment, one at a time.
type Gateway struct {
	manifest *wire.GatewayManifest
	invoker  Invoker
	store    Store
	memory   int64 // bytes that the function has
}

// Open reads the gateway's package in a folder.
func Open(root string, invoker Invoker, store Store) (*Gateway, error) {
	text, err := os.ReadFile(filepath.Join(root, wire.GatewayFile))
	if err != nil {
		return nil, diag.New(diag.Internal, "gateway.no-manifest", "starting the gateway", "its "+wire.GatewayFile+" cannot be read", "deploy again").Because(err)
	}
	manifest, err := wire.ReadGatewayManifest(text)
	if err != nil {
		return nil, err
	}
	memoryMB, _ := strconv.ParseInt(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 64)
	return New(manifest, invoker, store, memoryMB), nil
}

// New makes a gateway for a function of so much memory; 0 when that is not known.
func New(manifest *wire.GatewayManifest, invoker Invoker, store Store, memoryMB int64) *Gateway {
	if memoryMB <= 0 {
		memoryMB = 1024
	}
	return &Gateway{manifest: manifest, invoker: invoker, store: store, memory: memoryMB << 20}
}

// defaultTop is how many classes are ranked when the request does not say.
const defaultTop = 5

func topOf(event *wire.GatewayEvent) int {
	if event.Top == 0 {
		return defaultTop
	}
	return event.Top
}

// Handle answers one event of the platform.
func (g *Gateway) Handle(ctx context.Context, r *lambda.Request) (lambda.Reply, error) {
	ctx, cancel := withMargin(ctx)
	defer cancel()
	var event wire.GatewayEvent
	if err := wire.Unmarshal(r.Body, &event); err != nil {
		return lambda.Reply{}, err
	}
	if event.Kind != "" {
		return g.handleStep(ctx, &event, r)
	}
	run := g.newRun(ctx, requestID(event.Request, r.ID), r.Received)
	reply, err := g.answer(run, &event, r)
	if err != nil {
		run.abandon()
		return lambda.Reply{}, err
	}
	// Deleting what waited in the store need not keep the caller waiting.
	return lambda.Reply{Body: reply, After: run.finish}, nil
}

func (g *Gateway) answer(run *run, event *wire.GatewayEvent, r *lambda.Request) ([]byte, error) {
	if g.manifest.Wake {
		run.wakeAll()
	}
	decoding := time.Now()
	batch, err := g.decode(run.ctx, event)
	if err != nil {
		return nil, err
	}
	decodeUs := time.Since(decoding).Microseconds()
	outputs, err := run.drive(batch)
	if err != nil {
		return nil, err
	}
	top := topOf(event)
	reply := wire.GatewayReply{Format: wire.ReplyFormat, Outputs: outputs, Top: rank(outputs, top)}
	if err := run.keep(reply.Outputs); err != nil {
		return nil, err
	}
	reply.Trace = run.trace
	reply.Trace.Request = run.id
	reply.Trace.DecodeUs = decodeUs
	reply.Trace.LatencyUs = time.Since(r.Received).Microseconds()
	billedUs := reply.Trace.LatencyUs
	if r.First {
		billedUs += r.InitUs // AWS bills the init phase since August 2025
	}
	reply.Trace.GatewayBilledMs = (billedUs + 999) / 1000
	cost := g.manifest.Cost
	reply.Trace.CostPicoUSD += reply.Trace.GatewayBilledMs*cost.PicoUSDPerMs + cost.PicoUSDPerRun
	return wire.Marshal(&reply)
}

// withMargin ends the work a little before the platform ends the function, so that the reason can still be told.
func withMargin(ctx context.Context) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, deadline.Add(-min(500*time.Millisecond, time.Until(deadline)/10)))
}

// requestID takes the caller's name of the request where it may be part of an object's key, else the platform's.
func requestID(wanted, platform string) string {
	ok := wanted != "" && len(wanted) <= 64
	for _, c := range wanted {
		ok = ok && (c == '-' || c == '_' || ('0' <= c && c <= '9') || ('a' <= c && c <= 'z') || ('A' <= c && c <= 'Z'))
	}
	if ok {
		return wanted
	}
	return strings.Map(func(c rune) rune {
		if c == '/' || c < ' ' {
			return '-'
		}
		return c
	}, platform)
}

func bad(code, doing, found, fix string) *diag.Error {
	return diag.New(diag.Invalid, code, doing, found, fix)
}

// stageName names a stage in errors: "stage 2 of 4 (partita-x-stage-2)".
func (g *Gateway) stageName(i int) string {
	return fmt.Sprintf("stage %d of %d (%s)", i+1, len(g.manifest.Stages), g.manifest.Stages[i].Function)
}
