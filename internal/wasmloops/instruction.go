package wasmloops

import "fmt"

// Instructions that matter for the flow.
const (
	opUnreachable = 0x00
	opBlock       = 0x02
	opLoop        = 0x03
	opIf          = 0x04
	opElse        = 0x05
	opEnd         = 0x0b
	opBr          = 0x0c
	opBrIf        = 0x0d
	opBrTable     = 0x0e
	opReturn      = 0x0f
	opCall        = 0x10
	opCallIndir   = 0x11
	opLocalGet    = 0x20
	opLocalSet    = 0x21
	opLocalTee    = 0x22
	opGlobalGet   = 0x23
	opI32Const    = 0x41
	opI32LtU      = 0x49
	opI32GeU      = 0x4f
	opPrefixed    = 0xfc

	void = 0x40 // type of a block
)

// instruction is one of a function's body.
type instruction struct {
	op       byte
	raw      []byte
	argument int64    // a label, a local, a constant, a block's type
	labels   []uint64 // of a br_table, the default last
}

// instructions takes a body's code apart.
func instructions(code []byte) ([]instruction, error) {
	r := &reader{data: code}
	var list []instruction
	for r.at < len(code) {
		start := r.at
		x := instruction{op: r.byte()}
		switch op := x.op; {
		case op == opBlock || op == opLoop || op == opIf:
			x.argument = int64(r.byte())
			if x.argument&0x40 == 0 { // an index, and not a type by itself
				r.fail(fmt.Errorf("a block of type %d", x.argument))
			}
		case op == opBr, op == opBrIf, op == opCall, op >= opLocalGet && op <= 0x26, op == 0x3f, op == 0x40:
			x.argument = int64(r.unsigned())
		case op == opBrTable:
			for range r.count() + 1 {
				x.labels = append(x.labels, r.unsigned())
			}
		case op == opCallIndir:
			r.unsigned()
			r.unsigned()
		case op >= 0x28 && op <= 0x3e: // loads and stores
			r.unsigned()
			r.unsigned()
		case op == opI32Const, op == 0x42:
			x.argument = r.signed()
		case op == 0x43:
			r.take(4)
		case op == 0x44:
			r.take(8)
		case op <= 0x01, op == opElse, op == opEnd, op == opReturn, op == 0x1a, op == 0x1b, op >= 0x45 && op <= 0xc4: // nothing follows
		case op == opPrefixed:
			switch sub := r.unsigned(); {
			case sub <= 7:
			case sub == 8, sub == 10: // memory.init, memory.copy
				r.unsigned()
				r.unsigned()
			case sub == 9, sub == 11: // data.drop, memory.fill
				r.unsigned()
			default:
				r.fail(fmt.Errorf("instruction 0xfc %d is not one that Go's compiler uses", sub))
			}
		default:
			r.fail(fmt.Errorf("instruction %#x is not one that Go's compiler uses", op))
		}
		if r.err != nil {
			return nil, r.err
		}
		x.raw = code[start:r.at]
		list = append(list, x)
	}
	return list, nil
}
