package onnx

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"partita/planner/diag"
	"partita/planner/graph"
)

// File is the structure of an ONNX file. The numbers of its large tensors stay in the file.
type File struct {
	IRVersion int64
	Opset     int64            // of ai.onnx
	Domains   map[string]int64 // of other operator sets
	Name      string           // of the graph
	Producer  string

	nodes        []fileNode
	initializers []*Stored
	inputs       []port // initializers that are listed as inputs too are left out
	outputs      []port
	values       []port // of which the file tells type and shape

	properties map[string]string // a few short ones

	stripped bool // the numbers of large tensors were left out
}

// Properties tells what the file says of itself: the metadata_props of its ModelProto, of which documents of exporters name
// the keys.
func (f *File) Properties() map[string]string { return f.properties }

// port is a tensor that the file declares.
type port struct {
	name  string
	kind  string // "" for tensors, otherwise what it is
	dtype graph.DType
	dims  []dimension
	ranks bool // the file tells the number of dimensions
}

// dimension is a size, or the name of one that is told when the model runs; neither, where the file says nothing.
type dimension struct {
	size int64
	name string
}

// Is tells whether a file may be an ONNX model, of which the first bytes are given: it begins with the version of the
// format, or another of the first fields of a ModelProto.
func Is(head []byte) bool {
	// 08 NN: ir_version 1 to 31, which every exporter writes first; then another field of a ModelProto.
	return len(head) > 2 && head[0] == 0x08 && head[1] >= 1 && head[1] < 32 &&
		strings.IndexByte("\x12\x1a\x22\x28\x32\x3a\x42\x72", head[2]) >= 0
}

// The opsets whose operators are known.
const (
	minOpset = 7
	maxOpset = 24
)

// Read reads the structure of an ONNX file.
func Read(r io.ReaderAt, size int64) (*File, error) { return readFile(r, size, false) }

// ReadStripped reads what Strip wrote.
func ReadStripped(r io.ReaderAt, size int64) (*File, error) { return readFile(r, size, true) }

