package npy

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

type header struct {
	descr   string
	fortran bool
	shape   []int64
}

// parseHeader reads the header: a Python dictionary literal with exactly the keys descr, fortran_order and shape.
func parseHeader(text string) (*header, error) {
	p := &literal{rest: text}
	if !p.take("{") {
		return nil, errors.New("no opening brace")
	}
	h := &header{}
	seen := map[string]bool{}
	for !p.take("}") {
		key, err := p.text()
		if err != nil {
			return nil, err
		}
		if seen[key] || !p.take(":") {
			return nil, fmt.Errorf("key %q is repeated or has no value", key)
		}
		seen[key] = true
		switch key {
		case "descr":
			if strings.HasPrefix(p.rest, "[") {
				return nil, errors.New("it is a structured array")
			}
			if h.descr, err = p.text(); err != nil {
				return nil, err
			}
		case "fortran_order":
			switch {
			case p.take("True"):
				h.fortran = true
			case p.take("False"):
			default:
				return nil, errors.New("fortran_order is neither True nor False")
			}
		case "shape":
			if h.shape, err = p.shape(); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("unknown key %q", key)
		}
		if !p.take(",") && !strings.HasPrefix(p.rest, "}") {
			return nil, errors.New("no comma between entries")
		}
	}
	if p.rest != "" {
		return nil, errors.New("text after the dictionary")
	}
	if len(seen) != 3 {
		return nil, errors.New("a key is absent")
	}
	return h, nil
}

// literal scans a Python literal; take skips white space on both sides of what it takes.
type literal struct{ rest string }

const space = " \t\r\n\f"

func (p *literal) take(token string) bool {
	rest := strings.TrimLeft(p.rest, space)
	if !strings.HasPrefix(rest, token) {
		p.rest = rest
		return false
	}
	p.rest = strings.TrimLeft(rest[len(token):], space)
	return true
}

func (p *literal) text() (string, error) {
	p.take("u") // Python 2 wrote u'descr'
	for _, quote := range []string{"'", `"`} {
		if !strings.HasPrefix(p.rest, quote) {
			continue
		}
		end := strings.IndexByte(p.rest[1:], quote[0])
		if end < 0 || strings.Contains(p.rest[1:1+end], `\`) {
			return "", errors.New("a string does not end or has escapes")
		}
		text := p.rest[1 : 1+end]
		p.rest = strings.TrimLeft(p.rest[end+2:], space)
		return text, nil
	}
	return "", errors.New("no string where one must be")
}

func (p *literal) shape() ([]int64, error) {
	if !p.take("(") {
		return nil, errors.New("shape is not a tuple")
	}
	shape := []int64{}
	for !p.take(")") {
		n := 0
		for n < len(p.rest) && p.rest[n] >= '0' && p.rest[n] <= '9' {
			n++
		}
		dim, err := strconv.ParseInt(p.rest[:n], 10, 64)
		if err != nil {
			return nil, errors.New("a dimension is not a number")
		}
		p.rest = p.rest[n:]
		p.take("L") // Python 2's long
		if shape = append(shape, dim); len(shape) > maxRank {
			return nil, errors.New("too many dimensions")
		}
		if !p.take(",") && !strings.HasPrefix(p.rest, ")") {
			return nil, errors.New("no comma between dimensions")
		}
	}
	return shape, nil
}
