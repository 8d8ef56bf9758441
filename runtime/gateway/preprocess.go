package gateway

import (
	"encoding/binary"
	"fmt"
	"image"
	"math"

	"partita/planner/picture"
	"partita/runtime/npy"
)

// table gives the number for each value of each channel, and which colour a channel is.
type table struct {
	source []int // 0 red, 1 green, 2 blue, 3 grey
	value  [][256]float32
}

// Means and deviations of ImageNet, in the order red, green, blue, as keras.applications.imagenet_utils has them.
var (
	caffeMean      = [3]float32{123.68, 116.779, 103.939}
	torchMean      = [3]float32{0.485, 0.456, 0.406}
	torchDeviation = [3]float32{0.229, 0.224, 0.225}
)

// tableOf makes the table of a preprocessing mode; "" is none.
func tableOf(mode string, channels int) (*table, error) {
	if mode == "" {
		mode = "none"
	}
	t := &table{value: make([][256]float32, channels)}
	t.source = []int{0, 1, 2}
	if channels == 1 {
		t.source = []int{3}
	}
	if channels != 3 && (mode == "caffe" || mode == "torch") {
		return nil, bad("gateway.preprocess-needs-colour", "preprocessing an image", fmt.Sprintf("mode %q is defined for 3 channels, and the model's input has %d", mode, channels), "choose tf, unit or none")
	}
	if mode == "caffe" {
		t.source = []int{2, 1, 0}
	}
	for c := range t.value {
		for v := range t.value[c] {
			x := float32(v)
			// Each step is rounded to float32 by itself, as NumPy does.
			switch mode {
			case "none":
			case "unit":
				x = x / 255
			case "tf":
				x = float32(x/127.5) - 1
			case "torch":
				x = float32(float32(x/255)-torchMean[c]) / torchDeviation[c]
			case "caffe":
				x = x - caffeMean[t.source[c]]
			default:
				return nil, bad("gateway.unknown-preprocess", "preprocessing an image", fmt.Sprintf("there is no mode %q", mode), "choose caffe, tf, torch, unit or none")
			}
			t.value[c][v] = x
		}
	}
	return t, nil
}

// apply makes one item, without the batch dimension, in the model's layout.
func (t *table) apply(rgba *image.RGBA, l picture.Layout) *npy.Array {
	pixels := l.Height * l.Width
	a := &npy.Array{DType: "float32", Shape: []int64{int64(l.Height), int64(l.Width), int64(l.Channels)}, Data: make([]byte, 4*pixels*l.Channels)}
	pixelStep, channelStep := l.Channels, 1
	if l.ChannelsFirst {
		a.Shape = []int64{int64(l.Channels), int64(l.Height), int64(l.Width)}
		pixelStep, channelStep = 1, pixels
	}
	for c, source := range t.source {
		values := &t.value[c]
		for i := range pixels {
			p := rgba.Pix[4*i : 4*i+4 : 4*i+4]
			var v uint8
			if source == 3 {
				// Luma of ITU-R BT.601 (0.299, 0.587, 0.114) in 16 bits, as Pillow's convert("L").
				v = uint8((19595*uint32(p[0]) + 38470*uint32(p[1]) + 7471*uint32(p[2]) + 1<<15) >> 16)
			} else {
				v = p[source]
			}
			at := 4 * (i*pixelStep + c*channelStep)
			binary.LittleEndian.PutUint32(a.Data[at:], math.Float32bits(values[v]))
		}
	}
	return a
}
