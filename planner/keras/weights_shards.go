package keras

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/weights"
)

// Shard is an opened file of a TensorFlow.js model's weights.
type Shard struct {
	Reader io.ReaderAt
	Size   int64
}

// Bind finds the tensors that a model's layers need among those of the manifest, whose files are given by their paths.
// Like Bind for HDF5 it checks everything and tells all that does not fit in one error.
func (m *Manifest) Bind(layers []LayerWeights, files map[string]Shard) (weights.Source, error) {
	if m.index {
		return m.bindIndex(layers, files)
	}
	b := &binder{source: storedTensors{}, layers: layers}
	byPath := map[string]storedTensor{}
	var names []string
	var absent, short []string
	for _, g := range m.groups {
		data := &joined{}
		for _, p := range g.paths {
			s, ok := files[p]
			if !ok {
				absent = append(absent, p)
				continue
			}
			data.parts = append(data.parts, s)
			data.size += s.Size
		}
		if len(data.parts) == len(g.paths) && data.size != g.bytes {
			short = append(short, fmt.Sprintf("%s: %d bytes, the tensors in it take %d", strings.Join(g.paths, " and "), data.size, g.bytes))
		}
		for i := range g.tensors {
			t := &g.tensors[i]
			if byPath[t.name] != nil {
				return nil, badManifest("it lists %s twice", t.name)
			}
			byPath[t.name] = &shardedTensor{shardTensor: t, data: data}
			names = append(names, t.name)
		}
	}
	if len(absent) > 0 {
		return nil, MissingShards(absent)
	}
	if len(short) > 0 {
		return nil, diag.New(diag.Invalid, "weights.wrong-size", binding, "the files with the weights have other sizes than model.json implies", "download or copy them again").With(short...)
	}
	b.matchNames(names, byPath)
	if err := b.failure(); err != nil {
		return nil, err
	}
	return b.source, nil
}

// MissingShards says that files which a model.json or a .weights.json names are not there.
func MissingShards(paths []string) error {
	found := fmt.Sprintf("%d files with its weights are missing", len(paths))
	if len(paths) == 1 {
		found = "a file with its weights is missing"
	}
	return diag.New(diag.Invalid, "weights.missing-shards", binding, found,
		"give them together with the file that lists them").With(clipped(paths)...)
}

// matchNames takes, for each layer, the tensors that have its name in their path.
func (b *binder) matchNames(names []string, byPath map[string]storedTensor) {
	index := newNameIndex(names)
	taken := map[string]bool{}
	var each func(layers []LayerWeights, owners []string)
	each = func(layers []LayerWeights, owners []string) {
		for _, layer := range layers {
			within := append(slices.Clip(owners), layer.Name)
			if layer.Layers != nil {
				each(layer.Layers, within)
				continue
			}
			if len(layer.Weights) == 0 {
				continue
			}
			group := legacyLayer{name: layer.Name}
			for _, name := range index.ofLayer(within, len(layer.Weights)) {
				if !taken[name] {
					group.weights = append(group.weights, name)
				}
			}
			if len(group.weights) == 0 {
				b.elsewhere(layer)
				continue
			}
			order := group.inModelOrder(layer)
			if order == nil {
				order = group.weights
			}
			var tensors []storedTensor
			for _, name := range order {
				taken[name] = true
				tensors = append(tensors, byPath[name])
			}
			b.match(layer, tensors)
		}
	}
	each(b.layers, nil)
	if extra := len(names) - len(taken); extra > 0 {
		b.extra = append(b.extra, fmt.Sprintf("%d tensors of the list are of no layer", extra))
	}
}

// nameIndex finds the tensors of a layer.
type nameIndex struct {
	sorted []string
	place  map[string]int      // in the file
	part   map[string][]string // by the parts of names before the last
}

func newNameIndex(names []string) *nameIndex {
	index := &nameIndex{sorted: slices.Sorted(slices.Values(names)), place: map[string]int{}, part: map[string][]string{}}
	for i, name := range names {
		index.place[name] = i
		parts := strings.Split(name, "/")
		for k, p := range parts[:len(parts)-1] {
			if !slices.Contains(parts[:k], p) {
				index.part[p] = append(index.part[p], name)
			}
		}
	}
	return index
}

