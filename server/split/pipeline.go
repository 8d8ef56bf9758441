package split

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"partita/planner/graph"
	"partita/planner/weights"
)

// windows is how many pieces of stored tensors are held at once: one being read, one being arranged.
const windows = 2

// pipeline writes stage.weights in three steps that go on at the same time: reading pieces of stored tensors, putting
// them into output order and scaling them, and writing. Each takes about as long as the others. Its memory is that of
// its buffers, whatever the size of the model.
type pipeline struct {
	limits  limits
	hint    int64 // elements that the windows will have to hold before long
	windows chan []float32
	blocks  chan []float32

	peaks []float32            // of the tensor that is being measured
	units map[string][]float32 // the factors of tensors of 8 bits, by name
	loss  Loss
}

// pipelines keeps the buffers from one stage to the next.
var pipelines = sync.Pool{New: func() any { return newPipeline(usual) }}

func newPipeline(l limits) *pipeline {
	p := &pipeline{limits: l, windows: make(chan []float32, windows), blocks: make(chan []float32, sinkBlocks)}
	for range windows {
		p.windows <- nil
	}
	for range sinkBlocks {
		p.blocks <- nil
	}
	return p
}

// loaded is a piece with its elements, or the error that ended the reading.
type loaded struct {
	piece
	pad    int64 // zero bytes before it
	window []float32
	err    error
}

// errStopped ends the reading when what is read is not wanted any more.
var errStopped = errors.New("stopped")

// write writes tensors at their places, zeros between them.
func (p *pipeline) write(w io.Writer, src weights.Source, tensors []tensor) error {
	p.hint, p.peaks, p.units, p.loss = 0, nil, map[string][]float32{}, Loss{}
	for i := range tensors {
		if t := &tensors[i]; t.weight != nil && t.weight.Perm != nil {
			p.hint = max(p.hint, min(t.shape.Elements(1), p.limits.window))
		}
	}
	pieces := make(chan loaded, 1)
	stop := make(chan struct{})
	go func() {
		defer close(pieces)
		if err := p.load(src, tensors, pieces, stop); err != nil && err != errStopped {
			select {
			case pieces <- loaded{err: err}:
			case <-stop:
			}
		}
	}()
	out := newSink(w)
	var err error
	for piece := range pieces {
		if err == nil {
			if err = p.arrange(out, &piece); err != nil {
				close(stop)
			}
		}
		if piece.window != nil {
			p.windows <- piece.window
		}
	}
	if failed := out.close(); failed != nil {
		return failed
	}
	return err
}

// load reads all tensors, until stopped.
func (p *pipeline) load(src weights.Source, tensors []tensor, pieces chan<- loaded, stop <-chan struct{}) error {
	end, at := int64(0), int64(0)
	l := &loader{src: src, limits: p.limits}
	l.yield = func(next piece) error {
		var window []float32
		select {
		case window = <-p.windows:
		case <-stop:
			return errStopped
		}
		if int64(cap(window)) < next.elements {
			window = make([]float32, max(next.elements, p.hint))
		}
		item := loaded{piece: next, window: window[:next.elements]}
		if item.err = next.read(item.window); item.err != nil {
			p.windows <- window
			return item.err
		}
		if !next.measured {
			item.pad, end = next.tensor.place.Offset-end, next.tensor.place.Offset
			at += next.bytes()
		}
		select {
		case pieces <- item:
			return nil
		case <-stop:
			p.windows <- window
			return errStopped
		}
	}
	for i := range tensors {
		t := &tensors[i]
		if t.place.Length == 0 {
			continue
		}
		at = 0
		if err := l.tensor(t); err != nil {
			return err
		}
		if at != t.place.Length {
			panic(fmt.Sprintf("split: %s took %d bytes of its %d", t.name, at, t.place.Length))
		}
		end = t.place.Offset + at
	}
	return nil
}

// arrange puts a piece into output order, scales it and hands it to the sink. A window that it hands over too is taken
// out of l; the sink gives the buffers back.
func (p *pipeline) arrange(out *sink, l *loaded) error {
	if l.err != nil {
		return l.err
	}
	for l.pad > 0 {
		block := p.block(min((l.pad+3)/4, p.limits.block))
		clear(block)
		zeros := bytesOf(block)[:min(4*int64(len(block)), l.pad)]
		l.pad -= int64(len(zeros))
		if err := out.write(block, zeros, p.blocks); err != nil {
			return err
		}
	}
	if l.perm == nil {
		l.scale.apply(l.window, l.at)
		window := l.window
		l.window = nil
		return p.hand(out, l, window, l.at, p.windows)
	}
	// Block by block along the first output axis that has more than one element.
	outer := 0
	for outer < len(l.perm)-1 && l.count[l.perm[outer]] == 1 {
		outer++
	}
	order := newPermutation(l.count, l.perm)
	count := order.dims[outer]
	each := graph.Shape(l.count).Elements(1) / count
	rows := max(p.limits.block/each, 1)
	if rows > lane {
		rows -= rows % lane
	}
	// A convolution's output channels are its kernel's first axis: it is scaled in passing.
	inPassing := l.scale != nil && outer == 0 && l.tensor.axis == 0 && l.scale.inner == each && order.columnwise()
	for at := int64(0); at < count; at += rows {
		order.dims[outer] = min(rows, count-at)
		block := p.block(order.dims[outer] * each)
		window := l.window[at*order.strides[outer]:]
		if inPassing {
			order.columns(block, window, l.scale.factors[l.at/each+at:])
		} else {
			order.run(block, window)
			l.scale.apply(block, l.at+at*each)
		}
		if err := p.hand(out, l, block, l.at+at*each, p.blocks); err != nil {
			return err
		}
	}
	return nil
}

// hand hands elements at.. of a tensor, in output order, to the sink as they are to be stored; those of a tensor that is
// only measured are looked at. The buffer goes home in either case.
func (p *pipeline) hand(out *sink, l *loaded, block []float32, at int64, home chan<- []float32) error {
	t := l.tensor
	if l.measured {
		if at == 0 {
			channels, _ := t.channelsOf()
			p.peaks = make([]float32, channels)
		}
		err := measure(p.peaks, block, t, at)
		home <- block
		return err
	}
	if l.whole != 0 { // elements of another type, as they were stored
		return out.write(block, raw(block)[:l.whole], home)
	}
	if t.factorsOf != nil {
		p.units[t.name] = factorsOf(p.peaks)
		copy(block, p.units[t.name])
		return out.write(block, raw(block), home)
	}
	bytes, err := p.store(block, t, at)
	if err != nil {
		home <- block
		return err
	}
	return out.write(block, bytes, home)
}

// block gives a block of n elements to fill. What it held before is still in it.
func (p *pipeline) block(n int64) []float32 {
	b := <-p.blocks
	if int64(cap(b)) < n {
		b = make([]float32, n)
	}
	return b[:n]
}
