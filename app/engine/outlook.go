package engine

import (
	"context"
	"strings"

	"partita/app/state"
	"partita/planner"
	"partita/planner/export"
	"partita/planner/plan"
	"partita/planner/rivals"
)

// Outlook tells what follows from a plan: what months of it cost at any rate, and what its layers take.
func (e *Engine) Outlook(ctx context.Context, o *state.Opening, r planner.Request) (*state.Outlook, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	m, document, err := e.plan(ctx, o, r)
	if err != nil {
		return nil, err
	}
	months, err := rivals.Months(m.problem, document)
	if err != nil {
		return nil, err
	}
	look := &state.Outlook{Months: *months}
	look.LayerNs, look.LayerPeakBytes = m.problem.Layers(document)
	if from := sources(m.model, document); from != nil { // of a layer in parts: what they take together, and the most that lives in one
		ns, peaks := make([]int64, len(m.model.Graph.Layers)), make([]int64, len(m.model.Graph.Layers))
		for part, layer := range from {
			ns[layer] += look.LayerNs[part]
			peaks[layer] = max(peaks[layer], look.LayerPeakBytes[part])
		}
		look.LayerNs, look.LayerPeakBytes = ns, peaks
	}
	return look, nil
}

// hashDigits is how many digits of its hash the name of an exported plan has.
const hashDigits = 8

// Export gives a plan in one of the forms of package export, as a file.
func (e *Engine) Export(ctx context.Context, o *state.Opening, r planner.Request, form string) (*state.Exported, error) {
	text, err := e.Document(ctx, o, r)
	if err != nil {
		return nil, err
	}
	document, err := plan.Decode(text)
	if err != nil {
		return nil, err
	}
	name := state.DeploymentName(document.Model.Name)
	out, err := export.Export(document, form, export.Options{Name: name})
	if err != nil {
		return nil, err
	}
	x := &state.Exported{Text: string(out), FileName: name + "-" + state.ShortHash(document.Hash)[:hashDigits]}
	for _, f := range export.Formats() {
		if f.Name == form {
			x.MediaType = f.MediaType
			x.FileName += "." + form + f.Extension
			if strings.TrimPrefix(f.Extension, ".") == form {
				x.FileName = strings.TrimSuffix(x.FileName, "."+form)
			}
		}
	}
	return x, nil
}

// forms lists what plans can be exported as.
func forms() []state.Form {
	var all []state.Form
	for _, f := range export.Formats() {
		all = append(all, state.Form{Name: f.Name, Summary: f.Summary, Extension: f.Extension})
	}
	return all
}
