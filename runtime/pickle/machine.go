package pickle

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

var little = binary.LittleEndian

// machine runs the operations that CPython's Lib/pickletools.py describes.
type machine struct {
	rest       []byte
	stack      []any
	marks      []int // heights of the stack at each MARK
	memo       map[uint64]any
	operations int
	made       int
}

func malformed(found string) error {
	return invalid("pickle.malformed", "it has "+found, "pickle the array again")
}

func truncated() error {
	return invalid("pickle.truncated", "it ends before it is complete", "send it again: it is truncated")
}

func (m *machine) step() error {
	if m.operations++; m.operations > maxOperations {
		return invalid("pickle.too-large", fmt.Sprintf("it has more than %d steps", maxOperations), "pickle a NumPy array rather than lists, or save it with numpy.save")
	}
	return nil
}

func (m *machine) spend(n int) error {
	if n < 0 || n > maxMade-m.made {
		return invalid("pickle.too-large", fmt.Sprintf("it makes more than %d MB of arrays", maxMade>>20), "send a smaller array")
	}
	m.made += n
	return nil
}

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

// pop takes the top of the stack, not below the last mark.
func (m *machine) pop() (any, error) {
	floor := 0
	if n := len(m.marks); n > 0 {
		floor = m.marks[n-1]
	}
	n := len(m.stack)
	if n <= floor {
		return nil, malformed("an operation without its operands")
	}
	v := m.stack[n-1]
	m.stack = m.stack[:n-1]
	return v, nil
}

// popMark takes all that was pushed since the last mark.
func (m *machine) popMark() ([]any, error) {
	n := len(m.marks)
	if n == 0 {
		return nil, malformed("an operation without its mark")
	}
	at := m.marks[n-1]
	m.marks = m.marks[:n-1]
	items := append([]any(nil), m.stack[at:]...)
	m.stack = m.stack[:at]
	return items, nil
}

func (m *machine) take(n uint64) ([]byte, error) {
	if n > uint64(len(m.rest)) {
		return nil, truncated()
	}
	b := m.rest[:n:n]
	m.rest = m.rest[n:]
	return b, nil
}

// number reads a little-endian number of so many bytes.
func (m *machine) number(size uint64) (uint64, error) {
	b, err := m.take(size)
	if err != nil {
		return 0, err
	}
	var wide [8]byte
	copy(wide[:], b)
	return little.Uint64(wide[:]), nil
}

// sized reads a count of so many bytes and then that many bytes.
func (m *machine) sized(size uint64) ([]byte, error) {
	n, err := m.number(size)
	if err != nil {
		return nil, err
	}
	return m.take(n)
}

func (m *machine) line() (string, error) {
	end := bytes.IndexByte(m.rest, '\n')
	if end < 0 {
		return "", truncated()
	}
	b := m.rest[:end]
	m.rest = m.rest[end+1:]
	return strings.TrimSuffix(string(b), "\r"), m.spend(len(b))
}

func (m *machine) run() (any, error) {
	for {
		if err := m.step(); err != nil {
			return nil, err
		}
		b, err := m.take(1)
		if err != nil {
			return nil, err
		}
		if b[0] == '.' {
			return m.pop()
		}
		if err := m.operation(b[0]); err != nil {
			return nil, err
		}
	}
}

