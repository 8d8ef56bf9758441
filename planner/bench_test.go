package planner

import (
	"runtime"
	"slices"
	"testing"
	"time"

	"partita/internal/fixture"
	"partita/planner/load"
	"partita/planner/zoo"
)

// benchProblems are those that the design's targets name. Their models are built in, so that they can be measured where there are no files.
var benchProblems = []struct {
	name, model string
	fine        bool // every memory size that is sold
}{
	{"ResNet50", "ResNet50", false},
	{"ResNet50-fine", "ResNet50", true},
	{"NASNetLarge", "NASNetLarge", false},
}

// ballast is as large as that of the page's planner (app/planner), so that garbage is collected as seldom where that is measured.
var ballast []byte

func ballasted() {
	if runtime.GOOS == "js" {
		ballast = make([]byte, 16<<20)
	}
}

func builtIn(b *testing.B, name string) *load.Model {
	b.Helper()
	m, err := zoo.Open(name)
	if err != nil {
		b.Fatal(err)
	}
	return m
}

// benchRequest is a request as the page makes it, on the platform's planning grid or on every size it sells.
func benchRequest(b *testing.B, fine bool, change ...string) Request {
	r := request(b, change...)
	if fine {
		p, err := r.check()
		if err != nil {
			b.Fatal(err)
		}
		r.MemoryMB = p.Grid(p.MemoryStepMB)
	}
	return r
}

// BenchmarkProblem is the time from a model's graph to the numeric problem.
func BenchmarkProblem(b *testing.B) {
	for _, c := range benchProblems {
		b.Run(c.name, func(b *testing.B) {
			m := builtIn(b, c.model)
			r := benchRequest(b, c.fine)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := New(m, r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkFrontier is the time from the numeric problem to the whole frontier: the mean, the median of the later half, when the program is
// warm, and what the first time took.
func BenchmarkFrontier(b *testing.B) {
	ballasted()
	for _, c := range benchProblems {
		for _, scenario := range []string{"warm", "cold-sequential", "cold-overlapped"} {
			b.Run(c.name+"/"+scenario, func(b *testing.B) {
				m := builtIn(b, c.model)
				p, err := New(m, benchRequest(b, c.fine, "scenario="+scenario))
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				var took []time.Duration
				for b.Loop() {
					start := time.Now()
					p.result, p.frontier = nil, nil
					p.Solve()
					took = append(took, time.Since(start))
				}
				b.ReportMetric(took[0].Seconds()*1000, "first-ms")
				warm := took[len(took)/2:]
				slices.Sort(warm)
				b.ReportMetric(warm[len(warm)/2].Seconds()*1000, "median-ms")
				b.ReportMetric(float64(len(p.frontier)), "points")
			})
		}
	}
}

// BenchmarkMoveSLO is what the page does when the slider moves: another SLO on a problem that is solved.
func BenchmarkMoveSLO(b *testing.B) {
	for _, c := range benchProblems {
		b.Run(c.name, func(b *testing.B) {
			m := builtIn(b, c.model)
			p, err := New(m, benchRequest(b, c.fine))
			if err != nil {
				b.Fatal(err)
			}
			frontier := p.Solve().Frontier
			i := 0
			for b.Loop() {
				if _, err := p.At(frontier[i%len(frontier)].LatencyUs); err != nil {
					b.Fatal(err)
				}
				i += 1 + len(frontier)/97
			}
		})
	}
}

// The same where cold and warm requests mix.
func BenchmarkMoveSLOAtARate(b *testing.B) {
	p := mustProblem(b, mustModel(b, fixture.Shared(b, "zoo", "keras2", "ResNet50.json.gz")), "rate=10/h")
	p.Solve()
	frontier := p.result.Frontier
	for i := 0; b.Loop(); i++ {
		if _, err := p.At(frontier[i%len(frontier)].LatencyUs); err != nil {
			b.Fatal(err)
		}
	}
}

// Why a plan is as it is: several plans.
func BenchmarkExplain(b *testing.B) {
	m := mustModel(b, fixture.Shared(b, "zoo", "keras2", "ResNet50.json.gz"))
	for _, slo := range []string{"2500ms", "1s"} {
		b.Run(slo, func(b *testing.B) {
			for b.Loop() {
				p := mustProblem(b, m, "slo="+slo)
				p.Explain(mustPlan(b, p))
			}
		})
	}
}

// BenchmarkGateways is the time from a model to the frontier, with the gateway's size fixed and with all sizes of it.
func BenchmarkGateways(b *testing.B) {
	for _, c := range []struct {
		name    string
		fine    bool
		options []string
	}{
		{"warm", false, []string{"scenario=warm"}},
		{"cold-sequential", false, []string{"scenario=cold-sequential"}},
		{"cold-overlapped", false, nil},
		{"cold-overlapped-fine", true, nil},
		{"warm-fine", true, []string{"scenario=warm"}},
		{"cold-overlapped-rate", false, []string{"rate=10/h"}},
		{"warm-rate", false, []string{"scenario=warm", "rate=10/h"}},
		{"workflow", false, []string{"orchestration=step-functions"}},
		{"ten-inputs", false, []string{"inputs=10"}},
	} {
		for _, size := range []string{"default", auto} {
			b.Run(c.name+"/"+size, func(b *testing.B) {
				m := mustModel(b, fixture.Shared(b, "zoo", "keras3", "ResNet50.json.gz"))
				r := benchRequest(b, c.fine, append([]string{"gateway-memory=" + size}, c.options...)...)
				var points int
				for b.Loop() {
					p, err := New(m, r)
					if err != nil {
						b.Fatal(err)
					}
					points = len(p.Solve().Frontier)
				}
				b.ReportMetric(float64(points), "points")
			})
		}
	}
}