func readFile(r io.ReaderAt, size int64, stripped bool) (*File, error) {
	s := newScanner(r, size)
	s.lenient = stripped
	f := &File{Domains: map[string]int64{}, stripped: stripped}
	var graphs, functions []part
	err := s.fields(part{0, size}, func(x field) error {
		switch x.id {
		case 1:
			f.IRVersion = int64(x.value)
		case 2:
			return s.text(x, &f.Producer)
		case 7:
			graphs = append(graphs, x.part)
			if len(graphs) > 1 || x.kind != protowire.BytesType {
				return malformed("it has several graphs")
			}
		case 8:
			return s.opset(x, f)
		case 14:
			return s.property(x, f)
		case 25:
			if len(functions) == maxFunctions || x.kind != protowire.BytesType {
				return tooLarge(fmt.Sprintf("it has over %d functions", maxFunctions))
			}
			functions = append(functions, x.part)
		}
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case len(graphs) == 0:
		return nil, malformed("it has no graph")
	}
	known, err := s.functions(functions, f)
	if err != nil {
		return nil, err
	}
	if f.Opset != 0 && (f.Opset < minOpset || f.Opset > maxOpset) {
		return nil, badOpset(fmt.Sprintf("its operators are those of opset %d; %d to %d are known", f.Opset, minOpset, maxOpset))
	}
	if err := s.graph(graphs[0], f); err != nil {
		return nil, err
	}
	if f.Opset == 0 {
		// Exporters of classic machine learning leave out the version of a set that they use no operator of.
		if len(f.Domains) == 0 || slices.ContainsFunc(f.nodes, func(n fileNode) bool { return n.domain == "" }) {
			return nil, badOpset("it does not say which operator set it uses")
		}
		f.Opset = OpsetVersion
	}
	if err := f.flatten(s, known); err != nil {
		return nil, err
	}
	return f, f.check()
}

func badOpset(found string) error {
	return diag.New(diag.Invalid, "onnx.unsupported-opset", doing, found, "export it with opset_version=17, or convert it with onnx.version_converter")
}

func (s *scanner) opset(x field, f *File) error {
	domain, version, err := s.operatorSet(x)
	if domain == "" {
		f.Opset = version
	} else if len(f.Domains) < 64 {
		f.Domains[domain] = version
	}
	return err
}

// operatorSet reads an OperatorSetIdProto; the domain "" is ai.onnx.
func (s *scanner) operatorSet(x field) (domain string, version int64, err error) {
	err = s.fields(x.part, func(x field) error {
		switch x.id {
		case 1:
			return s.text(x, &domain)
		case 2:
			version = int64(x.value)
		}
		return nil
	})
	if domain == "ai.onnx" {
		domain = ""
	}
	return domain, version, err
}

// Bounds on the properties that are kept: exporters write a few, and some put whole vocabularies there.
const (
	maxProperties    = 64
	maxPropertyBytes = 512
)

// property reads an entry of metadata_props, and keeps it if it is short.
func (s *scanner) property(x field, f *File) error {
	var key, value string
	err := s.fields(x.part, func(x field) error {
		switch {
		case x.part.size() > maxPropertyBytes:
		case x.id == 1:
			return s.text(x, &key)
		case x.id == 2:
			return s.text(x, &value)
		}
		return nil
	})
	if key != "" && value != "" && len(f.properties) < maxProperties {
		if f.properties == nil {
			f.properties = map[string]string{}
		}
		f.properties[key] = value
	}
	return err
}

func (s *scanner) graph(message part, f *File) error {
	return s.fields(message, func(x field) error {
		switch x.id {
		case 1:
			if len(f.nodes) == maxNodes {
				return tooLarge(fmt.Sprintf("it has over %d nodes", maxNodes))
			}
			n, err := s.node(x, 0)
			f.nodes = append(f.nodes, n)
			return err
		case 2:
			return s.text(x, &f.Name)
		case 5:
			if len(f.initializers) == maxTensors {
				return tooLarge(fmt.Sprintf("it has over %d initializers", maxTensors))
			}
			t, err := s.tensor(x)
			f.initializers = append(f.initializers, t)
			return err
		case 11, 12, 13:
			p, err := s.port(x)
			switch x.id {
			case 11:
				f.inputs = append(f.inputs, p)
			case 12:
				f.outputs = append(f.outputs, p)
			default:
				f.values = append(f.values, p)
			}
			return err
		case 15:
			return diag.New(diag.Invalid, "onnx.unsupported-tensor", doing, "it has sparse initializers", "export it with dense weights")
		}
		return nil
	})
}

var otherTypes = map[protowire.Number]string{4: "a sequence", 5: "a map", 7: "an opaque value", 8: "a sparse tensor", 9: "an optional value"}

// port reads a ValueInfoProto.
func (s *scanner) port(x field) (port, error) {
	var p port
	if err := s.charge(portBytes); err != nil {
		return p, err
	}
	err := s.fields(x.part, func(x field) error {
		switch x.id {
		case 1:
			return s.text(x, &p.name)
		case 2:
			return s.fields(x.part, func(x field) error { // TypeProto
				if what := otherTypes[x.id]; what != "" {
					p.kind = what
				}
				if x.id != 1 {
					return nil
				}
				return s.fields(x.part, func(x field) error { // TypeProto.Tensor
					switch x.id {
					case 1:
						p.dtype = graph.DType(int32(x.value))
					case 2:
						p.ranks = true
						return s.fields(x.part, func(x field) error { // TensorShapeProto
							if x.id != 1 {
								return nil
							}
							return s.dimension(x, &p)
						})
					}
					return nil
				})
			})
		}
		return nil
	})
	return p, err
}

func (s *scanner) dimension(x field, p *port) error {
	var d dimension
	err := s.fields(x.part, func(x field) error {
		switch x.id {
		case 1:
			d.size = int64(x.value)
		case 2:
			return s.text(x, &d.name)
		}
		return nil
	})
	if err == nil {
		err = s.charge(24)
	}
	p.dims = append(p.dims, d)
	return err
}

// check refuses files whose names do not fit together.
func (f *File) check() error {
	made := map[string]bool{}
	once := func(name string) error {
		if name == "" {
			return malformed("a tensor has no name")
		}
		if made[name] {
			return malformed(fmt.Sprintf("the tensor %q is made twice", shorten(name)))
		}
		made[name] = true
		return nil
	}
	for _, t := range f.initializers {
		if err := once(t.Name); err != nil {
			return err
		}
	}
	inputs := f.inputs[:0]
	for _, p := range f.inputs {
		if made[p.name] { // before IR version 4 initializers are inputs too
			continue
		}
		inputs = append(inputs, p)
	}
	f.inputs = inputs
	for _, p := range f.inputs {
		if err := once(p.name); err != nil {
			return err
		}
	}
	for i := range f.nodes {
		n := &f.nodes[i]
		if n.op == "" {
			return malformed(fmt.Sprintf("node %d has no operator", i))
		}
		some := false
		for _, out := range n.outputs {
			if out == "" {
				continue
			}
			some = true
			if err := once(out); err != nil {
				return err
			}
		}
		if !some {
			return malformed(fmt.Sprintf("node %q (%s) has no outputs", shorten(n.name), n.op))
		}
	}
	seen := map[string]bool{}
	for _, p := range f.outputs {
		if seen[p.name] || p.name == "" {
			return malformed(fmt.Sprintf("the output %q is listed twice", shorten(p.name)))
		}
		seen[p.name] = true
	}
	for i := range f.nodes {
		for _, name := range f.nodes[i].inputs {
			if name != "" && !made[name] {
				return malformed(fmt.Sprintf("node %q (%s) reads %q, which nothing makes", shorten(f.nodes[i].name), f.nodes[i].op, shorten(name)))
			}
		}
	}
	for _, p := range f.outputs {
		if !made[p.name] {
			return malformed(fmt.Sprintf("nothing makes the output %q", shorten(p.name)))
		}
	}
	if len(f.nodes) == 0 || len(f.inputs) == 0 || len(f.outputs) == 0 {
		return diag.New(diag.Invalid, "onnx.empty", doing, fmt.Sprintf("it has %d nodes, %d inputs and %d outputs", len(f.nodes), len(f.inputs), len(f.outputs)), "give a model that computes something")
	}
	return nil
}

func shorten(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:77], "?") + "..."
	}
	return strings.ToValidUTF8(s, "?")
}
