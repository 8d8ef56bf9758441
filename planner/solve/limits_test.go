package solve

import (
	"math/rand/v2"
	"reflect"
	"testing"
)

func TestInfeasible(t *testing.T) {
	in := toy()
	in.Segments = []Segment{
		{0, 1, []Option{{1, 1, 1, 1}}}, {1, 2, []Option{{1, 1, 1, 1}}}, {2, 3, []Option{{1, 1, 1, 1}}}, {3, 4, []Option{{1, 1, 1, 1}}},
		{1, 3, []Option{{1, 1, 1, 1}}}, {0, 4, nil},
	}
	for _, c := range []struct {
		min, max int
		drop     int // a segment to leave out, from 1
		want     Reach
		ok       bool
	}{
		{1, 4, 0, Reach{}, true},
		{1, 3, 0, Reach{}, true},
		{4, 4, 0, Reach{}, true},
		{1, 2, 0, Reach{3, 4, 4, 0}, false},
		{5, 9, 0, Reach{3, 4, 4, 0}, false},
		{1, 9, 4, Reach{0, 0, 3, 4}, false},
		{1, 9, 1, Reach{0, 0, 0, 1}, false},
	} {
		for _, scenario := range scenarios {
			x := *in
			x.Scenario, x.MinStages, x.MaxStages = scenario, c.min, c.max
			if c.drop > 0 {
				x.Segments = append(append([]Segment(nil), in.Segments[:c.drop-1]...), in.Segments[c.drop:]...)
			}
			r := Solve(&x, 0)
			if c.ok {
				if r.Status != Optimal || len(r.Frontier) != 1 || holds(&x, r) != nil {
					t.Errorf("%d to %d stages, %s: %s %v", c.min, c.max, scenario, r.Status, r.Frontier)
				}
				continue
			}
			if r.Status != Infeasible || r.Reach != c.want || len(r.Frontier) != 0 {
				t.Errorf("%d to %d stages, %s, without segment %d: %s %+v, want %+v", c.min, c.max, scenario, c.drop, r.Status, r.Reach, c.want)
			}
			if _, ok := r.Cheapest(1 << 60); ok {
				t.Error("a cheapest plan of none")
			}
			if _, ok := r.Fastest(1 << 60); ok {
				t.Error("a fastest plan of none")
			}
		}
	}
}

func TestLookups(t *testing.T) {
	r := &Result{Frontier: []Point{{10, 50}, {20, 30}, {30, 20}}}
	for _, c := range []struct {
		slo   int64
		point int
		ok    bool
	}{{9, -1, false}, {10, 0, true}, {19, 0, true}, {20, 1, true}, {29, 1, true}, {30, 2, true}, {1 << 62, 2, true}} {
		if i, ok := r.Cheapest(c.slo); i != c.point || ok != c.ok {
			t.Errorf("Cheapest(%d) = %d, %v", c.slo, i, ok)
		}
	}
	for _, c := range []struct {
		budget int64
		point  int
		ok     bool
	}{{19, -1, false}, {20, 2, true}, {29, 2, true}, {30, 1, true}, {49, 1, true}, {50, 0, true}, {1 << 62, 0, true}} {
		if i, ok := r.Fastest(c.budget); i != c.point || ok != c.ok {
			t.Errorf("Fastest(%d) = %d, %v", c.budget, i, ok)
		}
	}
}

