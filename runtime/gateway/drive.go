package gateway

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"partita/planner/diag"
	"partita/runtime/wire"
)

// run is one request on its way through the stages.
type run struct {
	*Gateway
	ctx      context.Context
	cancel   context.CancelFunc
	id       string
	received time.Time
	prefix   string // of the keys of this request's objects
	wakes    []*wake
	woken    sync.WaitGroup

	deletes sync.WaitGroup
	mutex   sync.Mutex
	trace   wire.Trace
	stored  bool // something may be in the store

	// No stage is called any more. One that runs is waited for: breaking its invocation off would not end it, and it would write what
	// nobody removes.
	failed atomic.Bool
}

// errOther stands for a failure elsewhere in the same request.
var errOther = errors.New("another part of the request has failed")

func (g *Gateway) newRun(ctx context.Context, id string, received time.Time) *run {
	ctx, cancel := context.WithCancel(ctx)
	return &run{Gateway: g, ctx: ctx, cancel: cancel, id: id, received: received, prefix: g.manifest.KeyPrefix + id + "/", wakes: make([]*wake, len(g.manifest.Stages))}
}

// A wake is an invocation that only waits for a stage's init phase.
type wake struct {
	done       chan struct{}
	invocation *wire.Invocation
	reply      wire.StageReply
	elapsed    time.Duration
	err        error
}

// wakeAll wakes all stages but the first, and those beside it, which are invoked at once anyhow.
func (r *run) wakeAll() {
	for i := r.manifest.Steps()[1]; i < len(r.wakes); i++ {
		r.wakes[i] = r.wake(i)
	}
}

func (r *run) wake(stage int) *wake {
	w := &wake{done: make(chan struct{}), invocation: &wire.Invocation{}}
	r.woken.Add(1)
	go func() {
		defer r.woken.Done()
		defer close(w.done)
		payload, err := wire.Marshal(&wire.StageEvent{Format: wire.EventFormat, Kind: "wake", Request: r.id})
		if err != nil {
			w.err = err
			return
		}
		start := time.Now()
		w.invocation, w.err = r.invoker.Invoke(r.ctx, r.manifest.Stages[stage].Function, payload)
		w.elapsed = time.Since(start)
		if w.err == nil {
			w.err = wire.Unmarshal(w.invocation.Payload, &w.reply)
		}
	}()
	return w
}

// pipelineWakes gives the wakes of one more pipeline. Where the first wake has found its stage warm there may be more
// warm environments, and waking another would only cost.
func (r *run) pipelineWakes() []*wake {
	wakes := make([]*wake, len(r.wakes))
	for i, first := range r.wakes {
		if first == nil {
			continue
		}
		select {
		case <-first.done:
			if first.err != nil || !first.reply.Cold {
				continue
			}
		default:
		}
		wakes[i] = r.wake(i)
	}
	return wakes
}

// deal shares passes among pipelines like cards, so many turns for each at most: what is left goes to whoever has done first.
func deal(passes, pipelines, turns int) [][]int {
	var hands [][]int
	for first := 0; first < passes; first += pipelines * turns {
		end := min(first+pipelines*turns, passes)
		for line := first; line < min(first+pipelines, end); line++ {
			var hand []int
			for p := line; p < end; p += pipelines {
				hand = append(hand, p)
			}
			hands = append(hands, hand)
		}
	}
	return hands
}

// drive runs a batch through the stages, in passes of at most the manifest's batch size, several pipelines at once.
func (r *run) drive(batch *batch) ([]wire.Tensor, error) {
	size := max(r.manifest.Batch, 1)
	passes := int((batch.items + size - 1) / size)
	pipelines := min(max(r.manifest.Concurrency, 1), passes)
	results := make([][]wire.Tensor, passes)
	errs := make([]error, passes)
	inputs, err := r.enter(batch, size, passes)
	if err != nil {
		return nil, err
	}
	hands := deal(passes, pipelines, max(r.manifest.Turns, 1))
	next := make(chan []int, len(hands))
	for _, hand := range hands {
		next <- hand
	}
	close(next)
	var wait sync.WaitGroup
	for line := range pipelines {
		wakes := slices.Clone(r.wakes)
		if line > 0 {
			wakes = r.pipelineWakes()
		}
		wait.Add(1)
		go func() {
			defer wait.Done()
			for hand := range next {
				if r.ctx.Err() != nil || r.failed.Load() {
					return
				}
				if failed, err := r.passes(hand, inputs, wakes, results); err != nil {
					errs[failed] = err
					r.failed.Store(true) // the other passes are of no use any more
					return
				}
			}
		}()
	}
	wait.Wait()
	if err := firstCause(errs); err != nil {
		return nil, err
	}
	if err := r.ctx.Err(); err != nil {
		return nil, diag.New(diag.Limit, "gateway.deadline", "driving the stages", "the time for this request ran out", "raise the gateway's timeout or send a smaller batch").Because(err)
	}
	r.trace.Passes, r.trace.Pipelines = passes, pipelines
	return r.join(results)
}

