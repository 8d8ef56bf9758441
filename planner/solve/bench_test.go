package solve

import (
	"testing"
	"time"
)

// BenchmarkFrontier finds whole frontiers; the instance is made before. The 1 MB grid of 10,113 sizes would be an
// instance of 5 GB, so a coarser grid stands for it.
func BenchmarkFrontier(b *testing.B) {
	for _, c := range []struct {
		name   string
		layers []modelLayer
		sizes  []int64
	}{
		{"resnet50-like/46-sizes", resnetLike(), sizes(64, 3008)},
		{"resnet50-like/160-sizes", resnetLike(), sizes(64, 10240)},
		{"resnet50-like/633-sizes", resnetLike(), sizes(16, 10240)},
		{"nasnet-like/12-sizes", cellsLike(1041), sizes(256, 3008)},
	} {
		for _, scenario := range scenarios {
			b.Run(c.name+"/"+string(scenario), func(b *testing.B) {
				in := model(c.layers, c.sizes, scenario, 10, false)
				b.ReportAllocs()
				var r *Result
				for b.Loop() {
					r = Solve(in, 0)
				}
				report(b, in, r)
			})
		}
	}
}

func report(b *testing.B, in *Instance, r *Result) {
	options := 0
	for i := range in.Segments {
		options += len(in.Segments[i].Options)
	}
	b.ReportMetric(float64(len(in.Segments)), "segments")
	b.ReportMetric(float64(options), "options")
	b.ReportMetric(float64(len(r.Frontier)), "points")
	b.ReportMetric(float64(r.Labels), "labels")
	if r.Status != Optimal {
		b.Error("the search was ", r.Status)
	}
}

// BenchmarkAgainstPlain takes both solvers over one instance in the same run and reports how many times faster Solve is.
func BenchmarkAgainstPlain(b *testing.B) {
	for _, scenario := range scenarios {
		b.Run(string(scenario), func(b *testing.B) {
			in := model(chainLike(60, 5), sizes(512, 3008), scenario, 4, false)
			var plain, fast time.Duration
			var r *Result
			for b.Loop() {
				start := time.Now()
				solvePlain(in)
				middle := time.Now()
				r = Solve(in, 0)
				plain += middle.Sub(start)
				fast += time.Since(middle)
			}
			report(b, in, r)
			b.ReportMetric(float64(plain)/float64(fast), "times-faster")
		})
	}
}

// BenchmarkLookup is what moving the SLO costs.
func BenchmarkLookup(b *testing.B) {
	in := model(resnetLike(), sizes(256, 3008), ColdOverlapped, 10, false)
	r := Solve(in, 0)
	first, last := r.Frontier[0].LatencyUs, r.Frontier[len(r.Frontier)-1].LatencyUs
	slo := first
	for b.Loop() {
		if slo += 1009; slo > last {
			slo = first
		}
		if i, ok := r.Cheapest(slo); !ok || len(r.Stages(i)) == 0 {
			b.Fatal("no plan")
		}
	}
}
