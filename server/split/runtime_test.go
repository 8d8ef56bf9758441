//go:build cgo

package split

import (
	"archive/zip"
	"encoding/binary"
	"io"
	"math"
	"os"
	"path/filepath"
	"testing"

	"partita/internal/fixture"
	"partita/runtime/stage"
	"partita/runtime/wire"
)

// unpack writes a stage's package, unpacks it as Lambda does, and gives the folder.
func unpack(t *testing.T, write func(io.Writer) error) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "stage.zip"))
	must(t, err)
	defer f.Close()
	must(t, write(f))
	size, err := f.Seek(0, io.SeekEnd)
	must(t, err)
	z, err := zip.NewReader(f, size)
	must(t, err)
	dir := t.TempDir()
	must(t, os.CopyFS(dir, z))
	return dir
}

// TestRuntimeRunsPackages runs packages, with the real ONNX Runtime in them, in the code that runs inside functions.
func TestRuntimeRunsPackages(t *testing.T) {
	library := fixture.Library(t)
	runtimeReady(t)
	for _, name := range []string{"k3_tiny_residual", "trained_mobilenet_v2"} {
		t.Run(name, func(t *testing.T) {
			mc := openCase(t, name)
			g, src, _ := mc.open(t, mc.pairs(t)[0])
			stages, err := Stages(g, spread(g.Cuts(), 2), "test")
			must(t, err)
			var tensors []wire.Tensor
			for value, x := range byPort(t, g, g.Inputs, mc.tensors(t, mc.Inputs), false) {
				tensors = append(tensors, wire.Tensor{TensorSpec: wire.TensorSpec{Name: value, DType: "float32", Shape: x.shape}, Data: raw(x.data)})
			}
			for _, s := range stages {
				dir := unpack(t, func(w io.Writer) error {
					return s.WritePackage(w, src, Native{Bootstrap: native(t).Bootstrap, Library: library})
				})
				running, err := stage.Open(dir, nil)
				must(t, err)
				tensors, err = running.Run(tensors)
				must(t, err)
				must(t, running.Close())
			}
			got := map[string]tensor32{}
			for _, x := range tensors {
				data := make([]float32, len(x.Data)/4)
				for i := range data {
					data[i] = math.Float32frombits(binary.LittleEndian.Uint32(x.Data[4*i:]))
				}
				got[x.Name] = tensor32{x.Shape, data}
			}
			mc.expect(t, "in the runtime", byPort(t, g, g.Outputs, got, true), mc.tensors(t, mc.Outputs))
		})
	}
}
