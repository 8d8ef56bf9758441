//go:build cgo

package split

import (
	"fmt"
	"testing"
)

// refConv is a convolution on channels-last data with a kernel (window, in/groups, out), with these pads in front.
func refConv(x, kernel, bias *array, strides, dilation, before, out []int, groups int) *array {
	r := len(strides)
	filters := kernel.shape[r+1]
	depth := kernel.shape[r]
	y := zeros(append(append([]int{x.shape[0]}, out...), filters)...)
	from := make([]int, r+2)
	each(y.shape, func(o []int) {
		f := o[r+1]
		group := f / (filters / groups)
		sum := 0.0
		each(kernel.shape[:r+1], func(k []int) {
			from[0] = o[0]
			for a := range r {
				if from[a+1] = o[a+1]*strides[a] + k[a]*dilation[a] - before[a]; from[a+1] < 0 || from[a+1] >= x.shape[a+1] {
					return
				}
			}
			from[r+1] = group*depth + k[r]
			sum += x.at(from...) * kernel.at(append(append([]int{}, k...), f)...)
		})
		if bias != nil {
			sum += bias.data[f]
		}
		y.set(sum, o...)
	})
	return y
}

// refWindow gives the padding in front and the positions of a window.
func refWindow(padding string, in, size, stride, dilation int) (before, out int) {
	reach := (size-1)*dilation + 1
	switch padding {
	case "same":
		out = (in + stride - 1) / stride
		if total := (out-1)*stride + reach - in; total > 0 {
			before = total / 2
		}
		return before, out
	case "causal":
		return reach - 1, (in-1)/stride + 1
	}
	return 0, (in-reach)/stride + 1
}

// refTransposed spreads each input over its window, then cuts.
func refTransposed(x, kernel, bias *array, strides, dilation []int, padding string, extra []int) *array {
	r := len(strides)
	filters := kernel.shape[r]
	shape, first := []int{x.shape[0]}, make([]int, r)
	for a := range r {
		reach, in, s := (kernel.shape[a]-1)*dilation[a]+1, x.shape[a+1], strides[a]
		length := (in-1)*s + max(reach, s)
		switch {
		case padding == "same" && extra == nil:
			length = in * s
			first[a] = max(reach-s, 0) / 2
		case padding == "same":
			length = (in-1)*s + reach%2 + extra[a]
			first[a] = max((in-1)*s+reach-length, 0) / 2
		case extra != nil:
			length = (in-1)*s + reach + extra[a]
		}
		shape = append(shape, length)
	}
	y := zeros(append(shape, filters)...)
	to := make([]int, r+2)
	each(x.shape, func(i []int) {
		each(kernel.shape[:r+1], func(k []int) {
			to[0], to[r+1] = i[0], k[r]
			for a := range r {
				if to[a+1] = i[a+1]*strides[a] + k[a]*dilation[a] - first[a]; to[a+1] < 0 || to[a+1] >= y.shape[a+1] {
					return
				}
			}
			y.data[y.offset(to)] += x.at(i...) * kernel.at(append(append([]int{}, k...), i[r+1])...)
		})
	})
	if bias != nil {
		each(y.shape, func(o []int) { y.data[y.offset(o)] += bias.data[o[r+1]] })
	}
	return y
}

var spatial = [][]int{1: {11}, 2: {7, 9}, 3: {5, 6, 4}}

func uniform(n, rank int) []int {
	list := make([]int, rank)
	for i := range list {
		list[i] = n
	}
	return list
}

// layoutOf gives the input's shape, and how to bring arrays to channels last and back.
func layoutOf(format string, rank, channels int) (shape []int, in, out func(*array) *array) {
	if format == "channels_first" {
		return append([]int{channels}, spatial[rank]...), (*array).channelsLast, (*array).channelsFirst
	}
	same := func(a *array) *array { return a }
	return append(append([]int{}, spatial[rank]...), channels), same, same
}

