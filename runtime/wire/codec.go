package wire

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"sync"

	"partita/planner/diag"
)

// Limits of messages.
const (
	// PayloadLimit is the largest request and the largest response of a synchronous invocation (AWS Lambda quotas page,
	// 2026: 6 MB). A hop that would exceed it goes through S3.
	PayloadLimit = 6 << 20
	// MaxMessageBytes bounds what Unmarshal reads: the platform's limit and room for one that allows somewhat more.
	MaxMessageBytes = 4 * PayloadLimit
	// MaxTensors bounds the tensors of one message.
	MaxTensors = 4096
)

// smallData is the length of base64 text below which encoding/json may handle a tensor's data.
const smallData = 512

// Marshal writes a StageEvent, StageReply, GatewayEvent or GatewayReply (or a pointer to one) exactly as encoding/json
// would, but at the speed of base64: encoding/json validates and compacts what it has already encoded, which for
// tensors of megabytes takes longer than running a layer.
func Marshal(v any) ([]byte, error) {
	switch m := v.(type) {
	case *StageEvent:
		head := *m
		head.Tensors = nil
		return withTensors(func() any { return &head }, m.Tensors)
	case StageEvent:
		return Marshal(&m)
	case *StageReply:
		return MarshalReply(m, nil)
	case StageReply:
		return Marshal(&m)
	case *GatewayEvent:
		if m.Inputs == nil {
			return json.Marshal(m)
		}
		head := *m
		head.Inputs = nil
		return inside(&head, "inputs", inputBytes(m.Inputs), func(b []byte) ([]byte, error) {
			return appendInputs(b, m.Inputs)
		})
	case GatewayEvent:
		return Marshal(&m)
	case *GatewayReply:
		if m.Outputs == nil {
			return json.Marshal(m)
		}
		head := *m
		head.Outputs = nil
		return inside(&head, "outputs", tensorBytes(m.Outputs), func(b []byte) ([]byte, error) {
			return appendTensors(b, m.Outputs)
		})
	case GatewayReply:
		return Marshal(&m)
	}
	return nil, fmt.Errorf("wire: %T is not a message", v)
}

// MarshalReply is Marshal for a stage's reply whose times include the encoding of its tensors: measured, if not nil, is
// called when they are encoded, and sets reply.Times before these are written.
func MarshalReply(reply *StageReply, measured func()) ([]byte, error) {
	return withTensors(func() any {
		if measured != nil {
			measured()
		}
		head := *reply
		head.Tensors = nil
		return &head
	}, reply.Tensors)
}

// withTensors writes an object whose last member is "tensors". The tensors are encoded first, behind room for the head.
func withTensors(head func() any, tensors []Tensor) ([]byte, error) {
	if len(tensors) == 0 {
		return json.Marshal(head())
	}
	const room = 1024
	b := make([]byte, room, room+tensorBytes(tensors)+16)
	b = append(b, `,"tensors":`...)
	b, err := appendTensors(b, tensors)
	if err != nil {
		return nil, err
	}
	b = append(b, '}')
	h, err := json.Marshal(head())
	if err != nil {
		return nil, err
	}
	h = h[:len(h)-1] // the closing brace
	if len(h) > room {
		return append(h, b[room:]...), nil
	}
	start := room - len(h)
	copy(b[start:], h)
	return b[start:], nil
}

// inside writes head, in which the member called name is null, with that member written by value.
func inside(head any, name string, size int, value func([]byte) ([]byte, error)) ([]byte, error) {
	h, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	// A quote within a string is escaped, so this text is found nowhere but at the member itself.
	hole := []byte(`"` + name + `":null`)
	at := bytes.Index(h, hole)
	if at < 0 {
		return nil, fmt.Errorf("wire: no member %q to fill", name)
	}
	at += len(hole) - len("null")
	b := make([]byte, 0, len(h)+size)
	b = append(b, h[:at]...)
	if b, err = value(b); err != nil {
		return nil, err
	}
	return append(b, h[at+len("null"):]...), nil
}

// EncodedBytes tells how many bytes a tensor's data takes in a message.
func (t *Tensor) EncodedBytes() int {
	if len(t.Data) == 0 {
		return len(t.Encoded)
	}
	return base64.StdEncoding.EncodedLen(len(t.Data))
}

func tensorBytes(tensors []Tensor) int {
	n := 0
	for i := range tensors {
		n += tensors[i].EncodedBytes() + 512
	}
	return n
}

func inputBytes(inputs []Input) int {
	n := 0
	for i := range inputs {
		n += base64.StdEncoding.EncodedLen(len(inputs[i].Data)) + 512
	}
	return n
}

