package onnx

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"partita/planner/diag"
	"partita/planner/graph"
)

// maxFunctions bounds the functions of a file: torch.onnx's exporter by dynamo writes some hundred for a large model.
const maxFunctions = 10_000

// function is an operator that the model defines itself, by a FunctionProto.
type function struct {
	key             functionKey
	inputs, outputs []string
	attrs           []graph.Attr // with their default values
	nodes           []fileNode
	values          []port
	opset           int64 // of ai.onnx; 0: it does not say
}

// functionKey is what a node calls a function by.
type functionKey struct{ domain, name, overload string }

func (k functionKey) String() string {
	s := k.name
	if k.domain != "" {
		s = k.domain + "." + s
	}
	if k.overload != "" {
		s += ":" + k.overload
	}
	return s
}

// functions reads the functions of a file. A model of which the graph only calls functions may leave it to them to say
// which operator set is used.
func (s *scanner) functions(messages []part, f *File) (map[functionKey]*function, error) {
	if len(messages) == 0 {
		return nil, nil
	}
	known := make(map[functionKey]*function, len(messages))
	for _, m := range messages {
		fn, err := s.function(m)
		if err != nil {
			return nil, err
		}
		if known[fn.key] != nil {
			return nil, malformed(fmt.Sprintf("the function %s is defined twice", shorten(fn.key.String())))
		}
		known[fn.key] = fn
		if f.Opset == 0 {
			f.Opset = fn.opset
		}
	}
	return known, nil
}

func (s *scanner) function(message part) (*function, error) {
	f := &function{}
	if err := s.charge(nodeBytes); err != nil {
		return nil, err
	}
	defaults := fileNode{}
	err := s.fields(message, func(x field) error {
		switch x.id {
		case 1:
			return s.text(x, &f.key.name)
		case 4, 5:
			var name string
			if err := s.text(x, &name); err != nil {
				return err
			}
			if x.id == 4 {
				f.inputs = append(f.inputs, name)
			} else {
				f.outputs = append(f.outputs, name)
			}
		case 7:
			n, err := s.node(x, 1)
			f.nodes = append(f.nodes, n)
			return err
		case 9:
			domain, version, err := s.operatorSet(x)
			if domain == "" {
				f.opset = version
			}
			return err
		case 10:
			return s.text(x, &f.key.domain)
		case 11:
			if x.kind != protowire.BytesType {
				return malformed("an attribute of a function is not a message")
			}
			return s.attribute(x, &defaults, 1)
		case 12:
			p, err := s.port(x)
			f.values = append(f.values, p)
			return err
		case 13:
			return s.text(x, &f.key.overload)
		}
		return nil
	})
	if f.key.domain == "ai.onnx" {
		f.key.domain = ""
	}
	f.attrs = defaults.attrs
	return f, err
}

// scope tells which tensors of the flat graph the names of a function or of a graph in a node stand for.
type scope struct {
	names map[string]string // nil: that of the model, in which every name stands for itself
	outer *scope
	made  map[string]bool
}

// tensor finds a name; false when nothing has it.
func (sc *scope) tensor(name string) (string, bool) {
	for ; sc != nil; sc = sc.outer {
		if sc.names == nil {
			return name, true
		}
		if known, ok := sc.names[name]; ok {
			return known, true
		}
	}
	return "", name == ""
}

// flattening replaces calls of functions by the functions' nodes and gives the tensors of graphs inside nodes names that
// no other tensor of the model has.
type flattening struct {
	*File
	scanner   *scanner // accounts for what is held
	functions map[functionKey]*function
	taken     map[string]bool
	numbers   map[string]int
	nodes     []fileNode
	values    []port
	count     int
	loops     []string // nodes that run graphs of their own and are no If
	versions  []string // functions for other operator sets
}