// TestStopped checks that a stopped search gives plans that exist and a gap that is true.
func TestStopped(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 9))
	stopped := 0
	for n := range 600 {
		in := random(rng, 6+rng.IntN(8), 3+rng.IntN(8), 1<<(8+rng.IntN(14)), 1<<(8+rng.IntN(14)))
		whole := Solve(in, 0)
		r := Solve(in, 1+rng.IntN(60))
		if r.Status != Stopped {
			if !reflect.DeepEqual(r.Frontier, whole.Frontier) {
				t.Fatalf("instance %d: %s with %v, not %v", n, r.Status, r.Frontier, whole.Frontier)
			}
			continue
		}
		stopped++
		if err := holds(in, r); err != nil {
			t.Fatalf("instance %d: %v", n, err)
		}
		for _, p := range whole.Frontier {
			i, ok := r.Cheapest(p.LatencyUs)
			if !ok {
				if p.LatencyUs >= r.Frontier[0].LatencyUs {
					t.Fatalf("instance %d: no plan for %d us", n, p.LatencyUs)
				}
				continue
			}
			if gap := r.Frontier[i].CostPicoUSD - p.CostPicoUSD; gap > r.GapPicoUSD {
				t.Fatalf("instance %d (%s): at %d us the cost is %d too high, the gap said %d", n, in.Scenario, p.LatencyUs, gap, r.GapPicoUSD)
			}
		}
	}
	if stopped < 100 {
		t.Errorf("only %d searches were stopped", stopped)
	}
}

// TestExtremes solves instances with amounts from one end of the range to the other.
func TestExtremes(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 11))
	solved := 0
	for n := range 3000 {
		in := random(rng, 2+rng.IntN(4), 1+rng.IntN(4), 1<<10, 1<<10)
		amount := func(v int64) int64 { return v << rng.IntN(49) }
		in.StartUs, in.DispatchUs, in.GatewayPicoUSDPerMs = amount(in.StartUs), amount(in.DispatchUs), amount(in.GatewayPicoUSDPerMs)
		for s := range in.Segments {
			for k := range in.Segments[s].Options {
				o := &in.Segments[s].Options[k]
				o.InitUs, o.RunUs, o.CostPicoUSD = amount(o.InitUs), amount(o.RunUs), amount(o.CostPicoUSD)
			}
		}
		if in.Validate() != nil {
			continue
		}
		solved++
		if err := same(in, Solve(in, 0), enumerate(in)); err != nil {
			text, _ := in.Encode()
			t.Fatalf("instance %d: %v\n%s", n, err, text)
		}
	}
	if solved < 500 {
		t.Errorf("only %d instances were valid", solved)
	}
}

// TestUnordered checks that neither the order of segments nor that of options matters to the frontier.
func TestUnordered(t *testing.T) {
	rng := rand.New(rand.NewPCG(12, 13))
	for _, scenario := range scenarios {
		in := model(chainLike(20, 4), sizes(256, 3008), scenario, 5, true)
		want := Solve(in, 0)
		rng.Shuffle(len(in.Segments), func(a, b int) { in.Segments[a], in.Segments[b] = in.Segments[b], in.Segments[a] })
		for s := range in.Segments {
			o := in.Segments[s].Options
			rng.Shuffle(len(o), func(a, b int) { o[a], o[b] = o[b], o[a] })
		}
		if err := same(in, Solve(in, 0), want.Frontier); err != nil {
			t.Errorf("%s: %v", scenario, err)
		}
	}
}

func FuzzInstance(f *testing.F) {
	f.Add([]byte(small))
	rng := rand.New(rand.NewPCG(14, 15))
	for range 6 {
		text, err := random(rng, 2+rng.IntN(4), 1+rng.IntN(3), 1<<8, 1<<8).Encode()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		in, err := Decode(text)
		if err != nil {
			return
		}
		again, err := in.Encode()
		if err != nil {
			t.Fatal(err)
		}
		if other, err := Decode(again); err != nil || len(other.Segments) != len(in.Segments) {
			t.Fatalf("%v after a round trip:\n%s", err, again)
		}
		plans := 1
		for s := range in.Segments {
			plans = min(plans*(1+len(in.Segments[s].Options)), 1<<20)
		}
		if plans > 1<<12 || len(in.Nodes) > 8 || in.MaxStages > 8 {
			return
		}
		if err := same(in, Solve(in, 0), enumerate(in)); err != nil {
			t.Fatal(err)
		}
	})
}

// toy is a model of four layers; sizes 1 and 2, and the whole fits size 2 only.
func toy() *Instance {
	in := &Instance{Format: Format, Terms: Terms{Scenario: Warm, MinStages: 1, MaxStages: 4, DispatchUs: 1}}
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
