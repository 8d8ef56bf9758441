package engine

import (
	"context"
	"encoding/json"
	"strings"

	"partita/app/state"
	"partita/planner/diag"
)

// Run does a task, and gives the answer as text. read is told how far the reading of files is; made-up weights go to piece.
func (e *Engine) Run(ctx context.Context, t *state.Task, files []state.File, read func(int64), piece func([]byte) error) ([]byte, error) {
	o := &state.Opening{Key: t.Key, BuiltIn: t.BuiltIn, Files: files, Linked: t.Linked, Dims: t.Dims}
	if first := len(files) - t.Weights; t.Weights > 0 && first >= 0 {
		o.Files, o.Weights, o.Shards = files[:first], files[first], files[first+1:]
	}
	r, err := parse(t.Request)
	if err != nil {
		return nil, err
	}
	var reply any
	switch t.Op {
	case state.OpAbout:
		reply = About()
	case state.OpLink:
		reply, err = DecodeLink(t.Link)
	case state.OpOpen:
		m, err := e.Open(ctx, o, read)
		if err != nil {
			return nil, err
		}
		return m.Encode()
	case state.OpPlan:
		var a *state.Answer
		if a, err = e.Plan(ctx, o, r); err == nil && a.Frontier.ID == t.Have {
			a.Frontier = nil
		}
		reply = a
	case state.OpExplain:
		reply, err = e.Explain(ctx, o, r)
	case state.OpOutlook:
		reply, err = e.Outlook(ctx, o, r)
	case state.OpExport:
		reply, err = e.Export(ctx, o, r, t.Form)
	case state.OpBundle:
		reply, err = e.Bundle(ctx, o)
	case state.OpDocument:
		return e.Document(ctx, o, r)
	case state.OpWeights:
		return nil, e.MakeWeights(ctx, o, piece)
	}
	if err != nil {
		return nil, err
	}
	return json.Marshal(reply)
}

// ProblemOf gives an error as it crosses from one program to another.
func ProblemOf(err error) *state.Problem {
	d := diag.As(err)
	if d == nil {
		return &state.Problem{Found: err.Error()}
	}
	return &state.Problem{Code: d.Code, Found: strings.TrimSuffix(d.Error(), " ["+d.Code+"]")}
}
