package ui

import "partita/app/state"

// near is what weights that are opened by themselves may belong to, and what an architecture may lack: models and weights are dropped
// together or one after the other, in any order, and at any moment.
type near struct {
	reading *wanted        // was just being read, and is not known; nil: nothing was
	shown   *state.View    // the model on the screen, or being planned; nil: none
	stray   *state.Opening // weights that belonged to nothing; nil: none
}

// wanted is a model and what to ask of it.
type wanted struct {
	opening *state.Opening
	request state.Request
}

// near tells what there is before something else is opened.
func (p *Page) near() *near {
	n := &near{stray: p.keeping.stray}
	switch r := p.reading; {
	case r != nil && r.model != nil:
		n.shown = &state.View{Opening: r.opening, Model: r.model, Request: r.request}
	case p.session != nil:
		n.shown = &p.session.View
	}
	if r := p.reading; r != nil && r.model == nil && !r.making && r.asking == "" {
		n.reading = &wanted{r.opening, r.request}
	}
	return n
}

// join opens what is to be read, with what belongs to it.
func (n *near) join(r *reading, open func(*state.Opening) (*state.Model, error)) (*wanted, *state.Model, error) {
	given := &wanted{r.opening, r.request}
	model, err := open(r.opening)
	switch {
	case state.WeightsOnly(err):
		if joined, model, wrong := n.withModel(r.opening, open); joined != nil {
			return joined, model, wrong
		}
	case err == nil && len(model.WeightsIn) == 0 && r.step:
		if joined, model := n.withStray(given, open); joined != nil {
			return joined, model, nil
		}
	}
	return given, model, err
}

// beside gives a model with weights that were opened by themselves beside it.
func beside(model, weights *state.Opening) *state.Opening {
	first, rest := weights.WeightFiles()
	return model.WithWeights(first, rest...)
}

// withModel opens the model that weights belong to with them; nil: there is none that lacks weights.
func (n *near) withModel(weights *state.Opening, open func(*state.Opening) (*state.Model, error)) (*wanted, *state.Model, error) {
	if n.reading != nil { // it was broken off, which is made up for
		model, err := open(n.reading.opening)
		switch {
		case err == nil && len(model.WeightsIn) == 0:
			joined := &wanted{beside(n.reading.opening, weights), n.reading.request}
			model, err = open(joined.opening)
			return joined, model, err
		case err != nil && !state.WeightsOnly(err):
			return n.reading, nil, err
		}
	}
	if n.shown != nil && len(n.shown.Model.WeightsIn) == 0 {
		joined := &wanted{beside(n.shown.Opening, weights), n.shown.Request}
		model, err := open(joined.opening)
		return joined, model, err
	}
	return nil, nil, nil
}

// withStray opens a model that has none with weights that were opened before it; nil: there are none that it takes.
func (n *near) withStray(given *wanted, open func(*state.Opening) (*state.Model, error)) (*wanted, *state.Model) {
	stray := n.stray
	if n.reading != nil && len(n.reading.opening.Files) > 0 {
		if _, err := open(n.reading.opening); state.WeightsOnly(err) {
			stray = n.reading.opening
		}
	}
	if stray == nil || len(given.opening.AllFiles()) == 0 {
		return nil, nil
	}
	joined := &wanted{beside(given.opening, stray), given.request}
	model, err := open(joined.opening)
	if err != nil {
		return nil, nil
	}
	return joined, model
}
