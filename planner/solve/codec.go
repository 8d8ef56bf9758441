package solve

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"

	"partita/planner/diag"
)

// MarshalJSON writes the option as [memoryMB, initUs, runUs, costPicoUSD].
func (o Option) MarshalJSON() ([]byte, error) { return o.append(make([]byte, 0, 48)), nil }

func (o Option) append(b []byte) []byte {
	b = append(b, '[')
	b = strconv.AppendInt(b, o.MemoryMB, 10)
	b = append(b, ',')
	b = strconv.AppendInt(b, o.InitUs, 10)
	b = append(b, ',')
	b = strconv.AppendInt(b, o.RunUs, 10)
	b = append(b, ',')
	b = strconv.AppendInt(b, o.CostPicoUSD, 10)
	return append(b, ']')
}

// UnmarshalJSON reads the first four entries of an array and passes over the rest.
func (o *Option) UnmarshalJSON(data []byte) error {
	rest, err := o.parse(data)
	if err == nil && len(space(rest)) != 0 {
		err = errors.New("text follows an option's closing bracket")
	}
	return err
}

// parse reads an option from the front of data, which encoding/json has found to be well-formed JSON, and gives what
// follows. A document has hundreds of thousands of options: reflection would take seconds.
func (o *Option) parse(data []byte) ([]byte, error) {
	data = space(data)
	if len(data) == 0 || data[0] != '[' {
		return nil, errors.New("an option is an array [memoryMB, initUs, runUs, costPicoUSD]")
	}
	data = data[1:]
	for i, to := range [...]*int64{&o.MemoryMB, &o.InitUs, &o.RunUs, &o.CostPicoUSD} {
		data = space(data)
		n := 0
		for n < len(data) && (data[n] == '-' || data[n] >= '0' && data[n] <= '9') {
			n++
		}
		v, err := strconv.ParseInt(string(data[:n]), 10, 64)
		if err != nil {
			return nil, fmt.Errorf("entry %d of an option is not an integer of 64 bits", i+1)
		}
		*to = v
		if data = space(data[n:]); len(data) == 0 {
			return nil, errors.New("an option has no closing bracket")
		}
		switch {
		case data[0] == ',' && i < 3:
			data = data[1:]
		case data[0] == ']' && i == 3:
			return data[1:], nil
		case data[0] == ',':
			return skipArray(data)
		default:
			return nil, errors.New("an option has four integer entries at least: memoryMB, initUs, runUs, costPicoUSD")
		}
	}
	return nil, errors.New("an option has no closing bracket")
}

// skipArray passes over the further entries of an array, whatever they hold.
func skipArray(data []byte) ([]byte, error) {
	depth, text := 1, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '[' || c == '{':
			depth++
		case c == ']' || c == '}':
			if depth--; depth == 0 {
				return data[i+1:], nil
			}
		}
	}
	return nil, errors.New("an option has no closing bracket")
}

func space(data []byte) []byte {
	for len(data) > 0 && (data[0] == ' ' || data[0] == '\n' || data[0] == '\t' || data[0] == '\r') {
		data = data[1:]
	}
	return data
}

// optionList reads a segment's options in one pass.
type optionList []Option

func (l *optionList) UnmarshalJSON(data []byte) error {
	data = space(data)
	if string(data) == "null" {
		*l = nil
		return nil
	}
	if len(data) == 0 || data[0] != '[' {
		return errors.New("options is not an array")
	}
	data = space(data[1:])
	count := 0
	for _, c := range data { // a guess at the number of options: their opening brackets
		if c == '[' {
			count++
		}
	}
	out := make([]Option, 0, min(count, maxOptions))
	for len(data) > 0 && data[0] != ']' {
		if len(out) == maxOptions {
			return fmt.Errorf("a segment has more than %d options", maxOptions)
		}
		var o Option
		rest, err := o.parse(data)
		if err != nil {
			return err
		}
		out = append(out, o)
		if data = space(rest); len(data) > 0 && data[0] == ',' {
			data = data[1:]
		}
	}
	*l = out
	return nil
}

// UnmarshalJSON reads a segment.
func (s *Segment) UnmarshalJSON(data []byte) error {
	var doc struct {
		I       int        `json:"i"`
		J       int        `json:"j"`
		Options optionList `json:"options"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return err
	}
	*s = Segment{doc.I, doc.J, doc.Options}
	return nil
}

// Decode reads and validates an instance. Unknown members are passed over. The error is a *diag.Error.
func Decode(data []byte) (*Instance, error) {
	in := new(Instance)
	d := json.NewDecoder(bytes.NewReader(data))
	if err := d.Decode(in); err != nil {
		return nil, invalid("solve.not-json", "it is not an instance in JSON", "print one with `partita instance MODEL`").Because(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, invalid("solve.not-json", "text follows the instance", "give one JSON document")
	}
	if err := in.Validate(); err != nil {
		return nil, err
	}
	return in, nil
}

// Encode writes an instance as JSON, a segment a line.
func (in *Instance) Encode() ([]byte, error) {
	head := *in
	head.Segments = nil
	b, err := json.Marshal(&head)
	if err != nil {
		return nil, diag.New(diag.Internal, "solve.encode", "writing the instance", "it cannot be written as JSON", "report this").Because(err)
	}
	b = bytes.TrimSuffix(b, []byte("null}")) // of "segments", the last member
	b = append(b, '[')
	for i := range in.Segments {
		s := &in.Segments[i]
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, "\n{\"i\":"...)
		b = strconv.AppendInt(b, int64(s.I), 10)
		b = append(b, ",\"j\":"...)
		b = strconv.AppendInt(b, int64(s.J), 10)
		b = append(b, ",\"options\":["...)
		for k := range s.Options {
			if k > 0 {
				b = append(b, ',')
			}
			b = s.Options[k].append(b)
		}
		b = append(b, "]}"...)
	}
	return append(b, "]}\n"...), nil
}
