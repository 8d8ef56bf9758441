package split

import (
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"

	"partita/planner/graph"
	"partita/planner/weights"
)

// onDisk is a weights.Source of little-endian float32 tensors, one after the other in a file.
type onDisk struct {
	file    *os.File
	size    int64
	tensors map[string]*diskTensor
}

type diskTensor struct {
	file   io.ReaderAt
	offset int64
	shape  graph.Shape
}

func (d *onDisk) Tensor(key string) (weights.Tensor, error) { return d.tensors[key], nil }
func (d *diskTensor) DType() graph.DType                    { return graph.Float32 }
func (d *diskTensor) Shape() graph.Shape                    { return d.shape }
func (d *diskTensor) ReadFloat32s(dst []float32, offset int64) error {
	_, err := d.file.ReadAt(raw(dst), d.offset+4*offset)
	return err
}

// store writes a source's tensors to a file, in order of their keys' first use by the graph.
func store(t testing.TB, g *graph.Graph, src memory) *onDisk {
	f, err := os.Create(filepath.Join(t.TempDir(), "weights"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	d := &onDisk{file: f, tensors: map[string]*diskTensor{}}
	for i := range g.Values {
		w := g.Values[i].Weight
		if w == nil || d.tensors[w.Key] != nil {
			continue
		}
		s := src[w.Key]
		if _, err := f.Write(raw(s.data)); err != nil {
			t.Fatal(err)
		}
		d.tensors[w.Key] = &diskTensor{file: f, offset: d.size, shape: s.shape}
		d.size += int64(4 * len(s.data))
	}
	return d
}

// residual is a network with the kernels of ResNet50 (25.5 million parameters): a bottleneck is 1x1, 3x3 and 1x1, each
// followed by batch normalization (He et al., "Deep Residual Learning", 2015, table 1).
func residual(t testing.TB) (*graph.Graph, memory) {
	m := newModel(t, "residual")
	x := m.conv("stem", m.input("image", 3, 8, 8), 7, 64, true)
	for stage, blocks := range []int{3, 4, 6, 3} {
		width := int64(64) << stage
		for block := range blocks {
			name := fmt.Sprintf("stage%d_block%d", stage, block)
			skip := x
			if block == 0 {
				skip = m.norm(name+"_0_bn", m.conv(name+"_0", x, 1, 4*width, true))
			}
			x = m.same(name+"_1_relu", "Relu", m.norm(name+"_1_bn", m.conv(name+"_1", x, 1, width, true)))
			x = m.same(name+"_2_relu", "Relu", m.norm(name+"_2_bn", m.conv(name+"_2", x, 3, width, true)))
			x = m.norm(name+"_3_bn", m.conv(name+"_3", x, 1, 4*width, true))
			x = m.same(name+"_out", "Relu", m.same(name+"_add", "Add", x, skip))
		}
	}
	m.layer("pool")
	x = m.node("GlobalAveragePool", graph.Shape{graph.Batch, 2048, 1, 1}, nil, x)
	m.layer("flatten")
	x = m.node("Flatten", graph.Shape{graph.Batch, 2048}, nil, x)
	return m.done(m.dense("predictions", x, 1000)), m.src
}

// BenchmarkSplit packs a network of ResNet50's size in four stages.
func BenchmarkSplit(b *testing.B) {
	g, src := residual(b)
	disk := store(b, g, src)
	benchmarkSplit(b, g, disk, disk.file, disk.size)
}

// benchmarkSplit packs a model in four stages, and copies the file that holds its weights in between. The metric
// "of-copy" is the speed of splitting as a part of the speed of copying, each at its fastest: a machine that does other
// things too slows down what uses two of its processors more than what uses one.
func benchmarkSplit(b *testing.B, g *graph.Graph, src weights.Source, file io.ReaderAt, size int64) {
	n := native(b)
	cuts := g.Cuts()
	cuts = []int{cuts[len(cuts)/4], cuts[len(cuts)/2], cuts[3*len(cuts)/4]}
	stages, err := Stages(g, cuts, "bench")
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	splitting, copying := time.Duration(math.MaxInt64), time.Duration(math.MaxInt64)
	b.SetBytes(size)
	for b.Loop() {
		splitting = min(splitting, writeFiles(b, dir, len(stages), func(k int, f *os.File) error { return stages[k].WritePackage(f, src, n) }))
		b.StopTimer()
		copying = min(copying, writeFiles(b, dir, 1, func(_ int, f *os.File) error {
			// A wrapped writer keeps io.CopyBuffer from asking the kernel to copy, which a split cannot do.
			_, err := io.CopyBuffer(onlyWriter{f}, io.NewSectionReader(file, 0, size), make([]byte, 1<<20))
			return err
		}))
		b.StartTimer()
	}
	b.ReportMetric(float64(copying)/float64(splitting), "of-copy")
}

// writeFiles times the writing of files, and removes them.
func writeFiles(b testing.TB, dir string, count int, write func(int, *os.File) error) time.Duration {
	start := time.Now()
	for k := range count {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(k)))
		if err != nil {
			b.Fatal(err)
		}
		if err := write(k, f); err != nil {
			b.Fatal(err)
		}
		if err := f.Close(); err != nil {
			b.Fatal(err)
		}
	}
	took := time.Since(start)
	for k := range count {
		if err := os.Remove(filepath.Join(dir, fmt.Sprint(k))); err != nil {
			b.Fatal(err)
		}
	}
	return took
}
