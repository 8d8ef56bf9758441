package wasmloops

import (
	"cmp"
	"slices"
)

// order finds how the blocks lie in each other: their order, their dominators, the loops, and where each begins that more than the block before
// it leads to. It is false when there is a loop with two entries.
func (f *function) order() bool {
	f.number()
	before := f.before()
	f.dominators(before)
	if !f.loops(before) {
		return false
	}
	f.place(before)
	return true
}

// successors are the blocks that one jumps or goes on to, the next one last.
func (b *block) successors(yield func(int)) {
	for _, x := range b.code {
		if x.kind == jump || x.kind == jumpIf {
			yield(x.target)
		}
	}
	if b.next >= 0 {
		yield(b.next)
	}
}

// number gives the blocks that are reached their place in a reverse postorder.
func (f *function) number() {
	f.position = make([]int, len(f.blocks))
	for k := range f.position {
		f.position[k] = -1
	}
	type visit struct {
		block int
		to    []int
	}
	enter := func(k int) visit {
		v := visit{block: k}
		f.position[k] = 0
		f.blocks[k].successors(func(to int) { v.to = append(v.to, to) })
		return v
	}
	stack := []visit{enter(0)}
	for len(stack) > 0 {
		top := &stack[len(stack)-1]
		if len(top.to) == 0 {
			f.sequence = append(f.sequence, top.block)
			stack = stack[:len(stack)-1]
			continue
		}
		to := top.to[0]
		top.to = top.to[1:]
		if f.position[to] < 0 {
			stack = append(stack, enter(to))
		}
	}
	slices.Reverse(f.sequence)
	for at, k := range f.sequence {
		f.position[k] = at
	}
}

// before lists for each block those that lead to it.
func (f *function) before() [][]int {
	before := make([][]int, len(f.blocks))
	for _, k := range f.sequence {
		f.blocks[k].successors(func(to int) { before[to] = append(before[to], k) })
	}
	return before
}

// dominators finds for each block the nearest one through which every way to it leads (Cooper, Harvey and Kennedy 2001).
func (f *function) dominators(before [][]int) {
	f.dominator = make([]int, len(f.blocks))
	for k := range f.dominator {
		f.dominator[k] = -1
	}
	f.dominator[0] = 0
	for changed := true; changed; {
		changed = false
		for _, k := range f.sequence[1:] {
			nearest := -1
			for _, from := range before[k] {
				if f.dominator[from] < 0 {
					continue
				}
				if nearest < 0 {
					nearest = from
				}
				for a := from; a != nearest; {
					if f.position[a] > f.position[nearest] {
						a = f.dominator[a]
					} else {
						nearest = f.dominator[nearest]
					}
				}
			}
			if f.dominator[k] != nearest {
				f.dominator[k], changed = nearest, true
			}
		}
	}
}

func (f *function) dominates(a, b int) bool {
	for f.position[b] > f.position[a] {
		b = f.dominator[b]
	}
	return a == b
}

// loops finds the loops: a block that is led back to, and what leads there without passing it.
func (f *function) loops(before [][]int) bool {
	f.member = map[int][]bool{}
	f.outer = make([]int, len(f.blocks))
	for k := range f.outer {
		f.outer[k] = -1
	}
	for _, head := range f.sequence { // outer loops before those in them
		var todo []int
		for _, from := range before[head] {
			if f.position[from] < f.position[head] {
				continue
			}
			if !f.dominates(head, from) {
				return false
			}
			todo = append(todo, from)
		}
		if len(todo) == 0 {
			continue
		}
		member := make([]bool, len(f.blocks))
		member[head] = true
		for len(todo) > 0 {
			k := todo[len(todo)-1]
			todo = todo[:len(todo)-1]
			if !member[k] {
				member[k] = true
				todo = append(todo, before[k]...)
			}
		}
		f.member[head] = member
		for k, is := range member {
			if is {
				f.outer[k] = head
			}
		}
	}
	return true
}

// around gives the loop around a loop, of which head is the head: where its dominators are.
func (f *function) around(head int) int {
	if head == 0 {
		return -1
	}
	for k := f.dominator[head]; ; k = f.dominator[k] {
		if loop := f.outer[k]; loop >= 0 && f.member[loop][head] {
			return loop
		}
		if k == 0 {
			return -1
		}
	}
}

// place says for each block that is jumped to, or led to from several, or that lies behind a loop, where its WebAssembly block begins: with
// its dominator, or with the head of the outermost loop that it lies behind.
func (f *function) place(before [][]int) {
	f.placed, f.merged = make([][]int, len(f.blocks)), make([]bool, len(f.blocks))
	for _, k := range f.sequence[1:] {
		forward, next := 0, false
		for _, from := range before[k] {
			if f.position[from] < f.position[k] {
				forward++
				next = f.blocks[from].next == k
				for _, x := range f.blocks[from].code {
					next = next && (x.kind != jump && x.kind != jumpIf || x.target != k)
				}
			}
		}
		at := f.dominator[k]
		for loop := f.outer[at]; loop >= 0 && !f.member[loop][k]; loop = f.around(loop) {
			at, next = loop, false
		}
		if forward > 1 || !next {
			f.merged[k] = true
			f.placed[at] = append(f.placed[at], k)
		}
	}
	for _, list := range f.placed {
		slices.SortFunc(list, func(a, b int) int { return cmp.Compare(f.position[a], f.position[b]) })
	}
}
