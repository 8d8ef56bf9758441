package export

import (
	"bytes"
	"fmt"
	"strings"
)

// drawing collects an SVG document. Coordinates are whole tenths of a pixel, so that all architectures draw the same.
type drawing struct{ b bytes.Buffer }

// tenths prints a coordinate.
func tenths(v int64) string {
	if v%10 == 0 {
		return fmt.Sprint(v / 10)
	}
	sign := ""
	if v < 0 {
		sign, v = "-", -v
	}
	return fmt.Sprintf("%s%d.%d", sign, v/10, v%10)
}

func (d *drawing) line(format string, args ...any) { fmt.Fprintf(&d.b, format+"\n", args...) }

// open begins the document. Title and description are what a screen reader says.
func (d *drawing) open(width, height int64, title, description, style string) {
	d.line(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-labelledby="title description">`, width, height, width, height)
	d.line(`<title id="title">%s</title>`, xmlText(title))
	d.line(`<desc id="description">%s</desc>`, xmlText(description))
	d.line("<style>\ntext{font-family:system-ui,sans-serif;font-size:12px;fill:#1f2937}\n.back{fill:#fff}\n.quiet{fill:#5b6472}\n.heading{font-size:15px;font-weight:600}\n%s\n"+
		"@media (prefers-color-scheme:dark){.back{fill:#14181f}text{fill:#e5e7eb}.quiet{fill:#a3acba}.onblock{fill:#1f2937}.grid{stroke:#2b323d}.edge{stroke:#8b95a5}.mark{stroke:#14181f}}\n</style>", style)
	d.line(`<rect class="back" width="%d" height="%d"/>`, width, height)
}

func (d *drawing) close() []byte {
	d.line("</svg>")
	return d.b.Bytes()
}

// text writes a line of text. Classes and anchor may be empty.
func (d *drawing) text(x, y int64, class, anchor, text string) {
	attributes := ""
	if class != "" {
		attributes += ` class="` + class + `"`
	}
	if anchor != "" {
		attributes += ` text-anchor="` + anchor + `"`
	}
	d.line(`<text x="%s" y="%s"%s>%s</text>`, tenths(x), tenths(y), attributes, xmlText(text))
}

var xmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

// xmlText escapes text, less the characters that XML cannot hold.
func xmlText(text string) string {
	return xmlEscapes.Replace(strings.Map(func(r rune) rune {
		if r == 0xfffe || r == 0xffff {
			return -1
		}
		return r
	}, oneLine(text)))
}
