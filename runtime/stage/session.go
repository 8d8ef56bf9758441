package stage

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	ort "github.com/yalue/onnxruntime_go"

	"partita/planner/diag"
	"partita/runtime/wire"
)

// mbPerVCPU is the memory at which a function has one full virtual processor (AWS Lambda developer guide, "Configure Lambda
// function memory", 2026).
const mbPerVCPU = 1769

// Threads gives the threads for one operator: those that the function's memory buys, never more than there are processors.
// More threads than bought processor time only get throttled.
func Threads(memoryMB int64, processors int) int {
	if memoryMB <= mbPerVCPU {
		return 1
	}
	return int(min((memoryMB+mbPerVCPU-1)/mbPerVCPU, int64(processors)))
}

// memoryMB is the function's memory as the platform tells it; 0 when it does not.
func memoryMB() int64 {
	n, _ := strconv.ParseInt(os.Getenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE"), 10, 64)
	return n
}

// session is one stage's ONNX file, loaded.
type session struct {
	ort     *ort.DynamicAdvancedSession
	inputs  []string
	outputs []string
}

// environment makes ONNX Runtime's environment, of which a process has one.
func environment(library string) error {
	environmentOnce.Do(func() {
		ort.SetSharedLibraryPath(library)
		environmentErr = ort.InitializeEnvironment(ort.WithLogLevelError())
	})
	return environmentErr
}

var (
	environmentOnce sync.Once
	environmentErr  error
)

func loading(code, found, fix string) *diag.Error {
	return diag.New(diag.Internal, code, "loading the stage", found, fix)
}

// settings are those that the session options take as numbers; a field of Stage's tests and benchmarks.
type settings struct {
	threads int
	prepack bool
	widen   bool // weights of 8 bits are made float32 once, when the session is made, and not at every run
	level   ort.GraphOptimizationLevel
}

// openSession loads the ONNX file in a folder. ONNX Runtime maps the weights file beside it into memory.
func openSession(folder, library string, s settings) (*session, error) {
	path := filepath.Join(folder, wire.ModelFile)
	model, err := os.ReadFile(path)
	if err != nil {
		return nil, loading("stage.no-model", "its "+wire.ModelFile+" cannot be read", "deploy again").Because(err)
	}
	inputs, outputs, err := graphPorts(model)
	if err == nil && (len(inputs) == 0 || len(outputs) == 0) {
		err = fmt.Errorf("its graph has %d inputs and %d outputs", len(inputs), len(outputs))
	}
	if err != nil {
		return nil, loading("stage.bad-model", "its "+wire.ModelFile+" is not an ONNX model that can be run", "deploy again").Because(err)
	}
	if err := environment(library); err != nil {
		return nil, loading("stage.no-onnx-runtime", "ONNX Runtime cannot be loaded from "+library, "put "+wire.LibraryFile+" 1.24 into the package").Because(err)
	}
	options, err := s.options()
	if err != nil {
		return nil, loading("stage.bad-options", "ONNX Runtime refuses the session's settings", "use the ONNX Runtime that Partita is built with").Because(err)
	}
	defer options.Destroy()
	o, err := ort.NewDynamicAdvancedSession(path, inputs, outputs, options)
	if err != nil {
		return nil, loading("stage.bad-model", "ONNX Runtime cannot load its "+wire.ModelFile, remedy(err)).Because(err)
	}
	return &session{ort: o, inputs: inputs, outputs: outputs}, nil
}

// remedy says what helps where ONNX Runtime refuses a model: to deploy again, unless the model itself is at fault.
func remedy(err error) string {
	for _, sign := range []string{"Could not find an implementation", "is not a registered function", "No Op registered", "are not supported"} {
		if strings.Contains(err.Error(), sign) {
			return "export the model with operators that ONNX Runtime runs on processors, or with other types of elements (float32, int64)"
		}
	}
	return "deploy again"
}

func (s *settings) options() (*ort.SessionOptions, error) {
	o, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	steps := []func() error{
		func() error { return o.SetIntraOpNumThreads(s.threads) },
		func() error { return o.SetInterOpNumThreads(1) },
		func() error { return o.SetExecutionMode(ort.ExecutionModeSequential) },
		func() error { return o.SetGraphOptimizationLevel(s.level) },
		// The pattern costs memory and gains no time (measured: 8 MB for ResNet50); with a free batch size it cannot hold anyway.
		func() error { return o.SetMemPattern(false) },
		// A waiting thread that spins uses up the processor time that the function's memory buys.
		func() error { return o.AddSessionConfigEntry("session.intra_op.allow_spinning", "0") },
	}
	if !s.prepack {
		steps = append(steps, func() error { return o.AddSessionConfigEntry("session.disable_prepacking", "1") })
	}
	if s.widen {
		// Without the fusions of quantized models, DequantizeLinear of a constant is folded like any other operator.
		steps = append(steps, func() error { return o.AddSessionConfigEntry("session.disable_quant_qdq", "1") })
	}
	for _, step := range steps {
		if err := step(); err != nil {
			_ = o.Destroy()
			return nil, err
		}
	}
	return o, nil
}

func (s *session) close() error { return s.ort.Destroy() }

// elementTypes are ONNX's numbers of the types that NumPy's names stand for (TensorProto.DataType).
var elementTypes = map[string]ort.TensorElementDataType{
	"float32": ort.TensorElementDataTypeFloat, "uint8": ort.TensorElementDataTypeUint8, "int8": ort.TensorElementDataTypeInt8,
	"int32": ort.TensorElementDataTypeInt32, "int64": ort.TensorElementDataTypeInt64, "bool": ort.TensorElementDataTypeBool,
	"uint16": ort.TensorElementDataTypeUint16, "int16": ort.TensorElementDataTypeInt16, "uint32": ort.TensorElementDataTypeUint32, "uint64": ort.TensorElementDataTypeUint64,
	"float16": ort.TensorElementDataTypeFloat16, "float64": ort.TensorElementDataTypeDouble, "bfloat16": ort.TensorElementDataTypeBFloat16,
}

// run computes outputs from inputs, in the order of s.inputs and s.outputs. ONNX Runtime reads and writes the tensors'
// own memory: nothing but scalars is copied. An output without memory gets it, and its shape, from the run.
func (s *session) run(inputs, outputs []*wire.Tensor) error {
	// ONNX Runtime keeps the addresses for the time of the run.
	var pins runtime.Pinner
	defer pins.Unpin()
	var values []ort.Value
	defer func() {
		for _, v := range values {
			if v != nil {
				_ = v.Destroy()
			}
		}
	}()
	for _, t := range append(append([]*wire.Tensor{}, inputs...), outputs...) {
		if t.Data == nil {
			values = append(values, nil)
			continue
		}
		if len(t.Shape) == 0 {
			v, err := scalar(t)
			if err != nil {
				return fmt.Errorf("tensor %q: %w", t.Name, err)
			}
			values = append(values, v)
			continue
		}
		aligned(t)
		pins.Pin(&t.Data[0])
		v, err := ort.NewCustomDataTensor(ort.NewShape(t.Shape...), t.Data, elementTypes[t.DType])
		if err != nil {
			return fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		values = append(values, v)
	}
	if err := s.ort.Run(values[:len(inputs)], values[len(inputs):]); err != nil {
		return err
	}
	for i, t := range outputs {
		v := values[len(inputs)+i]
		if len(t.Shape) == 0 && t.Data != nil {
			t.Data, _ = element(v)
		}
		if t.Data != nil {
			continue
		}
		t.Shape = append([]int64{}, v.GetShape()...)
		data, ok := contents(v)
		if size, known := t.Bytes(1); !ok || !known || size != int64(len(data)) {
			return fmt.Errorf("tensor %q: the run made %d bytes of shape %v", t.Name, len(data), t.Shape)
		}
		t.Data = data
	}
	return nil
}

// contents copies the elements of a tensor that ONNX Runtime's binding made.
func contents(v ort.Value) ([]byte, bool) {
	switch t := v.(type) {
	case *ort.CustomDataTensor:
		return append([]byte{}, t.GetData()...), true
	case *ort.Tensor[float32]:
		return memory(t.GetData()), true
	case *ort.Tensor[float64]:
		return memory(t.GetData()), true
	case *ort.Tensor[int8]:
		return memory(t.GetData()), true
	case *ort.Tensor[uint8]:
		return memory(t.GetData()), true
	case *ort.Tensor[int16]:
		return memory(t.GetData()), true
	case *ort.Tensor[uint16]:
		return memory(t.GetData()), true
	case *ort.Tensor[int32]:
		return memory(t.GetData()), true
	case *ort.Tensor[uint32]:
		return memory(t.GetData()), true
	case *ort.Tensor[int64]:
		return memory(t.GetData()), true
	case *ort.Tensor[uint64]:
		return memory(t.GetData()), true
	case *ort.Tensor[bool]:
		return memory(t.GetData()), true
	}
	return nil, false
}

// memory copies the bytes of numbers.
func memory[T any](list []T) []byte {
	if len(list) == 0 {
		return []byte{}
	}
	return append([]byte{}, unsafe.Slice((*byte)(unsafe.Pointer(&list[0])), len(list)*int(unsafe.Sizeof(list[0])))...)
}

// aligned makes sure that a tensor's numbers lie at a multiple of 8 bytes: kernels of some processors need it.
func aligned(t *wire.Tensor) {
	if uintptr(unsafe.Pointer(&t.Data[0]))%8 != 0 {
		t.Data = append(make([]byte, 0, len(t.Data)), t.Data...)
	}
}
