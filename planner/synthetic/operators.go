package synthetic

import (
	"math"

	"partita/planner/graph"
)

// unary are functions of one number.
var unary = map[string]func(x float64) float64{
	"Relu":     func(x float64) float64 { return max(x, 0) },
	"Elu":      func(x float64) float64 { return math.Max(x, math.Expm1(math.Min(x, 0))) },
	"Selu":     func(x float64) float64 { return 1.0507 * math.Max(x, 1.6733*math.Expm1(math.Min(x, 0))) },
	"Sigmoid":  sigmoid,
	"Tanh":     math.Tanh,
	"Softplus": func(x float64) float64 { return math.Log1p(math.Exp(x)) },
	"Softsign": func(x float64) float64 { return x / (1 + math.Abs(x)) },
	"HardSwish": func(x float64) float64 {
		return x * min(max(x/6+0.5, 0), 1)
	},
	"Exp": math.Exp, "Log": math.Log, "Erf": math.Erf, "Sqrt": math.Sqrt, "Abs": math.Abs,
	"Neg":        func(x float64) float64 { return -x },
	"Reciprocal": func(x float64) float64 { return 1 / x },
}

func sigmoid(x float64) float64 { return 1 / (1 + math.Exp(-x)) }

// binary are functions of two numbers.
var binary = map[string]func(x, y float64) float64{
	"Add": func(x, y float64) float64 { return x + y }, "Sum": func(x, y float64) float64 { return x + y },
	"Sub": func(x, y float64) float64 { return x - y },
	"Mul": func(x, y float64) float64 { return x * y },
	"Div": func(x, y float64) float64 { return x / y },
	"Max": math.Max, "Min": math.Min, "Pow": math.Pow,
	"Greater": func(x, y float64) float64 {
		if x > y {
			return 1
		}
		return 0
	},
}

