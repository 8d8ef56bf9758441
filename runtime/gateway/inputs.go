package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"slices"
	"strings"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/runtime/npy"
	"partita/runtime/pickle"
	"partita/runtime/wire"
)

// batch is what a request puts into the model: one tensor per input, under the graph's names.
type batch struct {
	items   int64
	tensors []wire.Tensor
	batched []bool // which of the tensors have the batch as their first dimension
}

// slice gives the tensors of a pass: the items from first on, at most count. They share the batch's memory.
func (b *batch) slice(first, count int64) []wire.Tensor {
	last := min(first+count, b.items)
	tensors := slices.Clone(b.tensors)
	for i := range tensors {
		t := &tensors[i]
		if !b.batched[i] || b.items == 0 {
			continue
		}
		item := int64(len(t.Data)) / b.items
		t.Shape = append([]int64{last - first}, t.Shape[1:]...)
		t.Data = t.Data[first*item : last*item : last*item]
	}
	return tensors
}

// decode makes the model's inputs of what the user sent. Several inputs under one name are put together as one batch.
func (g *Gateway) decode(ctx context.Context, event *wire.GatewayEvent) (*batch, error) {
	const doing = "reading the inputs"
	named := make([][]*npy.Array, len(g.manifest.Inputs))
	preprocess := event.Preprocess
	if preprocess == "" {
		preprocess = g.manifest.Preprocess
	}
	// What a request may decode to: a third of the memory, for there are a payload and a pass beside it.
	room := g.memory / 3
	for k := range event.Inputs {
		in := &event.Inputs[k]
		i, err := g.inputNamed(in.Name)
		if err != nil {
			return nil, err
		}
		spec := &g.manifest.Inputs[i]
		data, err := g.contents(ctx, in, room)
		if err != nil {
			return nil, err
		}
		a, err := g.read(in, data, spec, preprocess)
		if err != nil {
			return nil, withInput(err, spec.Name)
		}
		if a, err = fit(a, spec); err != nil {
			return nil, err
		}
		if room -= int64(len(a.Data)); room < 0 {
			return nil, diag.New(diag.Limit, "gateway.batch-too-large", doing, fmt.Sprintf("the inputs take more than a third of the gateway's %d MB of memory", g.memory>>20), "send a smaller batch, or give the gateway more memory")
		}
		named[i] = append(named[i], a)
	}
	b := &batch{items: -1}
	for i := range g.manifest.Inputs {
		spec := &g.manifest.Inputs[i]
		a, err := concatenate(named[i], spec)
		if err != nil {
			return nil, err
		}
		if spec.Batched() {
			if b.items >= 0 && a.Shape[0] != b.items {
				return nil, bad("gateway.mixed-batches", doing, fmt.Sprintf("input %q has %d items, the inputs before it %d", spec.Name, a.Shape[0], b.items), "send as many items for every input")
			}
			b.items = a.Shape[0]
		}
		b.batched = append(b.batched, spec.Batched())
		b.tensors = append(b.tensors, wire.Tensor{TensorSpec: wire.TensorSpec{Name: g.manifest.InputNames[i], DType: a.DType, Shape: a.Shape}, Data: a.Data})
	}
	if b.items < 0 {
		b.items = 1
	}
	return b, nil
}

func withInput(err error, input string) error {
	e := diag.As(err)
	if e == nil {
		return err
	}
	named := *e
	named.Doing = fmt.Sprintf("reading input %q: %s", input, e.Doing)
	return &named
}

func (g *Gateway) inputNamed(name string) (int, error) {
	const doing = "reading the inputs"
	if name == "" && len(g.manifest.Inputs) == 1 {
		return 0, nil
	}
	var names []string
	for i := range g.manifest.Inputs {
		if g.manifest.Inputs[i].Name == name {
			return i, nil
		}
		names = append(names, g.manifest.Inputs[i].Name)
	}
	if name == "" {
		return 0, bad("gateway.unnamed-input", doing, fmt.Sprintf("an input has no name, and the model has several: %s", strings.Join(names, ", ")), "name each input, as in name=file")
	}
	return 0, bad("gateway.unknown-input", doing, fmt.Sprintf("the model has no input %q; it has %s", name, strings.Join(names, ", ")), "use the model's name of the input")
}

// contents gives an input's bytes: those of the event or those of the object that it names. Only objects of the
// deployment's own folder are read: the gateway's permissions are not the caller's.
func (g *Gateway) contents(ctx context.Context, in *wire.Input, room int64) ([]byte, error) {
	o := in.Object
	if o == nil {
		return in.Data, nil
	}
	const doing = "reading the inputs"
	if o.Bucket != g.manifest.Bucket || g.manifest.KeyPrefix == "" || !strings.HasPrefix(o.Key, g.manifest.KeyPrefix) {
		return nil, diag.New(diag.Limit, "gateway.foreign-object", doing, fmt.Sprintf("s3://%s/%s is not in the deployment's own folder s3://%s/%s", o.Bucket, o.Key, g.manifest.Bucket, g.manifest.KeyPrefix), "put the input there")
	}
	if o.Bytes < 0 || o.Bytes > room {
		return nil, diag.New(diag.Limit, "gateway.batch-too-large", doing, fmt.Sprintf("an input has %d bytes, more than a third of the gateway's %d MB of memory", o.Bytes, g.memory>>20), "send a smaller batch, or give the gateway more memory")
	}
	return g.store.Get(ctx, *o)
}

