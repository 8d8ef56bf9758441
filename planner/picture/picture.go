// Package picture says what a model's input is when it is a batch of pictures, and what memory decoding one takes: the planner gives a
// gateway room for the pictures that are sent, and the gateway refuses those that it has no room for, by the same rule. Sizes are in
// pixels and bytes.
package picture

import (
	"math"

	"partita/planner/graph"
)

// MaxSide is the longest side of a picture that is decoded.
const MaxSide = 16384

const (
	// bytesPerPixel is what decoding takes per pixel: a progressive JPEG keeps 4 bytes per coefficient beside the
	// picture, an interlaced PNG of 16 bits two pictures.
	bytesPerPixel = 8
	// bytesPerColumn is what scaling keeps per pixel of a picture of the source's height and the target's width.
	bytesPerColumn = 32
)

// Layout says where a tensor of pictures has its channels.
type Layout struct {
	Height, Width, Channels int
	ChannelsFirst           bool
}

// LayoutOf reads a model's input as a batch of pictures, ?xHxWxC as Keras has it or ?xCxHxW, or as one picture without the batch; ok
// is false where it is none. A side that the model leaves open is 0, and its axis is in open.
func LayoutOf(shape graph.Shape) (l Layout, open []int, ok bool) {
	isChannels := func(n int64) bool { return n == 1 || n == 3 }
	s, first := shape, 0
	if len(s) == 4 {
		s, first = s[1:], 1
	}
	if len(s) != 3 || s[0] == graph.Batch {
		return Layout{}, nil, false
	}
	height, width := 0, 1
	switch {
	case isChannels(s[2]):
		l.Channels = int(s[2])
	case isChannels(s[0]):
		l.Channels, l.ChannelsFirst, height, width = int(s[0]), true, 1, 2
	default:
		return Layout{}, nil, false
	}
	for _, axis := range []int{height, width} {
		if s[axis] == graph.Free {
			open = append(open, first+axis)
		} else if s[axis] <= 0 || s[axis] > MaxSide {
			return Layout{}, nil, false
		}
	}
	l.Height, l.Width = int(max(s[height], 0)), int(max(s[width], 0))
	return l, open, true
}

// DecodeBytes is the memory that decoding a picture and scaling it to a width takes at most.
func DecodeBytes(width, height, toWidth int64) int64 {
	return width*height*bytesPerPixel + height*toWidth*bytesPerColumn
}

// Room is what a gateway of so many bytes of memory has for decoding: three quarters.
func Room(memoryBytes int64) int64 { return memoryBytes / 4 * 3 }

// UprightBytes is DecodeBytes of a picture of so many pixels that stands upright, four high by three wide, as telephones take them.
func UprightBytes(pixels, toWidth int64) int64 {
	height := int64(math.Ceil(math.Sqrt(float64(pixels*4) / 3)))
	height = min(height, MaxSide)
	return DecodeBytes((pixels+height-1)/height, height, toWidth)
}
