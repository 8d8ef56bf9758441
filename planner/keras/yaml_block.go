package keras

import (
	"fmt"
	"strings"
)

// yamlParser reads YAML from front to back in one pass and makes the data at once: nothing is kept of the text, so that
// a file takes little more memory than its data.
type yamlParser struct {
	text    string
	at      int // the next byte
	anchors map[string]yamlValue
	size    int // of all data so far, aliases expanded, as accounted for
}

// yamlValue is a node's data.
type yamlValue struct {
	data   any
	text   string // of a scalar, as written
	scalar bool
	plain  bool // a scalar without quotes
	size   int  // as accounted for, with aliases expanded
	depth  int  // of levels below
}

// properties are what stands before a node.
type properties struct {
	anchor, tag string
}

// document reads the only document.
func (p *yamlParser) document() (any, error) {
	for p.skipBlank(); p.peek() == '%'; p.skipBlank() { // a directive
		p.skipLine()
	}
	if p.atMarker("---") {
		p.at += 3
	}
	p.skipInline()
	start := p.at
	p.skipBlank()
	if p.end() {
		return nil, notYAML(fmt.Errorf("it is empty"))
	}
	p.at = start
	v, err := p.block(0, -1, true, 0)
	if err != nil {
		return nil, err
	}
	for p.skipBlank(); p.atMarker("..."); p.skipBlank() {
		p.at += 3
	}
	switch {
	case p.end():
		return v.data, nil
	case p.atMarker("---"):
		return nil, notYAML(fmt.Errorf("it holds several documents"))
	}
	return nil, p.wrong("%s is not expected here", p.here())
}

// block reads the node after an indicator, on its line or on lines that are indented by least columns or more; of list,
// when it is not negative, a list may begin in that column all the same. Within tells that a collection may begin on this
// very line, as after a dash.
func (p *yamlParser) block(least, list int, within bool, depth int) (yamlValue, error) {
	if depth > maxDepth {
		return yamlValue{}, tooLarge("it nests deeper than %d levels, in line %d", maxDepth, p.line())
	}
	p.skipInline()
	start := p.at
	props, err := p.properties()
	if err != nil {
		return yamlValue{}, err
	}
	fresh := false // on a line of its own
	if p.atLineEnd() {
		before := p.at
		p.skipBlank()
		column := p.column()
		if p.end() || p.atMarker("---") || p.atMarker("...") || column < least && !(column == list && p.atIndicator('-')) {
			p.at = before
			return p.finish(props, leaf(nil))
		}
		fresh = true
	} else if within && props != (properties{}) && p.keyAhead() { // they are the key's
		p.at = start
		props = properties{}
	}
	switch c := p.peek(); {
	case p.atIndicator('-') && (fresh || within):
		return p.finishing(props, func() (yamlValue, error) { return p.blockList(p.column(), depth) })
	case p.atIndicator('?') && (fresh || within), (fresh || within) && p.keyAhead():
		return p.finishing(props, func() (yamlValue, error) { return p.blockMapping(p.column(), depth) })
	case fresh && (c == '&' || c == '!'): // more of them before a scalar on a line of its own
		more, err := p.properties()
		if err != nil {
			return yamlValue{}, err
		}
		if props, err = p.joined(props, more); err != nil {
			return yamlValue{}, err
		}
		if p.atLineEnd() {
			return p.finishing(props, func() (yamlValue, error) { return p.block(least, list, false, depth+1) })
		}
		return p.finishing(props, func() (yamlValue, error) { return p.single(least, false, depth) })
	case c == '|' || c == '>':
		return p.finishing(props, func() (yamlValue, error) { return p.blockText(least) })
	}
	return p.finishing(props, func() (yamlValue, error) { return p.single(least, false, depth) })
}

// finishing reads a node that has properties.
func (p *yamlParser) finishing(props properties, read func() (yamlValue, error)) (yamlValue, error) {
	v, err := read()
	if err != nil {
		return v, err
	}
	return p.finish(props, v)
}

func (p *yamlParser) finish(props properties, v yamlValue) (yamlValue, error) {
	var err error
	if props.tag != "" {
		if v, err = p.tagged(props.tag, v); err != nil {
			return v, err
		}
	}
	if props.anchor != "" {
		if len(p.anchors) >= maxAnchors {
			return v, tooLarge("it names more than %d values, in line %d", maxAnchors, p.line())
		}
		p.anchors[props.anchor] = v
	}
	return v, nil
}

func (p *yamlParser) joined(a, b properties) (properties, error) {
	if a.anchor != "" && b.anchor != "" || a.tag != "" && b.tag != "" {
		return a, p.manyProperties()
	}
	return properties{a.anchor + b.anchor, a.tag + b.tag}, nil
}

func (p *yamlParser) manyProperties() error {
	return tooLarge("it gives one value several tags or anchors, in line %d", p.line())
}

// properties reads the anchor and the tag before a node on its line.
func (p *yamlParser) properties() (properties, error) {
	var props properties
	for {
		c := p.peek()
		if c != '&' && c != '!' {
			return props, nil
		}
		name := p.word()
		one := properties{tag: name}
		if c == '&' {
			one = properties{anchor: name[1:]}
		}
		if c == '&' && len(name) == 1 || len(name) > maxNameBytes {
			return props, p.wrong("an anchor or a tag has a name of %d bytes", len(name)-1)
		}
		var err error
		if props, err = p.joined(props, one); err != nil {
			return props, err
		}
		p.skipInline()
	}
}

