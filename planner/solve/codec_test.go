package solve

import (
	"reflect"
	"strings"
	"testing"

	"partita/planner/diag"
)

const small = `{"format":"partita.instance/1","scenario":"warm","minStages":1,"maxStages":3,"startUs":5,"dispatchUs":2,
"gatewayPicoUSDPerMs":7,"nodes":[{"cut":0},{"cut":4,"transport":"inline"},{"cut":9}],"unknown":{"a":[1]},
"segments":[{"i":0,"j":1,"options":[[128,9,8,7],[256, 9, 4 , 11,"int8",{"x":"]\"["}]]},
{"i":1,"j":2,"options":[[128,1,2,3, [4,[5]] ] ]},{"i":0,"j":2,"options":[]}]}`

func TestDecode(t *testing.T) {
	in, err := Decode([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	want := []Segment{{0, 1, []Option{{128, 9, 8, 7}, {256, 9, 4, 11}}}, {1, 2, []Option{{128, 1, 2, 3}}}, {0, 2, []Option{}}}
	if !reflect.DeepEqual(in.Segments, want) {
		t.Errorf("segments %v, want %v", in.Segments, want)
	}
	if in.Nodes[1] != (Node{4, "inline"}) || in.MaxStages != 3 || in.GatewayPicoUSDPerMs != 7 || in.StartUs != 5 || in.DispatchUs != 2 {
		t.Errorf("head %+v", in)
	}
	text, err := in.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := Decode(text)
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	if !reflect.DeepEqual(in, again) {
		t.Errorf("after a round trip %+v, was %+v", again, in)
	}
}

func TestDecodeErrors(t *testing.T) {
	for _, c := range []struct{ old, new, code string }{
		{`partita.instance/1`, `partita.instance/2`, "solve.unknown-format"},
		{`"warm"`, `"hot"`, "solve.unknown-scenario"},
		{`"minStages":1`, `"minStages":4`, "solve.bad-stages"},
		{`"minStages":1`, `"minStages":-1`, "solve.bad-stages"},
		{`"maxStages":3`, `"maxStages":0`, "solve.bad-stages"},
		{`"maxStages":3`, `"maxStages":99999999`, "solve.bad-stages"},
		{`"startUs":5`, `"startUs":-5`, "solve.negative"},
		{`{"cut":4,"transport":"inline"}`, `{"cut":14}`, "solve.bad-nodes"},
		{`{"cut":4,"transport":"inline"},{"cut":9}`, ``, "solve.not-json"},
		{`{"cut":0},{"cut":4,"transport":"inline"},`, ``, "solve.bad-nodes"},
		{`"i":0,"j":1`, `"i":1,"j":1`, "solve.bad-segment"},
		{`"i":0,"j":1`, `"i":0,"j":3`, "solve.bad-segment"},
		{`"i":0,"j":1`, `"i":-1,"j":1`, "solve.bad-segment"},
		{`[128,9,8,7]`, `[128,9,-8,7]`, "solve.negative"},
		{`[128,9,8,7]`, `[128,9,8]`, "solve.not-json"},
		{`[128,9,8,7]`, `[128,9,8.5,7]`, "solve.not-json"},
		{`[128,9,8,7]`, `128`, "solve.not-json"},
		{`[128,9,8,7]`, `[128,9,8,"7"]`, "solve.not-json"},
		{`[128,9,8,7]`, `[]`, "solve.not-json"},
		{`[128,9,8,7]`, `[128,9,8,9223372036854775808]`, "solve.not-json"},
		{`[128,9,8,7]`, `[128,9,8,9223372036854775807]`, "solve.overflow"},
		{`[128,9,8,7]`, `[128,9,9223372036854775807,7]`, "solve.overflow"},
		{`[128,9,8,7]`, `[128,9,200000000000000000,7]`, "solve.overflow"},
		{`"gatewayPicoUSDPerMs":7`, `"gatewayPicoUSDPerMs":9223372036854775807`, "solve.overflow"},
		{`"options":[]}]}`, `"options":[]}]}{}`, "solve.not-json"},
		{`"options":[]}]}`, `"options":{}}]}`, "solve.not-json"},
		{`"options":[]}]}`, `"options":[]}`, "solve.not-json"},
	} {
		text := strings.Replace(small, c.old, c.new, 1)
		if text == small {
			t.Fatalf("%q is not in the document", c.old)
		}
		if _, err := Decode([]byte(text)); diag.CodeOf(err) != c.code {
			t.Errorf("%s for %s: %v, want %s", c.new, c.old, err, c.code)
		}
	}
}
