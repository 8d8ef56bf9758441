package stage

import (
	"encoding/binary"
	"fmt"
	"math"

	ort "github.com/yalue/onnxruntime_go"

	"partita/runtime/wire"
)

// scalar makes a tensor without dimensions, which ONNX Runtime's binding keeps apart from others: it has one element and
// memory of its own.
func scalar(t *wire.Tensor) (ort.Value, error) {
	le, b := binary.LittleEndian, t.Data
	switch t.DType {
	case "float32":
		return ort.NewScalar(math.Float32frombits(le.Uint32(b)))
	case "float64":
		return ort.NewScalar(math.Float64frombits(le.Uint64(b)))
	case "int8":
		return ort.NewScalar(int8(b[0]))
	case "uint8":
		return ort.NewScalar(b[0])
	case "int16":
		return ort.NewScalar(int16(le.Uint16(b)))
	case "uint16":
		return ort.NewScalar(le.Uint16(b))
	case "int32":
		return ort.NewScalar(int32(le.Uint32(b)))
	case "uint32":
		return ort.NewScalar(le.Uint32(b))
	case "int64":
		return ort.NewScalar(int64(le.Uint64(b)))
	case "uint64":
		return ort.NewScalar(le.Uint64(b))
	case "bool":
		return ort.NewScalar(b[0] != 0)
	}
	return nil, fmt.Errorf("a scalar of type %s cannot be handed over", t.DType)
}

// element gives the bytes of a scalar's only element.
func element(v ort.Value) ([]byte, bool) {
	switch s := v.(type) {
	case *ort.Scalar[float32]:
		return memory([]float32{s.GetData()}), true
	case *ort.Scalar[float64]:
		return memory([]float64{s.GetData()}), true
	case *ort.Scalar[int8]:
		return memory([]int8{s.GetData()}), true
	case *ort.Scalar[uint8]:
		return memory([]uint8{s.GetData()}), true
	case *ort.Scalar[int16]:
		return memory([]int16{s.GetData()}), true
	case *ort.Scalar[uint16]:
		return memory([]uint16{s.GetData()}), true
	case *ort.Scalar[int32]:
		return memory([]int32{s.GetData()}), true
	case *ort.Scalar[uint32]:
		return memory([]uint32{s.GetData()}), true
	case *ort.Scalar[int64]:
		return memory([]int64{s.GetData()}), true
	case *ort.Scalar[uint64]:
		return memory([]uint64{s.GetData()}), true
	case *ort.Scalar[bool]:
		return memory([]bool{s.GetData()}), true
	}
	return nil, false
}