// word reads up to a blank or, for names in brackets, a bracket or comma.
func (p *yamlParser) word() string {
	start := p.at
	for !p.end() && !strings.ContainsRune(" \t\n,[]{}", rune(p.peek())) {
		p.at++
	}
	return p.text[start:p.at]
}

// keyAhead tells whether a key and its colon are next, on this line.
func (p *yamlParser) keyAhead() bool {
	start := p.at
	defer func() { p.at = start }()
	if _, err := p.properties(); err != nil {
		return false
	}
	switch c := p.peek(); c {
	case '"', '\'':
		for p.at++; !p.end() && p.peek() != '\n'; p.at++ {
			if p.peek() == '\\' && c == '"' {
				p.at++
			} else if p.peek() == c {
				if c == '"' || p.next() != c {
					p.at++
					break
				}
				p.at++
			}
		}
	case '[', '{', '\n', '|', '>', 0:
		return false // collections as keys are none of Keras's
	case '*':
		p.word()
	default:
		if !p.plainBegins(false) {
			return false
		}
		for !p.end() && p.peek() != '\n' && !p.atColon(false) && !p.atComment() {
			p.at++
		}
	}
	p.skipInline()
	return p.atColon(false)
}

// blockList reads a list whose dashes are in a column.
func (p *yamlParser) blockList(column, depth int) (yamlValue, error) {
	var out collection
	for p.atIndicator('-') {
		if p.tabbed() {
			return yamlValue{}, p.wrong("a tab indents the line")
		}
		p.at++
		v, err := p.block(column+1, -1, true, depth+1)
		if err == nil {
			err = out.add(p, v)
		}
		if err != nil {
			return v, err
		}
		if !p.another(column) {
			break
		}
	}
	return out.value(p)
}

// blockMapping reads a mapping whose keys are in a column.
func (p *yamlParser) blockMapping(column, depth int) (yamlValue, error) {
	var out collection
	for {
		var key, v yamlValue
		var err error
		if p.tabbed() {
			return v, p.wrong("a tab indents the line")
		}
		if p.atIndicator('?') {
			p.at++
			if key, err = p.block(column+1, -1, true, depth+1); err != nil {
				return key, err
			}
			if !p.another(column) || !p.atColon(false) {
				if err = out.put(p, key, leaf(nil)); err != nil || p.end() || p.column() != column || p.atMarker("---") {
					break
				}
				continue
			}
		} else {
			if !p.keyAhead() {
				return v, p.wrong("%s is not expected here", p.here())
			}
			if key, err = p.key(depth); err != nil {
				return key, err
			}
		}
		p.skipInline()
		p.at++ // the colon
		if v, err = p.block(column+1, column, false, depth+1); err == nil {
			err = out.put(p, key, v)
		}
		if err != nil {
			return v, err
		}
		if !p.another(column) {
			break
		}
	}
	return out.value(p)
}

// key reads a key that is followed by its colon.
func (p *yamlParser) key(depth int) (yamlValue, error) {
	props, err := p.properties()
	if err != nil {
		return yamlValue{}, err
	}
	return p.finishing(props, func() (yamlValue, error) { return p.single(-1, false, depth+1) })
}

// another goes to the next line of content and tells whether it belongs to a collection in a column.
func (p *yamlParser) another(column int) bool {
	p.skipBlank()
	return !p.end() && p.column() == column && !p.atMarker("---") && !p.atMarker("...")
}

// collection is a list or mapping under construction.
type collection struct {
	list        []any
	members     map[string]any
	size, depth int
}

// What is accounted for a mapping, a list, a value and the bytes of a text: as decodeJSON does.
const (
	yamlObjectBytes = 350
	yamlListBytes   = 32
	yamlValueBytes  = 48
)

func (c *collection) add(p *yamlParser, v yamlValue) error {
	c.list = append(c.list, v.data)
	return c.count(p, v)
}

func (c *collection) count(p *yamlParser, v yamlValue) error {
	c.size, c.depth = c.size+v.size+yamlValueBytes, max(c.depth, v.depth+1)
	return p.charge(yamlValueBytes)
}

func (c *collection) put(p *yamlParser, key, v yamlValue) error {
	if key.plain && key.text == "<<" {
		return p.wrong("a merge key << is not expected in a model")
	}
	name, ok := key.data.(string)
	if !ok {
		if !key.scalar {
			return p.wrong("a key is not a text")
		}
		name = fmt.Sprint(key.data)
	}
	if _, twice := c.members[name]; twice {
		return p.wrong("the key %s is given twice", describe(name))
	}
	if c.members == nil {
		c.members = map[string]any{}
		c.size += yamlObjectBytes
		if err := p.charge(yamlObjectBytes); err != nil {
			return err
		}
	}
	c.members[name] = v.data
	c.size += key.size
	return c.count(p, v)
}

func (c *collection) value(p *yamlParser) (yamlValue, error) {
	v := yamlValue{size: c.size + yamlListBytes, depth: max(1, c.depth)}
	if c.members != nil {
		v.data = c.members
	} else {
		v.data = c.list
	}
	return v, p.charge(yamlListBytes)
}

// charge accounts for data.
func (p *yamlParser) charge(size int) error {
	if p.size += size; p.size > maxTreeBytes {
		return tooLarge("it expands to more than fits in %d MB, in line %d", maxTreeBytes>>20, p.line())
	}
	return nil
}
