// Package state holds what the user of the page has done: the model opened, the request made of the planner, the plan
// that answers it, and the deployment of that plan. It is plain Go without a browser, so that all of it is tested natively.
package state

import (
	"context"
	"io"
	"path"
	"strings"

	"partita/planner"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/report"
)

// Session is one visit. It is not safe for concurrent use: the page changes it on its user-interface goroutine only.
type Session struct {
	Model   *load.Model
	Inspect *report.Inspect
	Files   []File
	Weights []File // the files that hold the weights; none when only an architecture was opened
	BuiltIn string // the name of a built-in architecture; "" of a model from files
	Request planner.Request
	Plan    *plan.Plan

	problem *planner.Problem
}

// Open reads the model in files (one whole model, or an architecture and its weights) and plans it with the request r.
// It touches only the bytes that it needs, and ends early when ctx is cancelled.
func Open(ctx context.Context, files []File, r planner.Request) (*Session, error) {
	var opened []load.File
	for _, f := range files {
		opened = append(opened, readable(ctx, f))
	}
	model, err := load.Open(opened...)
	if err != nil {
		return nil, err
	}
	s := &Session{Model: model, Inspect: report.NewInspect(model), Files: files, Request: r}
	if model.HasWeights {
		s.Weights = withWeights(model, files)
	}
	return s, s.solve()
}

// readable is a file as the planner reads it; its reads fail once ctx is cancelled.
func readable(ctx context.Context, f File) load.File {
	return load.File{Name: f.Name(), Size: f.Size(), Reader: cancellable{ctx, f}}
}

type cancellable struct {
	ctx context.Context
	io.ReaderAt
}

func (c cancellable) ReadAt(p []byte, offset int64) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.ReaderAt.ReadAt(p, offset)
}

// withWeights picks the files to send when a model is deployed: of an architecture and a weights file the latter, and all
// files of a model that is spread over several.
func withWeights(model *load.Model, files []File) []File {
	if model.Source == load.SourceTFJS || model.Source == load.SourceONNX || len(files) == 1 {
		return files
	}
	for _, f := range files {
		switch strings.ToLower(path.Ext(f.Name())) {
		case ".h5", ".hdf5", ".keras":
			return []File{f}
		}
	}
	return nil
}

// WeightsSize gives the bytes of the files that hold the weights.
func (s *Session) WeightsSize() int64 {
	var size int64
	for _, f := range s.Weights {
		size += f.Size()
	}
	return size
}

// Upload gives what to send to a server that deploys the model. Where the weights are spread over several files these are
// read once, for the checksums of the archive they travel in.
func (s *Session) Upload(ctx context.Context) (*Upload, error) {
	if len(s.Weights) == 1 {
		return &Upload{Name: s.Weights[0].Name(), Parts: []Part{{File: s.Weights[0]}}}, nil
	}
	var files []load.File
	for _, f := range s.Weights {
		files = append(files, readable(ctx, f))
	}
	bundle, err := load.NewBundle(files...)
	if err != nil {
		return nil, err
	}
	upload := &Upload{Name: bundle.Name}
	for _, part := range bundle.Parts {
		p := Part{Bytes: part.Bytes}
		if part.File != nil {
			p.File = part.File.Reader.(cancellable).ReaderAt.(File)
		}
		upload.Parts = append(upload.Parts, p)
	}
	return upload, nil
}

// Change asks the planner something else. When the new request is refused the session stays as it was.
func (s *Session) Change(change func(*planner.Request)) error {
	before := *s
	change(&s.Request)
	if err := s.solve(); err != nil {
		*s = before
		return err
	}
	return nil
}

func (s *Session) solve() error {
	problem, err := planner.New(s.Model, s.Request)
	if err != nil {
		return err
	}
	problem.Solve()
	s.problem = problem
	s.Plan, err = problem.Plan()
	return err
}

// MoveSLO asks for the cheapest plan within another response time (0: none). It is a lookup in what is already solved.
func (s *Session) MoveSLO(sloUs int64) error {
	p, err := s.problem.At(sloUs)
	if err != nil {
		return err
	}
	s.Request.SLOUs = sloUs
	s.Plan = p
	return nil
}

// Span gives the latencies of the fastest and of the cheapest plan; the SLO matters only between them. ok is false when no
// plan exists at all.
func (s *Session) Span() (fastestUs, cheapestUs int64, ok bool) {
	f := s.Plan.Frontier
	if len(f) == 0 {
		return 0, 0, false
	}
	return f[0].LatencyUs, f[len(f)-1].LatencyUs, true
}

// ReadNote says how much of the opened files has been read, sizes printed by bytes.
func (s *Session) ReadNote(bytes func(int64) string) string {
	if len(s.Files) == 0 {
		return "built in"
	}
	var read, size int64
	for _, f := range s.Files {
		read += f.BytesRead()
		size += f.Size()
	}
	return "read " + bytes(read) + " of " + bytes(size)
}
