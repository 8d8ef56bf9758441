package onnx

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"path"
	"slices"
	"sync"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/weights"
)

// Data is a file with tensors of a model: the model's own, of the name "", or one beside it.
type Data struct {
	Name   string
	Size   int64
	Reader io.ReaderAt
}

// Weights gives the tensors that a graph needs, from the model's own file and files beside it. All that is missing is told in
// one error.
func (f *File) Weights(g *graph.Graph, model Data, beside ...Data) (weights.Source, error) {
	stored := map[string]*Stored{}
	for _, t := range f.everyTensor() {
		stored[t.Name] = t
	}
	src := source{}
	var missing, absent []string
	told := map[string]bool{}
	for i := range g.Values {
		v := &g.Values[i]
		if t := stored[v.Name]; v.Const != nil && t != nil {
			if c := t.constant(); c == nil || !slices.Equal(c.Int64s, v.Const.Int64s) || !slices.Equal(bitsOf(c.Float32s...), bitsOf(v.Const.Float32s...)) {
				missing = append(missing, shorten(v.Name)+", with the numbers that the plan was made with")
			}
		}
		if v.Weight == nil || src[v.Weight.Key] != nil {
			continue
		}
		t := stored[v.Weight.Key]
		if t == nil || !t.Shape.Equal(v.Weight.Stored) || t.DType != v.DType {
			missing = append(missing, fmt.Sprintf("%s, %s %s", shorten(v.Weight.Key), v.Weight.Stored, v.DType))
			continue
		}
		w := &tensor{Stored: t}
		switch {
		case t.external != nil:
			d := find(beside, t.external.Location)
			if d == nil {
				if !told[t.external.Location] {
					told[t.external.Location] = true
					absent = append(absent, shorten(t.external.Location))
				}
				continue
			}
			size := t.Shape.Elements(1) * t.DType.Size()
			if t.external.Offset > d.Size-size {
				return nil, diag.New(diag.Invalid, "onnx.bad-external-data", "looking for weights", fmt.Sprintf("tensor %q is at bytes %d to %d of %s, which has %d",
					shorten(t.Name), t.external.Offset, t.external.Offset+size, shorten(d.Name), d.Size), "give the file that belongs to this model")
			}
			w.reader, w.at = d.Reader, t.external.Offset
		case t.raw != nil:
		case t.varints.size() > 0:
			w.list = &list{scanner: newScanner(model.Reader, model.Size), part: t.varints, place: t.varints.at}
		default:
			w.reader, w.at = model.Reader, t.data.at
		}
		src[v.Weight.Key] = w
	}
	switch {
	case len(missing) > 0:
		return nil, diag.New(diag.Invalid, "weights.mismatch", "looking for weights", fmt.Sprintf("%d tensors that the model needs are not in the file as it needs them", len(missing)),
			"give the ONNX file that the plan was made from").With(clip(missing)...)
	case len(absent) > 0:
		return nil, diag.New(diag.Invalid, "weights.external-data", "looking for weights", fmt.Sprintf("the weights are in other files: %s", joined(absent)),
			"give that file with the model; to deploy, save the model in one file (onnx.save without external data)")
	}
	return src, nil
}

// Elsewhere lists the files that hold external data, by paths relative to the model's folder.
func (f *File) Elsewhere() []string {
	var list []string
	seen := map[string]bool{}
	for _, t := range f.everyTensor() {
		if t.external != nil && !seen[path.Clean(t.external.Location)] {
			seen[path.Clean(t.external.Location)] = true
			list = append(list, path.Clean(t.external.Location))
		}
	}
	return list
}

// tensors lists the initializers and the values of Constants, which are known by the name of their output.
func (f *File) tensors() []*Stored {
	return append(append([]*Stored{}, f.initializers...), constants(f.nodes)...)
}

func constants(nodes []fileNode) []*Stored {
	var list []*Stored
	for i := range nodes {
		n := &nodes[i]
		if n.op == "Constant" && n.constant != nil && n.domain == "" {
			t := *n.constant
			t.Name = n.outputs[0]
			list = append(list, &t)
		}
	}
	return list
}

// find finds a file by its location, or where users name files by their last step alone, by that.
func find(files []Data, location string) *Data {
	for i := range files {
		if name := path.Clean(files[i].Name); name == path.Clean(location) || path.Base(name) == path.Base(location) {
			return &files[i]
		}
	}
	return nil
}

func clip(list []string) []string {
	const most = 20
	if len(list) > most {
		return append(list[:most:most], fmt.Sprintf("and %d more", len(list)-most))
	}
	return list
}