func (m *machine) operation(op byte) error {
	switch op {
	case 0x80: // PROTO
		v, err := m.number(1)
		if err == nil && v > 5 {
			err = invalid("pickle.unsupported-protocol", fmt.Sprintf("it has protocol %d; 0 to 5 are read", v), "pickle with protocol=5")
		}
		return err
	case 0x95: // FRAME
		_, err := m.take(8)
		return err
	case '(': // MARK
		m.marks = append(m.marks, len(m.stack))
		return nil
	case '0': // POP; at a mark it takes the mark
		if n := len(m.marks); n > 0 && m.marks[n-1] == len(m.stack) {
			m.marks = m.marks[:n-1]
			return nil
		}
		_, err := m.pop()
		return err
	case '1': // POP_MARK
		_, err := m.popMark()
		return err
	case '2': // DUP
		v, err := m.pop()
		if err == nil {
			m.push(v)
			m.push(v)
		}
		return err
	case 'N', 0x88, 0x89, 'I', 'L', 'J', 'K', 'M', 0x8a, 0x8b, 'F', 'G':
		v, err := m.scalar(op)
		m.push(v)
		return err
	case 'S', 'T', 'U', 'V', 'X', 0x8c, 0x8d, 'B', 'C', 0x8e, 0x96:
		v, err := m.text(op)
		m.push(v)
		return err
	case ']', 'l', 'a', 'e', ')', 't', 0x85, 0x86, 0x87, '}', 'd', 's', 'u':
		return m.container(op)
	case 'p', 'q', 'r', 0x94, 'g', 'h', 'j':
		return m.memory(op)
	case 'c': // GLOBAL
		module, err := m.line()
		if err != nil {
			return err
		}
		name, err := m.line()
		m.push(global{module, name})
		return err
	case 0x93: // STACK_GLOBAL
		name, err := m.pop()
		if err != nil {
			return err
		}
		module, err := m.pop()
		if err != nil {
			return err
		}
		moduleText, ok := module.(string)
		nameText, ok2 := name.(string)
		if !ok || !ok2 {
			return malformed("a global whose name is no text")
		}
		m.push(global{moduleText, nameText})
		return nil
	case 'R': // REDUCE
		arguments, err := m.pop()
		if err != nil {
			return err
		}
		callee, err := m.pop()
		if err != nil {
			return err
		}
		v, err := m.reduce(callee, arguments)
		m.push(v)
		return err
	case 'b': // BUILD
		state, err := m.pop()
		if err != nil {
			return err
		}
		target, err := m.pop()
		if err != nil {
			return err
		}
		m.push(target)
		return m.build(target, state)
	case 0x98: // READONLY_BUFFER
		return nil
	case 0x97: // NEXT_BUFFER
		return invalid("pickle.out-of-band", "its numbers are in a separate buffer that did not come with it", "pickle without buffer_callback")
	case 0x81, 0x92, 'i', 'o', 0x82, 0x83, 0x84, 'P', 'Q', 0x8f, 0x90, 0x91:
		return invalid("pickle.refused-object", fmt.Sprintf("it makes an object of a class (operation 0x%02x), and pickles are read as data: nothing in them is executed", op),
			"pickle a NumPy array, or save it with numpy.save")
	}
	return malformed(fmt.Sprintf("the unknown operation 0x%02x", op))
}

func (m *machine) scalar(op byte) (any, error) {
	switch op {
	case 'N':
		return nil, nil
	case 0x88:
		return true, nil
	case 0x89:
		return false, nil
	case 'I', 'L':
		s, err := m.line()
		if err != nil {
			return nil, err
		}
		if op == 'I' && (s == "00" || s == "01") {
			return s == "01", nil
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(s, "L"), 10, 64)
		if err != nil {
			return nil, malformed("an integer that is none, or takes more than 64 bits")
		}
		return n, nil
	case 'J':
		n, err := m.number(4)
		return int64(int32(n)), err
	case 'K':
		n, err := m.number(1)
		return int64(n), err
	case 'M':
		n, err := m.number(2)
		return int64(n), err
	case 0x8a, 0x8b: // LONG1, LONG4: two's complement
		size := uint64(1)
		if op == 0x8b {
			size = 4
		}
		b, err := m.sized(size)
		if err != nil {
			return nil, err
		}
		if len(b) > 8 {
			return nil, malformed("an integer of more than 64 bits")
		}
		var wide [8]byte
		if len(b) > 0 && b[len(b)-1] >= 0x80 {
			wide = [8]byte{255, 255, 255, 255, 255, 255, 255, 255}
		}
		copy(wide[:], b)
		return int64(little.Uint64(wide[:])), nil
	case 'F':
		s, err := m.line()
		if err != nil {
			return nil, err
		}
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, malformed("a float that is none")
		}
		return f, nil
	}
	b, err := m.take(8) // BINFLOAT, the one big-endian operand
	if err != nil {
		return nil, err
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
}

// counts gives the bytes of the count before a string.
var counts = map[byte]uint64{'T': 4, 'U': 1, 'X': 4, 0x8c: 1, 0x8d: 8, 'B': 4, 'C': 1, 0x8e: 8, 0x96: 8}

func (m *machine) text(op byte) (any, error) {
	switch op {
	case 'S': // a quoted Python 2 byte string
		s, err := m.line()
		if err != nil {
			return nil, err
		}
		return unquote(strings.TrimSpace(s))
	case 'V': // raw-unicode-escape
		s, err := m.line()
		if err != nil {
			return nil, err
		}
		if err := m.spend(2 * len(s)); err != nil {
			return nil, err
		}
		return rawUnicode(s)
	}
	b, err := m.sized(counts[op])
	if err != nil {
		return nil, err
	}
	switch op {
	case 'X', 0x8c, 0x8d:
		if !utf8.Valid(b) {
			return nil, malformed("a text that is not UTF-8")
		}
		return string(b), m.spend(len(b))
	}
	return b, nil // bytes, or a Python 2 byte string
}

