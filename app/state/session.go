// Package state holds what the user of the page has done: the model opened, the request made of the planner, the plan
// that answers it, and the deployment of that plan. It is plain Go without a browser, so that all of it is tested natively.
package state

import (
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
	Weights File   // the file that holds the weights; nil when only an architecture was opened
	BuiltIn string // the name of a built-in architecture; "" of a model from files
	Request planner.Request
	Plan    *plan.Plan

	problem *planner.Problem
}

// Open reads the model in files (one whole model, or an architecture and its weights) and plans it with the request r.
// It touches only the bytes that it needs.
func Open(files []File, r planner.Request) (*Session, error) {
	var opened []load.File
	for _, f := range files {
		opened = append(opened, load.File{Name: f.Name(), Size: f.Size(), Reader: f})
	}
	model, err := load.Open(opened...)
	if err != nil {
		return nil, err
	}
	s := &Session{Model: model, Inspect: report.NewInspect(model), Files: files, Request: r}
	for _, f := range files {
		if holdsWeights(f.Name()) {
			s.Weights = f
		}
	}
	return s, s.solve()
}

// holdsWeights tells by a file's name whether it can hold weights; the server looks at the content when it deploys.
func holdsWeights(name string) bool {
	switch strings.ToLower(path.Ext(name)) {
	case ".h5", ".hdf5", ".keras":
		return true
	}
	return false
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
