package ui

import "strconv"

// path is the data of an SVG path, or other numbers of a drawing, to a hundredth. Networks have thousands of layers, and printing a
// floating-point number takes longer in a browser than all else that is done for a layer.
type path []byte

// to appends a command and its numbers.
func (d *path) to(command byte, numbers ...float64) {
	text := append(*d, command)
	for i, v := range numbers {
		if i > 0 {
			text = append(text, ' ')
		}
		text = appendNumber(text, v)
	}
	*d = text
}

// appendNumber prints a number with at most two digits behind the point.
func appendNumber(text []byte, v float64) []byte {
	hundredths := int64(v*100 + 0.5)
	if v < 0 {
		hundredths = -int64(-v*100 + 0.5)
		if hundredths < 0 {
			text = append(text, '-')
			hundredths = -hundredths
		}
	}
	text = strconv.AppendInt(text, hundredths/100, 10)
	if rest := hundredths % 100; rest != 0 {
		text = append(text, '.', byte('0'+rest/10))
		if rest%10 != 0 {
			text = append(text, byte('0'+rest%10))
		}
	}
	return text
}
