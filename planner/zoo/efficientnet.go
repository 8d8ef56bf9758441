package zoo

import (
	"fmt"
	"math"
	"strings"
)

// EfficientNet: Tan and Le, EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks, 2019.
var efficientnet = []Entry{
	efficientnetEntry("B0", 1.0, 1.0, 224, 0.2), efficientnetEntry("B1", 1.0, 1.1, 240, 0.2),
	efficientnetEntry("B2", 1.1, 1.2, 260, 0.3), efficientnetEntry("B3", 1.2, 1.4, 300, 0.3),
	efficientnetEntry("B4", 1.4, 1.8, 380, 0.4), efficientnetEntry("B5", 1.6, 2.2, 456, 0.4),
	efficientnetEntry("B6", 1.8, 2.6, 528, 0.5), efficientnetEntry("B7", 2.0, 3.1, 600, 0.5),
}

// EfficientNetV2: Tan and Le, EfficientNetV2: Smaller Models and Faster Training, 2021.
var efficientnetV2 = []Entry{
	efficientnetV2Entry("B0", 1.0, 1.0, 224, efficientnetV2B), efficientnetV2Entry("B1", 1.0, 1.1, 240, efficientnetV2B),
	efficientnetV2Entry("B2", 1.1, 1.2, 260, efficientnetV2B), efficientnetV2Entry("B3", 1.2, 1.4, 300, efficientnetV2B),
	efficientnetV2Entry("S", 1.0, 1.0, 384, []mbconv{
		{3, 2, 24, 24, 1, 1, false}, {3, 4, 24, 48, 4, 2, false}, {3, 4, 48, 64, 4, 2, false},
		{3, 6, 64, 128, 4, 2, true}, {3, 9, 128, 160, 6, 1, true}, {3, 15, 160, 256, 6, 2, true}}),
	efficientnetV2Entry("M", 1.0, 1.0, 480, []mbconv{
		{3, 3, 24, 24, 1, 1, false}, {3, 5, 24, 48, 4, 2, false}, {3, 5, 48, 80, 4, 2, false},
		{3, 7, 80, 160, 4, 2, true}, {3, 14, 160, 176, 6, 1, true}, {3, 18, 176, 304, 6, 2, true}, {3, 5, 304, 512, 6, 1, true}}),
	efficientnetV2Entry("L", 1.0, 1.0, 480, []mbconv{
		{3, 4, 32, 32, 1, 1, false}, {3, 7, 32, 64, 4, 2, false}, {3, 7, 64, 96, 4, 2, false},
		{3, 10, 96, 192, 4, 2, true}, {3, 19, 192, 224, 6, 1, true}, {3, 25, 224, 384, 6, 2, true}, {3, 7, 384, 640, 6, 1, true}}),
}

// mbconv is a stage of blocks of one kind.
type mbconv struct {
	kernel, repeats, in, out, expansion, step int
	excite                                    bool // squeeze and excitation; in V2 also depthwise rather than fused
}

var efficientnetB = []mbconv{
	{3, 1, 32, 16, 1, 1, true}, {3, 2, 16, 24, 6, 2, true}, {5, 2, 24, 40, 6, 2, true}, {3, 3, 40, 80, 6, 2, true},
	{5, 3, 80, 112, 6, 1, true}, {5, 4, 112, 192, 6, 2, true}, {3, 1, 192, 320, 6, 1, true},
}

var efficientnetV2B = []mbconv{
	{3, 1, 32, 16, 1, 1, false}, {3, 2, 16, 32, 4, 2, false}, {3, 2, 32, 48, 4, 2, false},
	{3, 3, 48, 96, 4, 2, true}, {3, 5, 96, 112, 6, 1, true}, {3, 8, 112, 192, 6, 2, true},
}

func efficientnetEntry(variant string, width, depth float64, size int, dropout float64) Entry {
	return Entry{"EfficientNet" + variant, "mobile blocks scaled in depth, width and resolution", size, func(size int) *network {
		return buildEfficientNet(variant, size, width, depth, dropout)
	}}
}

func buildEfficientNet(variant string, size int, width, depth, dropout float64) *network {
	e, x := startEfficient("efficientnet"+variant, size, width, depth, efficientnetB)
	x = e.with("Rescaling", "", x, "scale", 1.0/255)
	x = e.with("Normalization", "", x, "axis", []int{3})
	x = e.padFor(x, "stem_conv_pad", 3)
	x = e.conv(x, "stem_conv", e.filters(32), 3, halve|noBias)
	x = e.blocks(e.normSilu(x, "stem_"), true)
	return e.finish(x, dropout)
}

func efficientnetV2Entry(variant string, width, depth float64, size int, stages []mbconv) Entry {
	return Entry{"EfficientNetV2" + variant, "fused and mobile blocks, quick to train", size, func(size int) *network {
		return buildEfficientNetV2(variant, size, width, depth, stages)
	}}
}

