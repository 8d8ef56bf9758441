package wasmloops

// function is one whose body is a table of basic blocks.
type function struct {
	endless   map[int64]bool
	locals    []byte // their declaration
	prologue  []instruction
	unwinds   bool // an outer block is left to give 1, when the goroutine is put aside
	blocks    []block
	entries   int64 // numbers below this lead to the first block
	resumable bool  // others may be given to it

	position  []int // of a block in the reverse postorder; -1: never reached
	sequence  []int // blocks in that order
	dominator []int
	member    map[int][]bool // of a loop's head: which blocks the loop has
	outer     []int          // per block: the head of the innermost loop around it, which it may be itself; -1: none
	placed    [][]int        // per block: those behind it that begin where a block of WebAssembly ends, by their position
	merged    []bool
}

// block is a basic block: it is entered at its beginning only.
type block struct {
	code []step
	next int // block that it goes on to at its end; -1: it never gets there
}

// step is an instruction, or where target is not none what stands for a jump.
type step struct {
	instruction
	kind   kind
	target int // block
}

type kind byte

const (
	plain  kind = iota
	jump        // to target
	jumpIf      // to target, when what is on the stack is not 0
	unwind      // br or br_if out of the function
)

// readFunction finds the blocks of a body; nil when it has no table of them, or anything about it is unlike what the compiler writes.
// endless tells which functions never give back, whatever the code behind a call of them is.
func readFunction(body []byte, endless map[int64]bool) (*function, error) {
	r := &reader{data: body}
	for range r.count() {
		r.unsigned()
		r.byte()
	}
	if r.err != nil {
		return nil, r.err
	}
	f := &function{locals: body[:r.at], endless: endless}
	list, err := instructions(body[r.at:])
	if err != nil {
		return nil, err
	}
	return f.read(list), nil
}

// read takes the list apart:
//
//	prologue [block] loop block*(n+1) local.get 0 br_table end (code end)*n code end unreachable [end i32.const 1] end
func (f *function) read(list []instruction) *function {
	at := 0
	is := func(op byte, argument int64) bool {
		if at < len(list) && list[at].op == op && list[at].argument == argument {
			at++
			return true
		}
		return false
	}
	for at < len(list) && list[at].op != opBlock && list[at].op != opLoop {
		if op := list[at].op; op == opIf || op == opBr || op == opBrIf || op == opReturn || op == opEnd || op == opElse || op == opUnreachable {
			return nil
		}
		at++
	}
	f.prologue = list[:at]
	f.unwinds = is(opBlock, void)
	if !is(opLoop, void) {
		return nil
	}
	n := 0
	for is(opBlock, void) {
		n++
	}
	if n < 2 || !is(opLocalGet, 0) || at >= len(list) || list[at].op != opBrTable {
		return nil
	}
	table := list[at].labels
	for _, label := range table {
		if label >= uint64(n) {
			return nil
		}
	}
	if table[0] != 0 {
		return nil // the first block is the one to begin with
	}
	at++
	if !is(opEnd, 0) {
		return nil
	}
	for f.entries < int64(len(table)-1) && table[f.entries] == 0 {
		f.entries++
	}
	end := len(list) - 3 // where the loop ends
	if f.unwinds {
		end -= 2
	}
	if end <= at {
		return nil
	}
	code := list[at:end]
	at = end
	if !is(opEnd, 0) || !is(opUnreachable, 0) || f.unwinds && (!is(opEnd, 0) || !is(opI32Const, 1)) || !is(opEnd, 0) || at != len(list) {
		return nil
	}
	if !f.split(code, table, n) {
		return nil
	}
	f.resumable = f.mayResume()
	return f
}

// split makes the n blocks of the code behind the table.
func (f *function) split(code []instruction, table []uint64, n int) bool {
	outside := 1 // labels around a block's own: the loop, the block that unwinding leaves
	if f.unwinds {
		outside++
	}
	current, depth, dead := block{next: 1}, 0, false
	for at := 0; at < len(code); at++ {
		x := step{instruction: code[at]}
		open := n - 1 - len(f.blocks) // blocks of the table around this one
		switch x.op {
		case opBlock, opLoop, opIf:
			depth++
		case opEnd:
			if depth == 0 { // the block ends
				if open == 0 {
					return false
				}
				if current.calls(f.endless) {
					current.end()
				}
				f.blocks = append(f.blocks, current)
				current, dead = block{next: len(f.blocks) + 1}, false
				continue
			}
			depth--
		case opBrTable:
			for _, label := range x.labels {
				if label >= uint64(depth) {
					return false
				}
			}
		case opBr, opBrIf:
			label := int(x.argument) - depth - open // 0 is the loop
			switch {
			case int(x.argument) < depth:
			case label < 0 || label >= outside:
				return false
			case label == 1:
				x.kind = unwind
			case x.op == opBrIf:
				return false
			default:
				// The number of the block is set before.
				k := len(current.code)
				if k < 2 || current.code[k-1].op != opLocalSet || current.code[k-1].argument != 0 || current.code[k-2].op != opI32Const {
					return false
				}
				number := current.code[k-2].argument
				if number < 0 || number >= int64(len(table)) {
					return false
				}
				x.kind, x.target = jump, int(table[number])
				current.code = current.code[:k-2]
				if k = len(current.code); k > 0 && current.code[k-1].op == opIf && current.code[k-1].argument == void && at+1 < len(code) && code[at+1].op == opEnd {
					x.kind, current.code = jumpIf, current.code[:k-1]
					depth--
					at++
				}
			}
		case opLocalTee:
			if x.argument == 0 {
				return false
			}
		case opLocalGet:
			// It is also where the function to call is kept while the number to call it with is pushed.
			if k := len(current.code); x.argument == 0 && (k < 2 || current.code[k-1].op != opI32Const || current.code[k-2].op != opLocalSet || current.code[k-2].argument != 0) {
				return false
			}
		}
		if dead { // only at depth 0, until the block ends
			if depth == 0 && x.op != opEnd {
				continue
			}
			return false
		}
		current.code = append(current.code, x)
		if depth == 0 && x.kind != jumpIf && (x.op == opBr || x.op == opReturn || x.op == opUnreachable) {
			dead, current.next = true, -1
		}
	}
	if depth != 0 || len(f.blocks) != n-1 {
		return false
	}
	if !dead { // the compiler wrote unreachable behind the last block
		current.end()
	}
	f.blocks = append(f.blocks, current)
	return true
}

// end says that a block does not go on.
func (b *block) end() {
	b.next = -1
	b.code = append(b.code, step{instruction: instruction{op: opUnreachable, raw: []byte{opUnreachable}}})
}

// calls tells whether a block ends with a call of one of some functions: the call, the stack pointer read again, and the way out where the
// goroutine was put aside.
func (b *block) calls(some map[int64]bool) bool {
	k := len(b.code) - 4
	return k >= 0 && b.code[k].op == opCall && some[b.code[k].argument] &&
		b.code[k+1].op == opGlobalGet && b.code[k+2].op == opLocalSet && b.code[k+3].kind == unwind
}

// mayResume tells whether the function can be entered elsewhere than at its beginning: behind a call that may put the goroutine aside and
// comes back.
func (f *function) mayResume() bool {
	for k := range f.blocks {
		b := &f.blocks[k]
		if n := len(b.code); b.next >= 0 && n > 0 && b.code[n-1].kind == unwind {
			return true
		}
	}
	return false
}
