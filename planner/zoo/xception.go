package zoo

import "fmt"

// Xception: Chollet, Xception: Deep Learning with Depthwise Separable Convolutions, 2016.
var xception = []Entry{{"Xception", "separable convolutions", 299, buildXception}}

func buildXception(size int) *network {
	n, x := start("xception", size)
	for c, filters := range []int{32, 64} {
		name := fmt.Sprintf("block1_conv%d", c+1)
		step := flags(0)
		if c == 0 {
			step = halve
		}
		x = n.conv(x, name, filters, 3, step|noBias)
		x = n.activation(n.norm(x, name+"_bn", 0), name+"_act", relu)
	}
	separable := func(x tensor, block, number, filters int) tensor {
		name := fmt.Sprintf("block%d_sepconv%d", block, number)
		return n.norm(n.separable(x, name, filters, 3, same), name+"_bn", 0)
	}
	rectified := func(x tensor, block, number int) tensor {
		return n.activation(x, fmt.Sprintf("block%d_sepconv%d_act", block, number), relu)
	}
	// shrinking blocks halve the image, beside a 1x1 convolution that does too.
	shrinking := func(x tensor, block, first, second int, reluFirst bool) tensor {
		residual := n.norm(n.conv(x, "", second, 1, halve|same|noBias), "", 0)
		y := x
		if reluFirst {
			y = rectified(y, block, 1)
		}
		y = rectified(separable(y, block, 1, first), block, 2)
		y = separable(y, block, 2, second)
		y = n.pool(y, fmt.Sprintf("block%d_pool", block), "Max", 3, halve|same)
		return n.add("", y, residual)
	}
	x = shrinking(x, 2, 128, 128, false)
	x = shrinking(x, 3, 256, 256, true)
	x = shrinking(x, 4, 728, 728, true)
	for block := 5; block <= 12; block++ {
		y := x
		for c := 1; c <= 3; c++ {
			y = separable(rectified(y, block, c), block, c, 728)
		}
		x = n.add("", y, x)
	}
	x = shrinking(x, 13, 728, 1024, true)
	x = rectified(separable(x, 14, 1, 1536), 14, 1)
	x = rectified(separable(x, 14, 2, 2048), 14, 2)
	return n.classify(x, "avg_pool")
}