func joined(names []string) string {
	s := ""
	for i, n := range clip(names) {
		if i > 0 {
			s += ", "
		}
		s += n
	}
	return s
}

type source map[string]*tensor

func (s source) Tensor(key string) (weights.Tensor, error) {
	if t := s[key]; t != nil {
		return t, nil
	}
	return nil, diag.New(diag.Invalid, "weights.mismatch", "reading a weight", fmt.Sprintf("there is no tensor %q", shorten(key)), "give the ONNX file that the plan was made from")
}

// tensor is a stored tensor with the file that it is in.
type tensor struct {
	*Stored
	reader io.ReaderAt // nil: held
	at     int64
	list   *list
}

var _ weights.RawReader = (*tensor)(nil)

func (t *tensor) DType() graph.DType { return t.Stored.DType }
func (t *tensor) Shape() graph.Shape { return t.Stored.Shape }

func (t *tensor) ReadRaw(dst []byte, offset int64) error {
	size := t.Stored.DType.Size()
	n := t.Stored.Shape.Elements(1)
	if offset < 0 || int64(len(dst))%size != 0 || int64(len(dst)) > (n-offset)*size {
		panic(fmt.Sprintf("onnx: %d bytes from element %d of %d in %q", len(dst), offset, n, t.Name))
	}
	switch {
	case t.raw != nil:
		copy(dst, t.raw[offset*size:])
		return nil
	case t.list != nil:
		return t.list.read(dst, offset, t.Stored.DType)
	}
	if got, err := t.reader.ReadAt(dst, t.at+offset*size); got < len(dst) {
		return diag.New(diag.Unavailable, "onnx.unreadable", "reading the weight "+shorten(t.Name), "the file cannot be read there", "check that the file is still there").Because(err)
	}
	return nil
}

// convertedAt is how many bytes are read at a time to be converted.
const convertedAt = 256 << 10

func (t *tensor) ReadFloat32s(dst []float32, offset int64) error {
	size := int(t.Stored.DType.Size())
	buffer := make([]byte, min(len(dst)*size, convertedAt))
	for len(dst) > 0 {
		n := min(len(dst), len(buffer)/size)
		b := buffer[:n*size]
		if err := t.ReadRaw(b, offset); err != nil {
			return err
		}
		convert(dst[:n], b, t.Stored.DType)
		dst = dst[n:]
		offset += int64(n)
	}
	return nil
}

// convert turns elements into float32.
func convert(dst []float32, b []byte, d graph.DType) {
	le := binary.LittleEndian
	size := int(d.Size())
	for i := range dst {
		e := b[i*size:]
		switch d {
		case graph.Float32:
			dst[i] = math.Float32frombits(le.Uint32(e))
		case graph.Float64:
			dst[i] = float32(math.Float64frombits(le.Uint64(e)))
		case graph.BFloat16:
			dst[i] = math.Float32frombits(uint32(le.Uint16(e)) << 16)
		case graph.Float16:
			dst[i] = half(le.Uint16(e))
		case graph.Int64:
			dst[i] = float32(int64(le.Uint64(e)))
		case graph.UInt64:
			dst[i] = float32(le.Uint64(e))
		case graph.Int32:
			dst[i] = float32(int32(le.Uint32(e)))
		case graph.UInt32:
			dst[i] = float32(le.Uint32(e))
		case graph.Int16:
			dst[i] = float32(int16(le.Uint16(e)))
		case graph.UInt16:
			dst[i] = float32(le.Uint16(e))
		case graph.Int8:
			dst[i] = float32(int8(e[0]))
		default:
			dst[i] = float32(e[0])
		}
	}
}

// half widens an IEEE 754 binary16 number.
func half(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10)&31, uint32(h)&1023
	switch exponent {
	case 31:
		return math.Float32frombits(sign | 0x7f800000 | fraction<<13)
	case 0:
		f := float32(fraction) / (1 << 24)
		if sign != 0 {
			f = -f
		}
		return f
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}

// list reads a packed list of numbers from front to back; going back starts it anew.
type list struct {
	mu      sync.Mutex
	scanner *scanner
	part    part
	index   int64 // of the next number
	place   int64 // where it is
}

func (l *list) read(dst []byte, offset int64, d graph.DType) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if offset < l.index {
		l.index, l.place = 0, l.part.at
	}
	for out := dst[:0]; len(out) < len(dst); l.index++ {
		if l.place >= l.part.end {
			return malformed("a tensor has fewer elements than its shape")
		}
		v, next, err := l.scanner.varint(l.place, l.part.end)
		if err != nil {
			return err
		}
		l.place = next
		if l.index >= offset {
			out = appendElement(out, d, v)
		}
	}
	return nil
}
