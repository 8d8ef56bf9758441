package report

import (
	"encoding/json"
	"math"
	"testing"
)

// TestOutputError compares outputs with numbers that are none.
func TestOutputError(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		want, got []float64
		e         OutputError
	}{
		{[]float64{3, 4}, []float64{3, 4}, OutputError{}},
		{[]float64{3, 4}, []float64{3, 4.5}, OutputError{MaxRelative: 0.1, MaxAbsolute: 0.5}},
		{[]float64{nan, inf, 1}, []float64{1, 1, 1}, OutputError{}},
		{[]float64{1, 1}, []float64{nan, inf}, OutputError{NotNumbers: 2}},
		{[]float64{0, 0}, []float64{0, 1}, OutputError{MaxAbsolute: 1}},
		{nil, nil, OutputError{}},
	} {
		var e OutputError
		if e.Compare(c.want, c.got); e != c.e {
			t.Errorf("%v and %v: %+v, want %+v", c.want, c.got, e, c.e)
		}
		if _, err := json.Marshal(e); err != nil {
			t.Error(err)
		}
	}
}