// mediaType tells what an input is: arrays by the declared type, images and all else by content.
func mediaType(declared string, data []byte) string {
	kind, _, _ := mime.ParseMediaType(declared)
	switch kind {
	case wire.TypeNPY, wire.TypePickle, wire.TypeJSON:
		return kind
	}
	first := bytes.TrimLeft(data[:min(len(data), 64)], " \t\r\n")
	switch {
	case npy.Is(data):
		return wire.TypeNPY
	case bytes.HasPrefix(data, []byte("\x89PNG\r\n\x1a\n")):
		return wire.TypePNG
	case bytes.HasPrefix(data, []byte{0xff, 0xd8, 0xff}):
		return wire.TypeJPEG
	case len(data) >= 12 && string(data[:4]) == "RIFF" && string(data[8:12]) == "WEBP":
		return wire.TypeWebP
	case len(first) > 0 && (first[0] == '{' || first[0] == '['), len(data) <= 64 && json.Valid(data):
		return wire.TypeJSON // a short one may be a single number
	case pickle.Is(data):
		return wire.TypePickle
	}
	return ""
}

func (g *Gateway) read(in *wire.Input, data []byte, spec *wire.TensorSpec, preprocess string) (*npy.Array, error) {
	if len(data) == 0 {
		return nil, bad("gateway.empty-input", "telling what it is", "it is empty", "send a file with something in it")
	}
	switch kind := mediaType(in.ContentType, data); kind {
	case wire.TypeNPY:
		return npy.Decode(data)
	case wire.TypePickle:
		return pickle.Decode(data)
	case wire.TypeJSON:
		return jsonArray(data)
	case wire.TypeJPEG, wire.TypePNG, wire.TypeWebP:
		return g.imageArray(kind, data, spec, preprocess)
	}
	return nil, bad("gateway.unknown-type", "telling what it is", fmt.Sprintf("it begins with %q, which is no type of input that is read", data[:min(len(data), 8)]),
		"send a JPEG, PNG or WebP image, a .npy or pickled array, or a JSON tensor")
}

// fit checks an array against the model's input, adds the batch dimension where one item came without it, takes an array
// of one element for a single number, and converts the numbers to the model's element type.
func fit(a *npy.Array, spec *wire.TensorSpec) (*npy.Array, error) {
	shape := a.Shape
	switch {
	case len(spec.Shape) == 0 && a.Elements() == 1:
		shape = []int64{}
	case len(shape) == len(spec.Shape)-1 && (spec.Batched() || spec.Shape[0] == 1):
		shape = append([]int64{1}, shape...)
	}
	if !spec.Fits(shape) {
		return nil, bad("gateway.wrong-shape", fmt.Sprintf("reading input %q", spec.Name), fmt.Sprintf("expected shape %s, got %s", shapeText(spec.Shape), shapeText(a.Shape)),
			"send an array of the expected shape, with or without the batch dimension (?, at least 1); * is any size")
	}
	c, err := (&npy.Array{DType: a.DType, Shape: shape, Data: a.Data}).Convert(spec.DType)
	if err != nil {
		return nil, withInput(err, spec.Name)
	}
	return c, nil
}

func shapeText(shape []int64) string {
	if len(shape) == 0 {
		return "that of a single number"
	}
	return graph.Shape(shape).String()
}

func concatenate(arrays []*npy.Array, spec *wire.TensorSpec) (*npy.Array, error) {
	const doing = "reading the inputs"
	switch {
	case len(arrays) == 0:
		return nil, bad("gateway.missing-input", doing, fmt.Sprintf("the model's input %q (%s %s) did not come", spec.Name, spec.DType, graph.Shape(spec.Shape)), "send every input of the model")
	case len(arrays) == 1:
		return arrays[0], nil
	case !spec.Batched():
		return nil, bad("gateway.repeated-input", doing, fmt.Sprintf("input %q came %d times, and it has no batch dimension", spec.Name, len(arrays)), "send it once")
	}
	size, items := 0, int64(0)
	for _, a := range arrays {
		if !slices.Equal(a.Shape[1:], arrays[0].Shape[1:]) {
			return nil, bad("gateway.mixed-sizes", doing, fmt.Sprintf("input %q came with the shapes %s and %s", spec.Name, graph.Shape(arrays[0].Shape), graph.Shape(a.Shape)), "send items of one size, or one at a time")
		}
		size += len(a.Data)
		items += a.Shape[0]
	}
	all := &npy.Array{DType: spec.DType, Shape: append([]int64{items}, arrays[0].Shape[1:]...), Data: make([]byte, 0, size)}
	for _, a := range arrays {
		all.Data = append(all.Data, a.Data...)
	}
	return all, nil
}