// firstCause prefers an error that is not merely the echo of another one.
func firstCause(errs []error) error {
	var echo error
	for _, err := range errs {
		if err != nil && !errors.Is(err, errOther) {
			return err
		}
		if echo == nil {
			echo = err
		}
	}
	return echo
}

// passes runs a hand of passes through the stages: all of them through each before the next, so that stages that start cold
// have the time of all to do so. It gives the outputs, or the pass that failed. The wakes are used up by the first pass.
func (r *run) passes(hand []int, inputs [][]wire.Tensor, wakes []*wake, results [][]wire.Tensor) (failed int, err error) {
	under := make([][]wire.Tensor, len(hand)) // tensors on their way
	for n, p := range hand {
		under[n] = inputs[p]
	}
	steps := r.manifest.Steps()
	for k, first := range steps[:len(steps)-1] {
		stages := r.manifest.Stages[first:steps[k+1]]
		for n, p := range hand {
			if len(stages) > 1 {
				under[n], err = r.sideBySide(p, first, steps[k+1], under[n], wakes)
			} else {
				under[n], err = r.alone(p, first, under[n], wakes)
			}
			if err != nil {
				return p, err
			}
		}
	}
	failed, err = atOnce(len(hand), func(n int) (err error) {
		results[hand[n]], err = r.outputs(under[n])
		return err
	})
	return hand[failed], err
}

// enter gives the first stage's tensors of each pass, left in the store where it takes them from there.
func (r *run) enter(batch *batch, size int64, passes int) ([][]wire.Tensor, error) {
	inputs := make([][]wire.Tensor, passes)
	for p := range inputs {
		inputs[p] = batch.slice(int64(p)*size, size)
	}
	if r.manifest.Stages[0].TransportIn != wire.S3 {
		return inputs, nil
	}
	_, err := atOnce(passes, func(p int) error { return r.spill(inputs[p], true, r.prefixOf(p, 0)+"in/") })
	return inputs, err
}

// transfers is how many passes' tensors go to the store, or come from it, at once.
const transfers = 16

// atOnce does several things at the same time and gives the first error, and whose it is.
func atOnce(n int, do func(i int) error) (failed int, err error) {
	if n == 1 {
		return 0, do(0)
	}
	errs := make([]error, n)
	var wait sync.WaitGroup
	free := make(chan struct{}, transfers)
	for i := range n {
		free <- struct{}{}
		wait.Add(1)
		go func() {
			defer wait.Done()
			errs[i] = do(i)
			<-free
		}()
	}
	wait.Wait()
	failed = max(slices.IndexFunc(errs, func(err error) bool { return err != nil }), 0)
	return failed, errs[failed]
}

// outputs picks the model's outputs from what the last stage gives.
func (r *run) outputs(tensors []wire.Tensor) ([]wire.Tensor, error) {
	defer r.forget(tensors, nil)
	outputs := make([]wire.Tensor, len(r.manifest.Outputs))
	for i := range outputs {
		at := slices.IndexFunc(tensors, func(t wire.Tensor) bool { return t.Name == r.manifest.OutputNames[i] })
		if at < 0 {
			return nil, diag.New(diag.Internal, "gateway.missing-output", "driving the stages", fmt.Sprintf("the last stage did not give %q", r.manifest.OutputNames[i]), "deploy again")
		}
		t := tensors[at]
		if err := r.load(&t); err != nil {
			return nil, err
		}
		t.Name = r.manifest.Outputs[i].Name
		outputs[i] = t
	}
	return outputs, nil
}

