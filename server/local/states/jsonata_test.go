package states

import (
	"encoding/json"
	"os/exec"
	"reflect"
	"strings"
	"testing"
	"time"

	"partita/internal/fixture"
)

// sampleInput is what the expressions below look at.
const sampleInput = `{"a":1,"b":[1,2,3],"one":[7],"none":[],"text":"héé","deep":{"list":[{"k":"x","n":[1,2]},{"k":"y"},{"n":[3]}]},"t":true,"f":false,"nil":null,"odd name":5,"when":"2026-11-24T01:02:03.456Z"}`

// expressions are of every kind that is read.
var expressions = []string{
	`$states.input.a`, `$states.input.b`, `$states.input.one`, `$states.input.none`, `$states.input.missing`, `$states.input.missing.more`, "$states.input.`odd name`",
	`$states.input.b[0]`, `$states.input.b[1]`, `$states.input.b[-1]`, `$states.input.b[9]`, `$states.input.a[0]`, `$states.input.a[1]`,
	`$states.input.deep.list`, `$states.input.deep.list.k`, `$states.input.deep.list.n`, `$states.input.deep.list[0].n`, `$states.input.deep.list[1].k`, `$states.input.deep.list.missing`,
	`$states.input.deep.list.{'key': k}`, `[$states.input.deep.list.{'key': k, 'n': n}]`, `$states.input.deep.{'all': list.k}`,
	`[$states.input.b]`, `[$states.input.one]`, `[$states.input.none]`, `[$states.input.missing]`, `[$states.input.b, 4]`, `[[1,2],[3]]`, `[1, [2], $states.input.b]`, `[]`, `{}`,
	`{'x': 1, 'y': [1,2], 'z': $states.input.missing}`, `{"k": $states.input.text}`, `{'nested': {'deep': [$states.input.a]}}`,
	`$append($states.input.b, 4)`, `$append($states.input.one, 4)`, `$append($states.input.none, 4)`, `$append($states.input.missing, 4)`, `$append(4, $states.input.missing)`, `[$append($states.input.none, {'a': 1})]`,
	`[$append($states.input.one, {'a': [1]})]`, `$append([1], [2])`, `$append(1, 2)`, `[$append($states.input.deep.list, $states.input.deep.list.n)]`,
	`$count($states.input.b)`, `$count($states.input.missing)`, `$count($states.input.none)`, `$count($states.input.one)`, `$count(5)`, `$count($states.input.b) > 2`,
	`$exists($states.input.a)`, `$exists($states.input.missing)`, `$exists($states.input.nil)`, `$not($states.input.t)`, `$not($states.input.missing)`, `$boolean($states.input.b)`, `$boolean('')`, `$boolean({})`,
	`$merge([$states.input.deep, {'list': 1, 'more': 2}])`, `$merge([{'a': 1}, {'b': 2}])`, `$merge({'a': 1})`,
	`'run/' & $states.input.text & '/' & $states.input.a`, `'' & $states.input.missing`, `'x' & $states.input.b`, `'x' & true & null`, `"a\"b" & 'c\\d'`, `'é' & "\n"`,
	`$string($states.input.deep)`, `$string(5)`, `$string('s')`, `$string(1.5)`, `$string($states.input.missing)`, `$length($states.input.text)`,
	`$toMillis($states.input.when)`, `$toMillis('2026-11-24T01:02:03Z')`, `$toMillis($states.input.missing)`, `$number('12.5')`, `$number(true)`,
	`1 + 2 * 3`, `(1 + 2) * 3`, `7 % 4`, `7 / 2`, `-3 + 1`, `2 - -2`, `1 + $states.input.missing`, `$states.input.a + 1`, `$states.input.a < 2`, `'a' < 'b'`, `1 <= 1`, `2 >= 3`, `1 > $states.input.missing`,
	`1 = 1`, `1 = '1'`, `$states.input.b = [1,2,3]`, `1 != 2`, `$states.input.missing = $states.input.missing`, `2 in $states.input.b`, `9 in $states.input.b`, `$states.input.t and $states.input.f`, `$states.input.f or $states.input.t`,
	`$states.input.t ? 'yes' : 'no'`, `$states.input.f ? 'yes' : 'no'`, `$states.input.missing ? 1`, `$states.input.a = 1 ? 'one' : $states.input.a = 2 ? 'two' : 'many'`, `null`, `true`, `$nothing`, `$who`,
	`$states.input.deep.list[k = 'x']`, `$states.input.deep.list[k in ['y', 'x']].k`, `[$states.input.deep.list[k in ['nobody']]]`, `[$states.input.deep.list[$exists(n)]]`, `$states.input.b[$ > 1]`, `$states.input.deep.list[k = 'x'][0].n[1]`,
	`[$states.input.deep.list[k in ['x']]]`, `$states.input.one[true]`, `$states.input.a[$ = 1]`, `[[1, 2], [3]][0]`, `[[1]][0]`, `'a\u0024\u007b\ud83d\ude00z' & "\u00e9"`, `$states.input.missing[k = 1]`,
	`1 in 1`, `$states.result[0].tensors`, `$states.result.step`, `[$append($states.result[0].steps, $states.result.step)]`, `[$states.result.tensors.object]`, `$states.result[1]`,
}

