// Package kernels knows for which operators the ONNX Runtime that functions carry has code on processors: version 1.24.3.
// A plan can be made for any operator of which the shapes are known; a function could not load one without code.
//
// What is missing is listed rather than what is there, which is nearly all. An operator has code for the versions that ONNX
// Runtime's kernels are registered for and the element types that each takes. The list comes from the library itself: a
// session was created for every operator of ONNX's Changelog.md and Changelog-ml.md, at every version from operator set 7 to
// 24 and with every element type that the version allows. So operators that ONNX Runtime takes apart into others, or
// computes in float32 when given float16, count as there, which its docs/OperatorKernels.md does not tell.
// Operators of com.microsoft, which ONNX's documents do not list, are taken as there, but for those found missing the same way.
package kernels

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"partita/planner/graph"
)

// Version is the ONNX Runtime that the list is about.
const Version = "1.24.3"

// Lack is an operator of a model that there is no code for.
type Lack struct {
	Operator string   // with its set, when that is not ONNX's own: "RoiAlign", "my.own.Quant"
	Set      bool     // the whole set of operators is unknown to ONNX Runtime
	Type     string   // the element type that the operator is not computed on; "": any
	Version  int64    // the version of the operators from which on there is no code; 0: any
	Nodes    []string // of the model, as people know them
}

// String says the operator, why not, and where it is.
func (l *Lack) String() string {
	text := l.Operator
	switch {
	case l.Type != "":
		text += " on " + l.Type
	case l.Version > 1:
		text += fmt.Sprintf(" of operator set %d", l.Version)
	}
	if n := len(l.Nodes); n > 1 {
		return text + fmt.Sprintf(" (%d times, first in %s)", n, l.Nodes[0])
	}
	return fmt.Sprintf("%s (%s)", text, l.Nodes[0])
}

// Lacking lists what of a model no function could run, in the order in which it first comes up.
func Lacking(g *graph.Graph) []*Lack {
	var list []*Lack
	seen := map[kind]*Lack{}
	note := func(l Lack, node string) {
		key := kind{l.Operator, l.Type, l.Version}
		if seen[key] == nil {
			seen[key] = &l
			list = append(list, &l)
		}
		seen[key].Nodes = append(seen[key].Nodes, node)
	}
	for i := range g.Nodes {
		n := &g.Nodes[i]
		domain := n.Domain
		if domain == "ai.onnx" {
			domain = ""
		}
		name := n.Op
		if domain != "" {
			name = domain + "." + n.Op
		}
		if !slices.Contains(sets, domain) {
			note(Lack{Operator: name, Set: true}, label(g, n))
			continue
		}
		for _, r := range table()[name] {
			missing := r.at(version(g, domain))
			if missing == nil {
				continue
			}
			if r.slot == "" {
				note(Lack{Operator: name, Version: missing.since}, label(g, n))
				break
			}
			if t := r.element(g, n); slices.Contains(missing.types, t) {
				note(Lack{Operator: name, Type: t}, label(g, n))
				break
			}
		}
	}
	return list
}

// label names a node: by what it makes, where it has no name itself.
func label(g *graph.Graph, n *graph.Node) string {
	name := n.Name
	for _, v := range n.Outputs {
		if name == "" && v != graph.None {
			name = g.Value(v).Name
		}
	}
	if len(name) > 60 {
		name = strings.ToValidUTF8(name[:60], "") + "..."
	}
	return strconv.Quote(name)
}

// most bounds the kinds of operators in a message.
const most = 20

// What tells people what is lacking, in one sentence without its end.
func What(lacks []*Lack) string {
	var list []string
	for _, l := range lacks[:min(len(lacks), most)] {
		list = append(list, l.String())
	}
	if n := len(lacks) - most; n > 0 {
		list = append(list, fmt.Sprintf("%d more kinds", n))
	}
	return "ONNX Runtime " + Version + " has no code for " + strings.Join(list, ", ")
}

// Fix tells people what to do about it.
func Fix(lacks []*Lack) string {
	var ways []string
	add := func(way string) {
		if !slices.Contains(ways, way) {
			ways = append(ways, way)
		}
	}
	older := int64(0)
	for _, l := range lacks {
		if l.Version > 1 && !strings.Contains(l.Operator, ".") && (older == 0 || l.Version-1 < older) && !young[l.Operator] {
			older = l.Version - 1
		}
	}
	if older > 0 {
		add(fmt.Sprintf("export the model with operator set %d (torch.onnx.export: opset_version=%d)", older, older))
	}
	for _, l := range lacks {
		switch {
		case l.Set:
			add("export the model with the operators of ONNX alone; quantised networks with QuantizeLinear and DequantizeLinear (qonnx: convert to QCDQ; Brevitas: export_onnx_qcdq)")
		case l.Type != "":
			add("compute in another element type there (float32 and int64 are computed nearly everywhere), with a Cast before and after")
		case l.Version <= 1 || young[l.Operator]:
			add("write " + l.Operator + " with other operators")
		}
	}
	return strings.Join(ways, "; ")
}

// young are the operators that there is no code for in any version.
var young = map[string]bool{"DeformConv": true, "ImageDecoder": true, "TensorScatter": true}

// kind tells lacks apart.
type kind struct {
	operator, element string
	version           int64
}

// sets are the operator sets that ONNX Runtime has code for, as it is built for functions (ONNX Runtime documentation,
// "Operators": ai.onnx, ai.onnx.ml and the contributed operators).
var sets = []string{"", "ai.onnx.ml", "com.microsoft"}

// version gives the version of a set of operators that a model uses.
func version(g *graph.Graph, domain string) int64 {
	v := g.Domains[domain]
	if domain == "" {
		if v = g.Opset; v == 0 {
			v = 17 // what models that are not ONNX are written in
		}
	}
	return max(v, 1)
}

// row is a line of the list for one operator.
type row struct {
	slot  string // which input or output the types are of: "in0", "out0"; "" when there is no code whatever the types
	spans []span // rising
}

// span is what is missing from a version on.
type span struct {
	since int64
	types []string
}

func (r *row) at(version int64) *span {
	var last *span
	for i := range r.spans {
		if r.spans[i].since <= version {
			last = &r.spans[i]
		}
	}
	if last == nil || len(last.types) == 0 {
		return nil
	}
	return last
}

// element gives the element type of what the row is about; "" when the node leaves it out.
func (r *row) element(g *graph.Graph, n *graph.Node) string {
	values, at := n.Inputs, strings.TrimPrefix(r.slot, "in")
	if at == r.slot {
		values, at = n.Outputs, strings.TrimPrefix(r.slot, "out")
	}
	if i, _ := strconv.Atoi(at); i < len(values) && values[i] != graph.None {
		return g.Value(values[i]).DType.String()
	}
	return ""
}

// table is the list by operator.
var table = sync.OnceValue(func() map[string][]*row {
	t := map[string][]*row{}
	for _, line := range missing {
		r := &row{slot: line.Slot}
		for _, part := range strings.Split(line.Spans, ", ") {
			words := strings.Fields(part)
			since, err := strconv.ParseInt(words[0], 10, 64)
			if err != nil {
				panic("kernels: " + part)
			}
			s := span{since: since}
			if words[1] != "none" {
				s.types = words[1:]
			}
			r.spans = append(r.spans, s)
		}
		for _, op := range strings.Fields(line.Operators) {
			t[op] = append(t[op], r)
		}
	}
	return t
})
