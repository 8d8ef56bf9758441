package keras

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

func (p *yamlParser) end() bool { return p.at >= len(p.text) }

func (p *yamlParser) peek() byte {
	if p.at < len(p.text) {
		return p.text[p.at]
	}
	return 0
}

// next gives the byte after the next.
func (p *yamlParser) next() byte {
	if p.at+1 < len(p.text) {
		return p.text[p.at+1]
	}
	return '\n'
}

func (p *yamlParser) line() int { return 1 + strings.Count(p.text[:min(p.at, len(p.text))], "\n") }

func (p *yamlParser) column() int { return p.at - 1 - strings.LastIndexByte(p.text[:p.at], '\n') }

// tabbed tells whether a tab is among the blanks that the line begins with.
func (p *yamlParser) tabbed() bool {
	begin := p.text[p.at-p.column() : p.at]
	return strings.Trim(begin, " \t") == "" && strings.IndexByte(begin, '\t') >= 0
}

func (p *yamlParser) wrong(format string, args ...any) error {
	return notYAML(fmt.Errorf("line %d: %s", p.line(), fmt.Sprintf(format, args...)))
}

// here shows what is next.
func (p *yamlParser) here() string {
	if p.end() {
		return "the end"
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.at:])
	return strconv.QuoteRune(r)
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// skipInline skips blanks on the line.
func (p *yamlParser) skipInline() {
	for !p.end() && isBlank(p.peek()) {
		p.at++
	}
}

func (p *yamlParser) skipLine() {
	if n := strings.IndexByte(p.text[p.at:], '\n'); n >= 0 {
		p.at += n
	} else {
		p.at = len(p.text)
	}
}

// atComment tells whether a comment is next: a number sign at the beginning of a line or after a blank.
func (p *yamlParser) atComment() bool {
	return p.peek() == '#' && (p.at == 0 || isBlank(p.text[p.at-1]) || p.text[p.at-1] == '\n')
}

// atLineEnd tells whether nothing but a comment is left of the line.
func (p *yamlParser) atLineEnd() bool { return p.end() || p.peek() == '\n' || p.atComment() }

// skipBlank skips blanks, comments and ends of lines.
func (p *yamlParser) skipBlank() {
	for !p.end() {
		switch {
		case isBlank(p.peek()) || p.peek() == '\n':
			p.at++
		case p.atComment():
			p.skipLine()
		default:
			return
		}
	}
}

// atIndicator tells whether a dash or question mark that introduces an entry is next.
func (p *yamlParser) atIndicator(c byte) bool {
	return p.peek() == c && (isBlank(p.next()) || p.next() == '\n')
}

// atColon tells whether the colon after a key is next.
func (p *yamlParser) atColon(flow bool) bool {
	return p.peek() == ':' && (isBlank(p.next()) || p.next() == '\n' || flow && strings.IndexByte(",[]{}", p.next()) >= 0)
}

// atMarker tells whether the marker of a document's beginning or end is next.
func (p *yamlParser) atMarker(marker string) bool {
	if p.at > 0 && p.text[p.at-1] != '\n' || !strings.HasPrefix(p.text[p.at:], marker) {
		return false
	}
	rest := p.text[p.at+len(marker):]
	return rest == "" || isBlank(rest[0]) || rest[0] == '\n'
}

// plainBegins tells whether a scalar without quotes may begin here.
func (p *yamlParser) plainBegins(flow bool) bool {
	switch c := p.peek(); c {
	case '-', '?', ':':
		n := p.next()
		return !isBlank(n) && n != '\n' && !(flow && strings.IndexByte(",[]{}", n) >= 0)
	default:
		return strings.IndexByte(",[]{}#&*!|>'\"%@`\n\x00", c) < 0
	}
}

// single reads an alias, a scalar on one or several lines, or a collection in brackets. Lines after the first are
// indented by least columns or more; there are none when least is negative.
func (p *yamlParser) single(least int, flow bool, depth int) (yamlValue, error) {
	switch c := p.peek(); {
	case c == '*':
		name := p.word()[1:]
		v, ok := p.anchors[name]
		if !ok {
			return v, p.wrong("alias *%s has no anchor before it", describe(name))
		}
		if depth+v.depth > maxDepth {
			return v, tooLarge("it nests deeper than %d levels, in line %d", maxDepth, p.line())
		}
		return v, p.charge(v.size)
	case c == '[' || c == '{':
		return p.flow(depth)
	case c == '"' || c == '\'':
		text, err := p.quoted(c, least >= 0)
		if err != nil {
			return yamlValue{}, err
		}
		return p.scalar(text, text, false)
	case p.plainBegins(flow):
		text, err := p.plain(least, flow)
		if err != nil {
			return yamlValue{}, err
		}
		return p.scalar(plainScalar(text), text, true)
	}
	return yamlValue{}, p.wrong("%s is not expected here", p.here())
}

