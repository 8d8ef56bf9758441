package gateway

import (
	"encoding/json"
	"fmt"
	"strconv"

	"partita/planner/diag"
	"partita/runtime/npy"
)

const (
	readingJSON  = "reading a JSON tensor"
	maxJSONDepth = 64
)

// jsonArray reads a tensor written as nested arrays of numbers, or as {"shape":[...],"data":[...]} with the data flat (in
// C order) or nested; "dtype" beside them is allowed and only says what the numbers are meant as.
func jsonArray(data []byte) (*npy.Array, error) {
	if !json.Valid(data) {
		return nil, bad("gateway.bad-json", readingJSON, "it is not valid JSON", "send nested arrays of numbers, or an object with shape and data")
	}
	p := &numbers{rest: data}
	p.space()
	if p.rest[0] != '{' {
		return p.array()
	}
	var object struct {
		Shape []int64         `json:"shape"`
		Data  json.RawMessage `json:"data"`
		DType string          `json:"dtype"`
	}
	if err := json.Unmarshal(data, &object); err != nil || len(object.Data) == 0 {
		e := bad("gateway.bad-json", readingJSON, "the object has no shape and data that are arrays", `send {"shape":[1,3],"data":[1,2,3]}`)
		if err != nil {
			return nil, e.Because(err)
		}
		return nil, e
	}
	a, err := (&numbers{rest: object.Data}).array()
	if err != nil || object.Shape == nil {
		return a, err
	}
	n := int64(1)
	for _, dim := range object.Shape {
		if dim < 0 || (dim > 0 && n > int64(len(data))/dim) {
			n = -1
			break
		}
		n *= dim
	}
	if n != a.Elements() {
		return nil, bad("gateway.bad-json", readingJSON, fmt.Sprintf("shape %v does not have the %d numbers that data has", object.Shape, a.Elements()), "make shape and data agree")
	}
	a.Shape = object.Shape
	return a, nil
}

// numbers reads nested arrays out of JSON that is known to be valid, straight into one flat slice.
type numbers struct {
	rest   []byte
	shape  []int64
	values []float64
	leaf   int // depth of the numbers; 0 until the first
}

func (p *numbers) space() {
	for len(p.rest) > 0 && (p.rest[0] == ' ' || p.rest[0] == '\n' || p.rest[0] == '\t' || p.rest[0] == '\r') {
		p.rest = p.rest[1:]
	}
}

func (p *numbers) array() (*npy.Array, error) {
	p.leaf = -1
	if err := p.value(0); err != nil {
		return nil, err
	}
	if p.shape == nil {
		p.shape = []int64{}
	}
	return npy.FromFloat64s(p.shape, p.values), nil
}

func ragged() *diag.Error {
	return bad("gateway.ragged-json", readingJSON, "its arrays are not of equal lengths, or mix numbers and arrays", "send a full tensor")
}

func (p *numbers) value(depth int) error {
	p.space()
	if p.rest[0] != '[' {
		return p.number(depth)
	}
	if depth >= maxJSONDepth {
		return diag.New(diag.Limit, "gateway.json-too-deep", readingJSON, fmt.Sprintf("its arrays are nested more than %d deep", maxJSONDepth), "send a tensor of fewer dimensions")
	}
	if p.leaf >= 0 && depth >= p.leaf {
		return ragged()
	}
	p.rest = p.rest[1:]
	count := int64(0)
	first := depth == len(p.shape)
	if first {
		p.shape = append(p.shape, 0)
	}
	for p.space(); p.rest[0] != ']'; p.space() {
		if p.rest[0] == ',' {
			p.rest = p.rest[1:]
		}
		if err := p.value(depth + 1); err != nil {
			return err
		}
		count++
	}
	p.rest = p.rest[1:]
	if first {
		p.shape[depth] = count
		if count == 0 && p.leaf < 0 {
			p.leaf = depth + 1
		}
	}
	if p.shape[depth] != count {
		return ragged()
	}
	return nil
}

func (p *numbers) number(depth int) error {
	n := 0
	for n < len(p.rest) && (p.rest[n] == '-' || p.rest[n] == '+' || p.rest[n] == '.' || p.rest[n] == 'e' || p.rest[n] == 'E' || (p.rest[n] >= '0' && p.rest[n] <= '9')) {
		n++
	}
	v, err := strconv.ParseFloat(string(p.rest[:n]), 64)
	if n == 0 || err != nil {
		return bad("gateway.bad-json", readingJSON, fmt.Sprintf("it has %q where a number must be", p.rest[:min(len(p.rest), 12)]), "send numbers only")
	}
	p.rest = p.rest[n:]
	if p.leaf < 0 {
		p.leaf = depth
	}
	if p.leaf != depth || len(p.shape) != depth {
		return ragged()
	}
	p.values = append(p.values, v)
	return nil
}
