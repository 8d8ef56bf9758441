package zoo

import "fmt"

// MobileNet: Howard et al., MobileNets, 2017. V2: Sandler et al., Inverted Residuals and Linear Bottlenecks, 2018. V3: Howard
// et al., Searching for MobileNetV3, 2019.
var mobilenet = []Entry{
	{"MobileNet", "separable convolutions for telephones", 224, buildMobileNet},
	{"MobileNetV2", "inverted residual blocks for telephones", 224, buildMobileNetV2},
	{"MobileNetV3Small", "the smallest of all, with squeeze and excitation", 224, buildMobileNetV3Small},
	{"MobileNetV3Large", "small, with squeeze and excitation", 224, buildMobileNetV3Large},
}

func buildMobileNet(size int) *network {
	n, x := start(fmt.Sprintf("mobilenet_1.00_%d", size), size)
	normRelu := func(x tensor, name string) tensor { return n.relu(n.norm(x, name+"_bn", 0), name+"_relu", 6) }
	x = normRelu(n.conv(x, "conv1", 32, 3, halve|same|noBias), "conv1")
	for i, filters := range []int{64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024} {
		name := func(kind string) string { return fmt.Sprintf("conv_%s_%d", kind, i+1) }
		if filters > x.channels && i > 0 {
			x = n.depthwise(n.pad(x, name("pad"), 0, 1), name("dw"), 3, halve)
		} else {
			x = n.depthwise(x, name("dw"), 3, same)
		}
		x = normRelu(x, name("dw"))
		x = normRelu(n.conv(x, name("pw"), filters, 1, same|noBias), name("pw"))
	}
	x = n.globalAverage(x, "", keep)
	x = n.with("Dropout", "dropout", x, "rate", 1e-3)
	x = n.conv(x, "conv_preds", classes, 1, same)
	x = n.with("Reshape", "reshape_2", x, "target_shape", []int{classes})
	return n.end(n.activation(x, "predictions", softmax))
}

func buildMobileNetV2(size int) *network {
	n, x := start(fmt.Sprintf("mobilenetv2_1.00_%d", size), size)
	x = n.conv(x, "Conv1", 32, 3, halve|same|noBias)
	x = n.relu(n.norm(x, "bn_Conv1", 0), "Conv1_relu", 6)
	block := 0
	for _, s := range []struct{ expansion, filters, repeats, step int }{
		{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1},
	} {
		for i := range s.repeats {
			prefix, in := "expanded_conv_", x
			if block > 0 {
				prefix = fmt.Sprintf("block_%d_", block)
				x = n.conv(x, prefix+"expand", s.expansion*x.channels, 1, same|noBias)
				x = n.relu(n.norm(x, prefix+"expand_BN", 0), prefix+"expand_relu", 6)
			}
			if i == 0 && s.step == 2 {
				x = n.depthwise(n.padFor(x, prefix+"pad", 3), prefix+"depthwise", 3, halve)
			} else {
				x = n.depthwise(x, prefix+"depthwise", 3, same)
			}
			x = n.relu(n.norm(x, prefix+"depthwise_BN", 0), prefix+"depthwise_relu", 6)
			x = n.norm(n.conv(x, prefix+"project", s.filters, 1, same|noBias), prefix+"project_BN", 0)
			if x.size == in.size && x.channels == in.channels {
				x = n.add(prefix+"add", in, x)
			}
			block++
		}
	}
	x = n.conv(x, "Conv_1", 1280, 1, noBias)
	return n.classify(n.relu(n.norm(x, "Conv_1_bn", 0), "out_relu", 6), "")
}

// invertedV3 is a block of MobileNetV3.
type invertedV3 struct {
	expansion       float64
	filters, kernel int
	step            int
	excite, hard    bool // squeeze and excitation; hard swish in place of ReLU
}

