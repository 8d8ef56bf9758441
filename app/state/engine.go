package state

import (
	"bufio"
	"context"
	"io"
	"slices"
	"sync"

	"partita/planner"
	"partita/planner/diag"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/synthetic"
	"partita/planner/zoo"
)

// keptModels is how many models an Engine remembers: the one on the screen and the one before it.
const keptModels = 2

// pieceBytes is the size of the pieces of made-up weights.
const pieceBytes = 1 << 20

// Engine is a Planner that does the work itself. It may be used concurrently; it does one thing after the other.
type Engine struct {
	mu        sync.Mutex
	kept      []*opened // the latest last
	frontiers int64     // made so far
}

// opened is a model with the last problem that was posed for it.
type opened struct {
	key      int64
	model    *load.Model
	problem  *planner.Problem
	frontier *Frontier // of problem
}

// open finds a model among those kept, or opens it.
func (e *Engine) open(ctx context.Context, o *Opening, read func(int64)) (*opened, error) {
	if i := slices.IndexFunc(e.kept, func(k *opened) bool { return k.key == o.Key }); i >= 0 {
		found := e.kept[i]
		e.kept = append(slices.Delete(e.kept, i, i+1), found)
		return found, nil
	}
	m, err := loadModel(ctx, o, read)
	if err != nil {
		return nil, err
	}
	fresh := &opened{key: o.Key, model: m}
	if e.kept = append(e.kept, fresh); len(e.kept) > keptModels {
		e.kept = slices.Delete(e.kept, 0, 1)
	}
	return fresh, nil
}

// counting tells how much has been read of all files.
type counting struct {
	io.ReaderAt
	files []File
	read  func(int64)
}

func (c counting) ReadAt(p []byte, offset int64) (int, error) {
	n, err := c.ReaderAt.ReadAt(p, offset)
	c.read(bytesRead(c.files))
	return n, err
}

func bytesRead(files []File) int64 {
	var sum int64
	for _, f := range files {
		sum += f.BytesRead()
	}
	return sum
}

func loadModel(ctx context.Context, o *Opening, read func(int64)) (*load.Model, error) {
	all := o.AllFiles()
	file := func(f File) load.File {
		l := readable(ctx, f)
		if read != nil {
			l.Reader = counting{l.Reader, all, read}
		}
		return l
	}
	var m *load.Model
	var err error
	switch {
	case o.BuiltIn != "":
		m, err = zoo.Open(o.BuiltIn)
	case o.Linked != nil:
		m, err = o.Linked.model()
	default:
		files := make([]load.File, len(o.Files))
		for i, f := range o.Files {
			files[i] = file(f)
		}
		m, err = load.OpenWith(load.Options{Dims: o.Dims}, files...)
	}
	if err == nil && o.Weights != nil {
		if _, err = m.Weights(file(o.Weights)); err == nil {
			m.HasWeights = true
		}
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return m, err
}

// Open implements Planner.
func (e *Engine) Open(ctx context.Context, o *Opening, read func(int64)) (*Model, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := bytesRead(o.AllFiles())
	m, err := e.open(ctx, o, read)
	if err != nil {
		return nil, err
	}
	v, err := newModel(o, m.model)
	if err == nil {
		v.BytesRead = bytesRead(o.AllFiles()) - before
	}
	return v, err
}

// Plan implements Planner. What differs from the request before in the SLO only is a lookup.
func (e *Engine) Plan(ctx context.Context, o *Opening, r planner.Request) (*Answer, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m, document, err := e.plan(ctx, o, r)
	if err != nil {
		return nil, err
	}
	shown := *document
	shown.Frontier, shown.Model.Architecture = nil, plan.Architecture{}
	return &Answer{&shown, m.frontier}, nil
}

// Document implements Planner.
func (e *Engine) Document(ctx context.Context, o *Opening, r planner.Request) ([]byte, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, document, err := e.plan(ctx, o, r)
	if err != nil {
		return nil, err
	}
	return document.Encode()
}

func (e *Engine) plan(ctx context.Context, o *Opening, r planner.Request) (*opened, *plan.Plan, error) {
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
func (e *Engine) MakeWeights(ctx context.Context, o *Opening, piece func([]byte) error) error {
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

// WeightsOnly tells whether an opening failed because its file holds only weights, which belong to the model that is open.
func WeightsOnly(err error) bool {
	if p, ok := err.(*Problem); ok {
		return p.Code == weightsOnly
	}
	return diag.CodeOf(err) == weightsOnly
}

const weightsOnly = "model.weights-only"