// flatten makes one list of nodes of the model's graph and its functions. What cannot be told from one list, loops above
// all, is refused, all at once.
func (f *File) flatten(s *scanner, functions map[functionKey]*function) error {
	plain := len(functions) == 0
	for i := range f.nodes {
		n := &f.nodes[i]
		plain = plain && len(n.branches)+len(n.runs)+len(n.references) == 0
	}
	if plain {
		return nil
	}
	c := &flattening{File: f, scanner: s, functions: functions, taken: map[string]bool{}, numbers: map[string]int{}}
	for _, t := range f.initializers {
		c.taken[t.Name] = true
	}
	for i := range f.inputs {
		c.taken[f.inputs[i].name] = true
	}
	for i := range f.nodes {
		for _, out := range f.nodes[i].outputs {
			c.taken[out] = true
		}
	}
	if err := c.list(f.nodes, &scope{}, "", nil, 0, &c.nodes); err != nil {
		return err
	}
	switch {
	case len(c.loops) > 0:
		return diag.New(diag.Invalid, "onnx.control-flow", doing, fmt.Sprintf("%d of its nodes run graphs of their own as often as the data tell", len(c.loops)),
			"export the model without loops: with tracing (torch.onnx.export of the module itself, not of a script), with unrolled recurrent layers; skl2onnx: options={'optim': 'cdist'} for nearest neighbours").With(clip(c.loops)...)
	case len(c.versions) > 0:
		return diag.New(diag.Invalid, "onnx.local-functions", doing, fmt.Sprintf("%d of its functions are written for another operator set than the model's, %d", len(c.versions), f.Opset),
			"inline them first: onnx.inliner.inline_local_functions(model, convert_version=True)").With(clip(c.versions)...)
	}
	f.nodes, f.values = c.nodes, append(f.values, c.values...)
	for key := range functions {
		delete(f.Domains, key.domain)
	}
	return nil
}

// fresh gives a name that no tensor has, and takes it.
func (c *flattening) fresh(name string) (string, error) {
	if len(name) > maxText {
		return "", tooLarge("names of its functions' tensors are very long")
	}
	free := name
	for n := max(2, c.numbers[name]); c.taken[free]; n++ {
		free = name + "_" + strconv.Itoa(n)
		c.numbers[name] = n + 1
	}
	c.taken[free] = true
	return free, c.scanner.charge(int64(2*len(free) + 100))
}

// list appends nodes under the names that their tensors have in the flat graph.
func (c *flattening) list(nodes []fileNode, sc *scope, prefix string, call *fileNode, depth int, into *[]fileNode) error {
	if depth > maxDepth {
		return tooLarge(fmt.Sprintf("functions and graphs of nodes are inside each other over %d deep", maxDepth))
	}
	if sc.names != nil { // names may be read before the node that makes them
		for i := range nodes {
			for _, out := range nodes[i].outputs {
				if err := c.declare(sc, prefix, out); err != nil {
					return err
				}
			}
		}
	}
	for i := range nodes {
		if c.count++; c.count > maxNodes {
			return tooLarge(fmt.Sprintf("it has over %d nodes, those of functions counted as often as they are called", maxNodes))
		}
		n := nodes[i]
		if sc.names != nil {
			if err := c.scanner.charge(nodeBytes); err != nil {
				return err
			}
			n.name = strings.TrimPrefix(prefix+"/"+n.name, "/")
			if nodes[i].name == "" {
				n.name = ""
			}
			var err error
			if n.inputs, err = resolved(sc, &nodes[i], n.inputs); err == nil {
				n.outputs, err = resolved(sc, &nodes[i], n.outputs)
			}
			if err != nil {
				return err
			}
		}
		if err := n.settle(call); err != nil {
			return err
		}
		if err := c.node(&n, sc, call, depth, into); err != nil {
			return err
		}
	}
	return nil
}

// declare gives a name of a function or of a node's graph a tensor, unless it has one as an output of the function.
func (c *flattening) declare(sc *scope, prefix, name string) error {
	if name == "" {
		return nil
	}
	if sc.made[name] {
		return malformed(fmt.Sprintf("the tensor %q is made twice", shorten(name)))
	}
	sc.made[name] = true
	if _, ok := sc.names[name]; ok {
		return nil
	}
	var err error
	sc.names[name], err = c.fresh(prefix + "/" + name)
	return err
}

func resolved(sc *scope, n *fileNode, names []string) ([]string, error) {
	out := make([]string, len(names))
	for k, name := range names {
		known, ok := sc.tensor(name)
		if !ok {
			return nil, malformed(fmt.Sprintf("node %q (%s) reads %q, which nothing makes", shorten(n.name), shorten(n.op), shorten(name)))
		}
		out[k] = known
	}
	return out, nil
}

// settle gives the attributes that refer to those of the function's call their values. One that the call leaves out, and for
// which the function has no default, is left out.
func (n *fileNode) settle(call *fileNode) error {
	if len(n.references) == 0 {
		return nil
	}
	if call == nil {
		return malformed(fmt.Sprintf("attribute %s of node %q refers to a function's, and is in none", n.references[0].name, shorten(n.name)))
	}
	n.attrs = slices.Clone(n.attrs)
	for _, r := range n.references {
		for i := range call.attrs {
			if a := call.attrs[i]; a.Name == r.of {
				a.Name = r.name
				n.attrs = append(n.attrs, a)
				if a.Tensor != nil && r.name == "value" && n.op == "Constant" {
					n.constant = &Stored{DType: a.Tensor.DType, Shape: a.Tensor.Shape, raw: a.Tensor.Raw}
				}
			}
		}
	}
	n.references = nil
	return nil
}

