package solve

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"sort"
	"testing"
)

var scenarios = []Scenario{Warm, ColdSequential, ColdOverlapped}

// enumerate lists every plan of a tiny instance and gives the frontier, by no method at all.
func enumerate(in *Instance) []Point {
	var all []Point
	var path []Choice
	var walk func(at int)
	walk = func(at int) {
		if at == len(in.Nodes)-1 {
			if p, err := Evaluate(in, path); err == nil {
				all = append(all, p)
			}
			return
		}
		if len(path) == in.MaxStages {
			return
		}
		for s := range in.Segments {
			if in.Segments[s].I != at {
				continue
			}
			for o := range in.Segments[s].Options {
				path = append(path, Choice{s, o})
				walk(in.Segments[s].J)
				path = path[:len(path)-1]
			}
		}
	}
	walk(0)
	sort.Slice(all, func(a, b int) bool {
		return all[a].LatencyUs < all[b].LatencyUs || all[a].LatencyUs == all[b].LatencyUs && all[a].CostPicoUSD < all[b].CostPicoUSD
	})
	var front []Point
	for _, p := range all {
		if n := len(front); n == 0 || p.CostPicoUSD < front[n-1].CostPicoUSD {
			front = append(front, p)
		}
	}
	return front
}

// random makes an instance without structure. Small ranges make many ties.
func random(rng *rand.Rand, nodes, options int, times, costs int64) *Instance {
	in := &Instance{Format: Format, Terms: Terms{Scenario: scenarios[rng.IntN(3)], MinStages: rng.IntN(3),
		MaxStages: 1 + rng.IntN(nodes+1), StartUs: rng.Int64N(times), DispatchUs: rng.Int64N(times/4 + 1)}}
	in.MaxStages = max(in.MaxStages, in.MinStages)
	if rng.IntN(2) == 0 {
		in.GatewayPicoUSDPerMs = rng.Int64N(1 + 1000*costs/times)
		if rng.IntN(3) == 0 {
			in.GatewayStepUs = Millisecond * (1 + rng.Int64N(1+times/2000))
			in.GatewayMinUs = rng.Int64N(2) * rng.Int64N(1+4*times)
		}
	}
	for v := range nodes {
		in.Nodes = append(in.Nodes, Node{Cut: v})
	}
	density := 0.3 + 0.7*rng.Float64()
	var pairs [][2]int
	for i := range nodes {
		for j := i + 1; j < nodes; j++ {
			if rng.Float64() < density {
				pairs = append(pairs, [2]int{i, j})
			}
		}
	}
	rng.Shuffle(len(pairs), func(a, b int) { pairs[a], pairs[b] = pairs[b], pairs[a] })
	for _, p := range pairs {
		s := Segment{I: p[0], J: p[1]}
		init := rng.Int64N(times)
		for range rng.IntN(options + 1) {
			if rng.IntN(3) == 0 {
				init = rng.Int64N(times)
			}
			s.Options = append(s.Options, Option{int64(len(s.Options)), init, rng.Int64N(times), rng.Int64N(costs)})
		}
		in.Segments = append(in.Segments, s)
	}
	return in
}

// same checks a result against a frontier and its own plans against the instance.
func same(in *Instance, r *Result, want []Point) error {
	if (r.Status == Infeasible) != (len(want) == 0) || r.Status == Stopped {
		return fmt.Errorf("status %s, frontier should have %d points", r.Status, len(want))
	}
	if len(r.Frontier) != len(want) {
		return fmt.Errorf("frontier\n%v\nwant\n%v", r.Frontier, want)
	}
	for i, p := range r.Frontier {
		if p != want[i] {
			return fmt.Errorf("point %d is %v, want %v", i, p, want[i])
		}
	}
	return holds(in, r)
}

// holds checks that every point's plan has the point's totals.
func holds(in *Instance, r *Result) error {
	for i, p := range r.Frontier {
		path := r.Stages(i)
		if q, err := Evaluate(in, path); err != nil || q != p {
			return fmt.Errorf("point %d %v: plan %v gives %v %v", i, p, path, q, err)
		}
	}
	return nil
}

func TestAgainstEnumeration(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	feasible := 0
	for n := range 4000 {
		in := random(rng, 2+rng.IntN(5), 1+rng.IntN(5), 1<<rng.IntN(18), 1<<rng.IntN(20))
		if err := in.Validate(); err != nil {
			t.Fatal(err)
		}
		want := enumerate(in)
		if len(want) > 0 {
			feasible++
		}
		if err := same(in, Solve(in, 0), want); err != nil {
			text, _ := in.Encode()
			t.Fatalf("instance %d: %v\n%s", n, err, text)
		}
		if err := same(in, solvePlain(in), want); err != nil {
			t.Fatalf("plain, instance %d: %v", n, err)
		}
	}
	if feasible < 2000 {
		t.Errorf("only %d instances were feasible", feasible)
	}
}

func TestAgainstPlain(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for n := range 300 {
		in := random(rng, 5+rng.IntN(20), 1+rng.IntN(10), 1<<(4+rng.IntN(18)), 1<<(4+rng.IntN(22)))
		want := solvePlain(in)
		got := Solve(in, 0)
		if err := same(in, got, want.Frontier); err != nil {
			t.Fatalf("instance %d (%s): %v", n, in.Scenario, err)
		}
		if in.Scenario == ColdOverlapped {
			continue // a wait for an init can hide which of several prefixes was meant
		}
		for i := range got.Frontier {
			if g, w := got.Stages(i), want.Stages(i); !reflect.DeepEqual(g, w) {
				t.Fatalf("instance %d (%s, %d to %d stages): point %d %v has plan %v, want %v", n, in.Scenario, in.MinStages, in.MaxStages,
					i, got.Frontier[i], g, w)
			}
		}
	}
}
