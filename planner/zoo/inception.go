package zoo

import "fmt"

// InceptionV3: Szegedy et al., Rethinking the Inception Architecture for Computer Vision, 2015. InceptionResNetV2: Szegedy et
// al., Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning, 2016.
var inception = []Entry{
	{"InceptionV3", "parallel convolutions of several sizes", 299, buildInceptionV3},
	{"InceptionResNetV2", "parallel convolutions in residual blocks", 299, buildInceptionResNetV2},
}

// inceptions wires what the two networks share.
type inceptions struct{ *network }

// conv is a convolution without bias, normalised and rectified.
func (n inceptions) conv(x tensor, filters, rows, columns int, f flags) tensor {
	y := n.conv2(x, "", filters, rows, columns, f|noBias)
	return n.activation(n.norm(y, "", noScale), "", relu)
}

func (n inceptions) square(x tensor, filters, kernel int) tensor {
	return n.conv(x, filters, kernel, kernel, same)
}

// shrink halves the image.
func (n inceptions) shrink(x tensor, filters int) tensor { return n.conv(x, filters, 3, 3, halve) }

// averaged is the branch that pools first.
func (n inceptions) averaged(x tensor, filters int) tensor {
	return n.square(n.pool(x, "", "Average", 3, same), filters, 1)
}

// stem is the beginning of both.
func (n inceptions) stem(x tensor) tensor {
	x = n.shrink(x, 32)
	x = n.conv(x, 32, 3, 3, 0)
	x = n.square(x, 64, 3)
	x = n.pool(x, "", "Max", 3, halve)
	x = n.conv(x, 80, 1, 1, 0)
	x = n.conv(x, 192, 3, 3, 0)
	return n.pool(x, "", "Max", 3, halve)
}

// mixed is the block with 5x5 and doubled 3x3 convolutions.
func (n inceptions) mixed(x tensor, name string, direct, pooled int) tensor {
	a := n.square(x, direct, 1)
	b := n.square(n.square(x, 48, 1), 64, 5)
	c := n.square(n.square(n.square(x, 64, 1), 96, 3), 96, 3)
	return n.concat(name, a, b, c, n.averaged(x, pooled))
}

func buildInceptionV3(size int) *network {
	plain, x := start("inception_v3", size)
	n := inceptions{plain}
	x = n.stem(x)
	x = n.mixed(x, "mixed0", 64, 32)
	x = n.mixed(x, "mixed1", 64, 64)
	x = n.mixed(x, "mixed2", 64, 64)
	a := n.shrink(x, 384)
	b := n.shrink(n.square(n.square(x, 64, 1), 96, 3), 96)
	x = n.concat("mixed3", a, b, n.pool(x, "", "Max", 3, halve))
	for i, f := range []int{128, 160, 160, 192} {
		a = n.square(x, 192, 1)
		b = n.conv(n.conv(n.square(x, f, 1), f, 1, 7, same), 192, 7, 1, same)
		c := n.conv(n.conv(n.square(x, f, 1), f, 7, 1, same), f, 1, 7, same)
		c = n.conv(n.conv(c, f, 7, 1, same), 192, 1, 7, same)
		x = n.concat(fmt.Sprintf("mixed%d", i+4), a, b, c, n.averaged(x, 192))
	}
	a = n.shrink(n.square(x, 192, 1), 320)
	b = n.conv(n.conv(n.square(x, 192, 1), 192, 1, 7, same), 192, 7, 1, same)
	b = n.shrink(b, 192)
	x = n.concat("mixed8", a, b, n.pool(x, "", "Max", 3, halve))
	for i := range 2 {
		a = n.square(x, 320, 1)
		b = n.square(x, 384, 1)
		b = n.concat(fmt.Sprintf("mixed9_%d", i), n.conv(b, 384, 1, 3, same), n.conv(b, 384, 3, 1, same))
		c := n.square(n.square(x, 448, 1), 384, 3)
		c = n.concat("", n.conv(c, 384, 1, 3, same), n.conv(c, 384, 3, 1, same))
		x = n.concat(fmt.Sprintf("mixed%d", i+9), a, b, c, n.averaged(x, 192))
	}
	return n.classify(x, "avg_pool")
}

// residual adds what branches found to x.
func (n inceptions) residual(x tensor, name string, scale float64, rectified bool, branches ...tensor) tensor {
	y := n.network.conv(n.concat(name+"_mixed", branches...), name+"_conv", x.channels, 1, same)
	x = n.many("CustomScaleLayer", "", 0, x, y)
	x.set("scale", scale)
	x.module = "keras.src.applications.inception_resnet_v2"
	if rectified {
		x = n.activation(x, name+"_ac", relu)
	}
	return x
}

func buildInceptionResNetV2(size int) *network {
	plain, x := start("inception_resnet_v2", size)
	n := inceptions{plain}
	x = n.mixed(n.stem(x), "mixed_5b", 96, 64)
	for i := range 10 {
		a := n.square(x, 32, 1)
		b := n.square(n.square(x, 32, 1), 32, 3)
		c := n.square(n.square(n.square(x, 32, 1), 48, 3), 64, 3)
		x = n.residual(x, fmt.Sprintf("block35_%d", i+1), 0.17, true, a, b, c)
	}
	a := n.shrink(x, 384)
	b := n.shrink(n.square(n.square(x, 256, 1), 256, 3), 384)
	x = n.concat("mixed_6a", a, b, n.pool(x, "", "Max", 3, halve))
	for i := range 20 {
		a = n.square(x, 192, 1)
		b = n.conv(n.conv(n.square(x, 128, 1), 160, 1, 7, same), 192, 7, 1, same)
		x = n.residual(x, fmt.Sprintf("block17_%d", i+1), 0.1, true, a, b)
	}
	a = n.shrink(n.square(x, 256, 1), 384)
	b = n.shrink(n.square(x, 256, 1), 288)
	c := n.shrink(n.square(n.square(x, 256, 1), 288, 3), 320)
	x = n.concat("mixed_7a", a, b, c, n.pool(x, "", "Max", 3, halve))
	for i := range 10 {
		scale := 0.2
		if i == 9 {
			scale = 1
		}
		a = n.square(x, 192, 1)
		b = n.conv(n.conv(n.square(x, 192, 1), 224, 1, 3, same), 256, 3, 1, same)
		x = n.residual(x, fmt.Sprintf("block8_%d", i+1), scale, i < 9, a, b)
	}
	x = n.network.conv(x, "conv_7b", 1536, 1, same|noBias)
	x = n.activation(n.norm(x, "conv_7b_bn", noScale), "conv_7b_ac", relu)
	return n.classify(x, "avg_pool")
}
