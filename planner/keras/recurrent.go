package keras

import (
	"fmt"

	"partita/planner/graph"
)

func init() {
	for _, class := range []string{"LSTM", "GRU", "SimpleRNN", "CuDNNLSTM", "CuDNNGRU"} {
		register(func(o *options) operation { return o.recurrent() }, class)
	}
	register(func(o *options) operation { return o.recurrent() }, "RNN")
}

// recurrent is a layer that goes through the steps of time with cells that remember. Several cells lie on top of each
// other.
type recurrent struct {
	direction
	cells []*cell
}

// direction is how a layer goes through the steps of time.
type direction struct {
	sequences, states     bool // the outputs: of every step rather than the last; the last states too
	backwards, zeroMasked bool
	prefix                string // of the names of its weights
}

// direction reads the options of layers that go through the steps of time, but what their cells are.
func (o *options) direction() direction {
	d := direction{sequences: o.boolean(false, "return_sequences"), states: o.boolean(false, "return_state"),
		backwards: o.boolean(false, "go_backwards"), zeroMasked: o.boolean(false, "zero_output_for_mask")}
	if o.boolean(false, "stateful") {
		o.unsupported("set stateful to false", "it remembers its state from one call to the next, which functions do not")
	}
	if o.boolean(false, "time_major") {
		o.unsupported("set time_major to false", "it takes the steps of time as its first axis")
	}
	return d
}

func (d *direction) way() *direction { return d }

// recurrent reads LSTM, GRU, SimpleRNN, their CuDNN variants, and RNN with cells.
func (o *options) recurrent() *recurrent {
	r := &recurrent{direction: o.direction()}
	// How it is computed, and what happens in training.
	o.ignore("unroll", "implementation", "consume_less", "dropout", "recurrent_dropout", "dropout_W", "dropout_U", "seed", "input_length",
		"input_dim", "unit_forget_bias", "use_cudnn", "inner_init", "forget_bias_init", "num_constants")
	o.accept("mask", "initial_state")
	switch o.layer.class {
	case "RNN":
		inner := o.inner("cell")
		if inner == nil {
			return r
		}
		if inner.layer.class != "StackedRNNCells" {
			r.cells = append(r.cells, inner.cell())
			inner.finish()
			return r
		}
		list, _ := inner.value("cells").([]any)
		for i := range list {
			if part := inner.innerOf(fmt.Sprintf("cells[%d]", i), list[i]); part != nil {
				r.cells = append(r.cells, part.cell())
				part.finish()
			}
		}
		if len(list) == 0 || len(list) > 64 {
			o.malformed("StackedRNNCells has %d cells", len(list))
		}
		inner.ignore("reverse_state_order")
		inner.finish()
		for i, c := range r.cells {
			c.prefix = fmt.Sprintf("cell_%d_", i)
		}
	default:
		r.cells = []*cell{o.cell()}
	}
	return r
}

// inner reads the configuration of a layer in an option of this one.
func (o *options) inner(option string) *options { return o.innerOf(option, o.value(option)) }

func (o *options) innerOf(option string, v any) *options {
	m, _ := v.(map[string]any)
	class, _ := m["class_name"].(string)
	config, ok := m["config"].(map[string]any)
	if class == "" || !ok {
		o.malformed("option %s is not a layer", option)
		return nil
	}
	l := &layerConfig{name: o.layer.name, class: class, path: o.layer.path + "." + option, options: config}
	l.module, _ = m["module"].(string)
	l.registered, _ = m["registered_name"].(string)
	if !l.ours() {
		o.unsupported("replace it by layers of Keras and save again", "option %s is a class of %s, whose code is not in the file", option, describe(l.module+" "+l.registered))
		return nil
	}
	return &options{layer: l, major: o.major, read: map[string]bool{}, outer: o}
}

func (r *recurrent) mirrored() timed {
	m := *r
	m.backwards = !r.backwards
	return &m
}

// lowerAll is the layer on its input and, after it or by keyword, its initial states.
func (r *recurrent) lowerAll(l *lowering, in []*tensor) ([]*tensor, error) {
	return throughTime(r, l, in)
}

func throughTime(r timed, l *lowering, in []*tensor) ([]*tensor, error) {
	states, err := l.initialStates(in)
	if err != nil {
		return nil, err
	}
	mask, err := l.maskOf(in)
	if err != nil {
		return nil, err
	}
	return r.run(l, in[0], mask, states)
}

// initialStates gives the states that a layer is called with, behind its input or by keyword.
func (l *lowering) initialStates(in []*tensor) ([]*tensor, error) {
	given := l.keyword("initial_state")
	if given == nil {
		return in[1:], nil
	}
	var states []*tensor
	for i := range len(given) {
		if given[i] == nil {
			return nil, fmt.Errorf("an initial state among others is missing")
		}
		states = append(states, given[i])
	}
	return states, nil
}

func (r *recurrent) lower(l *lowering, in []*tensor) (*tensor, error) {
	out, err := r.lowerAll(l, in)
	if err != nil {
		return nil, err
	}
	return out[0], nil
}

func (d *direction) outputMasks(l *lowering, in []*tensor) ([]*tensor, error) {
	if !d.sequences {
		return nil, nil
	}
	mask, err := l.maskOf(in)
	return []*tensor{mask}, err
}

