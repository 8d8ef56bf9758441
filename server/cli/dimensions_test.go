package cli

import (
	"maps"
	"testing"

	"partita/planner/diag"
)

func TestDimensions(t *testing.T) {
	for text, want := range map[string]map[string]int64{
		"": nil, "height=48,width=192": {"height": 48, "width": 192}, "x[2]=3": {"x[2]": 3}, "a=b=4": {"a=b": 4},
	} {
		if got, err := dimensions(text); err != nil || !maps.Equal(got, want) {
			t.Errorf("%q gives %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"height", "=3", "a=", "a=0", "a=-1", "a=1.5", "a=1,,b=2", "a=99999999999999999999"} {
		if _, err := dimensions(text); diag.CodeOf(err) != "usage.bad-value" {
			t.Errorf("%q: %v", text, err)
		}
	}
}
