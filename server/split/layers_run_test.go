//go:build cgo

package split

import (
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	ort "github.com/yalue/onnxruntime_go"

	"partita/planner/graph"
	"partita/planner/weights"
	"partita/runtime/npy"
	"partita/runtime/wire"
)

// typed is a tensor of float32, whole numbers or booleans.
type typed struct {
	tensor32
	ints  []int32
	longs []int64
	bools []bool
}

// runTyped runs a graph, cut at positions, on its inputs and gives its outputs, by the names of ports.
func runTyped(t testing.TB, g *graph.Graph, cuts []int, src weights.Source, inputs map[string]typed) map[string]tensor32 {
	t.Helper()
	stages, err := Stages(g, cuts, "test")
	must(t, err)
	given := map[string]typed{}
	for _, p := range g.Inputs {
		x, ok := inputs[p.Name]
		if !ok && len(inputs) == 1 && len(g.Inputs) == 1 {
			for _, x = range inputs {
				ok = true
			}
		}
		if !ok {
			t.Fatalf("there is no input %s", p.Name)
		}
		given[g.Value(p.Value).Name] = x
	}
	for _, s := range stages {
		given = runTypedStage(t, s, src, given)
	}
	out := map[string]tensor32{}
	for _, p := range g.Outputs {
		out[p.Name] = given[g.Value(p.Value).Name].tensor32
	}
	return out
}

func runTypedStage(t testing.TB, s *Stage, src weights.Source, given map[string]typed) map[string]typed {
	t.Helper()
	dir, err := os.MkdirTemp(t.TempDir(), "")
	must(t, err)
	defer os.RemoveAll(dir)
	must(t, s.WriteDir(dir, src))
	result := map[string]typed{}
	passes := map[string]bool{}
	for _, in := range s.Manifest.Inputs {
		passes[in.Name] = true
	}
	var outNames []string
	for _, out := range s.Manifest.Outputs {
		if passes[out.Name] {
			result[out.Name] = given[out.Name]
		} else {
			outNames = append(outNames, out.Name)
		}
	}
	path := filepath.Join(dir, wire.ModelFile)
	ins, _, err := ort.GetInputOutputInfo(path)
	must(t, err)
	var names []string
	var values []ort.Value
	for _, in := range ins {
		x, ok := given[in.Name]
		if !ok {
			t.Fatalf("a stage asks for %s, which nothing makes", in.Name)
		}
		var v ort.Value
		if x.bools != nil {
			v, err = ort.NewTensor(ort.NewShape(x.shape...), x.bools)
		} else if x.longs != nil {
			v, err = ort.NewTensor(ort.NewShape(x.shape...), x.longs)
		} else if x.ints != nil {
			v, err = ort.NewTensor(ort.NewShape(x.shape...), x.ints)
		} else {
			v, err = ort.NewTensor(ort.NewShape(x.shape...), x.data)
		}
		must(t, err)
		defer v.Destroy()
		names, values = append(names, in.Name), append(values, v)
	}
	options, err := ort.NewSessionOptions()
	must(t, err)
	defer options.Destroy()
	must(t, options.SetIntraOpNumThreads(1))
	session, err := ort.NewDynamicAdvancedSession(path, names, outNames, options)
	must(t, err)
	defer session.Destroy()
	outputs := make([]ort.Value, len(outNames))
	must(t, session.Run(values, outputs))
	for i, v := range outputs {
		switch v := v.(type) {
		case *ort.Tensor[float32]:
			result[outNames[i]] = typed{tensor32: tensor32{append([]int64(nil), v.GetShape()...), append([]float32(nil), v.GetData()...)}}
		case *ort.Tensor[int32]:
			result[outNames[i]] = typed{tensor32: tensor32{shape: append([]int64(nil), v.GetShape()...)}, ints: append([]int32(nil), v.GetData()...)}
		case *ort.Tensor[int64]:
			result[outNames[i]] = typed{tensor32: tensor32{shape: append([]int64(nil), v.GetShape()...)}, longs: append([]int64(nil), v.GetData()...)}
		case *ort.Tensor[bool]:
			result[outNames[i]] = typed{tensor32: tensor32{shape: append([]int64(nil), v.GetShape()...)}, bools: append([]bool(nil), v.GetData()...)}
		default:
			t.Fatalf("output %s is a %T", outNames[i], v)
		}
		v.Destroy()
	}
	return result
}

// typedTensors reads the inputs of a case.
func (c *modelCase) typedTensors(t testing.TB, list []caseTensor) map[string]typed {
	t.Helper()
	found := map[string]typed{}
	for _, x := range list {
		data, err := os.ReadFile(filepath.Join(c.dir, x.File))
		must(t, err)
		a, err := npy.Decode(data)
		must(t, err)
		v := typed{tensor32: tensor32{shape: a.Shape}}
		for i := 0; i < len(a.Data); i += 4 {
			bits := binary.LittleEndian.Uint32(a.Data[i:])
			switch a.DType {
			case "float32":
				v.data = append(v.data, math.Float32frombits(bits))
			case "int32":
				v.ints = append(v.ints, int32(bits))
			default:
				t.Fatalf("%s is %s", x.File, a.DType)
			}
		}
		found[x.Name] = v
	}
	return found
}

// TestLayerModels runs small models with all kinds of layers, whole and at every cut, in every form Keras wrote them in.
func TestLayerModels(t *testing.T) {
	runtimeReady(t)
	for _, name := range []string{"k2_tiny_layers", "k3_tiny_layers", "k2_tiny_rnn", "k3_tiny_rnn", "k3_tiny_lstm_mask", "k3_tiny_transformer"} {
		t.Run(name, func(t *testing.T) {
			c := openCase(t, name)
			want := c.tensors(t, c.Outputs)
			for n, p := range c.pairs(t) {
				g, src, _ := c.open(t, p)
				given := c.typedTensors(t, c.Inputs)
				ways := [][]int{nil}
				if cuts := g.Cuts(); n == 0 {
					ways = append(ways, cuts)
					for _, cut := range cuts {
						ways = append(ways, []int{cut})
					}
				}
				for _, way := range ways {
					c.expect(t, fmt.Sprintf("%s, cuts %v", p.weights.File, way), runTyped(t, g, way, src, given), want)
				}
			}
		})
	}
}
