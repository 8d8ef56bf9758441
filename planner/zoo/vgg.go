package zoo

import "fmt"

// VGG: Simonyan and Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, 2014.
var vgg = []Entry{
	{"VGG16", "13 plain convolutions, 3 dense layers", 224, func(size int) *network { return buildVGG("vgg16", size, [5]int{2, 2, 3, 3, 3}) }},
	{"VGG19", "16 plain convolutions, 3 dense layers", 224, func(size int) *network { return buildVGG("vgg19", size, [5]int{2, 2, 4, 4, 4}) }},
}

func buildVGG(name string, size int, depths [5]int) *network {
	n, x := start(name, size)
	for b, depth := range depths {
		for c := range depth {
			x = n.conv(x, fmt.Sprintf("block%d_conv%d", b+1, c+1), min(512, 64<<b), 3, same|relu)
		}
		x = n.pool(x, fmt.Sprintf("block%d_pool", b+1), "Max", 2, halve)
	}
	x = n.one("Flatten", "flatten", x, 0)
	x = n.dense(x, "fc1", 4096, relu)
	x = n.dense(x, "fc2", 4096, relu)
	return n.end(n.dense(x, "predictions", classes, softmax))
}