// through gives what comes out of a node.
func (p *prober) through(n *graph.Node) sample {
	if len(n.Inputs) == 0 || n.Inputs[0] == graph.None {
		return normal(seedOf(n.Name))
	}
	if f, ok := unary[n.Op]; ok {
		return p.flow(n.Inputs[0], n).apply(f)
	}
	if f, ok := binary[n.Op]; ok {
		out := p.flow(n.Inputs[0], n)
		for _, in := range n.Inputs[1:] {
			if in == graph.None {
				continue
			}
			y := p.flow(in, n)
			i := -1
			out = out.apply(func(x float64) float64 { i++; return f(x, y[i]) })
		}
		return out
	}
	if count, ok := p.summands(n); ok {
		out := p.product(n, p.flow(n.Inputs[0], n), n.Inputs[1], count)
		if len(n.Inputs) > 2 && n.Inputs[2] != graph.None {
			bias := p.flow(n.Inputs[2], n)
			for i := range out {
				out[i] += bias[i]
			}
		}
		return out
	}
	x := p.flow(n.Inputs[0], n)
	switch n.Op {
	case "BatchNormalization":
		// In this order the layer's own names decide: gamma, beta, mean, variance.
		gamma, beta, mean, variance := p.flow(n.Inputs[1], n), p.flow(n.Inputs[2], n), p.flow(n.Inputs[3], n), p.flow(n.Inputs[4], n)
		out := make(sample, samples)
		for i := range out {
			out[i] = (x[i]-mean[i])/math.Sqrt(max(variance[i], 1e-6))*gamma[i] + beta[i]
		}
		return out
	case "Clip":
		low, high := math.Inf(-1), math.Inf(1)
		if len(n.Inputs) > 1 && n.Inputs[1] != graph.None {
			low = p.flow(n.Inputs[1], n)[0]
		}
		if len(n.Inputs) > 2 && n.Inputs[2] != graph.None {
			high = p.flow(n.Inputs[2], n)[0]
		}
		return x.apply(func(x float64) float64 { return min(max(x, low), high) })
	case "LeakyRelu", "PRelu":
		slope := constant(&graph.Const{Float32s: []float32{0.25}})
		if n.Op == "PRelu" {
			slope = p.flow(n.Inputs[1], n)
		} else if a := n.Attr("alpha"); a != nil {
			slope = constant(&graph.Const{Float32s: []float32{a.Float}})
		}
		i := -1
		return x.apply(func(x float64) float64 { i++; return max(x, 0) + slope[i]*min(x, 0) })
	case "HardSigmoid":
		alpha, beta := 0.2, 0.5
		if a := n.Attr("alpha"); a != nil {
			alpha = float64(a.Float)
		}
		return x.apply(func(x float64) float64 { return min(max(alpha*x+beta, 0), 1) })
	case "Softmax":
		classes := p.g.Value(n.Inputs[0]).Shape[1:].Elements(1)
		sum := 0.0
		for _, v := range x {
			sum += math.Exp(v)
		}
		each := sum / samples * float64(max(classes, 1))
		return x.apply(func(x float64) float64 { return math.Exp(x) / each })
	case "MaxPool":
		return x.together(4, math.Max)
	case "GlobalMaxPool":
		return x.together(16, math.Max)
	case "AveragePool":
		return x.averaged(2)
	case "GlobalAveragePool":
		return x.averaged(4)
	case "ReduceMean":
		mean, _ := x.moments()
		return x.apply(func(float64) float64 { return mean })
	case "Concat":
		out := make(sample, samples)
		for i := range out {
			out[i] = p.flow(n.Inputs[i%len(n.Inputs)], n)[i]
		}
		return out
	case "LSTM", "GRU", "RNN":
		p.product(n, x, n.Inputs[1], p.g.Value(n.Inputs[0]).Shape[len(p.g.Value(n.Inputs[0]).Shape)-1])
		for _, in := range n.Inputs[2:] {
			if in != graph.None {
				p.flow(in, n)
			}
		}
		return normal(seedOf(n.Name)).apply(func(x float64) float64 { return 0.5 * math.Tanh(x) })
	}
	for _, in := range n.Inputs[1:] { // what it reads besides is scaled by its name
		if in != graph.None && p.g.Value(in).Weight != nil {
			p.flow(in, n)
		}
	}
	return x
}

// summands is how many products an output of a node is the sum of.
func (p *prober) summands(n *graph.Node) (int64, bool) {
	if len(n.Inputs) < 2 || n.Inputs[1] == graph.None {
		return 0, false
	}
	k := p.g.Value(n.Inputs[1]).Shape
	switch {
	case n.Op == "Conv" && len(k) > 2:
		return k[1:].Elements(1), true
	case n.Op == "ConvTranspose" && len(k) > 2:
		steps := int64(1)
		if a := n.Attr("strides"); a != nil {
			for _, s := range a.Ints {
				steps *= s
			}
		}
		return max(1, k[0]*k[2:].Elements(1)/steps), true
	case n.Op == "Gemm" && len(k) == 2:
		if a := n.Attr("transB"); a != nil && a.Int != 0 {
			return k[1], true
		}
		return k[0], true
	case n.Op == "MatMul" && len(k) >= 2:
		return max(1, k[len(k)-2]), true
	}
	return 0, false
}

// together combines each number with others of the sample, n in all.
func (s sample) together(n int, f func(x, y float64) float64) sample {
	out := append(sample(nil), s...)
	for k := 1; k < n; k++ {
		other := s.shuffled(uint64(k))
		for i := range out {
			out[i] = f(out[i], other[i])
		}
	}
	return out
}

// averaged is the mean of n numbers. Neighbours in an image are alike, so n is less than what a pooling takes together.
func (s sample) averaged(n int) sample {
	out := s.together(n, func(x, y float64) float64 { return x + y })
	return out.apply(func(x float64) float64 { return x / float64(n) })
}
