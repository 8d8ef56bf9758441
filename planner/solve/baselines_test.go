package solve

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

// toy is a model of four layers; sizes 1 and 2, and the whole fits size 2 only.
func toy() *Instance {
	in := &Instance{Format: Format, Scenario: Warm, MinStages: 1, MaxStages: 4, DispatchUs: 1}
	for c := range 5 {
		in.Nodes = append(in.Nodes, Node{Cut: c})
	}
	for i := range 5 {
		for j := i + 1; j < 5; j++ {
			n := int64(j - i)
			s := Segment{I: i, J: j, Options: []Option{{1, 0, 100 * n, 10 * n}, {2, 0, 60 * n, 14 * n}}}
			if n == 4 {
				s.Options = s.Options[1:]
			}
			in.Segments = append(in.Segments, s)
		}
	}
	return in
}

func TestBaselines(t *testing.T) {
	in := toy()
	cuts := func(b Baseline) (list []int) {
		for _, c := range b.Stages {
			list = append(list, in.Nodes[in.Segments[c.Segment].J].Cut)
		}
		return list
	}
	for _, c := range []struct {
		name  string
		b     Baseline
		cuts  []int
		point Point
	}{
		{"one function", OneFunction(in, 0), []int{4}, Point{241, 56}},
		{"one function, too slow", OneFunction(in, 10), []int{4}, Point{241, 56}},
		{"greedy", Greedy(in), []int{4}, Point{241, 56}},
		{"equal, fewest stages", EqualLayers(in, 0, 0), []int{4}, Point{241, 56}},
		{"equal in two, cheapest", EqualLayers(in, 2, 0), []int{2, 4}, Point{402, 40}},
		{"equal in two, within 300", EqualLayers(in, 2, 300), []int{2, 4}, Point{242, 56}},
		{"equal in four", EqualLayers(in, 4, 0), []int{1, 2, 3, 4}, Point{404, 40}},
	} {
		if !c.b.Feasible || !reflect.DeepEqual(cuts(c.b), c.cuts) || c.b.Point != c.point {
			t.Errorf("%s: %+v with cuts %v, want %v with cuts %v", c.name, c.b, cuts(c.b), c.point, c.cuts)
		}
	}
	in.MinStages = 2
	if b := OneFunction(in, 0); b.Feasible {
		t.Errorf("one function for two stages: %+v", b)
	}
	if b := Greedy(in); !b.Feasible || len(b.Stages) != 2 || !reflect.DeepEqual(cuts(b), []int{3, 4}) {
		t.Errorf("greedy with two stages: %+v", b)
	}
	if b := EqualLayers(in, 5, 0); b.Feasible {
		t.Errorf("five stages of four layers: %+v", b)
	}
	if a, b := Random(in, 7), Random(in, 7); !a.Feasible || !reflect.DeepEqual(a, b) {
		t.Errorf("random: %+v and %+v", a, b)
	}
	in.Segments = nil
	for _, b := range []Baseline{OneFunction(in, 0), Greedy(in), EqualLayers(in, 0, 0), EqualLayers(in, 2, 0), Random(in, 1)} {
		if b.Feasible || b.Name == "" {
			t.Errorf("without segments: %+v", b)
		}
	}
}

// TestBaselinesNeverBeatTheOptimum holds every baseline against the frontier of random instances.
func TestBaselinesNeverBeatTheOptimum(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	feasible := map[string]int{}
	for n := range 1000 {
		in := random(rng, 2+rng.IntN(8), 1+rng.IntN(4), 1<<12, 1<<12)
		r := Solve(in, 0)
		for _, b := range []Baseline{OneFunction(in, 2000), Greedy(in), EqualLayers(in, 0, 0), EqualLayers(in, 2, 3000), Random(in, uint64(n))} {
			if !b.Feasible {
				continue
			}
			feasible[b.Name]++
			if p, err := Evaluate(in, b.Stages); err != nil || p != b.Point {
				t.Fatalf("instance %d: %+v evaluates to %v %v", n, b, p, err)
			}
			i, ok := r.Cheapest(b.LatencyUs)
			if !ok || r.Frontier[i].CostPicoUSD > b.CostPicoUSD {
				t.Fatalf("instance %d: %s gives %v, the frontier is %v", n, b.Name, b.Point, r.Frontier)
			}
		}
	}
	for _, name := range []string{OneFunctionName, GreedyName, EqualLayersName, RandomName} {
		if feasible[name] < 100 {
			t.Errorf("%s was feasible %d times only", name, feasible[name])
		}
	}
}
