package cli

import (
	"slices"
	"testing"

	"partita/runtime/wire"
)

// What a function used is not known where a workflow called it; that is no zero.
func TestMemoryUsedOfStages(t *testing.T) {
	for used, want := range map[int64]string{0: "unknown of 1,024 MB", 77: "77 of 1,024 MB"} {
		row := stageRow(&wire.StageTrace{MemoryMB: 1024, MaxMemoryMB: used})
		if !slices.Contains(row, want) {
			t.Errorf("%d MB: %q, want %q in it", used, row, want)
		}
	}
}
