package milp

import (
	"bufio"
	"fmt"
	"io"
	"math"

	"partita/planner/solve"
)

// program is an instance at one SLO, ready to be written.
type program struct {
	in    *solve.Instance
	sloUs int64 // negative: none

	tailCost, tailTime []int64 // potentials: least cost and time from the source, by node; unreached when there is no way
	earliest           []int64 // finish of the stage that enters a node
	leastTime          int64   // of a path
	unitUs             int64   // every time is a whole number of these, and counted in them
	forbidden          [][]solve.Choice
}

const unreached = math.MaxInt64

// newProgram gives nil when no path leads from source to sink.
func newProgram(in *solve.Instance, sloUs int64) *program {
	p := &program{in: in, sloUs: sloUs}
	last := len(in.Nodes) - 1
	p.tailCost = p.potentials(func(before int64, o *solve.Option) int64 { return before + o.CostPicoUSD })
	p.tailTime = p.potentials(func(before int64, o *solve.Option) int64 { return before + p.duration(o) })
	if p.tailCost[last] == unreached {
		return nil
	}
	p.earliest = p.potentials(func(before int64, o *solve.Option) int64 { return max(before+in.DispatchUs, o.InitUs) + o.RunUs })
	p.leastTime = p.tailTime[last]
	p.unitUs = in.DispatchUs
	for s := range in.Segments {
		for _, o := range in.Segments[s].Options {
			p.unitUs = divisor(p.unitUs, divisor(o.InitUs, o.RunUs))
		}
	}
	p.unitUs = max(p.unitUs, 1)
	return p
}

