package zoo

import "fmt"

// ResNet: He et al., Deep Residual Learning for Image Recognition, 2015.
var resnet = []Entry{
	{"ResNet50", "residual blocks, 50 layers deep", 224, func(size int) *network { return buildResNet("resnet50", size, [4]int{3, 4, 6, 3}) }},
	{"ResNet101", "residual blocks, 101 layers deep", 224, func(size int) *network { return buildResNet("resnet101", size, [4]int{3, 4, 23, 3}) }},
	{"ResNet152", "residual blocks, 152 layers deep", 224, func(size int) *network { return buildResNet("resnet152", size, [4]int{3, 8, 36, 3}) }},
}

// ResNetV2 normalises before it convolves: He et al., Identity Mappings in Deep Residual Networks, 2016.
var resnetV2 = []Entry{
	{"ResNet50V2", "pre-activation residual blocks, 50 layers deep", 224, func(size int) *network { return buildResNetV2("resnet50v2", size, [4]int{3, 4, 6, 3}) }},
	{"ResNet101V2", "pre-activation residual blocks, 101 layers deep", 224, func(size int) *network { return buildResNetV2("resnet101v2", size, [4]int{3, 4, 23, 3}) }},
	{"ResNet152V2", "pre-activation residual blocks, 152 layers deep", 224, func(size int) *network { return buildResNetV2("resnet152v2", size, [4]int{3, 8, 36, 3}) }},
}

func buildResNet(name string, size int, depths [4]int) *network {
	n, x := start(name, size)
	normRelu := func(x tensor, prefix string) tensor {
		return n.activation(n.norm(x, prefix+"_bn", precise), prefix+"_relu", relu)
	}
	x = n.pad(x, "conv1_pad", 3, 3)
	x = normRelu(n.conv(x, "conv1_conv", 64, 7, halve), "conv1")
	x = n.pad(x, "pool1_pad", 1, 1)
	x = n.pool(x, "pool1_pool", "Max", 3, halve)
	for s, depth := range depths {
		filters := 64 << s
		for b := range depth {
			prefix := fmt.Sprintf("conv%d_block%d", s+2, b+1)
			shortcut, step := x, flags(0)
			if b == 0 {
				if s > 0 {
					step = halve
				}
				shortcut = n.norm(n.conv(x, prefix+"_0_conv", 4*filters, 1, step), prefix+"_0_bn", precise)
			}
			y := normRelu(n.conv(x, prefix+"_1_conv", filters, 1, step), prefix+"_1")
			y = normRelu(n.conv(y, prefix+"_2_conv", filters, 3, same), prefix+"_2")
			y = n.norm(n.conv(y, prefix+"_3_conv", 4*filters, 1, 0), prefix+"_3_bn", precise)
			x = n.activation(n.add(prefix+"_add", shortcut, y), prefix+"_out", relu)
		}
	}
	return n.classify(x, "avg_pool")
}

func buildResNetV2(name string, size int, depths [4]int) *network {
	n, x := start(name, size)
	normRelu := func(x tensor, prefix string) tensor {
		return n.activation(n.norm(x, prefix+"_bn", precise), prefix+"_relu", relu)
	}
	x = n.pad(x, "conv1_pad", 3, 3)
	x = n.conv(x, "conv1_conv", 64, 7, halve)
	x = n.pad(x, "pool1_pad", 1, 1)
	x = n.pool(x, "pool1_pool", "Max", 3, halve)
	for s, depth := range depths {
		filters := 64 << s
		for b := range depth {
			prefix := fmt.Sprintf("conv%d_block%d", s+2, b+1)
			step := flags(0)
			if b == depth-1 && s < len(depths)-1 { // here the last block of a stack makes the image smaller
				step = halve
			}
			before := normRelu(x, prefix+"_preact")
			shortcut := x
			switch {
			case b == 0:
				shortcut = n.conv(before, prefix+"_0_conv", 4*filters, 1, step)
			case step != 0:
				shortcut = n.pool(x, "", "Max", 1, halve)
			}
			y := normRelu(n.conv(before, prefix+"_1_conv", filters, 1, noBias), prefix+"_1")
			y = n.pad(y, prefix+"_2_pad", 1, 1)
			y = normRelu(n.conv(y, prefix+"_2_conv", filters, 3, step|noBias), prefix+"_2")
			y = n.conv(y, prefix+"_3_conv", 4*filters, 1, 0)
			x = n.add(prefix+"_out", shortcut, y)
		}
	}
	return n.classify(normRelu(x, "post"), "avg_pool")
}