func (p *yamlParser) scalar(data any, text string, plain bool) (yamlValue, error) {
	return yamlValue{data: data, text: text, scalar: true, plain: plain, size: len(text)}, p.charge(len(text))
}

// plain reads a scalar without quotes: words, with single blanks in place of the ends of lines between them.
func (p *yamlParser) plain(least int, flow bool) (string, error) {
	var b strings.Builder
	for first := true; ; first = false {
		start := p.at
		for !p.end() && p.peek() != '\n' && !p.atComment() {
			if p.atColon(flow) {
				if !first && !flow {
					return "", p.wrong("a key is not expected here")
				}
				break
			}
			if flow && strings.IndexByte(",[]{}", p.peek()) >= 0 {
				break
			}
			p.at++
		}
		line := strings.TrimRight(p.text[start:p.at], " \t")
		b.WriteString(line)
		stop := p.at
		p.at = start + len(line)
		if stop < len(p.text) && p.text[stop] != '\n' || least < 0 {
			return b.String(), nil
		}
		// What follows belongs to it if it is indented far enough and could be plain.
		before := p.at
		lines := 0
		for !p.end() && (isBlank(p.peek()) || p.peek() == '\n') {
			if p.peek() == '\n' {
				lines++
			}
			p.at++
		}
		if p.end() || p.peek() == '#' || p.atMarker("---") || p.atMarker("...") || !flow && p.column() < least ||
			flow && (strings.IndexByte(",[]{}", p.peek()) >= 0 || p.atColon(true)) {
			p.at = before
			return b.String(), nil
		}
		b.WriteString(fold(lines))
	}
}

// fold gives what stands for the ends of so many lines within a scalar.
func fold(lines int) string {
	if lines <= 1 {
		return " "
	}
	return strings.Repeat("\n", lines-1)
}

