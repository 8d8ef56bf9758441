package solve

import (
	"fmt"
	"testing"
)

func BenchmarkFrontier(b *testing.B) {
	for _, c := range []struct {
		name   string
		layers []modelLayer
		sizes  []int64
	}{
		{"resnet50-like/46-sizes", resnetLike(), sizes(64, 3008)},
		{"resnet50-like/160-sizes", resnetLike(), sizes(64, 10240)},
	} {
		for _, scenario := range scenarios {
			b.Run(fmt.Sprintf("%s/%s", c.name, scenario), func(b *testing.B) {
				in := model(c.layers, c.sizes, scenario, 10, false)
				b.ReportAllocs()
				var r *Result
				for b.Loop() {
					r = Solve(in, 0)
				}
				options := 0
				for i := range in.Segments {
					options += len(in.Segments[i].Options)
				}
				b.ReportMetric(float64(len(in.Segments)), "segments")
				b.ReportMetric(float64(options), "options")
				b.ReportMetric(float64(len(r.Frontier)), "points")
				b.ReportMetric(float64(r.Labels), "labels")
			})
		}
	}
}
