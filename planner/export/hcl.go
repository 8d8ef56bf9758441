package export

import (
	"bytes"
	"strings"
)

// hcl writes Terraform's language in the layout of terraform fmt.
type hcl struct {
	b      bytes.Buffer
	indent string
	run    [][2]string // attributes on following lines, whose equals signs stand in one column
}

// attr writes an attribute with an expression of one line.
func (h *hcl) attr(name, expression string) { h.run = append(h.run, [2]string{name, expression}) }

func (h *hcl) flush() {
	width := 0
	for _, a := range h.run {
		width = max(width, len(a[0]))
	}
	for _, a := range h.run {
		h.b.WriteString(h.indent + a[0] + strings.Repeat(" ", width-len(a[0])) + " = " + a[1] + "\n")
	}
	h.run = h.run[:0]
}

func (h *hcl) comment(text string) {
	h.flush()
	h.b.WriteString(strings.TrimRight(h.indent+"# "+text, " ") + "\n")
}

func (h *hcl) blank() {
	h.flush()
	h.b.WriteByte('\n')
}

// block writes a block with its labels, or an object when the head ends with an equals sign.
func (h *hcl) block(head string, body func()) {
	h.flush()
	h.b.WriteString(h.indent + head + " {\n")
	outer := h.indent
	h.indent += "  "
	body()
	h.flush()
	h.indent = outer
	h.b.WriteString(h.indent + "}\n")
}

// list writes a list attribute, an item a line.
func (h *hcl) list(name string, expressions []string) {
	h.flush()
	h.b.WriteString(h.indent + name + " = [\n")
	for _, e := range expressions {
		h.b.WriteString(h.indent + "  " + e + ",\n")
	}
	h.b.WriteString(h.indent + "]\n")
}

// text writes a string without interpolation.
func text(s string) string {
	s = strings.NewReplacer("${", "$${", "%{", "%%{").Replace(s)
	return template(s)
}

// template writes a string in which ${...} is replaced.
func template(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range s {
		switch r {
		case '"', '\\':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		default:
			if r < ' ' {
				r = ' '
			}
			b.WriteRune(r)
		}
	}
	b.WriteByte('"')
	return b.String()
}
