package engine

import (
	"partita/app/state"
	"partita/planner"
	"partita/planner/platform"
	"partita/planner/report"
	"partita/planner/zoo"
)

// About lists what there is to choose from.
func About() *state.About {
	a := &state.About{}
	for _, o := range planner.Options() {
		one := state.Option{Name: o.Name, Default: o.Default, Help: o.Help}
		for _, v := range o.Values {
			one.Choices = append(one.Choices, state.Choice{Value: v, Label: v})
		}
		switch o.Name {
		case "scenario":
			for i := range one.Choices {
				one.Choices[i].Label = report.Scenario(one.Choices[i].Value)
			}
		case "platform":
			one.Choices = nil
			for _, p := range planner.Platforms() {
				one.Choices = append(one.Choices, state.Choice{Value: p.Name, Label: p.Label})
				if on, err := platform.Get(p.Name); err == nil && on.PlanningOnly {
					a.Apart = append(a.Apart, p.Name)
				}
			}
		}
		a.Options = append(a.Options, one)
	}
	for _, b := range zoo.Entries() {
		a.BuiltIn = append(a.BuiltIn, state.BuiltIn{Name: b.Name, Description: b.Description, InputSize: b.InputSize})
	}
	a.Forms = forms()
	return a
}

// requestOf gives a request as the page holds it.
func requestOf(r planner.Request) state.Request {
	asked := state.Request{}
	for _, o := range planner.Options() {
		if text := o.Print(r); text != o.Default {
			asked[o.Name] = text
		}
	}
	return asked
}

// parse reads a request of the page. An error says what is wrong with the first option that is.
func parse(asked state.Request) (planner.Request, error) {
	r := planner.DefaultRequest()
	for _, o := range planner.Options() {
		if text, there := asked[o.Name]; there {
			if err := o.Parse(&r, text); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}
