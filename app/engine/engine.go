// Package engine opens and plans models for the page: it is the program in the page's Web Worker, and holds all of the planner, so that
// the page itself need not. The page asks it by tasks, which are text; see package state.
package engine

import (
	"bufio"
	"context"
	"errors"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync"

	"partita/app/state"
	"partita/planner"
	"partita/planner/keras"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/rewrite"
	"partita/planner/synthetic"
	"partita/planner/zoo"
)

// keptModels is how many models an Engine remembers: the one on the screen and the one before it.
const keptModels = 2

// pieceBytes is the size of the pieces of made-up weights.
const pieceBytes = 1 << 20

// Engine does the work that the page asks for. It may be used concurrently; it does one thing after the other.
type Engine struct {
	mu        sync.Mutex
	kept      []*opened // the latest last
	frontiers int64     // made so far
}

// opened is a model with the last problem that was posed for it.
type opened struct {
	key      int64
	model    *load.Model
	assumed  []state.Dimension // sizes taken because the file leaves them open and nobody gave them
	problem  *planner.Problem
	frontier *state.Frontier // of problem
}

// open finds a model among those kept, or opens it.
func (e *Engine) open(ctx context.Context, o *state.Opening, read func(int64)) (*opened, error) {
	if i := slices.IndexFunc(e.kept, func(k *opened) bool { return k.key == o.Key }); i >= 0 {
		found := e.kept[i]
		e.kept = append(slices.Delete(e.kept, i, i+1), found)
		return found, nil
	}
	m, assumed, err := loadModel(ctx, o, read)
	if err != nil {
		return nil, err
	}
	fresh := &opened{key: o.Key, model: m, assumed: assumed}
	if e.kept = append(e.kept, fresh); len(e.kept) > keptModels {
		e.kept = slices.Delete(e.kept, 0, 1)
	}
	// WebAssembly's memory never shrinks, so what earlier models left is used again before the next one takes more. Their problems are
	// made anew where they are shown again.
	for _, k := range e.kept[:len(e.kept)-1] {
		k.problem, k.frontier = nil, nil
	}
	runtime.GC()
	return fresh, nil
}

// counting tells how much has been read of all files.
type counting struct {
	io.ReaderAt
	files []state.File
	read  func(int64)
}

func (c counting) ReadAt(p []byte, offset int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, offset)
	c.read(bytesRead(c.files))
	return n, err
}

func bytesRead(files []state.File) int64 {
	var sum int64
	for _, f := range files {
		sum += f.BytesRead()
	}
	return sum
}

// Sizes that are taken for what a Keras model leaves open: of an image, and of a sequence.
const (
	assumedImage    = 224
	assumedSequence = 128
)

// assume gives sizes to the dimensions that an error names: an input with several is taken for an image.
func assume(o *state.Opening, open *keras.OpenSizes) (dims map[string]int64, assumed []state.Dimension) {
	dims = map[string]int64{}
	maps.Copy(dims, o.Dims)
	axes := map[string]int{}
	for _, name := range slices.Concat(open.Names, slices.Collect(maps.Keys(o.Dims))) { // those that somebody settled are of the same input
		input, _, _ := strings.Cut(name, "[")
		axes[input]++
	}
	for _, name := range open.Names {
		size := int64(assumedSequence)
		if input, _, _ := strings.Cut(name, "["); axes[input] > 1 {
			size = assumedImage
		}
		dims[name] = size
		assumed = append(assumed, state.Dimension{Name: name, Size: size})
	}
	return dims, assumed
}

func loadModel(ctx context.Context, o *state.Opening, read func(int64)) (m *load.Model, assumed []state.Dimension, err error) {
	all := o.AllFiles()
	file := func(f state.File) load.File {
		l := readable(ctx, f)
		if read != nil {
			l.Reader = counting{l.Reader, all, read}
		}
		return l
	}
	switch {
	case o.BuiltIn != "":
		m, err = zoo.Open(o.BuiltIn)
	case o.Linked != nil:
		m, err = linkedModel(o.Linked)
	default:
		files := make([]load.File, len(o.Files))
		for i, f := range o.Files {
			files[i] = file(f)
		}
		m, err = load.OpenWith(load.Options{Dims: o.Dims}, files...)
		var open *keras.OpenSizes
		if errors.As(err, &open) {
			var dims map[string]int64
			dims, assumed = assume(o, open)
			m, err = load.OpenWith(load.Options{Dims: dims}, files...)
		}
	}
	if err == nil && o.Weights != nil {
		beside := []load.File{file(o.Weights)}
		for _, shard := range o.Shards {
			beside = append(beside, file(shard))
		}
		if _, err = m.WeightsOf(beside...); err == nil {
			m.HasWeights = true
		}
	}
	if ctx.Err() != nil {
		return nil, nil, ctx.Err()
	}
	return m, assumed, err
}

// Open gives what to show of a model.
func (e *Engine) Open(ctx context.Context, o *state.Opening, read func(int64)) (*state.Model, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := bytesRead(o.AllFiles())
	m, err := e.open(ctx, o, read)
	if err != nil {
		return nil, err
	}
	v, err := newModel(ctx, o, m.model)
	if err == nil {
		v.Open = append(v.Open, m.assumed...)
		v.BytesRead = bytesRead(o.AllFiles()) - before
	}
	return v, err
}