// ofLayer lists the names of a layer's tensors: those that begin with its name and, if need be, those of models round it;
// where there are none, those with its name anywhere before the last part. Names right below the layer's are preferred
// when there are as many as wanted, since another layer's name may begin with this one's.
func (x *nameIndex) ofLayer(owners []string, wanted int) []string {
	var found, direct []string
	for first := range owners {
		prefix := strings.Join(owners[first:], "/") + "/"
		at, _ := slices.BinarySearch(x.sorted, prefix)
		for ; at < len(x.sorted) && strings.HasPrefix(x.sorted[at], prefix); at++ {
			found = append(found, x.sorted[at])
			if !strings.Contains(x.sorted[at][len(prefix):], "/") {
				direct = append(direct, x.sorted[at])
			}
		}
		if found != nil {
			break
		}
	}
	if len(direct) == wanted {
		found = direct
	}
	slices.SortFunc(found, func(a, b string) int { return x.place[a] - x.place[b] })
	if found == nil {
		found = x.part[owners[len(owners)-1]]
	}
	return found
}

// joined reads several files as one.
type joined struct {
	parts []Shard
	size  int64
}

// ReadAt implements io.ReaderAt.
func (j *joined) ReadAt(p []byte, offset int64) (int, error) {
	n := 0
	for _, s := range j.parts {
		if n == len(p) {
			break
		}
		if offset >= s.Size {
			offset -= s.Size
			continue
		}
		want := p[n:min(int64(len(p)), int64(n)+s.Size-offset)]
		got, err := s.Reader.ReadAt(want, offset)
		n += got
		if got < len(want) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return n, err
		}
		offset = 0
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// shardedTensor is a tensor of a TensorFlow.js model.
type shardedTensor struct {
	*shardTensor
	data *joined
}

func (t *shardedTensor) place() string   { return t.name }
func (t *shardedTensor) readable() error { return nil }

func (t *shardedTensor) odd() string {
	if t.stored == "complex64" {
		return t.stored
	}
	return ""
}

// DType implements weights.Tensor.
func (t *shardedTensor) DType() graph.DType {
	d, _ := graph.ParseDType(t.stored)
	return d
}

// Shape implements weights.Tensor.
func (t *shardedTensor) Shape() graph.Shape { return t.shape }

// ReadFloat32s implements weights.Tensor.
func (t *shardedTensor) ReadFloat32s(dst []float32, offset int64) error {
	const window = 1 << 16
	size := shardTypes[t.stored]
	if offset < 0 || offset+int64(len(dst)) > t.shape.Elements(1) {
		return diag.New(diag.Internal, "weights.out-of-range", "reading "+t.name, "elements beyond its end are asked for", "report this as a fault")
	}
	buffer := make([]byte, min(window, int64(len(dst))*size))
	at := t.offset + offset*size
	for len(dst) > 0 {
		n := min(len(dst), window/int(size))
		bytes := buffer[:int64(n)*size]
		if got, err := t.data.ReadAt(bytes, at); got < len(bytes) {
			return diag.New(diag.Unavailable, "weights.unreadable", "reading "+t.name, "its numbers cannot be read", "check that the file is still there").Because(err)
		}
		t.convert(dst[:n], bytes)
		dst, at = dst[n:], at+int64(len(bytes))
	}
	return nil
}

// convert reads numbers in little-endian order, which is what TensorFlow.js writes.
func (t *shardedTensor) convert(dst []float32, bytes []byte) {
	for i := range dst {
		switch t.stored {
		case "float32":
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(bytes[4*i:]))
		case "float16":
			dst[i] = half(binary.LittleEndian.Uint16(bytes[2*i:]))
		case "int32":
			dst[i] = float32(int32(binary.LittleEndian.Uint32(bytes[4*i:])))
		case "uint16":
			dst[i] = t.affine(binary.LittleEndian.Uint16(bytes[2*i:]))
		default: // uint8, bool
			dst[i] = t.affine(uint16(bytes[i]))
		}
	}
}

// affine is value * scale + min in float32, rounded after each operation.
func (t *shardedTensor) affine(v uint16) float32 {
	if !t.quantized {
		return float32(v)
	}
	return float32(float32(v)*float32(t.scale)) + float32(t.min)
}

// half reads IEEE 754 half precision.
func half(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10&31), uint32(h&1023)
	switch exponent {
	case 0: // zero and numbers below the normal range: fraction * 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)/(1<<24)))
	case 31:
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+112)<<23 | fraction<<13)
}
