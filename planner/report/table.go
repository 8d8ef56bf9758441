package report

import (
	"fmt"
	"io"
	"strings"
)

// Page writes lines, and rows in aligned columns. The first error of the writer stays.
type Page struct {
	w   io.Writer
	err error
}

// NewPage makes a page on a writer.
func NewPage(w io.Writer) *Page { return &Page{w: w} }

// Line writes one line.
func (p *Page) Line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.w, format+"\n", args...)
	}
}

// Err gives the first error of the writer.
func (p *Page) Err() error { return p.err }

// Table writes rows of equal length in columns. They are aligned to the right, for figures, but the last, which is words.
func (p *Page) Table(rows [][]string) {
	if len(rows) == 0 {
		return
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			if i > 0 {
				b.WriteString("  ")
			}
			if i < len(row)-1 {
				b.WriteString(strings.Repeat(" ", widths[i]-len([]rune(cell))))
			}
			b.WriteString(cell)
		}
		p.Line("%s", strings.TrimRight(b.String(), " "))
	}
}