// divisor is the greatest that two numbers have in common.
func divisor(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func (p *program) overlapped() bool { return p.in.Scenario == solve.ColdOverlapped }

// duration is what an option adds to the finish when nobody waits for an init.
func (p *program) duration(o *solve.Option) int64 {
	d := p.in.DispatchUs + o.RunUs
	if p.in.Scenario == solve.ColdSequential {
		d += o.InitUs
	}
	return d
}

// potentials gives the least distance of each node from the source by a rule that adds an option to the distance before.
func (p *program) potentials(after func(before int64, o *solve.Option) int64) []int64 {
	best := make([]int64, len(p.in.Nodes))
	entering := make([][]*solve.Segment, len(p.in.Nodes))
	for s := range p.in.Segments {
		g := &p.in.Segments[s]
		entering[g.J] = append(entering[g.J], g)
	}
	for v := 1; v < len(best); v++ {
		best[v] = unreached
		for _, g := range entering[v] {
			for o := range g.Options {
				if best[g.I] != unreached {
					best[v] = min(best[v], after(best[g.I], &g.Options[o]))
				}
			}
		}
	}
	return best
}

// Row names: f<v> flow at a node, s0 and s1 the number of stages, l the latency, g the gateway, p<v> what P(v) is, m<v> that F
// is no less, c<k> a path forbidden. Column names: x<segment>_<option>, G, F, P<v>.

// write puts the program into free MPS form.
func (p *program) write(to io.Writer) error {
	w := bufio.NewWriterSize(to, 1<<16)
	in, last := p.in, len(p.in.Nodes)-1
	fmt.Fprintf(w, "NAME plan FREE\nROWS\n N cost\n")
	for v := range last {
		if p.reached(v) {
			fmt.Fprintf(w, " E f%d\n", v)
		}
	}
	fmt.Fprintf(w, " G s0\n L s1\n G g\n")
	if p.sloUs >= 0 {
		fmt.Fprintf(w, " L l\n")
	} else {
		fmt.Fprintf(w, " N l\n") // held against nothing
	}
	if p.overlapped() {
		for v := range last {
			fmt.Fprintf(w, " E p%d\n G m%d\n", v, v)
		}
	}
	inForbidden := map[solve.Choice][]int{}
	for k, path := range p.forbidden {
		fmt.Fprintf(w, " L c%d\n", k)
		for _, c := range path {
			inForbidden[c] = append(inForbidden[c], k)
		}
	}
	fmt.Fprintf(w, "COLUMNS\n M1 'MARKER' 'INTORG'\n")
	for s := range in.Segments {
		g := &in.Segments[s]
		if !p.reached(g.I) {
			continue
		}
		for o := range g.Options {
			option := &g.Options[o]
			name := fmt.Sprintf("x%d_%d", s, o)
			entry := func(row string, value int64) {
				if value != 0 {
					fmt.Fprintf(w, " %s %s %d\n", name, row, value)
				}
			}
			entry("cost", option.CostPicoUSD+p.tailCost[g.I]-p.tailCost[g.J])
			entry(fmt.Sprintf("f%d", g.I), 1)
			if g.J < last {
				entry(fmt.Sprintf("f%d", g.J), -1)
			}
			entry("s0", 1)
			entry("s1", 1)
			if p.overlapped() {
				least := max(option.InitUs, p.earliest[g.I]+in.DispatchUs) + option.RunUs
				entry(fmt.Sprintf("p%d", g.J-1), -least/p.unitUs)
				if g.I > 0 {
					entry(fmt.Sprintf("p%d", g.I-1), (least-p.duration(option))/p.unitUs)
				}
			} else {
				slower := p.duration(option) + p.tailTime[g.I] - p.tailTime[g.J]
				entry("l", slower/p.unitUs)
				entry("g", -slower)
			}
			for _, k := range inForbidden[solve.Choice{Segment: s, Option: o}] {
				entry(fmt.Sprintf("c%d", k), 1)
			}
		}
	}
	fmt.Fprintf(w, " G g %d\n", p.stepUs())
	if in.GatewayPicoUSDPerMs != 0 {
		fmt.Fprintf(w, " G cost %d\n", in.GatewayPicoUSDPerMs*(p.stepUs()/1000))
	}
	fmt.Fprintf(w, " M2 'MARKER' 'INTEND'\n")
	if p.overlapped() {
		fmt.Fprintf(w, " F l 1\n F g %d\n", -p.unitUs)
		for v := range last {
			fmt.Fprintf(w, " F m%d 1\n", v)
		}
		for v := range last {
			fmt.Fprintf(w, " P%d p%d 1\n P%d m%d -1\n", v, v, v, v)
			if v > 0 {
				fmt.Fprintf(w, " P%d p%d -1\n", v, v-1)
			}
		}
	}
	p.rightSides(w)
	return w.Flush()
}

// rightSides writes what the rows are held against, and the bounds of the columns.
func (p *program) rightSides(w io.Writer) {
	in := p.in
	base := in.StartUs // of the latency, without what the columns add
	if !p.overlapped() {
		base += p.leastTime
	}
	fmt.Fprintf(w, "RHS\n R f0 1\n R s0 %d\n R s1 %d\n", in.MinStages, in.MaxStages)
	if p.sloUs >= 0 {
		fmt.Fprintf(w, " R l %.1f\n", math.Floor(float64(p.sloUs-base)/float64(p.unitUs))+0.5) // half a unit away from what is not allowed
	}
	fmt.Fprintf(w, " R g %.1f\n", float64(base-p.stepUs()*p.leastSteps())-0.5)
	for k, path := range p.forbidden {
		fmt.Fprintf(w, " R c%d %d\n", k, len(path)-1)
	}
	fmt.Fprintf(w, "BOUNDS\n")
	for s := range in.Segments {
		if p.reached(in.Segments[s].I) {
			for o := range in.Segments[s].Options {
				fmt.Fprintf(w, " BV B x%d_%d\n", s, o)
			}
		}
	}
	fmt.Fprintf(w, " LI B G 0\nENDATA\n")
}

// stepUs is what the gateway is billed in, and leastSteps how many it drives at least; G counts from there.
func (p *program) stepUs() int64 { return stepUsOf(&p.in.Terms) }
func (p *program) leastSteps() int64 {
	driven, billed := (p.in.StartUs+p.leastTime)/p.stepUs(), (p.in.GatewayMinUs+p.stepUs()-1)/p.stepUs()
	return max(driven, billed)
}

// reached leaves out what the source does not lead to: it has no potential.
func (p *program) reached(v int) bool { return p.tailCost[v] != unreached }
