package split

import (
	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/weights"
)

// part is a range of a stored tensor along one axis, as a tensor of its own. Where the range is short, whole rows are read
// and the rest of them dropped: many small reads cost more than a few large ones.
type part struct {
	weights.Tensor
	shape     graph.Shape
	row, from int64 // elements of a whole row, and of a row before the range
	run       int64 // elements of a row within the range
	rows      []float32
}

// What is read at once, and the share of a row from which on only the range is read.
const (
	partWindow  = 1 << 18 // elements: 1 MiB
	directRun   = 1 << 14
	directShare = 4
)

func newPart(t weights.Tensor, w *graph.Weight) *part {
	inner := w.Stored[w.Part.Axis+1:].Elements(1)
	return &part{Tensor: t, shape: w.Taken(), row: w.Stored[w.Part.Axis] * inner, from: w.Part.From * inner, run: (w.Part.To - w.Part.From) * inner}
}

func (p *part) Shape() graph.Shape { return p.shape }

func (p *part) ReadFloat32s(dst []float32, offset int64) error {
	for len(dst) > 0 {
		row, at := offset/p.run, offset%p.run
		n := min(p.run-at, int64(len(dst)))
		whole := min(int64(len(dst))/p.run, partWindow/p.row)
		if at != 0 || whole < 2 || p.run >= directRun || p.run*directShare < p.row {
			if err := p.Tensor.ReadFloat32s(dst[:n], row*p.row+p.from+at); err != nil {
				return err
			}
		} else {
			if p.rows == nil {
				p.rows = make([]float32, partWindow)
			}
			rows := p.rows[:whole*p.row-(p.row-p.run)]
			if err := p.Tensor.ReadFloat32s(rows, row*p.row+p.from); err != nil {
				return err
			}
			for k := range whole {
				copy(dst[k*p.run:(k+1)*p.run], rows[k*p.row:])
			}
			n = whole * p.run
		}
		dst, offset = dst[n:], offset+n
	}
	return nil
}

// ReadRaw refuses: only weights of float32 are taken in parts.
func (p *part) ReadRaw([]byte, int64) error {
	return diag.New(diag.Internal, "split.weight-type", "taking a part of a weight", "it is not of float32", "report this")
}