const sampleResult = `[{"tensors":[{"name":"a","object":{"key":"k"}},{"name":"b"}],"steps":[{"kind":"prepare"}]},{"step":{"kind":"wake"}},{"step":{"kind":"wake2"}}]`

func sampleStates(t testing.TB) map[string]any {
	t.Helper()
	var input, result any
	if err := json.Unmarshal([]byte(sampleInput), &input); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal([]byte(sampleResult), &result); err != nil {
		t.Fatal(err)
	}
	return map[string]any{"input": input, "result": result}
}

func evaluate(t testing.TB, text string) (any, error) {
	t.Helper()
	n, err := parse(text)
	if err != nil {
		return nil, err
	}
	work := maxWork
	return n.eval(&scope{context: nothing{}, variables: map[string]any{"states": sampleStates(t), "who": "me"}, now: time.UnixMilli(1_700_000_000_123), work: &work})
}

// TestAsJSONata holds every expression against the library that defines the language, which Step Functions follows.
func TestAsJSONata(t *testing.T) {
	const untested = "that expressions are what the language's own library makes of them"
	node := fixture.Node(t, untested)
	library := fixture.File(t, untested, "make test-tools", "planner/export/testdata/asl/node_modules/jsonata")
	asked, err := json.Marshal(map[string]any{"states": sampleStates(t), "expressions": expressions})
	if err != nil {
		t.Fatal(err)
	}
	c := exec.CommandContext(t.Context(), node, "-e", `
const jsonata = require(process.argv[1]);
let text = "";
process.stdin.on("data", (d) => (text += d));
process.stdin.on("end", async () => {
  const asked = JSON.parse(text), out = [];
  for (const e of asked.expressions) {
    try {
      const v = await jsonata(e).evaluate(undefined, { states: asked.states, who: "me" });
      out.push(v === undefined ? { nothing: true } : { value: v });
    } catch (failure) { out.push({ failed: String(failure.code) }); }
  }
  process.stdout.write(JSON.stringify(out));
});`, library)
	c.Stdin = strings.NewReader(string(asked))
	text, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	var theirs []struct {
		Value   any
		Nothing bool
		Failed  string
	}
	if err := json.Unmarshal(text, &theirs); err != nil {
		t.Fatal(err)
	}
	for i, e := range expressions {
		got, err := evaluate(t, e)
		want := theirs[i]
		_, absent := got.(nothing)
		switch {
		case want.Failed != "" && err != nil, want.Nothing && absent:
		case err != nil || absent || want.Nothing || want.Failed != "":
			t.Errorf("%s gives %v, %v; JSONata gives %+v", e, got, err, want)
		default:
			plain, _ := json.Marshal(got)
			var mine any
			if err := json.Unmarshal(plain, &mine); err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(mine, want.Value) {
				t.Errorf("%s gives %s; JSONata gives %v", e, plain, want.Value)
			}
		}
	}
}

func TestWhatIsNotRead(t *testing.T) {
	for _, e := range []string{"", "1 +", "(1", "[1", "{'a' 1}", "'open", "$sum([1])", "function($x){$x}", "$x := 1", "a ~> b", "*.a", "**", "a^(b)", "1..2", "$append(1)", "f(1)", `"\u00g9"`, strings.Repeat("(", 100) + "1" + strings.Repeat(")", 100),
		strings.Repeat("1+", maxExpression) + "1", "a[b=1][", "@", "`x"} {
		if n, err := parse(e); err == nil {
			t.Errorf("%.40q is read as %T", e, n)
		}
	}
}

// Expressions that would take all memory end with an error.
func TestExpressionsAreBounded(t *testing.T) {
	big := strings.Repeat("x", maxStateBytes-100)
	items := make([]any, 20_000)
	for i := range items {
		items[i] = float64(i)
	}
	for _, e := range []string{strings.Repeat("$big&", 500) + "$big", "[" + strings.Repeat("$items,", 500) + "$items]", strings.Repeat("$append($items,", 30) + "1" + strings.Repeat(")", 30)} {
		n, err := parse(e)
		if err != nil {
			t.Fatal(err)
		}
		work := maxWork
		if _, err := n.eval(&scope{context: nothing{}, variables: map[string]any{"big": big, "items": items}, work: &work}); err == nil {
			t.Errorf("%.40q gives something", e)
		}
	}
}

func FuzzExpression(f *testing.F) {
	for _, e := range expressions {
		f.Add(e)
	}
	f.Fuzz(func(t *testing.T, text string) {
		v, err := evaluate(t, text)
		if err != nil {
			return
		}
		if _, absent := v.(nothing); absent {
			return
		}
		if _, err := json.Marshal(v); err != nil {
			t.Errorf("%q gives what is not JSON: %v", text, err)
		}
	})
}
