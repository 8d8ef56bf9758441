package ui

import (
	"fmt"
	"strings"

	"partita/app/state"
)

// block is a run of layers that belong together by their names.
type block struct {
	name        string
	first, last int // layers, from 0, inclusive
}

// A drawing shows at least and at most so many blocks; where names make others, blocks are of equal length.
const (
	fewestBlocks = 4
	mostBlocks   = 48
)

// groupings tell from a layer's name which block it is in, the finest first: conv2_block1_1_conv is in conv2_block1, or in conv2;
// separable_conv_1_bn_left_12 is in 12; block3b_expand is in block3b, or in block3.
var groupings = []func(name string) string{
	func(name string) string {
		parts := strings.Split(name, "_")
		if len(parts) >= 3 {
			return parts[0] + "_" + parts[1]
		}
		return parts[0]
	},
	func(name string) string {
		if end := name[strings.LastIndexByte(name, '_')+1:]; strings.Trim(end, "0123456789") == "" {
			return end
		}
		return name
	},
	func(name string) string { return firstPart(name) },
	func(name string) string { return strings.TrimRight(firstPart(name), "abcdefghijklmnopqrstuvwxyz") },
}

func firstPart(name string) string {
	part, _, _ := strings.Cut(name, "_")
	return part
}

// blocksOf groups layers.
func blocksOf(m *state.Model) []block {
	given := givenNames(m)
	for _, group := range groupings {
		if blocks := runs(given, group); len(blocks) >= fewestBlocks && len(blocks) <= mostBlocks {
			return blocks
		}
	}
	names := make([]string, len(m.Layers))
	for i := range m.Layers {
		names[i] = m.Layers[i].Name
	}
	if blocks := runs(names, groupings[0]); len(blocks) <= mostBlocks {
		return blocks
	}
	var blocks []block
	n := len(m.Layers)
	for b := range mostBlocks / 2 {
		if first, last := b*n/(mostBlocks/2), (b+1)*n/(mostBlocks/2)-1; first <= last {
			blocks = append(blocks, block{fmt.Sprintf("%d–%d", first+1, last+1), first, last})
		}
	}
	return blocks
}

// runs joins neighbours of one group.
func runs(names []string, group func(string) string) []block {
	var blocks []block
	for i, name := range names {
		name = group(name)
		if n := len(blocks); n > 0 && blocks[n-1].name == name {
			blocks[n-1].last = i
		} else {
			blocks = append(blocks, block{name, i, i})
		}
	}
	return blocks
}

// givenNames lists the names of layers. One that only Keras named, by its kind and a number, says nothing of its place: it has the name
// of the next that somebody named, which it leads to.
func givenNames(m *state.Model) []string {
	names := make([]string, len(m.Layers))
	next := ""
	for i := len(m.Layers) - 1; i >= 0; i-- {
		l := &m.Layers[i]
		if !numbered(l) || next == "" {
			next = l.Name
		}
		names[i] = next
	}
	return names
}

// numbered tells whether a layer's name is its kind, with a number or without.
func numbered(l *state.Layer) bool {
	bare := strings.TrimRight(strings.ReplaceAll(l.Name, "_", ""), "0123456789")
	kind := strings.TrimRight(strings.ToLower(l.Class), "0123456789")
	return kind != "" && (bare == kind || bare == strings.ToLower(l.Class))
}