// Plan answers a request for a model. What differs from the request before in the SLO only is a lookup.
func (e *Engine) Plan(ctx context.Context, o *state.Opening, r planner.Request) (*state.Answer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m, document, err := e.plan(ctx, o, r)
	if err != nil {
		return nil, err
	}
	shown := *document
	shown.Frontier, shown.Model.Architecture = nil, plan.Architecture{}
	a := &state.Answer{Plan: &shown, Frontier: m.frontier, Request: requestOf(r), Query: r.Query(), Sources: sources(m.model, document), Ordered: ordered(m.model, document)}
	if month, known := planner.AtRest(document); known {
		a.Rest = &month
	}
	if len(document.Stages) > 0 {
		a.Cold, a.Warm = m.problem.Timelines(document)
	}
	return a, nil
}

// Document gives the whole plan in its canonical form.
func (e *Engine) Document(ctx context.Context, o *state.Opening, r planner.Request) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, document, err := e.plan(ctx, o, r)
	if err != nil {
		return nil, err
	}
	return document.Encode()
}

func (e *Engine) plan(ctx context.Context, o *state.Opening, r planner.Request) (*opened, *plan.Plan, error) {
	m, err := e.open(ctx, o, nil)
	if err != nil {
		return nil, nil, err
	}
	if m.problem == nil || !sameProblem(m.problem.Request(), r) {
		var next *planner.Problem
		if m.problem == nil {
			next, err = planner.New(m.model, r)
		} else {
			next, err = m.problem.With(r)
		}
		if err != nil {
			return nil, nil, err
		}
		next.Solve()
		m.problem, m.frontier = next, nil
	}
	document, err := m.answer(r)
	if err == nil && m.frontier == nil {
		e.frontiers++
		m.frontier = newFrontier(e.frontiers, document.Frontier)
	}
	return m, document, err
}

func (m *opened) answer(r planner.Request) (*plan.Plan, error) {
	if r.Objective == planner.LeastCost {
		return m.problem.At(r.SLOUs)
	}
	return m.problem.Plan()
}

// sameProblem tells whether two requests differ in the SLO at most, and look for the least cost.
func sameProblem(a, b planner.Request) bool {
	a.SLOUs, b.SLOUs = 0, 0
	return a.Objective == planner.LeastCost && a.Calibration == b.Calibration && a.Query() == b.Query()
}

// MakeWeights makes up weights for a model that has none: a file in pieces.
func (e *Engine) MakeWeights(ctx context.Context, o *state.Opening, piece func([]byte) error) error {
	e.mu.Lock()
	m, err := e.open(ctx, o, nil)
	e.mu.Unlock()
	if err != nil {
		return err
	}
	out := bufio.NewWriterSize(pieces{ctx, piece}, pieceBytes)
	if err := synthetic.Write(out, m.model); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return err
	}
	return out.Flush()
}

// pieces hands on what is written, and ends it when it is cancelled.
type pieces struct {
	ctx  context.Context
	hand func([]byte) error
}

func (p pieces) Write(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return len(b), p.hand(b)
}

// Explain gives the reasons why a plan is as it is, and what it uses; see planner.Problem.Explain. It takes several times as long as the plan did.
func (e *Engine) Explain(ctx context.Context, o *state.Opening, r planner.Request) (*state.Explained, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m, document, err := e.plan(ctx, o, r)
	if err != nil {
		return nil, err
	}
	m.problem.Explain(document)
	return &state.Explained{Reasons: document.Reasons, Levers: document.Levers}, nil
}

// Bundle says what to send to a server that deploys the model. Where the weights are spread over several files these are read once,
// for the checksums of the archive they travel in.
func (e *Engine) Bundle(ctx context.Context, o *state.Opening) (*state.Bundle, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m, err := e.open(ctx, o, nil)
	if err != nil {
		return nil, err
	}
	all := o.AllFiles()
	in, err := withWeights(ctx, o, m.model.Source)
	if err != nil {
		return nil, err
	}
	if len(in) == 1 {
		return &state.Bundle{Name: all[in[0]].Name(), Parts: []state.BundlePart{{File: in[0]}}}, nil
	}
	files := make([]load.File, len(in))
	for i, k := range in {
		files[i] = readable(ctx, all[k])
	}
	packed, err := load.NewBundle(files...)
	if err != nil {
		return nil, err
	}
	bundle := &state.Bundle{Name: packed.Name}
	for _, part := range packed.Parts {
		one := state.BundlePart{Bytes: part.Bytes, File: -1}
		if part.File != nil {
			of := part.File.Reader.(cancellable).ReaderAt.(state.File)
			one.File = slices.Index(all, of)
		}
		bundle.Parts = append(bundle.Parts, one)
	}
	return bundle, nil
}

// sources tells for each layer of a plan which layer of the model it came from, where some are computed in parts; nil: none are.
func sources(m *load.Model, document *plan.Plan) []int {
	if len(document.Model.Splits) == 0 {
		return nil
	}
	names := make([]string, len(m.Graph.Layers))
	for i := range m.Graph.Layers {
		names[i] = m.Graph.Layers[i].Name
	}
	splits := make([]rewrite.Split, len(document.Model.Splits))
	for i, s := range document.Model.Splits {
		splits[i] = rewrite.Split(s)
	}
	return rewrite.Sources(names, splits)
}

// ordered gives the model's layers in the order in which a plan has them; nil: it is the model's own. Where some layers are computed
// in parts besides, they are shown in the model's order.
func ordered(m *load.Model, document *plan.Plan) *state.Ordered {
	if len(document.Model.Order) == 0 || len(document.Model.Splits) > 0 {
		return nil
	}
	g, err := rewrite.InOrder(m.Graph, document.Model.Order)
	if err != nil {
		return nil // the plan is of this model, so there is none
	}
	return &state.Ordered{Layers: layers(g), Crossing: crossings(g), Cuts: g.Cuts()}
}
