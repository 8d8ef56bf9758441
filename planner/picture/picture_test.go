package picture

import (
	"slices"
	"testing"

	"partita/planner/graph"
)

func TestLayoutOf(t *testing.T) {
	const batch, free = graph.Batch, graph.Free
	for _, c := range []struct {
		shape graph.Shape
		want  Layout
		open  []int
		ok    bool
	}{
		{graph.Shape{batch, 224, 192, 3}, Layout{Height: 224, Width: 192, Channels: 3}, nil, true},
		{graph.Shape{batch, 3, 224, 192}, Layout{Height: 224, Width: 192, Channels: 3, ChannelsFirst: true}, nil, true},
		{graph.Shape{28, 28, 1}, Layout{Height: 28, Width: 28, Channels: 1}, nil, true},
		{graph.Shape{batch, free, 192, 3}, Layout{Width: 192, Channels: 3}, []int{1}, true},
		{graph.Shape{batch, 1, free, free}, Layout{Channels: 1, ChannelsFirst: true}, []int{2, 3}, true},
		{graph.Shape{batch, 28, 28}, Layout{}, nil, false},
		{graph.Shape{batch, 28, 28, 4}, Layout{}, nil, false},
		{graph.Shape{batch, MaxSide + 1, 28, 3}, Layout{}, nil, false},
		{graph.Shape{batch, 10}, Layout{}, nil, false},
		{graph.Shape{}, Layout{}, nil, false},
	} {
		if l, open, ok := LayoutOf(c.shape); l != c.want || !slices.Equal(open, c.open) || ok != c.ok {
			t.Errorf("%v: %+v %v %v", c.shape, l, open, ok)
		}
	}
}

// What an upright picture takes is what the gateway counts for it, or a little more where its sides are no whole numbers, and no less
// than what the same picture takes lying.
func TestUprightBytes(t *testing.T) {
	for _, c := range []struct{ width, height int64 }{{3000, 4000}, {1500, 2000}, {6000, 8000}, {3, 4}} {
		got, want := UprightBytes(c.width*c.height, 224), DecodeBytes(c.width, c.height, 224)
		if got != want || got < DecodeBytes(c.height, c.width, 224) {
			t.Errorf("%dx%d: %d, want %d", c.width, c.height, got, want)
		}
	}
	for _, pixels := range []int64{1, 2, 7, 999_999, MaxSide * MaxSide} {
		if got := UprightBytes(pixels, 1); got < pixels*bytesPerPixel {
			t.Errorf("%d pixels: %d bytes", pixels, got)
		}
	}
	if Room(1<<20) != 3<<18 {
		t.Error(Room(1 << 20))
	}
}
