// Package stage runs one stage of a model in ONNX Runtime: it loads the stage in the init phase and then answers events,
// each a set of tensors, with the tensors that the next stage needs.
package stage

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	ort "github.com/yalue/onnxruntime_go"

	"partita/planner/diag"
	"partita/planner/precision"
	"partita/runtime/wire"
)

// Store is where tensors wait that are too large for a payload.
type Store interface {
	Get(ctx context.Context, object wire.Object) ([]byte, error)
	Put(ctx context.Context, object wire.Object, data []byte) error
}

// Stage is a loaded stage. It runs one set of tensors at a time.
type Stage struct {
	manifest    *wire.StageManifest
	session     *session
	store       Store
	environment string // identifies this process
}

// Open loads the stage whose package lies in a folder, with the settings that the function's memory asks for.
func Open(root string, store Store) (*Stage, error) {
	return open(root, filepath.Join(root, wire.LibraryFile), store, defaults(memoryMB(), runtime.NumCPU()))
}

// defaults are the settings in functions. Prepacking is off: after ENABLE_ALL the convolutions are in blocked layout
// and gain nothing from it, while a large dense layer would be copied (and run slower at the batch sizes of a request).
func defaults(memoryMB int64, processors int) settings {
	return settings{threads: Threads(memoryMB, processors), prepack: false, level: ort.GraphOptimizationLevelEnableAll}
}

func open(root, library string, store Store, s settings) (*Stage, error) {
	text, err := os.ReadFile(filepath.Join(root, wire.StageFile))
	if err != nil {
		return nil, loading("stage.no-manifest", "its "+wire.StageFile+" cannot be read", "deploy again").Because(err)
	}
	manifest, err := wire.ReadStageManifest(text)
	if err != nil {
		return nil, err
	}
	stored, err := precision.Parse(manifest.Precision)
	if err != nil {
		return nil, loading("stage.bad-manifest", "its weights are stored in a way that this program does not know", "deploy again with matching versions").Because(err)
	}
	s.widen = stored == precision.Int8
	folder := root
	if manifest.Weights != nil {
		if folder, err = fetchWeights(root, library, manifest, store); err != nil {
			return nil, err
		}
	}
	session, err := openSession(folder, library, s)
	if manifest.Weights != nil {
		_ = os.RemoveAll(folder) // what is mapped stays
	}
	if err != nil {
		return nil, err
	}
	if err := agree(manifest, session); err != nil {
		_ = session.close()
		return nil, err
	}
	var id [8]byte
	_, _ = rand.Read(id[:])
	return &Stage{manifest: manifest, session: session, store: store, environment: hex.EncodeToString(id[:])}, nil
}

// Close frees the stage's memory.
func (s *Stage) Close() error { return s.session.close() }

// Manifest gives the stage's description.
func (s *Stage) Manifest() *wire.StageManifest { return s.manifest }

// agree checks that the ONNX file is the one that the manifest describes.
func agree(m *wire.StageManifest, s *session) error {
	bad := func(found string) error {
		return loading("stage.bad-manifest", found, "deploy again: the package is not in itself consistent")
	}
	for _, list := range [][]wire.TensorSpec{m.Inputs, m.Outputs} {
		for i := range list {
			if n, ok := list[i].Least().Bytes(1); !ok || n == 0 {
				return bad(fmt.Sprintf("tensor %s has no elements", list[i].String()))
			}
			if _, ok := elementTypes[list[i].DType]; !ok {
				return bad(fmt.Sprintf("tensor %s has an element type that cannot be handed over", list[i].String()))
			}
		}
	}
	for _, name := range s.inputs {
		if find(m.Inputs, name) < 0 {
			return bad(fmt.Sprintf("%s reads %q, which %s does not name as an input", wire.ModelFile, name, wire.StageFile))
		}
	}
	for _, name := range s.outputs {
		if find(m.Outputs, name) < 0 {
			return bad(fmt.Sprintf("%s makes %q, which %s does not name as an output", wire.ModelFile, name, wire.StageFile))
		}
	}
	for i := range m.Outputs {
		if name := m.Outputs[i].Name; !slices.Contains(s.outputs, name) && find(m.Inputs, name) < 0 {
			return bad(fmt.Sprintf("output %q is neither made by %s nor an input", name, wire.ModelFile))
		}
	}
	return nil
}

func find(specs []wire.TensorSpec, name string) int {
	return slices.IndexFunc(specs, func(s wire.TensorSpec) bool { return s.Name == name })
}