// node appends one node: the nodes of the function that it calls, or itself with the graphs that it runs.
func (c *flattening) node(n *fileNode, sc *scope, call *fileNode, depth int, into *[]fileNode) error {
	label := n.label()
	if fn := c.functions[functionKey{n.domain, n.op, n.overload}]; fn != nil {
		return c.call(fn, n, label, depth+1, into)
	}
	if len(n.runs) > 0 {
		c.loops = append(c.loops, fmt.Sprintf("%s (%s, %s)", shorten(label), shorten(n.op), shorten(strings.Join(n.runs, ", "))))
	}
	branches := n.branches
	n.branches = nil
	for _, b := range branches {
		inner := &scope{names: map[string]string{}, outer: sc, made: map[string]bool{}}
		prefix := label + "/" + b.name
		flat := &body{name: b.name}
		if len(b.inputs) > 0 {
			return malformed(fmt.Sprintf("the graph %s of node %q has inputs", shorten(b.name), shorten(label)))
		}
		for _, t := range b.initializers {
			if err := c.declare(inner, prefix, t.Name); err != nil {
				return err
			}
			copied := *t
			copied.Name = inner.names[t.Name]
			flat.initializers = append(flat.initializers, &copied)
		}
		if err := c.list(b.nodes, inner, prefix, call, depth+1, &flat.nodes); err != nil {
			return err
		}
		var err error
		if flat.outputs, err = resolved(inner, n, b.outputs); err != nil {
			return err
		}
		flat.values = inner.ports(b.values)
		n.branches = append(n.branches, flat)
	}
	*into = append(*into, *n)
	return nil
}

// ports gives what a function or a node's graph tells of its tensors, under the names of the flat graph.
func (sc *scope) ports(values []port) []port {
	var list []port
	for _, p := range values {
		if name, ok := sc.names[p.name]; ok && sc.made[p.name] {
			p.name = name
			list = append(list, p)
		}
	}
	return list
}

// call appends the nodes of a function.
func (c *flattening) call(fn *function, n *fileNode, label string, depth int, into *[]fileNode) error {
	wrong := func(found string) error {
		return malformed(fmt.Sprintf("node %q calls the function %s with %s", shorten(n.name), shorten(fn.key.String()), found))
	}
	if len(n.inputs) > len(fn.inputs) || len(n.outputs) > len(fn.outputs) {
		return wrong(fmt.Sprintf("%d inputs and %d outputs; it has %d and %d", len(n.inputs), len(n.outputs), len(fn.inputs), len(fn.outputs)))
	}
	if fn.opset != 0 && fn.opset != c.Opset {
		if name := fmt.Sprintf("%s, of opset %d", shorten(fn.key.String()), fn.opset); !slices.Contains(c.versions, name) && len(c.versions) < 1000 {
			c.versions = append(c.versions, name)
		}
		return nil
	}
	if err := c.scanner.charge(nodeBytes); err != nil {
		return err
	}
	inner := &scope{names: map[string]string{}, made: map[string]bool{}}
	for k, name := range fn.inputs {
		inner.names[name] = ""
		if k < len(n.inputs) {
			inner.names[name] = n.inputs[k]
		}
	}
	through := map[string]string{}
	for k, name := range fn.outputs {
		out := ""
		if k < len(n.outputs) {
			out = n.outputs[k]
		}
		if from, ok := inner.names[name]; ok { // an input, or the same output once more
			if out != "" {
				through[out] = from
			}
			continue
		}
		if out == "" {
			var err error
			if out, err = c.fresh(label + "/" + name); err != nil {
				return err
			}
		}
		inner.names[name] = out
	}
	arguments := &fileNode{attrs: slices.Clone(n.attrs)}
	for _, a := range fn.attrs {
		if !slices.ContainsFunc(n.attrs, func(given graph.Attr) bool { return given.Name == a.Name }) {
			arguments.attrs = append(arguments.attrs, a)
		}
	}
	if err := c.list(fn.nodes, inner, label, arguments, depth, into); err != nil {
		return err
	}
	for k, name := range fn.outputs {
		if !inner.made[name] && !slices.Contains(fn.inputs, name) {
			return wrong(fmt.Sprintf("output %d, which nothing in it makes", k))
		}
	}
	c.values = append(c.values, inner.ports(fn.values)...)
	for _, out := range n.outputs {
		if from, ok := through[out]; ok {
			if from == "" {
				return wrong("an output that is an input left out")
			}
			*into = append(*into, fileNode{op: "Identity", inputs: []string{from}, outputs: []string{out}})
		}
	}
	return nil
}
