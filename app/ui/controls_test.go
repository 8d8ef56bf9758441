package ui

import (
	"slices"
	"testing"

	"partita/planner"
)

// The controls are of options that the planner has, and what they offer it takes. Everything that it may choose by itself is offered.
func TestControlsOfferWhatThePlannerTakes(t *testing.T) {
	named := slices.Clone(prime)
	for _, g := range groups {
		named = append(named, g.names...)
	}
	for name := range labels {
		named = append(named, name)
	}
	for _, name := range named {
		if _, known := planner.OptionNamed(name); !known {
			t.Errorf("there is no option %s", name)
		}
	}
	for name, offered := range suggestions {
		o, known := planner.OptionNamed(name)
		if !known {
			t.Errorf("there is no option %s", name)
			continue
		}
		for _, value := range offered {
			r := planner.DefaultRequest()
			if err := o.Parse(&r, value); err != nil || o.Print(r) != value && name != "precision" && name != "rate" && name != "idle" {
				t.Errorf("%s offers %s, which is %s: %v", name, value, o.Print(r), err)
			}
		}
		r := planner.DefaultRequest()
		if o.Parse(&r, "auto") == nil && !slices.Contains(offered, "auto") {
			t.Errorf("%s does not offer auto: %v", name, offered)
		}
	}
}