func appendTensors(b []byte, tensors []Tensor) ([]byte, error) {
	b = append(b, '[')
	for i := range tensors {
		if i > 0 {
			b = append(b, ',')
		}
		t := &tensors[i]
		head, err := json.Marshal(&t.TensorSpec)
		if err != nil {
			return nil, err
		}
		b = append(b, head[:len(head)-1]...)
		switch {
		case len(t.Data) > 0:
			b = append(b, `,"data":"`...)
			b = base64.StdEncoding.AppendEncode(b, t.Data)
			b = append(b, '"')
		case len(t.Encoded) > 0:
			b = append(b, `,"data":"`...)
			b = append(b, t.Encoded...)
			b = append(b, '"')
		}
		if b, err = appendObject(b, t.Object); err != nil {
			return nil, err
		}
		b = append(b, '}')
	}
	return append(b, ']'), nil
}

func appendInputs(b []byte, inputs []Input) ([]byte, error) {
	b = append(b, '[')
	for i := range inputs {
		if i > 0 {
			b = append(b, ',')
		}
		in := inputs[i]
		data := in.Data
		object := in.Object
		in.Data, in.Object = nil, nil
		head, err := json.Marshal(&in)
		if err != nil {
			return nil, err
		}
		b = append(b, head[:len(head)-1]...)
		comma := len(head) > len("{}")
		if len(data) > 0 {
			if comma {
				b = append(b, ',')
			}
			b = append(b, `"data":"`...)
			b = base64.StdEncoding.AppendEncode(b, data)
			b = append(b, '"')
			comma = true
		}
		if object != nil {
			o, err := json.Marshal(object)
			if err != nil {
				return nil, err
			}
			if comma {
				b = append(b, ',')
			}
			b = append(b, `"object":`...)
			b = append(b, o...)
		}
		b = append(b, '}')
	}
	return append(b, ']'), nil
}

func appendObject(b []byte, object *Object) ([]byte, error) {
	if object == nil {
		return b, nil
	}
	o, err := json.Marshal(object)
	if err != nil {
		return nil, err
	}
	b = append(b, `,"object":`...)
	return append(b, o...), nil
}

// Unmarshal reads a message into a *StageEvent, *StageReply, *GatewayEvent or *GatewayReply and checks its format. It
// accepts what encoding/json accepts, with the same result, at the speed of base64. Errors are coded.
func Unmarshal(data []byte, v any) error { return unmarshal(data, v, false) }

// UnmarshalRelay is Unmarshal for one who only hands the tensors on: their data stay as base64 text in Encoded, parts
// of data, which must not be changed afterwards.
func UnmarshalRelay(data []byte, v any) error { return unmarshal(data, v, true) }

func unmarshal(data []byte, v any, relay bool) error {
	const doing = "reading a message"
	if len(data) > MaxMessageBytes {
		return diag.New(diag.Limit, "wire.message-too-large", doing, fmt.Sprintf("it has %d bytes; at most %d are read",
			len(data), MaxMessageBytes), "send large tensors through S3")
	}
	skeleton, blobs := extract(data, relay)
	if err := json.Unmarshal(skeleton, v); err != nil {
		return diag.New(diag.Invalid, "wire.not-a-message", doing, "it is not the JSON that FORMAT.md describes",
			"send a message of the documented form").Because(err)
	}
	var format, want string
	var count int
	switch m := v.(type) {
	case *StageEvent:
		format, want, count = m.Format, EventFormat, len(m.Tensors)
		fill(m.Tensors, blobs)
	case *StageReply:
		format, want, count = m.Format, ReplyFormat, len(m.Tensors)
		fill(m.Tensors, blobs)
	case *GatewayEvent:
		format, want, count = m.Format, EventFormat, len(m.Inputs)
		for i := range m.Inputs {
			if blob := find(m.Inputs[i].Data, blobs); blob != nil {
				if err := blob.decode(); err != nil {
					return err
				}
				m.Inputs[i].Data = blob.data
			}
		}
	case *GatewayReply:
		format, want, count = m.Format, ReplyFormat, len(m.Outputs)
		fill(m.Outputs, blobs)
	default:
		return fmt.Errorf("wire: %T is not a message", v)
	}
	if format != want {
		return diag.New(diag.Invalid, "wire.unsupported-format", doing, fmt.Sprintf("its format is %q; this program reads %q",
			format, want), "use a gateway, stages and server of the same version: deploy again")
	}
	if count > MaxTensors {
		return diag.New(diag.Limit, "wire.too-many-tensors", doing, fmt.Sprintf("it has %d tensors; at most %d are read",
			count, MaxTensors), "send fewer")
	}
	return nil
}

func fill(tensors []Tensor, blobs []blob) {
	for i := range tensors {
		if blob := find(tensors[i].Data, blobs); blob != nil {
			tensors[i].Data, tensors[i].Encoded = blob.data, blob.text
		}
	}
}

