package gateway

import (
	"cmp"
	"math"
	"slices"

	"partita/runtime/npy"
	"partita/runtime/wire"
)

// maxTop bounds a ranking.
const maxTop = 1000

// rank gives the highest entries of each row of the first output that is a matrix of floats, highest first, the lower
// index first among equals. Entries that are no numbers are left out: JSON cannot carry them.
func rank(outputs []wire.Tensor, top int) [][]wire.Class {
	ranking := [][]wire.Class{}
	for i := range outputs {
		t := &outputs[i]
		if len(t.Shape) != 2 || (t.DType != "float32" && t.DType != "float64" && t.DType != "float16" && t.DType != "bfloat16") {
			continue
		}
		a, err := (&npy.Array{DType: t.DType, Shape: t.Shape, Data: t.Data}).Convert("float64")
		if err != nil {
			continue
		}
		scores := a.Float64s()
		columns := int(t.Shape[1])
		for row := 0; row < int(t.Shape[0]); row++ {
			ranking = append(ranking, highest(scores[row*columns:(row+1)*columns], min(max(top, 0), maxTop)))
		}
		return ranking
	}
	return ranking
}

func highest(scores []float64, top int) []wire.Class {
	classes := make([]wire.Class, 0, len(scores))
	for i, s := range scores {
		if !math.IsNaN(s) && !math.IsInf(s, 0) {
			classes = append(classes, wire.Class{Index: i, Score: s})
		}
	}
	slices.SortFunc(classes, func(a, b wire.Class) int {
		return cmp.Or(cmp.Compare(b.Score, a.Score), cmp.Compare(a.Index, b.Index))
	})
	return slices.Clone(classes[:min(top, len(classes))])
}