func TestConvolutions(t *testing.T) {
	runtimeReady(t)
	for rank := 1; rank <= 3; rank++ {
		for _, format := range []string{"channels_last", "channels_first"} {
			for _, padding := range []string{"valid", "same", "causal"} {
				for _, v := range []struct{ size, stride, dilation, groups int }{{3, 1, 1, 1}, {2, 2, 1, 2}, {3, 2, 1, 1}, {2, 1, 2, 1}, {1, 2, 1, 1}, {4, 1, 1, 2}} {
					if padding == "causal" && rank > 1 {
						continue
					}
					what := fmt.Sprintf("Conv%dD %s %s %+v", rank, format, padding, v)
					shape, in, out := layoutOf(format, rank, 4)
					r := newTrial(t, sequential(3, "float32", shape, fmt.Sprintf("Conv%dD", rank), object{"filters": 6, "kernel_size": uniform(v.size, rank),
						"strides": uniform(v.stride, rank), "dilation_rate": uniform(v.dilation, rank), "padding": padding, "groups": v.groups, "data_format": format}), nil)
					r.check(what, out(r.conv(in(r.given["x"]), "l1/kernel", "l1/bias", padding, v.size, v.stride, v.dilation, v.groups)))
					if v.groups > 1 || rank > 2 || padding == "causal" && v.stride > 1 {
						continue
					}
					for _, separable := range []bool{false, true} {
						class, o := fmt.Sprintf("DepthwiseConv%dD", rank), object{"kernel_size": uniform(v.size, rank), "strides": uniform(v.stride, rank),
							"dilation_rate": uniform(v.dilation, rank), "padding": padding, "depth_multiplier": 2, "data_format": format}
						if separable {
							class = fmt.Sprintf("SeparableConv%dD", rank)
							o["filters"] = 5
						} else if padding == "causal" {
							continue
						}
						r := newTrial(t, sequential(3, "float32", shape, class, o), nil)
						// A depthwise kernel (window, channel, multiplier) is one of groups of a channel each.
						stored := r.weights["l1/depthwise_kernel"]
						kernel := zeros(append(uniform(v.size, rank), 1, 8)...)
						copy(kernel.data, stored.data)
						r.weights["depthwise"] = kernel
						bias := "l1/bias"
						if separable {
							bias = ""
						}
						y := r.conv(in(r.given["x"]), "depthwise", bias, padding, v.size, v.stride, v.dilation, 4)
						if separable {
							y = r.conv(y, "l1/pointwise_kernel", "l1/bias", "valid", 1, 1, 1, 1)
						}
						r.check(fmt.Sprintf("%s %s %s %+v", class, format, padding, v), out(y))
					}
				}
			}
		}
	}
}

func (r *trial) conv(x *array, kernel, bias, padding string, size, stride, dilation, groups int) *array {
	n := len(x.shape) - 2
	before, out := make([]int, n), make([]int, n)
	for a := range n {
		before[a], out[a] = refWindow(padding, x.shape[a+1], size, stride, dilation)
	}
	return refConv(x, r.weights[kernel], r.weights[bias], uniform(stride, n), uniform(dilation, n), before, out, groups)
}

func TestTransposedConvolutions(t *testing.T) {
	runtimeReady(t)
	for rank := 1; rank <= 3; rank++ {
		for _, format := range []string{"channels_last", "channels_first"} {
			for _, padding := range []string{"valid", "same"} {
				for _, v := range []struct{ size, stride, dilation, extra int }{{3, 2, 1, -1}, {2, 3, 1, -1}, {4, 2, 1, -1}, {3, 1, 2, -1}, {3, 2, 1, 1}, {3, 2, 1, 0},
					{5, 2, 1, 1}, {1, 2, 1, -1}} {
					o := object{"filters": 3, "kernel_size": uniform(v.size, rank), "strides": uniform(v.stride, rank), "dilation_rate": uniform(v.dilation, rank),
						"padding": padding, "data_format": format}
					var extra []int
					if v.extra >= 0 {
						extra = uniform(v.extra, rank)
						o["output_padding"] = extra
					}
					shape, in, out := layoutOf(format, rank, 4)
					r := newTrial(t, sequential(3, "float32", shape, fmt.Sprintf("Conv%dDTranspose", rank), o), nil)
					r.check(fmt.Sprintf("rank %d %s %s %+v", rank, format, padding, v), out(refTransposed(in(r.given["x"]), r.weights["l1/kernel"], r.weights["l1/bias"],
						uniform(v.stride, rank), uniform(v.dilation, rank), padding, extra)))
				}
			}
		}
	}
}