func buildEfficientNetV2(variant string, size int, width, depth float64, stages []mbconv) *network {
	e, x := startEfficient("efficientnetv2-"+variant, size, width, depth, stages)
	e.second = true
	if variant[0] == 'B' {
		x = e.with("Rescaling", "", x, "scale", 1.0/255)
		// The mean and the variance of ImageNet's colours.
		x = e.with("Normalization", "", x, "axis", []int{3})
		x.set("mean", []float64{0.485, 0.456, 0.406})
		x.set("variance", []float64{0.229 * 0.229, 0.224 * 0.224, 0.225 * 0.225})
	} else {
		x = e.with("Rescaling", "", x, "scale", 1.0/128)
		x.set("offset", -1.0)
	}
	x = e.conv(x, "stem_conv", e.filters(stages[0].in), 3, halve|same|noBias)
	x = e.blocks(e.normSilu(x, "stem_"), false)
	return e.finish(x, 0.2)
}

// efficient wires the networks of both generations.
type efficient struct {
	*network
	width, depth float64
	stages       []mbconv
	second       bool // of the second generation
}

func startEfficient(name string, size int, width, depth float64, stages []mbconv) (*efficient, tensor) {
	n, x := start(strings.ToLower(name), size)
	return &efficient{network: n, width: width, depth: depth, stages: stages}, x
}

// filters scales a number of filters by the width.
func (e *efficient) filters(n int) int { return divisible(float64(n)*e.width, !e.second) }

func (e *efficient) normSilu(x tensor, prefix string) tensor {
	return e.activation(e.norm(x, prefix+"bn", 0), prefix+"activation", silu)
}

func (e *efficient) blocks(x tensor, pad bool) tensor {
	total, done := 0, 0
	for _, s := range e.stages {
		total += s.repeats
	}
	for i, s := range e.stages {
		for j := range int(math.Ceil(e.depth * float64(s.repeats))) {
			step := flags(0)
			if j == 0 && s.step == 2 {
				step = halve
			}
			prefix, in := fmt.Sprintf("block%d%c_", i+1, 'a'+j), x
			if e.second && !s.excite {
				x = e.fused(x, s, step, prefix)
			} else {
				x = e.mobile(x, s, step, prefix, pad)
			}
			if step == 0 && x.channels == in.channels {
				// While training, whole blocks are left out at random; the later the more often.
				if rate := 0.2 * float64(done) / float64(total); rate > 0 {
					x = e.with("Dropout", prefix+"drop", x, "rate", rate)
					x.set("noise_shape", []any{nil, 1, 1, 1})
				}
				x = e.add(prefix+"add", x, in)
			}
			done++
		}
	}
	return x
}

// mobile is an inverted residual with squeeze and excitation.
func (e *efficient) mobile(x tensor, s mbconv, step flags, prefix string, pad bool) tensor {
	in := x.channels
	if s.expansion > 1 {
		x = e.normSilu(e.conv(x, prefix+"expand_conv", in*s.expansion, 1, same|noBias), prefix+"expand_")
	}
	name := prefix + "dwconv"
	if e.second {
		name += "2"
	}
	switch {
	case step == 0:
		x = e.depthwise(x, name, s.kernel, same)
	case pad:
		x = e.depthwise(e.padFor(x, prefix+"dwconv_pad", s.kernel), name, s.kernel, step)
	default:
		x = e.depthwise(x, name, s.kernel, step|same)
	}
	x = e.normSilu(x, prefix)
	y := e.with("Reshape", prefix+"se_reshape", e.globalAverage(x, prefix+"se_squeeze", 0), "target_shape", []int{1, 1, x.channels})
	y = e.conv(y, prefix+"se_reduce", max(1, in/4), 1, same|silu)
	y = e.conv(y, prefix+"se_expand", x.channels, 1, same|sigmoid)
	x = e.many("Multiply", prefix+"se_excite", 0, x, y)
	return e.norm(e.conv(x, prefix+"project_conv", e.filters(s.out), 1, same|noBias), prefix+"project_bn", 0)
}

// fused is a block with one full convolution in place of a pointwise and a depthwise one.
func (e *efficient) fused(x tensor, s mbconv, step flags, prefix string) tensor {
	if s.expansion == 1 {
		x = e.conv(x, prefix+"project_conv", e.filters(s.out), s.kernel, step|same|noBias)
		return e.normSilu(x, prefix+"project_")
	}
	x = e.normSilu(e.conv(x, prefix+"expand_conv", x.channels*s.expansion, s.kernel, step|same|noBias), prefix+"expand_")
	return e.norm(e.conv(x, prefix+"project_conv", e.filters(s.out), 1, same|noBias), prefix+"project_bn", 0)
}

func (e *efficient) finish(x tensor, dropout float64) *network {
	x = e.normSilu(e.conv(x, "top_conv", e.filters(1280), 1, same|noBias), "top_")
	x = e.with("Dropout", "top_dropout", e.globalAverage(x, "avg_pool", 0), "rate", dropout)
	return e.end(e.dense(x, "predictions", classes, softmax))
}
