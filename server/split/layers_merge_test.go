//go:build cgo

package split

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// TestMergeProducts checks the products of Keras 1's Merge: dot and cos.
func TestMergeProducts(t *testing.T) {
	runtimeReady(t)
	merge := func(x, y []any, mode string, axes any) *trial {
		config := functional2(map[string][]any{"x": x, "y": y}, []any{port("m")},
			[]any{"Merge", "m", object{"mode": mode, "dot_axes": axes, "concat_axis": -1, "output_shape": nil}, []any{port("x"), port("y")}})
		config = strings.Replace(config, `"2.11.0"`, `"1.2.2"`, 1)
		return newTrial(t, config, nil)
	}
	sum := func(a, b *array, i int) (s float64) {
		n := len(a.data) / a.shape[0]
		for k := range n {
			s += a.data[i*n+k] * b.data[i*n+k]
		}
		return s
	}
	for _, axes := range []any{-1, 1, []int{1, 1}, []any{[]int{1}, []int{1}}} {
		r := merge([]any{5}, []any{5}, "dot", axes)
		x, y := r.given["x"], r.given["y"]
		want := zeros(x.shape[0], 1)
		each(want.shape, func(i []int) { want.set(sum(x, y, i[0]), i...) })
		r.check(fmt.Sprint("dot over ", axes), want)
	}
	r := merge([]any{4, 5}, []any{3, 5}, "dot", []int{2, 2})
	want, x, y := zeros(3, 4, 3), r.given["x"], r.given["y"]
	each(want.shape, func(i []int) {
		s := 0.0
		for k := range 5 {
			s += x.at(i[0], i[1], k) * y.at(i[0], i[2], k)
		}
		want.set(s, i...)
	})
	r.check("dot of sequences", want)
	for rank, shape := range [][]any{2: {6}, 3: {6, 1}} {
		if shape == nil {
			continue
		}
		r := merge(shape, shape, "cos", 1)
		x, y := r.given["x"], r.given["y"]
		want := zeros([]int{3, 1, 1, 1}[:rank+1]...)
		each(want.shape, func(i []int) {
			want.set(sum(x, y, i[0])/math.Max(math.Sqrt(sum(x, x, i[0])*sum(y, y, i[0])), 1e-7), i...)
		})
		r.check(fmt.Sprint("cos of rank ", rank), want)
	}
}