func TestPoolings(t *testing.T) {
	runtimeReady(t)
	for rank := 1; rank <= 3; rank++ {
		for _, format := range []string{"channels_last", "channels_first"} {
			shape, in, out := layoutOf(format, rank, 3)
			for _, kind := range []string{"Max", "Average"} {
				for _, padding := range []string{"valid", "same"} {
					for _, v := range [][2]int{{2, 2}, {3, 2}, {3, 1}, {2, 3}} {
						class := fmt.Sprintf("%sPooling%dD", kind, rank)
						r := newTrial(t, sequential(3, "float32", shape, class, object{"pool_size": uniform(v[0], rank), "strides": uniform(v[1], rank),
							"padding": padding, "data_format": format}), nil)
						r.check(fmt.Sprint(class, format, padding, v), out(refPool(in(r.given["x"]), kind == "Max", padding, v[0], v[1])))
					}
				}
				r := newTrial(t, sequential(3, "float32", shape, fmt.Sprintf("Global%sPooling%dD", kind, rank), object{"data_format": format, "keepdims": true}), nil)
				r.check("global "+kind, out(refAdaptive(in(r.given["x"]), kind == "Max", uniform(1, rank))))
				size := []int{3, 2, 4}[:rank]
				r = newTrial(t, sequential(3, "float32", shape, fmt.Sprintf("Adaptive%sPooling%dD", kind, rank), object{"output_size": size, "data_format": format}), nil)
				r.check("adaptive "+kind, out(refAdaptive(in(r.given["x"]), kind == "Max", size)))
			}
			r := newTrial(t, sequential(3, "float32", shape, fmt.Sprintf("UpSampling%dD", rank), object{"size": []int{2, 3, 2}[:rank], "data_format": format}), nil)
			x := in(r.given["x"])
			grown := append([]int{}, x.shape...)
			for a := range rank {
				grown[a+1] *= []int{2, 3, 2}[a]
			}
			y := zeros(grown...)
			each(y.shape, func(o []int) {
				from := append([]int{}, o...)
				for a := range rank {
					from[a+1] /= []int{2, 3, 2}[a]
				}
				y.set(x.at(from...), o...)
			})
			r.check("up", out(y))
			for _, crop := range []bool{false, true} {
				pairs := [][]int{{1, 2}, {0, 1}, {2, 0}}[:rank]
				class, o := fmt.Sprintf("ZeroPadding%dD", rank), object{"padding": pairs, "data_format": format}
				if crop {
					class, o = fmt.Sprintf("Cropping%dD", rank), object{"cropping": pairs, "data_format": format}
				}
				if rank == 1 {
					for _, k := range []string{"padding", "cropping"} {
						if o[k] != nil {
							o[k] = pairs[0]
						}
					}
				}
				r := newTrial(t, sequential(3, "float32", shape, class, o), nil)
				x := in(r.given["x"])
				grown := append([]int{}, x.shape...)
				sign := 1
				if crop {
					sign = -1
				}
				for a := range rank {
					grown[a+1] += sign * (pairs[a][0] + pairs[a][1])
				}
				y := zeros(grown...)
				each(y.shape, func(o []int) {
					from := append([]int{}, o...)
					for a := range rank {
						if from[a+1] -= sign * pairs[a][0]; from[a+1] < 0 || from[a+1] >= x.shape[a+1] {
							return
						}
					}
					y.set(x.at(from...), o...)
				})
				r.check(class+format, out(y))
			}
		}
	}
}

// refPool takes the largest, or the mean without padding, of each window.
func refPool(x *array, largest bool, padding string, size, stride int) *array {
	n := len(x.shape) - 2
	before, shape := make([]int, n), []int{x.shape[0]}
	for a := range n {
		b, out := refWindow(padding, x.shape[a+1], size, stride, 1)
		before[a], shape = b, append(shape, out)
	}
	y := zeros(append(shape, x.shape[n+1])...)
	each(y.shape, func(o []int) {
		least, most := make([]int, n), make([]int, n)
		for a := range n {
			least[a] = max(o[a+1]*stride-before[a], 0)
			most[a] = min(o[a+1]*stride-before[a]+size, x.shape[a+1])
		}
		y.set(refRegion(x, o, least, most, largest), o...)
	})
	return y
}

func refAdaptive(x *array, largest bool, size []int) *array {
	n := len(size)
	y := zeros(append(append([]int{x.shape[0]}, size...), x.shape[n+1])...)
	each(y.shape, func(o []int) {
		least, most := make([]int, n), make([]int, n)
		for a := range n {
			in := x.shape[a+1]
			least[a], most[a] = o[a+1]*in/size[a], ((o[a+1]+1)*in+size[a]-1)/size[a]
		}
		y.set(refRegion(x, o, least, most, largest), o...)
	})
	return y
}

func refRegion(x *array, o, least, most []int, largest bool) float64 {
	n := len(least)
	shape := make([]int, n)
	for a := range n {
		shape[a] = most[a] - least[a]
	}
	sum, best, count := 0.0, 0.0, 0
	at := append([]int{}, o...)
	each(shape, func(k []int) {
		for a := range n {
			at[a+1] = least[a] + k[a]
		}
		v := x.at(at...)
		if sum += v; count == 0 || v > best {
			best = v
		}
		count++
	})
	if largest {
		return best
	}
	return sum / float64(count)
}
