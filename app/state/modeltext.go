package state

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
)

// A model crosses from the planner to the page as JSON in one line, and a line for each layer after it: reading a thousand layers as JSON would
// keep the page from answering. A layer's line has its fields with tabs between them; in names, tabs, line breaks and backslashes are escaped.
const layerFields = 6

var (
	escapes   = strings.NewReplacer("\\", "\\\\", "\t", "\\t", "\n", "\\n")
	unescapes = strings.NewReplacer("\\\\", "\\", "\\t", "\t", "\\n", "\n")
)

// Encode writes a model as text.
func (m *Model) Encode() ([]byte, error) {
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	for i := range m.Layers {
		l := &m.Layers[i]
		text = append(text, '\n')
		for _, name := range []string{l.Name, l.Class, l.Output} {
			text = append(append(text, escapes.Replace(name)...), '\t')
		}
		text = append(strconv.AppendInt(text, l.WeightBytes, 10), '\t')
		text = append(strconv.AppendInt(text, l.MACs, 10), '\t')
		for k, from := range l.From {
			if k > 0 {
				text = append(text, ' ')
			}
			text = strconv.AppendInt(text, int64(from), 10)
		}
	}
	return text, nil
}

// restAfter is after how many layers DecodeModel lets others work.
const restAfter = 150

// DecodeModel reads what Encode wrote. It calls rest now and then, for a browser to do what waits.
func DecodeModel(text string, rest func()) (*Model, error) {
	head, lines, there := strings.Cut(text, "\n")
	m := &Model{}
	if err := json.Unmarshal([]byte(head), m); err != nil {
		return nil, err
	}
	if !there {
		return m, nil
	}
	m.Layers = make([]Layer, 0, strings.Count(lines, "\n")+1)
	for line := range strings.SplitSeq(lines, "\n") {
		if len(m.Layers)%restAfter == 0 {
			rest()
		}
		l, err := decodeLayer(line)
		if err != nil {
			return nil, fmt.Errorf("reading layer %d: %w", len(m.Layers)+1, err)
		}
		m.Layers = append(m.Layers, l)
	}
	return m, nil
}

func decodeLayer(line string) (l Layer, err error) {
	fields := strings.Split(line, "\t")
	if len(fields) != layerFields {
		return l, fmt.Errorf("it has %d fields", len(fields))
	}
	for i, to := range []*string{&l.Name, &l.Class, &l.Output} {
		if *to = fields[i]; strings.Contains(fields[i], "\\") {
			*to = unescapes.Replace(fields[i])
		}
	}
	if l.WeightBytes, err = strconv.ParseInt(fields[3], 10, 64); err != nil {
		return l, err
	}
	if l.MACs, err = strconv.ParseInt(fields[4], 10, 64); err != nil {
		return l, err
	}
	if fields[5] == "" {
		return l, nil
	}
	for number := range strings.SplitSeq(fields[5], " ") {
		from, err := strconv.Atoi(number)
		if err != nil {
			return l, err
		}
		l.From = append(l.From, from)
	}
	return l, nil
}
