package cost

import (
	"math"
	"math/bits"

	"partita/planner/graph"
	"partita/planner/platform"
)

// maxRunNs bounds the time of a stage on one vCPU, 73 minutes: beyond every platform's timeout, and small enough that
// its product with a slowdown stays in 63 bits.
const maxRunNs = 1 << 42

// Calibration replaces predicted layer times by measured ones.
type Calibration struct {
	Batch   int64   // inputs per run when it was measured
	LayerNs []int64 // per layer on one vCPU, for the whole batch; negative: not measured
}

// isView names the operators that only change how a tensor is seen.
var isView = map[string]bool{"Identity": true, "Dropout": true, "Reshape": true, "Flatten": true, "Squeeze": true, "Unsqueeze": true}

// isFusable names the activations that ONNX Runtime computes inside the convolution before them.
var isFusable = map[string]bool{"Relu": true, "Clip": true, "LeakyRelu": true, "Sigmoid": true, "Tanh": true, "HardSigmoid": true}

// absorbed tells for each node whether a convolution or matrix product before it does its work too: batch normalisation
// is folded into weights when a stage is packaged, simple activations are fused when it is loaded. A cut between the two
// undoes that, at a price too small to matter beside the tensor that crosses it.
func absorbed(g *graph.Graph) []bool {
	uses := make([]int32, len(g.Values))
	for i := range g.Nodes {
		for _, v := range g.Nodes[i].Inputs {
			if v != graph.None {
				uses[v]++
			}
		}
	}
	for _, p := range g.Outputs {
		uses[p.Value]++
	}
	free := make([]bool, len(g.Nodes))
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if len(n.Inputs) == 0 || n.Inputs[0] == graph.None || uses[n.Inputs[0]] != 1 {
			continue
		}
		p := g.Values[n.Inputs[0]].Producer
		if p < 0 {
			continue
		}
		root := g.Nodes[p].Op
		if root == "BatchNormalization" && free[p] {
			root = g.Nodes[g.Values[g.Nodes[p].Inputs[0]].Producer].Op
		}
		switch {
		case n.Op == "BatchNormalization":
			free[i] = root == "Conv" || root == "Gemm" || root == "ConvTranspose"
		case isFusable[n.Op]:
			free[i] = root == "Conv"
		}
	}
	return free
}

// rate gives the speed in MFLOP/s of one vCPU on a node.
func rate(p *platform.Platform, g *graph.Graph, n *graph.Node) int64 {
	switch n.Op {
	case "Conv", "ConvTranspose":
		if group := n.Attr("group"); group != nil && group.Int > 1 && len(n.Inputs) > 1 {
			if kernel := g.Value(n.Inputs[1]).Shape; len(kernel) > 1 && kernel[1] == 1 {
				return p.DepthwiseMFLOPS
			}
		}
		return p.ConvolutionMFLOPS
	case "Gemm", "MatMul":
		return p.MatrixMFLOPS
	case "LSTM", "GRU", "RNN":
		return p.RecurrentMFLOPS
	}
	return p.ElementwiseMFLOPS
}

// layerTimes gives the time of each layer for a batch on one vCPU, in nanoseconds.
func layerTimes(g *graph.Graph, p *platform.Platform, batch int64, measured *Calibration) []int64 {
	times := make([]int64, len(g.Layers))
	free := absorbed(g)
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if free[i] || n.Op == "Identity" {
			continue
		}
		t := p.OperatorNs
		if !isView[n.Op] {
			w := g.Work(i)
			t = add(t, scale(w.FLOPs, mul(batch, 1000), rate(p, g, n)))
			t = add(t, scale(add(w.InputBytes, w.OutputBytes), mul(batch, 1e9), p.StreamBytesPerSecond))
			t = add(t, scale(w.WeightBytes, 1e9, p.StreamBytesPerSecond))
		}
		times[n.Layer] = add(times[n.Layer], t)
	}
	if measured != nil {
		for l, ns := range measured.LayerNs {
			if l < len(times) && ns >= 0 {
				times[l] = scale(ns, batch, measured.Batch)
			}
		}
	}
	return times
}

// layerPeaks gives for each layer the most bytes of activations that are live at once while it runs: what crosses over
// it as well as what its nodes read and write.
func layerPeaks(g *graph.Graph, batch int64) []int64 {
	inputs, outputs := make([]graph.ValueID, len(g.Inputs)), make([]graph.ValueID, len(g.Outputs))
	for k, port := range g.Inputs {
		inputs[k] = port.Value
	}
	for k, port := range g.Outputs {
		outputs[k] = port.Value
	}
	return peaksBetween(g, batch, 0, len(g.Layers), inputs, outputs)
}

// peaksBetween is layerPeaks of some layers alone, which are given some tensors and whose other outputs nobody needs.
func peaksBetween(g *graph.Graph, batch int64, first, end int, inputs, outputs []graph.ValueID) []int64 {
	peaks := make([]int64, end-first)
	if first == end {
		return peaks
	}
	from, to := g.Layers[first].FirstNode, g.Layers[end-1].LastNode
	last := make([]int, len(g.Values))
	for v := range last {
		last[v] = -1
	}
	for i := from; i < to; i++ {
		for _, v := range g.Nodes[i].Inputs {
			if v != graph.None && g.Values[v].Computed() {
				last[v] = i
			}
		}
	}
	for _, v := range outputs {
		last[v] = to
	}
	var live int64
	for _, v := range inputs {
		live = add(live, g.Values[v].Bytes(batch))
	}
	for i := from; i < to; i++ {
		n := &g.Nodes[i]
		for _, v := range n.Outputs {
			if v != graph.None {
				live = add(live, g.Values[v].Bytes(batch))
			}
		}
		peaks[n.Layer-first] = max(peaks[n.Layer-first], live)
		for k, v := range n.Inputs {
			if v != graph.None && g.Values[v].Computed() && last[v] == i && !contains(n.Inputs[:k], v) {
				live -= g.Values[v].Bytes(batch)
			}
		}
		for _, v := range n.Outputs {
			if v != graph.None && last[v] < 0 { // nothing reads it
				live -= g.Values[v].Bytes(batch)
			}
		}
	}
	return peaks
}

func contains(list []graph.ValueID, v graph.ValueID) bool {
	for _, w := range list {
		if w == v {
			return true
		}
	}
	return false
}

// add sums what is not negative; the sum saturates instead of wrapping round.
func add(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// mul multiplies what is not negative; the product saturates.
func mul(a, b int64) int64 {
	if bits.Len64(uint64(a))+bits.Len64(uint64(b)) < 64 {
		return a * b
	}
	return scaleWide(a, b, 1)
}

// scale gives a x b / c, rounded up, for numbers that are not negative; the result saturates. Where no product needs more
// than 62 bits, that takes one division: WebAssembly has none of wider numbers.
func scale(a, b, c int64) int64 {
	if bits.Len64(uint64(a))+bits.Len64(uint64(b)) < 63 {
		n, d := uint64(a)*uint64(b), uint64(c)
		return int64((n + d - 1) / d)
	}
	return scaleWide(a, b, c)
}

func scaleWide(a, b, c int64) int64 {
	hi, lo := bits.Mul64(uint64(a), uint64(b))
	if hi >= uint64(c) {
		return math.MaxInt64
	}
	q, r := bits.Div64(hi, lo, uint64(c))
	if r != 0 {
		q++
	}
	if q > math.MaxInt64 {
		return math.MaxInt64
	}
	return int64(q)
}
