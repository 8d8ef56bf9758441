package keras

import (
	"fmt"

	"partita/planner/graph"
)

// Layers that keras.applications defines for its own networks.
func init() {
	// InceptionResNetV2: shortcut + residual * scale.
	register(func(o *options) operation {
		o.fromApplications("inception_resnet_v2")
		return &scaled{o.number(1, "scale")}
	}, "CustomScaleLayer")
	// ConvNeXt: a factor for each channel.
	register(func(o *options) operation {
		o.fromApplications("convnext")
		o.ignore("init_values")
		return &layerScale{o.required("projection_dim")}
	}, "LayerScale")
	// ConvNeXt: leaves whole branches out in training.
	register(func(o *options) operation {
		o.fromApplications("convnext")
		o.ignore("drop_path_rate")
		return elementwise{}
	}, "StochasticDepth")
}

// fromApplications refuses a class that has the name of one of a module of keras.applications and comes from elsewhere.
// Files in HDF5 do not say where a class comes from: that the options are those of the known class must do.
func (o *options) fromApplications(module string) {
	switch from := o.layer.module; from {
	case "", "keras.src.applications." + module, "keras.applications." + module:
	default:
		o.unsupported("replace it by layers of Keras and save again", "a class of %q", from)
	}
}

type scaled struct{ scale float64 }

func (s *scaled) lower(l *lowering, in []*tensor) (*tensor, error) {
	if len(in) != 2 || !in[0].shape.Equal(in[1].shape) {
		return nil, wrongOperands(in)
	}
	values, form, err := l.together(in)
	if err != nil {
		return nil, err
	}
	c := &formula{l: l}
	v := c.op("Add", values[0], c.op("Mul", values[1], c.number(s.scale)))
	return c.tensor(v, form)
}

// layerScale multiplies each channel, the last axis, with a stored factor.
type layerScale struct{ channels int64 }

func (s *layerScale) lower(l *lowering, in []*tensor) (*tensor, error) {
	t, err := wantOne(in)
	if err != nil {
		return nil, err
	}
	form, rank := t.form(), len(t.shape)
	if rank < 2 || t.shape[rank-1] != s.channels {
		return nil, wrongOperands(in)
	}
	shape := graph.Shape{s.channels}
	if form == channelsFirst {
		for axis := physical(rank-1, rank, form); axis < rank-1; axis++ {
			shape = append(shape, 1)
		}
	}
	gamma, err := l.weight("gamma", graph.Shape{s.channels}, nil, shape)
	if err != nil {
		return nil, err
	}
	v, err := l.emit("Mul", []graph.ValueID{t.values[form], gamma})
	if err != nil {
		return nil, err
	}
	return l.tensorOf(v, form), nil
}

func wrongOperands(in []*tensor) error {
	return fmt.Errorf("it does not take tensors of the shapes %s", shapesOf(in))
}