// unquote reads Python's repr of a byte string.
func unquote(s string) ([]byte, error) {
	bad := malformed("a byte string that is not quoted as Python quotes")
	if len(s) < 2 || s[0] != s[len(s)-1] || (s[0] != '\'' && s[0] != '"') {
		return nil, bad
	}
	s = s[1 : len(s)-1]
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			out = append(out, s[i])
			continue
		}
		if i++; i >= len(s) {
			return nil, bad
		}
		switch s[i] {
		case 'n':
			out = append(out, '\n')
		case 't':
			out = append(out, '\t')
		case 'r':
			out = append(out, '\r')
		case '\\', '\'', '"':
			out = append(out, s[i])
		case 'x':
			if i+2 >= len(s) {
				return nil, bad
			}
			v, err := strconv.ParseUint(s[i+1:i+3], 16, 8)
			if err != nil {
				return nil, bad
			}
			out = append(out, byte(v))
			i += 2
		default:
			return nil, bad
		}
	}
	return out, nil
}

// rawUnicode reads Latin-1 characters and, among them, escapes of others: \u with four hexadecimal digits, \U with eight.
func rawUnicode(s string) (string, error) {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); i++ {
		digits := 0
		if s[i] == '\\' && i+1 < len(s) {
			switch s[i+1] {
			case 'u':
				digits = 4
			case 'U':
				digits = 8
			}
		}
		if digits == 0 {
			b.WriteRune(rune(s[i]))
			continue
		}
		if i+2+digits > len(s) {
			return "", malformed("a text with a broken escape")
		}
		v, err := strconv.ParseUint(s[i+2:i+2+digits], 16, 32)
		if err != nil || v > utf8.MaxRune {
			return "", malformed("a text with a broken escape")
		}
		b.WriteRune(rune(v))
		i += 1 + digits
	}
	return b.String(), nil
}

func (m *machine) container(op byte) error {
	switch op {
	case ']':
		m.push(&list{})
	case ')':
		m.push(tuple{})
	case '}':
		m.push(&dictionary{})
	case 'l', 't', 'd', 'e', 'u':
		items, err := m.popMark()
		if err != nil {
			return err
		}
		switch op {
		case 'l':
			m.push(&list{items})
		case 't':
			m.push(tuple(items))
		case 'd':
			d := &dictionary{}
			m.push(d)
			return d.set(items)
		default:
			return m.extend(items, op == 'u')
		}
	case 'a':
		v, err := m.pop()
		if err != nil {
			return err
		}
		return m.extend([]any{v}, false)
	case 's':
		value, err := m.pop()
		if err != nil {
			return err
		}
		key, err := m.pop()
		if err != nil {
			return err
		}
		return m.extend([]any{key, value}, true)
	default: // TUPLE1 to TUPLE3
		n := int(op-0x85) + 1
		items := make(tuple, n)
		for i := n - 1; i >= 0; i-- {
			v, err := m.pop()
			if err != nil {
				return err
			}
			items[i] = v
		}
		m.push(items)
	}
	return nil
}

// extend adds items to the list or dictionary on top of the stack.
func (m *machine) extend(items []any, pairs bool) error {
	target, err := m.pop()
	if err != nil {
		return err
	}
	m.push(target)
	switch v := target.(type) {
	case *list:
		if !pairs {
			v.items = append(v.items, items...)
			return nil
		}
	case *dictionary:
		if pairs {
			return v.set(items)
		}
	}
	return malformed("items added to what is no list or dictionary")
}

func (d *dictionary) set(items []any) error {
	if len(items)%2 != 0 {
		return malformed("a key without a value")
	}
	for i := 0; i < len(items); i += 2 {
		d.keys = append(d.keys, items[i])
		d.values = append(d.values, items[i+1])
	}
	return nil
}

func (m *machine) memory(op byte) error {
	var at uint64
	var err error
	switch op {
	case 'p', 'g':
		var s string
		if s, err = m.line(); err == nil {
			if at, err = strconv.ParseUint(s, 10, 64); err != nil {
				err = malformed("a memo number that is none")
			}
		}
	case 'q', 'h':
		at, err = m.number(1)
	case 'r', 'j':
		at, err = m.number(4)
	default: // MEMOIZE
		at = uint64(len(m.memo))
	}
	if err != nil {
		return err
	}
	switch op {
	case 'g', 'h', 'j':
		v, ok := m.memo[at]
		if !ok {
			return malformed("a reference to what it did not keep")
		}
		m.push(v)
		return nil
	}
	v, err := m.pop()
	if err != nil {
		return err
	}
	m.push(v)
	m.memo[at] = v
	return nil
}