// escapes are the characters that stand for others after a backslash.
var escapes = map[byte]string{'0': "\x00", 'a': "\a", 'b': "\b", 't': "\t", '\t': "\t", 'n': "\n", 'v': "\v", 'f': "\f", 'r': "\r", 'e': "\x1b",
	' ': " ", '"': `"`, '/': "/", '\\': `\`, 'N': "\u0085", '_': "\u00a0", 'L': "\u2028", 'P': "\u2029"}

// quoted reads a scalar in quotes.
func (p *yamlParser) quoted(quote byte, several bool) (string, error) {
	var b []byte
	kept := 0 // bytes of b that blanks before the end of a line do not belong to
	for p.at++; ; {
		if p.end() {
			return "", p.wrong("a quoted text has no end")
		}
		switch c := p.peek(); {
		case c == quote && quote == '\'' && p.next() == quote:
			p.at += 2
			b = append(b, quote)
			kept = len(b)
		case c == quote:
			p.at++
			return string(b), nil
		case c == '\\' && quote == '"' && p.next() == '\n':
			p.at += 2
			p.skipInline()
			kept = len(b)
		case c == '\\' && quote == '"':
			var err error
			if b, err = p.escaped(b); err != nil {
				return "", err
			}
			kept = len(b)
		case c == '\n':
			if !several {
				return "", p.wrong("a key is on several lines")
			}
			lines := 0
			for !p.end() && (isBlank(p.peek()) || p.peek() == '\n') {
				if p.peek() == '\n' {
					lines++
				}
				p.at++
			}
			b = append(b[:kept], fold(lines)...)
			kept = len(b)
		default:
			b = append(b, c)
			if p.at++; !isBlank(c) {
				kept = len(b)
			}
		}
	}
}

// escaped reads a backslash and what belongs to it.
func (p *yamlParser) escaped(b []byte) ([]byte, error) {
	c := p.next()
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[c]
	if digits == 0 {
		text, ok := escapes[c]
		if !ok {
			return nil, p.wrong("an escape that is none: \\%c", c)
		}
		p.at += 2
		return append(b, text...), nil
	}
	code, err := strconv.ParseUint(p.text[min(p.at+2, len(p.text)):min(p.at+2+digits, len(p.text))], 16, 32)
	if err != nil || p.at+2+digits > len(p.text) {
		return nil, p.wrong("an escape without its %d digits", digits)
	}
	p.at += 2 + digits
	return utf8.AppendRune(b, rune(min(code, utf8.MaxRune+1))), nil
}

// blockText reads a scalar of whole lines, literal (|) or folded (>).
func (p *yamlParser) blockText(least int) (yamlValue, error) {
	folded := p.peek() == '>'
	p.at++
	indent, keep := 0, byte(0)
	for c := p.peek(); c == '+' || c == '-' || c >= '1' && c <= '9'; c = p.peek() {
		if c == '+' || c == '-' {
			keep = c
		} else {
			indent = max(0, least-1) + int(c-'0')
		}
		p.at++
	}
	p.skipInline()
	if !p.atLineEnd() {
		return yamlValue{}, p.wrong("%s is not expected here", p.here())
	}
	p.skipLine()
	var b strings.Builder
	breaks, more := 0, false // ends of lines not written yet; the last line was indented further
	for first := true; !p.end(); {
		p.at++ // the end of the line before
		start := p.at
		for p.peek() == ' ' && (indent == 0 || p.at-start < indent) {
			p.at++
		}
		switch {
		case p.end():
		case p.peek() == '\n':
			breaks++
			continue
		case indent == 0 && p.at-start >= max(least, 1) || indent == 0 && least <= 0:
			indent = p.at - start
		}
		if p.end() || p.at-start < indent || indent == 0 && least > 0 || p.atMarker("---") || p.atMarker("...") {
			p.at = start - 1
			break
		}
		line := p.at
		p.skipLine()
		further := isBlank(p.text[line])
		switch {
		case first:
			b.WriteString(strings.Repeat("\n", breaks))
		case folded && !further && !more && breaks == 0:
			b.WriteByte(' ')
		case folded && !further && !more:
			b.WriteString(strings.Repeat("\n", breaks))
		default:
			b.WriteString(strings.Repeat("\n", breaks+1))
		}
		b.WriteString(p.text[line:p.at])
		breaks, first, more = 0, false, further
		if p.end() {
			break
		}
	}
	switch {
	case keep == '+':
		b.WriteString(strings.Repeat("\n", breaks+1))
	case keep == 0 && b.Len() > 0:
		b.WriteByte('\n')
	}
	return p.scalar(b.String(), b.String(), false)
}

// flow reads a collection in brackets.
func (p *yamlParser) flow(depth int) (yamlValue, error) {
	if depth++; depth > maxDepth {
		return yamlValue{}, tooLarge("it nests deeper than %d levels, in line %d", maxDepth, p.line())
	}
	list := p.peek() == '['
	closing := byte('}')
	if list {
		closing = ']'
	}
	p.at++
	var out collection
	for p.skipBlank(); p.peek() != closing; p.skipBlank() {
		if p.end() {
			return yamlValue{}, p.wrong("a bracket is not closed")
		}
		v, err := p.flowNode(depth)
		if err != nil {
			return v, err
		}
		p.skipBlank()
		if p.peek() == ':' && (!v.plain || p.atColon(true)) {
			if list {
				return v, p.wrong("a key is not expected in a list")
			}
			p.at++
			p.skipBlank()
			member := leaf(nil)
			if p.peek() != ',' && p.peek() != closing {
				if member, err = p.flowNode(depth); err != nil {
					return member, err
				}
			}
			err = out.put(p, v, member)
		} else if list {
			err = out.add(p, v)
		} else {
			err = out.put(p, v, leaf(nil))
		}
		if err != nil {
			return v, err
		}
		if p.skipBlank(); p.peek() == ',' {
			p.at++
		} else if p.end() {
			return v, p.wrong("a bracket is not closed")
		} else if p.peek() != closing {
			return v, p.wrong("%s is not expected here", p.here())
		}
	}
	p.at++
	if !list && out.members == nil {
		out.members = map[string]any{}
		out.size += yamlObjectBytes
		if err := p.charge(yamlObjectBytes); err != nil {
			return yamlValue{}, err
		}
	}
	if list && out.list == nil {
		out.list = []any{}
	}
	return out.value(p)
}

// flowNode reads an entry in brackets, with its properties.
func (p *yamlParser) flowNode(depth int) (yamlValue, error) {
	props, err := p.properties()
	if err != nil {
		return yamlValue{}, err
	}
	if props != (properties{}) {
		p.skipBlank()
		if c := p.peek(); c == ',' || c == ']' || c == '}' {
			return p.finish(props, leaf(nil))
		}
	}
	return p.finishing(props, func() (yamlValue, error) { return p.single(0, true, depth) })
}
