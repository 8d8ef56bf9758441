package wasmloops

import "slices"

// writer writes a function whose blocks are in order.
type writer struct {
	*function
	out    []byte
	labels []int // of what is open, innermost last: a block of the function, or unwinding
}

const (
	unwinding = -1
	looping   = 1 << 30 // beside the head of a loop
)

// write gives the body. original is the function that goes on where a goroutine was put aside; -1: nothing does.
func (f *function) write(original int) []byte {
	w := &writer{function: f, out: slices.Clone(f.locals)}
	w.put(opLocalGet, 0)
	w.put(opI32Const, uint64(f.entries))
	w.out = append(w.out, opI32GeU, opIf, void)
	if original >= 0 {
		w.put(opLocalGet, 0)
		w.put(opCall, uint64(original))
		w.out = append(w.out, opReturn)
	} else {
		w.out = append(w.out, opUnreachable)
	}
	w.out = append(w.out, opEnd)
	for _, x := range f.prologue {
		w.out = append(w.out, x.raw...)
	}
	if f.unwinds {
		w.open(opBlock, unwinding)
	}
	w.tree(0)
	w.out = append(w.out, opUnreachable)
	if f.unwinds {
		w.close()
		w.put(opI32Const, 1)
	}
	return append(w.out, opEnd)
}

func (w *writer) put(op byte, argument uint64) {
	w.out = putUnsigned(append(w.out, op), argument) // of small constants signed and unsigned are the same
}

func (w *writer) open(op byte, label int) {
	w.out = append(w.out, op, void)
	w.labels = append(w.labels, label)
}

func (w *writer) close() {
	w.out = append(w.out, opEnd)
	w.labels = w.labels[:len(w.labels)-1]
}

// label tells how many labels are open inside of one.
func (w *writer) label(of int) uint64 {
	for n := len(w.labels) - 1; n >= 0; n-- {
		if w.labels[n] == of {
			return uint64(len(w.labels) - 1 - n)
		}
	}
	panic("wasmloops: a jump out of what is open")
}

// tree writes a block and all that lies behind it and nowhere else.
func (w *writer) tree(k int) {
	inside := w.placed[k]
	member, loop := w.member[k]
	if !loop {
		w.within(k, inside)
		return
	}
	var outside []int
	inside = nil
	for _, behind := range w.placed[k] {
		if member[behind] {
			inside = append(inside, behind)
		} else {
			outside = append(outside, behind)
		}
	}
	for _, behind := range slices.Backward(outside) {
		w.open(opBlock, behind)
	}
	w.open(opLoop, k|looping)
	w.within(k, inside)
	w.close()
	w.out = append(w.out, opUnreachable) // a loop is only left by jumps
	for _, behind := range outside {
		w.close()
		w.tree(behind)
	}
}

// within writes a block, in blocks that end where those begin that are placed with it.
func (w *writer) within(k int, behind []int) {
	for _, b := range slices.Backward(behind) {
		w.open(opBlock, b)
	}
	w.code(k)
	for _, b := range behind {
		w.close()
		w.tree(b)
	}
}

func (w *writer) code(k int) {
	b := &w.blocks[k]
	depth := uint64(0)
	for _, x := range b.code {
		switch x.op {
		case opBlock, opLoop, opIf:
			depth++
		case opEnd:
			depth--
		}
		switch x.kind {
		case plain:
			w.out = append(w.out, x.raw...)
		case unwind:
			w.put(x.op, depth+w.label(unwinding))
		case jump:
			w.put(opBr, depth+w.to(k, x.target))
		case jumpIf:
			w.put(opBrIf, depth+w.to(k, x.target))
		}
	}
	switch next := b.next; {
	case next < 0:
	case w.merged[next] || w.position[next] <= w.position[k]:
		if at := w.to(k, next); at > 0 || w.labels[len(w.labels)-1]&looping != 0 {
			w.put(opBr, at)
		}
	default:
		w.tree(next)
	}
}

// to gives the label of a block that another jumps to.
func (w *writer) to(from, block int) uint64 {
	if w.position[block] <= w.position[from] {
		return w.label(block | looping)
	}
	return w.label(block)
}