// doing names the stage in errors.
func (s *Stage) doing() string {
	return fmt.Sprintf("running stage %d of %d (%s)", s.manifest.Index+1, s.manifest.Stages, s.manifest.Layers)
}

// arrange puts tensors in the order of the manifest's inputs and checks them; sizes are checked where data are there.
// It gives the batch size that they share; 0 where the first dimension of none of them is the batch.
func (s *Stage) arrange(tensors []wire.Tensor) ([]*wire.Tensor, int64, error) {
	doing := s.doing()
	inputs := make([]*wire.Tensor, len(s.manifest.Inputs))
	batch, batchOf := int64(0), ""
	for i := range s.manifest.Inputs {
		want := &s.manifest.Inputs[i]
		at := slices.IndexFunc(tensors, func(t wire.Tensor) bool { return t.Name == want.Name })
		if at < 0 {
			var got []string
			for i := range tensors {
				got = append(got, tensors[i].Name)
			}
			return nil, 0, diag.New(diag.Invalid, "stage.missing-tensor", doing, fmt.Sprintf("tensor %q did not come; these did: %q", want.Name, got),
				"send every input of the stage: gateway and stages must be of the same deployment")
		}
		t := &tensors[at]
		n, err := want.Match(doing, &t.TensorSpec)
		if err != nil {
			return nil, 0, err
		}
		if want.Batched() {
			if batch != 0 && n != batch {
				return nil, 0, diag.New(diag.Invalid, "stage.mixed-batches", doing, fmt.Sprintf("tensor %q has batch size %d, but %q has %d", want.Name, n, batchOf, batch),
					"send inputs of one batch size")
			}
			batch, batchOf = n, want.Name
		}
		if t.Object == nil || t.Data != nil {
			if err := t.Check(doing); err != nil {
				return nil, 0, err
			}
		}
		inputs[i] = t
	}
	return inputs, batch, nil
}

// Run computes the stage's outputs, in the order of the manifest, from tensors that have their data. Outputs that pass
// through share their data with the input.
func (s *Stage) Run(tensors []wire.Tensor) ([]wire.Tensor, error) {
	inputs, batch, err := s.arrange(tensors)
	if err != nil {
		return nil, err
	}
	return s.compute(inputs, batch)
}

func (s *Stage) compute(inputs []*wire.Tensor, batch int64) ([]wire.Tensor, error) {
	outputs := make([]wire.Tensor, len(s.manifest.Outputs))
	for i := range s.manifest.Outputs {
		spec := &s.manifest.Outputs[i]
		outputs[i].TensorSpec = wire.TensorSpec{Name: spec.Name, DType: spec.DType, Shape: slices.Clone(spec.Shape)}
		if spec.Batched() {
			outputs[i].Shape[0] = batch
		}
		if at := find(s.manifest.Inputs, spec.Name); at >= 0 && !slices.Contains(s.session.outputs, spec.Name) {
			outputs[i] = *inputs[at]
			continue
		}
		if !settled(spec, batch) {
			continue // ONNX Runtime gives it its shape
		}
		size, ok := outputs[i].Bytes(batch)
		if !ok || size > 1<<40 {
			return nil, diag.New(diag.Limit, "stage.batch-too-large", s.doing(), fmt.Sprintf("a batch of %d makes tensor %q too large", batch, spec.Name), "send a smaller batch")
		}
		outputs[i].Data = make([]byte, size)
	}
	in := make([]*wire.Tensor, len(s.session.inputs))
	for i, name := range s.session.inputs {
		in[i] = inputs[find(s.manifest.Inputs, name)]
	}
	out := make([]*wire.Tensor, len(s.session.outputs))
	for i, name := range s.session.outputs {
		out[i] = &outputs[find(s.manifest.Outputs, name)]
	}
	if err := s.session.run(in, out); err != nil {
		return nil, diag.New(diag.Internal, "stage.run-failed", s.doing(), "ONNX Runtime could not run it", "check the model; if it runs elsewhere, report this").Because(err)
	}
	for i := range s.manifest.Outputs {
		if spec := &s.manifest.Outputs[i]; !settled(spec, batch) && !spec.Fits(outputs[i].Shape) {
			return nil, diag.New(diag.Internal, "stage.run-failed", s.doing(), fmt.Sprintf("it made %s, expected %s", outputs[i].String(), spec.String()), "send inputs of other sizes; if the model runs elsewhere, report this")
		}
	}
	return outputs, nil
}

// settled tells whether a tensor's shape is known before the run, at a batch size that may be unknown.
func settled(spec *wire.TensorSpec, batch int64) bool {
	return spec.Settled() && (batch > 0 || !spec.Batched())
}