func buildMobileNetV3Small(size int) *network {
	return buildMobileNetV3("MobileNetV3Small", size, 1024, []invertedV3{
		{1, 16, 3, 2, true, false}, {72.0 / 16, 24, 3, 2, false, false}, {88.0 / 24, 24, 3, 1, false, false},
		{4, 40, 5, 2, true, true}, {6, 40, 5, 1, true, true}, {6, 40, 5, 1, true, true},
		{3, 48, 5, 1, true, true}, {3, 48, 5, 1, true, true},
		{6, 96, 5, 2, true, true}, {6, 96, 5, 1, true, true}, {6, 96, 5, 1, true, true},
	})
}

func buildMobileNetV3Large(size int) *network {
	return buildMobileNetV3("MobileNetV3Large", size, 1280, []invertedV3{
		{1, 16, 3, 1, false, false}, {4, 24, 3, 2, false, false}, {3, 24, 3, 1, false, false},
		{3, 40, 5, 2, true, false}, {3, 40, 5, 1, true, false}, {3, 40, 5, 1, true, false},
		{6, 80, 3, 2, false, true}, {2.5, 80, 3, 1, false, true}, {2.3, 80, 3, 1, false, true}, {2.3, 80, 3, 1, false, true},
		{6, 112, 3, 1, true, true}, {6, 112, 3, 1, true, true},
		{6, 160, 5, 2, true, true}, {6, 160, 5, 1, true, true}, {6, 160, 5, 1, true, true},
	})
}

func buildMobileNetV3(name string, size, last int, blocks []invertedV3) *network {
	n, x := start(name, size)
	activate := func(x tensor, hard bool) tensor {
		if hard {
			return n.activation(x, "", hardSilu)
		}
		return n.relu(x, "", 0)
	}
	x = n.with("Rescaling", "", x, "scale", 1/127.5)
	x.set("offset", -1.0)
	x = n.conv(x, "conv", 16, 3, halve|same|noBias)
	x = activate(n.norm(x, "conv_bn", 0), true)
	for i, b := range blocks {
		prefix, in := "expanded_conv_", x
		expanded := divisible(float64(x.channels)*b.expansion, true)
		if i > 0 {
			prefix = fmt.Sprintf("expanded_conv_%d_", i)
			x = n.conv(x, prefix+"expand", expanded, 1, same|noBias)
			x = activate(n.norm(x, prefix+"expand_bn", 0), b.hard)
		}
		if b.step == 2 {
			x = n.depthwise(n.padFor(x, prefix+"depthwise_pad", b.kernel), prefix+"depthwise", b.kernel, halve)
		} else {
			x = n.depthwise(x, prefix+"depthwise", b.kernel, same)
		}
		x = activate(n.norm(x, prefix+"depthwise_bn", 0), b.hard)
		if b.excite {
			se := prefix + "squeeze_excite_"
			y := n.globalAverage(x, se+"avg_pool", keep)
			y = n.conv(y, se+"conv", divisible(float64(expanded)*0.25, true), 1, same)
			y = n.conv(n.relu(y, se+"relu", 0), se+"conv_1", expanded, 1, same)
			// A hard sigmoid of its parts: relu6(y + 3) / 6.
			y = n.operation("Multiply", n.relu(n.operation("Add", y, 3), "", 6), 1.0/6)
			x = n.many("Multiply", se+"mul", 0, x, y)
		}
		x = n.norm(n.conv(x, prefix+"project", b.filters, 1, same|noBias), prefix+"project_bn", 0)
		if x.size == in.size && x.channels == in.channels {
			x = n.add(prefix+"add", in, x)
		}
	}
	x = n.conv(x, "conv_1", divisible(float64(x.channels*6), true), 1, same|noBias)
	x = activate(n.norm(x, "conv_1_bn", 0), true)
	x = n.globalAverage(x, "", keep)
	x = activate(n.conv(x, "conv_2", last, 1, same), true)
	x = n.with("Dropout", "", x, "rate", 0.2)
	x = n.conv(x, "logits", classes, 1, same)
	x = n.one("Flatten", "", x, 0)
	return n.end(n.activation(x, "predictions", softmax))
}
