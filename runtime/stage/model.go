package stage

import (
	"encoding/binary"
	"errors"
)

// graphPorts reads the names of the inputs and outputs of an ONNX file's graph. ONNX Runtime tells them only by making a
// whole session, which would load the stage twice; the file without its weights is small, and three field numbers of onnx.proto
// suffice: ModelProto.graph = 7, GraphProto.input = 11 and output = 12, ValueInfoProto.name = 1.
func graphPorts(model []byte) (inputs, outputs []string, err error) {
	err = eachField(model, func(number uint64, graph []byte) error {
		if number != 7 {
			return nil
		}
		return eachField(graph, func(number uint64, port []byte) error {
			if number != 11 && number != 12 {
				return nil
			}
			return eachField(port, func(field uint64, name []byte) error {
				switch {
				case field != 1:
				case number == 11:
					inputs = append(inputs, string(name))
				default:
					outputs = append(outputs, string(name))
				}
				return nil
			})
		})
	})
	return inputs, outputs, err
}

var errMalformed = errors.New("the protocol buffer is malformed or truncated")

// eachField calls f with the length-delimited fields of a message and skips all others.
func eachField(message []byte, f func(number uint64, value []byte) error) error {
	for len(message) > 0 {
		tag, n := binary.Uvarint(message)
		if n <= 0 {
			return errMalformed
		}
		message = message[n:]
		size := uint64(0)
		switch tag & 7 {
		case 0: // varint
			if _, n = binary.Uvarint(message); n <= 0 {
				return errMalformed
			}
			size = uint64(n)
		case 1: // 64 bits
			size = 8
		case 5: // 32 bits
			size = 4
		case 2:
			if size, n = binary.Uvarint(message); n <= 0 || size > uint64(len(message)-n) {
				return errMalformed
			}
			if err := f(tag>>3, message[n:uint64(n)+size]); err != nil {
				return err
			}
			size += uint64(n)
		default:
			return errMalformed
		}
		if size > uint64(len(message)) {
			return errMalformed
		}
		message = message[size:]
	}
	return nil
}
