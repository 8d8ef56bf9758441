package keras

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

func init() {
	register(func(o *options) operation {
		scale := o.lambdaScale()
		o.ignore("function", "function_type", "module", "output_shape", "output_shape_type", "output_shape_module", "arguments")
		if scale == nil {
			o.unsupported(replace, "it holds Python bytecode, which is never run")
			return nil
		}
		return &scaled{*scale}
	}, "Lambda")
}

// lambdaScale tells whether the layer is the one Lambda of keras.applications: InceptionResNetV2 of Keras 2 adds a branch by
//
//	Lambda(lambda inputs, scale: inputs[0] + inputs[1] * scale, arguments={'scale': scale})
//
// It is known by what CPython compiles that expression to, byte for byte. Nothing is run; every other Lambda gives nil.
func (o *options) lambdaScale() *float64 {
	list, _ := o.layer.options["function"].([]any)
	arguments, _ := o.layer.options["arguments"].(map[string]any)
	if len(list) != 3 || list[1] != nil || list[2] != nil || len(arguments) != 1 {
		return nil // not a function without defaults and closure
	}
	text, _ := list[0].(string)
	scale, number := asNumber(arguments["scale"])
	code, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(text, "\n", ""))
	if err != nil || !number || !isScaledSum(code) {
		return nil
	}
	return scale
}

// scaledSums is the expression's bytecode, by the CPython that compiled it: the first and the second of inputs, scale, multiply, add,
// return. (Made by these versions themselves.)
var scaledSums = [][]byte{
	bytecode("7c0000640100197c0000640200197c0100141753"),                                             // 2.7 to 3.5
	bytecode("7c00640119007c00640219007c01140017005300"),                                             // 3.6 to 3.10
	bytecode("97007c006401190000000000000000007c006402190000000000000000007c017a0500007a0000005300"), // 3.11
	bytecode("97007c006401190000007c006402190000007c017a0500007a0000005300"),                         // 3.12
	bytecode("95005500530105000000550053020500000055012d0500002d0000002400"),                         // 3.13
}

func bytecode(digits string) []byte {
	code, err := hex.DecodeString(digits)
	if err != nil {
		panic(err)
	}
	return code
}

// isScaledSum reads the beginning of a function as CPython's module marshal writes it: four to six numbers, of which the first counts the
// parameters, the bytecode, and the constants None, 0 and 1. What follows are names and places in the source, which change
// nothing.
func isScaledSum(marshalled []byte) bool {
	if !marshalledAs(marshalled, 'c') || len(marshalled) < 5 || binary.LittleEndian.Uint32(marshalled[1:]) != 2 {
		return false
	}
	for numbers := 4; numbers <= 6; numbers++ {
		rest := marshalled[min(1+4*numbers, len(marshalled)):]
		if !marshalledAs(rest, 's') || len(rest) < 5 {
			continue
		}
		length := int64(binary.LittleEndian.Uint32(rest[1:]))
		for _, code := range scaledSums {
			if length == int64(len(code)) && bytes.HasPrefix(rest[5:], code) && isNoneZeroOne(rest[5+len(code):]) {
				return true
			}
		}
	}
	return false
}

// isNoneZeroOne tells whether a marshalled tuple, in its short or its long form, begins the bytes and holds None, 0 and 1.
func isNoneZeroOne(b []byte) bool {
	switch {
	case marshalledAs(b, ')') && len(b) > 2 && b[1] == 3:
		b = b[2:]
	case marshalledAs(b, '(') && len(b) > 5 && binary.LittleEndian.Uint32(b[1:]) == 3:
		b = b[5:]
	default:
		return false
	}
	return len(b) > 10 && marshalledAs(b, 'N') && marshalledAs(b[1:], 'i') && binary.LittleEndian.Uint32(b[2:]) == 0 &&
		marshalledAs(b[6:], 'i') && binary.LittleEndian.Uint32(b[7:]) == 1
}

// marshalledAs compares the type that begins the bytes, without the bit by which later entries may refer to it.
func marshalledAs(b []byte, kind byte) bool { return len(b) > 0 && b[0]&0x7f == kind }
