package states

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// An expression is parsed into nodes by precedence climbing, and evaluated over JSON values (nil is JSON's null) and nothing{},
// JSONata's absent value (JSONata documentation, version 2: docs.jsonata.org).

// nothing is what an expression gives that finds nothing.
type nothing struct{}

// maxNesting bounds how deep an expression may be nested, and maxExpression its length.
const (
	maxNesting    = 64
	maxExpression = 16 << 10
)

type node interface {
	eval(s *scope) (any, error)
}

type (
	literal  struct{ value any }
	variable struct{ name string }
	name     struct{ key string } // of a member of the context
	itself   struct{}             // the context: $
	arrayOf  struct{ items []node }
	objectOf struct{ keys, values []node }
	pathOf   struct{ first, step node }
	indexed  struct{ of, at node }
	binary   struct {
		op          string
		left, right node
	}
	negated   struct{ of node }
	condition struct{ test, yes, no node }
	call      struct {
		function string
		do       function
		args     []node
	}
)

// token is a piece of an expression: an operator, or a name, variable, string or number.
type token struct {
	kind byte // 'o', 'n', 'v', 's', '#', or 0 at the end
	text string
	num  float64
}

type parser struct {
	text  string
	at    int
	next  token
	depth int
	err   error
}

// parse reads an expression.
func parse(text string) (node, error) {
	if len(text) > maxExpression {
		return nil, fmt.Errorf("an expression has %d characters; at most %d are read", len(text), maxExpression)
	}
	p := &parser{text: text}
	p.advance()
	n := p.expression(0)
	if p.err == nil && p.next.kind != 0 {
		p.fail("%q is not expected", p.next.text)
	}
	if p.err != nil {
		return nil, fmt.Errorf("the expression %.120q: %w", text, p.err)
	}
	return n, nil
}

func (p *parser) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
	p.next = token{}
	p.at = len(p.text)
}

func letter(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= utf8.RuneSelf
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

// advance reads the next token.
func (p *parser) advance() {
	for p.at < len(p.text) && strings.IndexByte(" \t\r\n", p.text[p.at]) >= 0 {
		p.at++
	}
	if p.at >= len(p.text) {
		p.next = token{}
		return
	}
	start, c := p.at, p.text[p.at]
	word := func() string {
		from := p.at
		for p.at < len(p.text) && (letter(p.text[p.at]) || digit(p.text[p.at])) {
			p.at++
		}
		return p.text[from:p.at]
	}
	switch {
	case c == '$':
		p.at++
		p.next = token{kind: 'v', text: word()}
	case letter(c):
		p.next = token{kind: 'n', text: word()}
		if w := p.next.text; w == "and" || w == "or" || w == "in" || w == "true" || w == "false" || w == "null" || w == "function" {
			p.next.kind = 'o'
		}
	case digit(c):
		for p.at < len(p.text) && (digit(p.text[p.at]) || p.text[p.at] == '.' && p.at+1 < len(p.text) && digit(p.text[p.at+1])) {
			p.at++
		}
		v, err := strconv.ParseFloat(p.text[start:p.at], 64)
		if err != nil {
			p.fail("%q is no number", p.text[start:p.at])
			return
		}
		p.next = token{kind: '#', text: p.text[start:p.at], num: v}
	case c == '"' || c == '\'':
		p.next = token{kind: 's', text: p.quoted(c)}
	case c == '`':
		end := strings.IndexByte(p.text[p.at+1:], '`')
		if end < 0 {
			p.fail("a quoted name does not end")
			return
		}
		p.next = token{kind: 'n', text: p.text[p.at+1 : p.at+1+end]}
		p.at += end + 2
	default:
		for _, two := range []string{"!=", "<=", ">=", ":=", "~>", "..", "**"} {
			if strings.HasPrefix(p.text[p.at:], two) {
				p.at += 2
				p.next = token{kind: 'o', text: two}
				return
			}
		}
		p.at++
		p.next = token{kind: 'o', text: string(c)}
	}
}

// quoted reads a string from its quote on.
func (p *parser) quoted(quote byte) string {
	var b strings.Builder
	for p.at++; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case quote:
			p.at++
			return b.String()
		case '\\':
			p.at++
			if p.at >= len(p.text) {
				break
			}
			if p.text[p.at] == 'u' {
				b.WriteRune(p.hexadecimal())
				continue
			}
			k := strings.IndexByte(`"'\/bfnrt`, p.text[p.at])
			if k < 0 {
				p.fail("\\%c is no escape that is read", p.text[p.at])
				return ""
			}
			b.WriteByte("\"'\\/\b\f\n\r\t"[k])
		default:
			b.WriteByte(c)
		}
	}
	p.fail("a string does not end")
	return ""
}

