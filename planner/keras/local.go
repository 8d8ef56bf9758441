package keras

import (
	"fmt"

	"partita/planner/graph"
)

func init() {
	for rank, class := range []string{1: "LocallyConnected1D", 2: "LocallyConnected2D"} {
		if class == "" {
			continue
		}
		register(func(o *options) operation {
			c := &locallyConnected{filters: o.required("filters", "nb_filter")}
			first := o.layer.options["data_format"] == "channels_first" || o.layer.options["dim_ordering"] == "th"
			c.read(o, rank)
			if n := o.integer(1, 1, "implementation"); n != 1 {
				o.unsupported("use implementation 1", "implementation %d, which stores its kernels in another form", n)
			}
			if first {
				o.unsupported("use channels_last", "it takes channels first")
			}
			if c.same {
				o.unsupported("use padding valid", "padding same")
			}
			o.ignore("input_dim", "input_length")
			return c
		}, class)
	}
}

// locallyConnected is a convolution with a kernel and a bias of its own at every position.
type locallyConnected struct {
	filter
	filters int64
}

func (c *locallyConnected) lower(l *lowering, in []*tensor) (*tensor, error) {
	x, shape, err := c.input(l, in)
	if err != nil {
		return nil, err
	}
	f := &formula{l: l}
	patches, err := f.patches(x, &c.window)
	if err != nil {
		return nil, err
	}
	of := l.g.Values[patches].Shape
	depth, space := graph.Shape(c.size).Elements(1)*shape[1], of[2:]
	if of[1] != depth {
		return nil, fmt.Errorf("its window %v does not fit %s", c.size, shape)
	}
	positions := graph.Shape(space).Elements(1)
	stored := graph.Shape{positions, depth, c.filters}
	kernel, err := l.weight("kernel", stored, nil, stored)
	if err != nil {
		return nil, err
	}
	y := f.op("Reshape", patches, l.integers("positions", []int64{0, depth, positions}))
	y = f.turn(f.op("MatMul", f.turn(y, 2, 0, 1), kernel), 1, 0, 2)
	if c.bias {
		bias, err := l.weight("bias", append(append(graph.Shape{}, space...), c.filters), nil, graph.Shape{positions, c.filters})
		if err != nil {
			return nil, err
		}
		y = f.op("Add", y, bias)
	}
	y = f.op("Reshape", y, l.integers("space", append(append([]int64{0}, space...), c.filters)))
	if f.err != nil {
		return nil, f.err
	}
	return c.activation.apply(l, l.tensorOf(y, asSource), nil)
}
