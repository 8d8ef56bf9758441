package state

import (
	"reflect"
	"testing"

	"partita/planner/report"
)

func TestModelText(t *testing.T) {
	m := &Model{
		Inspect: &report.Inspect{Name: "a\nmodel\t\\n"}, Crossing: []int64{1, 2, 3, 4}, Cuts: []int{1, 2}, Format: "keras-json", Packed: "eJw",
		Layers: []Layer{
			{Name: "in", Class: "InputLayer", Output: "1x2"},
			{Name: "tab\there", Class: "line\nbreak", Output: `back\slash \n \t \\`, WeightBytes: 1 << 60, MACs: 12, From: []int{0}},
			{From: []int{0, 1}},
		},
	}
	for _, layers := range [][]Layer{m.Layers, m.Layers[:1], nil} {
		one := *m
		one.Layers = layers
		text, err := one.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if read, err := DecodeModel(string(text), func() {}); err != nil || !reflect.DeepEqual(read, &one) {
			t.Errorf("%s is read as %+v, %v", text, read, err)
		}
	}
	for _, bad := range []string{"", "{", "{}\n", "{}\na\tb\tc\t1\t2", "{}\na\tb\tc\tx\t2\t", "{}\na\tb\tc\t1\tx\t", "{}\na\tb\tc\t1\t2\t3 x", "{}\na\tb\tc\t1\t2\t3\t4"} {
		if _, err := DecodeModel(bad, func() {}); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}