// alone runs a stage and gives the tensors that it hands on.
func (r *run) alone(p, i int, tensors []wire.Tensor, wakes []*wake) ([]wire.Tensor, error) {
	prefix := r.prefixOf(p, i)
	taken := r.taken(i, tensors)
	r.forget(tensors, taken)
	if err := r.spill(taken, r.manifest.Stages[i].TransportIn == wire.S3, prefix+"in/"); err != nil {
		return nil, err
	}
	out, err := r.stage(p, i, taken, prefix, wakes[i])
	wakes[i] = nil
	if err != nil {
		return nil, err
	}
	r.forget(taken, out)
	return out, nil
}

// sideBySide runs the stages from first to end at the same time and adds what they hand on to the tensors there are: some of
// these may be for later stages. When one fails, so does the request, when the others have ended.
func (r *run) sideBySide(p, first, end int, tensors []wire.Tensor, wakes []*wake) ([]wire.Tensor, error) {
	if err := r.spill(tensors, r.manifest.Stages[first].TransportIn == wire.S3, r.prefixOf(p, first)+"in/"); err != nil {
		return nil, err
	}
	outs, errs := make([][]wire.Tensor, end-first), make([]error, end-first)
	var wait sync.WaitGroup
	for i := first; i < end; i++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			k := i - first
			outs[k], errs[k] = r.stage(p, i, r.taken(i, tensors), r.prefixOf(p, i), wakes[i])
			wakes[i] = nil
			if errs[k] != nil {
				r.failed.Store(true)
			}
		}()
	}
	wait.Wait()
	if err := firstCause(errs); err != nil {
		return nil, err
	}
	all := slices.Clone(tensors)
	for _, out := range outs {
		all = append(all, out...)
	}
	return all, nil
}

// prefixOf begins the keys of the objects of a stage in a pass.
func (r *run) prefixOf(p, i int) string { return fmt.Sprintf("%sp%d/s%d/", r.prefix, p, i) }

// taken picks the tensors that are for a stage.
func (r *run) taken(i int, tensors []wire.Tensor) []wire.Tensor {
	names := r.manifest.Stages[i].Takes
	if names == nil {
		return tensors
	}
	var taken []wire.Tensor
	for _, t := range tensors {
		if slices.Contains(names, t.Name) {
			taken = append(taken, t)
		}
	}
	return taken
}

// load makes sure that a tensor's data are here.
func (r *run) load(t *wire.Tensor) error {
	if t.Object != nil && t.EncodedBytes() == 0 {
		data, err := r.store.Get(r.ctx, *t.Object)
		if err != nil {
			return err
		}
		t.Data = data
	}
	t.Object = nil
	if err := t.Decode(); err != nil {
		return err
	}
	return t.Check("driving the stages")
}