// run gives the output and, if wanted, the last states.
func (r *recurrent) run(l *lowering, t, mask *tensor, initial []*tensor) ([]*tensor, error) {
	if err := wantRank(t, 3); err != nil {
		return nil, err
	}
	wanted := 0
	for _, c := range r.cells {
		wanted += c.states()
	}
	if len(initial) != 0 && len(initial) != wanted {
		return nil, fmt.Errorf("it is given %d initial states and has %d", len(initial), wanted)
	}
	c := &formula{l: l}
	x, err := l.as(t, asSource)
	if err != nil {
		return nil, err
	}
	s := &sequence{formula: c, x: x, time: t.shape[1], zeroMasked: r.zeroMasked}
	if err := s.begin(l, t, mask, r.backwards); err != nil {
		return nil, err
	}
	var last []graph.ValueID
	for i, cl := range r.cells {
		var given []graph.ValueID
		for range min(cl.states(), len(initial)) {
			v, err := l.as(initial[0], asSource)
			if err != nil {
				return nil, err
			}
			if want := (graph.Shape{graph.Batch, cl.units}); !l.g.Values[v].Shape.Equal(want) {
				return nil, fmt.Errorf("an initial state is %s, not %s", l.g.Values[v].Shape, want)
			}
			given, initial = append(given, v), initial[1:]
		}
		top := i == len(r.cells)-1
		y, h, err := cl.run(s, r.prefix, given, r.sequences || !top)
		if err != nil {
			return nil, err
		}
		s.x = y
		last = append(last, h...)
	}
	if c.err != nil {
		return nil, c.err
	}
	out := []*tensor{l.tensorOf(s.x, asSource)}
	if r.states {
		for _, v := range last {
			out = append(out, l.tensorOf(v, asSource))
		}
	}
	return out, nil
}

// sequence is what cells go through.
type sequence struct {
	*formula
	x          graph.ValueID // batch, time, features
	time       int64
	masked     bool
	mask       graph.ValueID // batch, time: ones and zeros
	zeroMasked bool          // the output of a step that does not count is zero, rather than that of the step before

	// Made once for all cells: the order that brings the steps that count to the front, and how many there are.
	order, lengths, counted graph.ValueID
	compacted               bool
}

// begin takes the mask of a sequence, if there is one, and turns both round where the layer goes backwards. t is the layer's input:
// batch, time, and what each step has.
func (s *sequence) begin(l *lowering, t, mask *tensor, backwards bool) (err error) {
	if mask != nil {
		if !mask.shape.Equal(t.shape[:2]) {
			return fmt.Errorf("its mask %s does not fit its input %s", mask.shape, t.shape)
		}
		if s.mask, err = l.as(mask, asSource); err != nil {
			return err
		}
		s.masked = true
	}
	if backwards {
		s.x = s.flip(s.x, s.time)
		if s.masked {
			s.mask = s.flip(s.mask, s.time)
		}
	}
	return nil
}

// compact finds the order of steps. A step that does not count leaves the state as it is, so the states are those of
// going through the counting steps alone: these are brought to the front, in order, for operators that know lengths.
func (s *sequence) compact() {
	if s.compacted {
		return
	}
	s.compacted = true
	l := s.l
	late := make([]float32, s.time)
	for t := range late {
		late[t] = float32(-t)
	}
	key := s.op("Add", s.op("Mul", s.mask, s.number(float64(2*s.time))), l.floats("late", graph.Shape{1, s.time}, late))
	if s.err == nil {
		var out []graph.ValueID
		out, s.err = l.emitSeveral("TopK", 2, []graph.ValueID{key, l.integers("k", []int64{s.time})}, intAttr("axis", 1), intAttr("largest", 1), intAttr("sorted", 1))
		if s.err == nil {
			s.order = s.axes("Unsqueeze", out[1], 2)
		}
	}
	axis := l.value(graph.Value{Name: l.unique(l.label + "/axis"), DType: graph.Int64, Shape: graph.Shape{}, Producer: -1,
		Const: &graph.Const{Int64s: []int64{1}}})
	s.counted = s.op("CumSum", s.mask, axis)
	s.lengths = s.with("ReduceSum", []graph.Attr{intAttr("keepdims", 0)}, s.mask, l.integers("axes", []int64{1}))
}

// spreadOut gives each step the output that stood when it came, from the outputs of the counting steps.
func (s *sequence) spreadOut(y graph.ValueID) graph.ValueID {
	at := s.op("Max", s.op("Sub", s.counted, s.number(1)), s.number(0))
	y = s.with("GatherND", []graph.Attr{intAttr("batch_dims", 1)}, y, s.axes("Unsqueeze", s.cast(at, graph.Int64), 2))
	settled := s.counted // before the first counting step the output is zero
	if s.zeroMasked {
		settled = s.mask
	}
	return s.op("Where", s.axes("Unsqueeze", s.cast(settled, graph.Bool), 2), y, s.number(0))
}

// lastOutput settles the output of a sequence with a mask: zero when no step counts, or when the last one does not and
// such outputs are zero.
func (s *sequence) lastOutput(h graph.ValueID, initial bool) graph.ValueID {
	switch {
	case !s.masked:
		return h
	case s.zeroMasked:
		return s.op("Mul", h, s.slice(s.mask, 1, s.time-1, s.time))
	case initial:
		return s.op("Mul", h, s.axes("Unsqueeze", s.op("Min", s.lengths, s.number(1)), 1))
	}
	return h // zero from the start
}
