package zoo

import "fmt"

// DenseNet: Huang et al., Densely Connected Convolutional Networks, 2016.
var densenet = []Entry{
	{"DenseNet121", "every layer reads all before it, 121 layers", 224, func(size int) *network { return buildDenseNet("densenet121", size, [4]int{6, 12, 24, 16}) }},
	{"DenseNet169", "every layer reads all before it, 169 layers", 224, func(size int) *network { return buildDenseNet("densenet169", size, [4]int{6, 12, 32, 32}) }},
	{"DenseNet201", "every layer reads all before it, 201 layers", 224, func(size int) *network { return buildDenseNet("densenet201", size, [4]int{6, 12, 48, 32}) }},
}

func buildDenseNet(name string, size int, depths [4]int) *network {
	const growth = 32
	n, x := start(name, size)
	normRelu := func(x tensor, prefix string) tensor {
		return n.activation(n.norm(x, prefix+"bn", precise), prefix+"relu", relu)
	}
	x = n.pad(x, "", 3, 3)
	x = normRelu(n.conv(x, "conv1_conv", 64, 7, halve|noBias), "conv1_")
	x = n.pad(x, "", 1, 1)
	x = n.pool(x, "pool1", "Max", 3, halve)
	for s, depth := range depths {
		for b := range depth {
			prefix := fmt.Sprintf("conv%d_block%d_", s+2, b+1)
			y := n.conv(normRelu(x, prefix+"0_"), prefix+"1_conv", 4*growth, 1, noBias)
			y = n.conv(normRelu(y, prefix+"1_"), prefix+"2_conv", growth, 3, same|noBias)
			x = n.concat(prefix+"concat", x, y)
		}
		if s < len(depths)-1 {
			prefix := fmt.Sprintf("pool%d_", s+2)
			x = n.conv(normRelu(x, prefix), prefix+"conv", x.channels/2, 1, noBias)
			x = n.pool(x, prefix+"pool", "Average", 2, halve)
		}
	}
	return n.classify(normRelu(x, ""), "avg_pool")
}
