package state

import (
	"context"

	"partita/planner"
	"partita/planner/diag"
	"partita/planner/report"
	"partita/planner/zoo"
)

// Try plans a built-in architecture, which has no weights.
func Try(name string, r planner.Request) (*Session, error) {
	model, err := zoo.Open(name)
	if err != nil {
		return nil, err
	}
	s := &Session{Model: model, Inspect: report.NewInspect(model), BuiltIn: name, Request: r}
	return s, s.solve()
}

// OpenBeside is Open for a visitor who has a model without weights open: a file of weights alone belongs to that model.
func OpenBeside(ctx context.Context, current *Session, files []File, r planner.Request) (*Session, error) {
	s, err := Open(ctx, files, r)
	if diag.CodeOf(err) != "model.weights-only" || current == nil || len(current.Weights) > 0 || len(files) != 1 {
		return s, err
	}
	if _, err := current.Model.Weights(readable(ctx, files[0])); err != nil {
		return nil, err
	}
	with := *current
	with.Weights, with.Files = files, append(append([]File(nil), current.Files...), files[0])
	return &with, nil
}
