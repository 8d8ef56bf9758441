package graph

import (
	"maps"
	"slices"
)

// Operators lists the ONNX operators whose outputs' shapes are computed, by operator set: "ai.onnx", "ai.onnx.ml",
// "com.microsoft". Others are taken when the file itself gives their shapes.
func Operators() map[string][]string {
	return map[string][]string{
		"ai.onnx":       slices.Sorted(maps.Keys(operators)),
		"ai.onnx.ml":    slices.Sorted(maps.Keys(learners)),
		"com.microsoft": slices.Sorted(maps.Keys(contributed)),
	}
}
