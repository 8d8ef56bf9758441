package state

import (
	"context"
	"encoding/json"
	"strings"

	"partita/planner"
	"partita/planner/diag"
)

// Task is what the page asks of a Planner in another program, as text. The opening's files travel beside it.
type Task struct {
	Op      string
	Key     int64
	BuiltIn string           `json:",omitempty"`
	Linked  *Linked          `json:",omitempty"`
	Weights bool             `json:",omitempty"` // the last of the files is the weights beside the model
	Dims    map[string]int64 `json:",omitempty"`
	Request string           `json:",omitempty"` // as planner.Request.Query writes it
	Have    int64            `json:",omitempty"` // the frontier that the page has: an answer need not hold it again
}

// The operations, one for each method of Engine.
const (
	OpOpen     = "open"
	OpPlan     = "plan"
	OpDocument = "document"
	OpWeights  = "weights"
)

// NewTask writes a task.
func NewTask(op string, o *Opening, r planner.Request) Task {
	return Task{Op: op, Key: o.Key, BuiltIn: o.BuiltIn, Linked: o.Linked, Weights: o.Weights != nil, Dims: o.Dims, Request: r.Query()}
}

// Run does a task with an engine, and gives the answer as text. Made-up weights go to piece.
func (t Task) Run(ctx context.Context, p *Engine, files []File, read func(int64), piece func([]byte) error) ([]byte, error) {
	o := &Opening{Key: t.Key, BuiltIn: t.BuiltIn, Files: files, Linked: t.Linked, Dims: t.Dims}
	if t.Weights && len(files) > 0 {
		o.Files, o.Weights = files[:len(files)-1], files[len(files)-1]
	}
	r, err := planner.ParseQuery(t.Request)
	if err != nil {
		return nil, err
	}
	var reply any
	switch t.Op {
	case OpOpen:
		reply, err = p.Open(ctx, o, read)
	case OpPlan:
		var a *Answer
		if a, err = p.Plan(ctx, o, r); err == nil && a.Frontier.ID == t.Have {
			a.Frontier = nil
		}
		reply = a
	case OpDocument:
		return p.Document(ctx, o, r)
	case OpWeights:
		return nil, p.MakeWeights(ctx, o, piece)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(reply)
}

// ProblemOf gives an error as it crosses from one program to another.
func ProblemOf(err error) *Problem {
	d := diag.As(err)
	if d == nil {
		return &Problem{Found: err.Error()}
	}
	return &Problem{Code: d.Code, Found: strings.TrimSuffix(d.Error(), " ["+d.Code+"]")}
}
