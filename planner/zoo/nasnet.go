package zoo

import "fmt"

// NASNet: Zoph et al., Learning Transferable Architectures for Scalable Image Recognition, 2017.
var nasnet = []Entry{
	{"NASNetMobile", "cells found by search, small", 224, func(size int) *network {
		return buildNASNet("nasnet_mobile", size, 1056, 4, 32, false)
	}},
	{"NASNetLarge", "cells found by search, the largest here", 331, func(size int) *network {
		return buildNASNet("nasnet_large", size, 4032, 6, 96, true)
	}},
}

// nasnetCells wires the cells. Each reads the output of the cell before and of the one before that.
type nasnetCells struct{ *network }

func buildNASNet(name string, size, penultimate, blocks, stem int, skipReduction bool) *network {
	plain, x := start(name, size)
	n := nasnetCells{plain}
	filters := penultimate / 24
	x = n.norm(n.conv(x, "stem_conv1", stem, 3, halve|noBias), "stem_bn1", 0)
	p := n.reduction(&x, tensor{}, filters/4, "stem_1")
	p = n.reduction(&x, p, filters/2, "stem_2")
	first := 0 // number of the next normal cell
	for s := range 3 {
		if s > 0 {
			first = blocks*s + 1
			before := n.reduction(&x, p, filters<<s, fmt.Sprintf("reduce_%d", blocks*s))
			if !skipReduction {
				p = before
			}
		}
		for i := range blocks {
			p = n.normal(&x, p, filters<<s, fmt.Sprint(first+i))
		}
	}
	return n.classify(n.activation(x, "", relu), "")
}

// normal is a cell that keeps the image's size; it puts its output into x and gives what x was.
func (n nasnetCells) normal(x *tensor, p tensor, filters int, id string) tensor {
	in := *x
	p = n.adjust(p, in, filters, id)
	h := n.norm(n.conv(n.activation(in, "", relu), "normal_conv_1_"+id, filters, 1, same|noBias), "normal_bn_1_"+id, 0)
	average := func(x tensor, name string) tensor { return n.pool(x, name+id, "Average", 3, same) }
	x1 := n.add("normal_add_1_"+id, n.separable(h, filters, 5, 1, "normal_left1_"+id), n.separable(p, filters, 3, 1, "normal_right1_"+id))
	x2 := n.add("normal_add_2_"+id, n.separable(p, filters, 5, 1, "normal_left2_"+id), n.separable(p, filters, 3, 1, "normal_right2_"+id))
	x3 := n.add("normal_add_3_"+id, average(h, "normal_left3_"), p)
	x4 := n.add("normal_add_4_"+id, average(p, "normal_left4_"), average(p, "normal_right4_"))
	x5 := n.add("normal_add_5_"+id, n.separable(h, filters, 3, 1, "normal_left5_"+id), h)
	*x = n.concat("normal_concat_"+id, p, x1, x2, x3, x4, x5)
	return in
}

// reduction is a cell that halves the image.
func (n nasnetCells) reduction(x *tensor, p tensor, filters int, id string) tensor {
	in := *x
	p = n.adjust(p, in, filters, id)
	h := n.norm(n.conv(n.activation(in, "", relu), "reduction_conv_1_"+id, filters, 1, same|noBias), "reduction_bn_1_"+id, 0)
	padded := n.padFor(h, "reduction_pad_1_"+id, 3)
	x1 := n.add("reduction_add_1_"+id, n.separable(h, filters, 5, 2, "reduction_left1_"+id), n.separable(p, filters, 7, 2, "reduction_right1_"+id))
	x2 := n.add("reduction_add_2_"+id, n.pool(padded, "reduction_left2_"+id, "Max", 3, halve), n.separable(p, filters, 7, 2, "reduction_right2_"+id))
	x3 := n.add("reduction_add3_"+id, n.pool(padded, "reduction_left3_"+id, "Average", 3, halve), n.separable(p, filters, 5, 2, "reduction_right3_"+id))
	x4 := n.add("", x2, n.pool(x1, "reduction_left4_"+id, "Average", 3, same))
	x5 := n.add("reduction_add4_"+id, n.separable(x1, filters, 3, 1, "reduction_left4_"+id), n.pool(padded, "reduction_right5_"+id, "Max", 3, halve))
	*x = n.concat("reduction_concat_"+id, x2, x3, x4, x5)
	return in
}

// separable is two separable convolutions, each rectified before and normalised after.
func (n nasnetCells) separable(x tensor, filters, kernel, step int, id string) tensor {
	x = n.activation(x, "", relu)
	first := "separable_conv_1_" + id
	if step == 2 {
		x = n.network.separable(n.padFor(x, "separable_conv_1_pad_"+id, kernel), first, filters, kernel, halve)
	} else {
		x = n.network.separable(x, first, filters, kernel, same)
	}
	x = n.activation(n.norm(x, "separable_conv_1_bn_"+id, 0), "", relu)
	return n.norm(n.network.separable(x, "separable_conv_2_"+id, filters, kernel, same), "separable_conv_2_bn_"+id, 0)
}

// adjust makes p fit the image size of x and the number of filters; where nothing comes before x it is x.
func (n nasnetCells) adjust(p, x tensor, filters int, id string) tensor {
	switch {
	case p.layer == nil:
		return x
	case p.size != x.size: // two paths, one of them shifted by a pixel, so that no pixel is lost
		p = n.activation(p, "adjust_relu_1_"+id, relu)
		path := func(p tensor, number int) tensor {
			p = n.pool(p, fmt.Sprintf("adjust_avg_pool_%d_%s", number, id), "Average", 1, halve)
			return n.conv(p, fmt.Sprintf("adjust_conv_%d_%s", number, id), filters/2, 1, same|noBias)
		}
		one := path(p, 1)
		shifted := n.with("Cropping2D", "", n.pad(p, "", 0, 1), "cropping", [][]int{{1, 0}, {1, 0}})
		shifted.size--
		return n.norm(n.concat("", one, path(shifted, 2)), "adjust_bn_"+id, 0)
	case p.channels != filters:
		p = n.conv(n.activation(p, "", relu), "adjust_conv_projection_"+id, filters, 1, same|noBias)
		return n.norm(p, "adjust_bn_"+id, 0)
	}
	return p
}
