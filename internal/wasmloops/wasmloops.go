// Package wasmloops gives the functions of a Go program in WebAssembly back their loops.
//
// WebAssembly knows loops and blocks, and no jumps to anywhere. Go's compiler makes one loop of a function's body, around a table of
// its basic blocks: whatever does not go on to the block behind it sets a number (PC_B) and jumps to the table, which jumps to the block. So
// an inner loop takes an indirect jump and often a mispredicted one for every branch, and what optimises the program sees one
// loop in which everything may follow everything. Rewrite finds the flow between the blocks again and writes it down as loops and
// blocks that lie in each other, by the dominators of the flow graph (Norman Ramsey, "Beyond Relooper", ICFP 2022). Nothing else
// about a function changes: each block does what it did.
//
// The number has a second use: a function whose goroutine was put aside goes on behind the call where it was. Where that can happen the
// original body stays, as a function of its own behind the others, and runs for the rest of such a call.
//
// What a function looks like is taken from the compiler (cmd/internal/obj/wasm): a function that looks different in any way
// is left as it is, and so is one whose flow has a loop with two entries.
package wasmloops

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Report says what was done to a program.
type Report struct {
	Functions int // of the program
	Rewritten int
	Resumable int // of those, with their original body beside them
	Left      int // chosen, and with a loop that has two entries
}

// Rewrite gives a program whose functions have their loops: those whose names are chosen (nil: all). The names of functions, which
// the choice is made by, are not part of what it gives.
func Rewrite(program []byte, chosen func(name string) bool) ([]byte, Report, error) {
	var report Report
	m, err := parse(program)
	if err != nil {
		return nil, report, err
	}
	if len(m.names) == 0 {
		return nil, report, errors.New("the program has no names of functions: build it without -ldflags=-s")
	}
	endless := map[int64]bool{}
	for index, name := range m.names {
		if neverReturns(name) {
			endless[int64(index)] = true
		}
	}
	report.Functions = len(m.bodies)
	for i, body := range m.bodies[:report.Functions] {
		if chosen != nil && !chosen(m.names[m.imported+i]) {
			continue
		}
		f, err := readFunction(body, endless)
		if err != nil {
			return nil, report, fmt.Errorf("function %d (%s): %w", m.imported+i, m.names[m.imported+i], err)
		}
		if f == nil {
			continue
		}
		if !f.order() {
			report.Left++
			continue
		}
		original := -1
		if f.resumable {
			original = m.imported + len(m.bodies)
			m.bodies = append(m.bodies, body)
			m.types = append(m.types, m.types[i])
			report.Resumable++
		}
		m.bodies[i] = f.write(original)
		report.Rewritten++
	}
	return m.encode(), report, nil
}

// planning are the packages, as the linker writes their names, whose functions planning spends its time in.
var planning = []string{"partita_planner_solve.", "partita_planner_cost.", "slices.", "sort.", "runtime."}

// Planning chooses the functions that are worth the bytes that their second bodies take: those that planning spends its time in.
func Planning(name string) bool {
	return slices.ContainsFunc(planning, func(p string) bool { return strings.HasPrefix(name, p) })
}

// neverReturns tells which functions the compiler knows to end in a panic. It writes nothing behind a call of them, so that the code seems to
// go on with whatever block comes next.
func neverReturns(name string) bool {
	rest, ok := strings.CutPrefix(name, "runtime.")
	if !ok {
		return false
	}
	switch rest {
	case "panicdivide", "panicshift", "panicoverflow", "panicdottypeE", "panicdottypeI", "panicnildottype", "panicwrap", "panicrangestate",
		"panicmakeslicelen", "panicmakeslicecap", "panicunsafeslicelen", "panicunsafeslicenilptr", "panicunsafestringlen", "panicunsafestringnilptr",
		"gopanic", "throw", "throwinit", "block":
		return true
	}
	return strings.HasPrefix(rest, "goPanic")
}