// Decode makes sure that the tensor's data are decoded.
func (t *Tensor) Decode() error {
	if len(t.Encoded) == 0 {
		return nil
	}
	b := blob{text: t.Encoded}
	if err := b.decode(); err != nil {
		return err
	}
	t.Data, t.Encoded = b.data, nil
	return nil
}

// A blob is a long string found under the key "data": its text (printable ASCII without quote and backslash) and, unless
// it is only relayed, what the text stands for.
type blob struct {
	text []byte
	data []byte
}

func (b *blob) decode() error {
	if b.data != nil {
		return nil
	}
	data, ok := decodeBase64(b.text)
	if !ok {
		return diag.New(diag.Invalid, "wire.not-base64", "reading a tensor", "its data are not base64",
			"encode the tensor's bytes in standard base64 with padding")
	}
	b.data, b.text = data, nil
	return nil
}

// decodeBase64 is strict: no line breaks, which encoding/base64 would skip.
func decodeBase64(text []byte) ([]byte, bool) {
	n := base64.StdEncoding.DecodedLen(len(text))
	data := make([]byte, n)
	got, err := base64.StdEncoding.Decode(data, text)
	if err != nil {
		return nil, false
	}
	for i := len(text) - 1; i >= 0 && i >= len(text)-2 && text[i] == '='; i-- {
		n--
	}
	return data[:got], got == n
}

// The placeholder of a blob in the skeleton is the base64 of markBytes: a secret that no message can know, then the
// blob's index. So only this package's own placeholders are replaced again.
const markBytes = 24

var mark = sync.OnceValue(func() [16]byte {
	var m [16]byte
	_, _ = rand.Read(m[:]) // never fails, as crypto/rand documents
	return m
})

// extract takes the long data strings out of a message; what is left goes through encoding/json, which so decides alone
// what is valid and where a string belongs.
func extract(data []byte, relay bool) (skeleton []byte, blobs []blob) {
	kept := 0 // data[:kept] is dealt with
	for i := 0; i < len(data); {
		start, end := nextString(data, i)
		if end < 0 {
			break
		}
		i = end + 1
		if string(data[start+1:end]) != "data" {
			continue
		}
		v := skipSpace(data, i)
		if v >= len(data) || data[v] != ':' {
			continue
		}
		v = skipSpace(data, v+1)
		if v >= len(data) || data[v] != '"' {
			continue
		}
		start, end = nextString(data, v)
		if end < 0 {
			break
		}
		i = end + 1
		text := data[start+1 : end]
		if len(text) < smallData || !plain(text) {
			continue
		}
		b := blob{text: text}
		if !relay && b.decode() != nil {
			continue
		}
		blobs = append(blobs, b)
		var placeholder [markBytes]byte
		m := mark()
		copy(placeholder[:], m[:])
		binary.LittleEndian.PutUint64(placeholder[16:], uint64(len(blobs)-1))
		skeleton = append(skeleton, data[kept:start+1]...)
		skeleton = base64.StdEncoding.AppendEncode(skeleton, placeholder[:])
		kept = end
	}
	if blobs == nil {
		return data, nil
	}
	return append(skeleton, data[kept:]...), blobs
}

func find(data []byte, blobs []blob) *blob {
	if len(data) != markBytes || len(blobs) == 0 {
		return nil
	}
	if m := mark(); !bytes.Equal(data[:16], m[:]) {
		return nil
	}
	i := binary.LittleEndian.Uint64(data[16:])
	if i >= uint64(len(blobs)) {
		return nil
	}
	return &blobs[i]
}

// nextString finds the next string from i on: its opening and its closing quote; end is -1 when there is none.
func nextString(data []byte, i int) (start, end int) {
	q := bytes.IndexByte(data[i:], '"')
	if q < 0 {
		return 0, -1
	}
	start = i + q
	for j := start + 1; ; {
		q = bytes.IndexByte(data[j:], '"')
		if q < 0 {
			return 0, -1
		}
		end = j + q
		escapes := 0
		for k := end - 1; k > start && data[k] == '\\'; k-- {
			escapes++
		}
		if escapes%2 == 0 {
			return start, end
		}
		j = end + 1
	}
}

func skipSpace(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\t' || data[i] == '\r') {
		i++
	}
	return i
}

// plain tells whether text is printable ASCII without a backslash: a JSON string that stands for itself.
func plain(text []byte) bool {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	rest := text
	for len(rest) >= 8 {
		x := binary.LittleEndian.Uint64(rest)
		if x&high != 0 || (x-ones*0x20)&^x&high != 0 {
			return false
		}
		rest = rest[8:]
	}
	for _, c := range rest {
		if c >= 0x80 || c < 0x20 {
			return false
		}
	}
	return bytes.IndexByte(text, '\\') < 0
}