// stage invokes one stage and accounts for it.
func (r *run) stage(p, i int, tensors []wire.Tensor, prefix string, w *wake) ([]wire.Tensor, error) {
	stage := &r.manifest.Stages[i]
	event := wire.StageEvent{Format: wire.EventFormat, Kind: "run", Request: r.id, TransportOut: stage.TransportOut,
		Bucket: r.manifest.Bucket, KeyPrefix: prefix, Tensors: tensors}
	if deadline, ok := r.ctx.Deadline(); ok {
		event.UntilMs = deadline.UnixMilli()
	}
	if event.TransportOut == "" {
		event.TransportOut = wire.Inline
	}
	if event.TransportOut == wire.S3 {
		r.mayStore()
	}
	payload, err := wire.Marshal(&event)
	if err != nil {
		return nil, err
	}
	t := wire.StageTrace{Index: i, Pass: p, Function: stage.Function, MemoryMB: stage.Cost.MemoryMB}
	if err := r.await(w, &t, stage); err != nil {
		return nil, err
	}
	if r.failed.Load() {
		return nil, errOther
	}
	start := time.Now()
	t.CalledUs = start.Sub(r.received).Microseconds()
	invocation, err := r.invoker.Invoke(r.ctx, stage.Function, payload)
	elapsed := time.Since(start)
	if err != nil {
		return nil, r.blame(i, err)
	}
	var reply wire.StageReply
	if err := wire.UnmarshalRelay(invocation.Payload, &reply); err != nil {
		return nil, r.blame(i, err)
	}
	t.Environment = reply.Environment
	if reply.Cold {
		t.Cold = true
		t.InitUs += reply.Times.InitUs
	}
	t.InputUs, t.ComputeUs, t.OutputUs = reply.Times.InputUs, reply.Times.ComputeUs, reply.Times.OutputUs
	t.QueueUs = max(0, elapsed.Microseconds()-reply.Times.InitUs-t.InputUs-t.ComputeUs-t.OutputUs)
	t.Attempts = invocation.Attempts
	t.BilledMs += invocation.BilledMs
	t.MaxMemoryMB = max(t.MaxMemoryMB, invocation.Report.MaxMemoryMB)
	if invocation.Report.MemoryMB > 0 {
		t.MemoryMB = invocation.Report.MemoryMB
	}
	t.CostPicoUSD += t.BilledMs*stage.Cost.PicoUSDPerMs + stage.Cost.PicoUSDPerRun
	for i := range reply.Tensors {
		if reply.Tensors[i].Object != nil {
			r.mayStore()
		}
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.trace.Stages = append(r.trace.Stages, t)
	r.trace.CostPicoUSD += t.CostPicoUSD
	return reply.Tensors, nil
}

// await waits until a stage's wake is over: invoked before, the stage would start a second environment.
func (r *run) await(w *wake, t *wire.StageTrace, stage *wire.GatewayStage) error {
	if w == nil {
		return nil
	}
	start := time.Now()
	select {
	case <-w.done:
	case <-r.ctx.Done():
		return r.blame(t.Index, r.ctx.Err())
	}
	t.WaitUs = time.Since(start).Microseconds()
	t.WakeUs = w.elapsed.Microseconds()
	t.BilledMs = w.invocation.BilledMs
	t.MaxMemoryMB = w.invocation.Report.MaxMemoryMB
	t.CostPicoUSD = stage.Cost.RequestPicoUSD
	if w.err != nil {
		// What the stage itself says would only be said again, after its init phase has been paid twice. Where the
		// platform did not get as far, the invocation that follows may fare better.
		if !strings.HasPrefix(diag.CodeOf(w.err), "invoke.") {
			return r.blame(t.Index, w.err)
		}
		return nil
	}
	t.Cold = w.reply.Cold
	t.InitUs = w.reply.Times.InitUs
	return nil
}

// blame names the stage in an error.
func (r *run) blame(i int, err error) error {
	doing := "running " + r.stageName(i)
	if e := diag.As(err); e != nil {
		named := *e
		what := e.Doing
		for _, verb := range []string{"running ", "invoking "} {
			what = strings.TrimPrefix(strings.TrimPrefix(what, verb+r.manifest.Stages[i].Function), ": ")
		}
		if what != "" {
			doing += ": " + what
		}
		named.Doing = doing
		return &named
	}
	if r.ctx.Err() == context.DeadlineExceeded {
		return diag.New(diag.Limit, "gateway.deadline", doing, "the time for this request ran out", "raise the gateway's timeout or send a smaller batch").Because(err)
	}
	return diag.New(diag.Unavailable, "gateway.stage-failed", doing, "it failed", "try again").Because(err)
}

// join puts the outputs of the passes together along the batch.
func (r *run) join(results [][]wire.Tensor) ([]wire.Tensor, error) {
	outputs := results[0]
	if len(results) == 1 {
		return outputs, nil
	}
	for i := range outputs {
		if !r.manifest.Outputs[i].Batched() {
			continue // the same for every item, so for every pass
		}
		data, items := []byte(nil), int64(0)
		for _, result := range results {
			t := &result[i]
			if t.DType != outputs[i].DType || !slices.Equal(t.Shape[1:], outputs[i].Shape[1:]) {
				return nil, diag.New(diag.Internal, "gateway.uneven-outputs", "putting the passes together", fmt.Sprintf("output %q has shape %v in one pass and %v in another", t.Name, outputs[i].Shape, t.Shape), "report this")
			}
			data = append(data, t.Data...)
			items += t.Shape[0]
		}
		outputs[i].Shape = append([]int64{items}, outputs[i].Shape[1:]...)
		outputs[i].Data = data
	}
	return outputs, nil
}