// hexadecimal reads the digits of a character from its u on, which stands for half of one where a second follows.
func (p *parser) hexadecimal() rune {
	unit := func(at int) rune {
		if at+4 >= len(p.text) {
			return -1
		}
		v, err := strconv.ParseUint(p.text[at+1:at+5], 16, 16)
		if err != nil {
			return -1
		}
		return rune(v)
	}
	c := unit(p.at)
	if c < 0 {
		p.fail("\\u is not followed by four digits")
		return 0
	}
	p.at += 4
	if utf16.IsSurrogate(c) && strings.HasPrefix(p.text[p.at+1:], `\u`) {
		if whole := utf16.DecodeRune(c, unit(p.at+2)); whole != utf8.RuneError {
			p.at += 6
			return whole
		}
	}
	return c
}

// binding is how tightly an operator binds what is to its left (JSONata's own table).
var binding = map[string]int{"?": 20, "or": 25, "and": 30, "=": 40, "!=": 40, "<": 40, "<=": 40, ">": 40, ">=": 40, "in": 40, "&": 50, "+": 50, "-": 50, "*": 60, "/": 60, "%": 60, ".": 75, "[": 80}

// expression reads what binds tighter than the operator before it.
func (p *parser) expression(above int) node {
	if p.depth++; p.depth > maxNesting {
		p.fail("it is nested deeper than %d", maxNesting)
		return literal{nothing{}}
	}
	defer func() { p.depth-- }()
	left := p.operand()
	for p.err == nil && p.next.kind == 'o' && binding[p.next.text] > above {
		op := p.next.text
		p.advance()
		switch op {
		case "?":
			c := condition{test: left, yes: p.expression(0), no: literal{nothing{}}}
			if p.is(":") {
				p.advance()
				c.no = p.expression(binding["?"] - 1)
			}
			left = c
		case ".":
			left = pathOf{left, p.expression(binding[op])}
		case "[":
			at := p.expression(0)
			p.want("]")
			left = indexed{left, at}
		default:
			left = binary{op, left, p.expression(binding[op])}
		}
	}
	return left
}

func (p *parser) is(operator string) bool { return p.next.kind == 'o' && p.next.text == operator }

func (p *parser) want(operator string) {
	if !p.is(operator) {
		p.fail("%q is expected and not %q", operator, p.next.text)
		return
	}
	p.advance()
}

// operand reads what an operator applies to.
func (p *parser) operand() node {
	t := p.next
	p.advance()
	switch t.kind {
	case 's':
		return literal{t.text}
	case '#':
		return literal{t.num}
	case 'n':
		if p.is("(") {
			p.fail("%s is no function: their names begin with $", t.text)
		}
		return name{t.text}
	case 'v':
		if p.is("(") {
			return p.call(t.text)
		}
		if t.text == "" {
			return itself{}
		}
		return variable{t.text}
	case 'o':
		switch t.text {
		case "true", "false":
			return literal{t.text == "true"}
		case "null":
			return literal{nil}
		case "-":
			return negated{p.expression(70)}
		case "(":
			n := p.expression(0)
			p.want(")")
			return n
		case "[":
			return arrayOf{p.list("]")}
		case "{":
			return p.object()
		}
	}
	if t.kind == 0 {
		p.fail("it ends early")
	} else {
		p.fail("%q is not known here", t.text)
	}
	return literal{nothing{}}
}

// list reads expressions between commas up to a bracket.
func (p *parser) list(end string) []node {
	var all []node
	for p.err == nil && !p.is(end) {
		if len(all) > 0 {
			p.want(",")
		}
		all = append(all, p.expression(0))
	}
	p.want(end)
	return all
}

func (p *parser) object() node {
	var o objectOf
	for p.err == nil && !p.is("}") {
		if len(o.keys) > 0 {
			p.want(",")
		}
		o.keys = append(o.keys, p.expression(0))
		p.want(":")
		o.values = append(o.values, p.expression(0))
	}
	p.want("}")
	return o
}

func (p *parser) call(function string) node {
	p.advance()
	args := p.list(")")
	f, known := functions[function]
	if !known {
		p.fail("there is no function $%s here", function)
	} else if len(args) < f.least || len(args) > f.most {
		p.fail("$%s takes %d to %d arguments and not %d", function, f.least, f.most, len(args))
	}
	return call{function, f, args}
}

// number tells whether a value is one, a finite one.
func number(v any) (float64, bool) {
	f, ok := v.(float64)
	return f, ok && !math.IsInf(f, 0) && !math.IsNaN(f)
}
