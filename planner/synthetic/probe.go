package synthetic

import (
	"math"

	"partita/planner/graph"
	"partita/planner/load"
)

// The scale of a kernel follows from what flows into it, which follows from the layers before. So a sample of numbers is sent
// through the graph in place of tensors: functions of one number are applied to it as they are; a sum over many numbers, as
// in a convolution, gives normally distributed ones (the central limit theorem) with the variance that the sample implies.
// Kernels are scaled so that this variance is 1, and normalisations get the mean and the variance that they will meet.

// samples is how many numbers stand for a tensor.
const samples = 256

type sample []float64

// prober walks a graph.
type prober struct {
	g      *graph.Graph
	flows  []sample // by value; nil where not known yet
	scales map[string]scale
}

// scalesOf gives the scale of every tensor that the model computes with, by key.
func scalesOf(m *load.Model) map[string]scale {
	p := &prober{g: m.Graph, flows: make([]sample, len(m.Graph.Values)), scales: map[string]scale{}}
	for _, in := range m.Graph.Inputs {
		p.flows[in.Value] = inputOf(m, in.Value)
	}
	for i := range m.Graph.Nodes {
		n := &m.Graph.Nodes[i]
		out := p.through(n)
		for k, o := range n.Outputs {
			if o != graph.None {
				p.flows[o] = out
				if k > 0 {
					p.flows[o] = out.shuffled(uint64(k))
				}
			}
		}
	}
	return p.scales
}

// inputOf gives what a model's input is like: pixels, prepared as the model suggests, or numbers round zero.
func inputOf(m *load.Model, id graph.ValueID) sample {
	v := m.Graph.Value(id)
	return likeInput(normal(seedOf(v.Name)), len(v.Shape) == 4, m.Preprocess)
}

// likeInput makes normally distributed numbers into ones that are like an input.
func likeInput(s sample, image bool, preprocess string) sample {
	for i, x := range s {
		even := 0.5 * (1 + math.Erf(x/math.Sqrt2)) // evenly between 0 and 1
		switch {
		case !image:
		case preprocess == "tf":
			s[i] = 2*even - 1
		case preprocess == "unit":
			s[i] = even
		case preprocess == "caffe":
			s[i] = 255*even - 115
		case preprocess == "torch":
			s[i] = (even - 0.45) / 0.225
		default:
			s[i] = 255 * even
		}
	}
	return s
}

// normal gives the quantiles of the normal distribution in an order of their own.
func normal(seed uint64) sample {
	s := make(sample, samples)
	for i := range s {
		s[i] = math.Sqrt2 * math.Erfinv((2*float64(i)+1)/samples-1)
	}
	return s.shuffled(seed)
}

func (s sample) shuffled(seed uint64) sample {
	t := append(sample(nil), s...)
	for i := len(t) - 1; i > 0; i-- {
		j := int(mix(seed+uint64(i)) % uint64(i+1))
		t[i], t[j] = t[j], t[i]
	}
	return t
}

func (s sample) moments() (mean, variance float64) {
	for _, x := range s {
		mean += x
	}
	mean /= samples
	for _, x := range s {
		variance += (x - mean) * (x - mean)
	}
	return mean, variance / samples
}

func (s sample) apply(f func(float64) float64) sample {
	t := make(sample, samples)
	for i, x := range s {
		t[i] = f(x)
		if math.IsNaN(t[i]) || math.Abs(t[i]) > 1e30 {
			t[i] = 0 // where a formula's parts leave the range that the whole stays in
		}
	}
	return t
}

// flow gives what a value is like. Weights that nothing has scaled yet get the scale that their names suggest.
func (p *prober) flow(id graph.ValueID, n *graph.Node) sample {
	v := p.g.Value(id)
	switch {
	case v.Const != nil:
		return constant(v.Const)
	case v.Weight != nil:
		s, known := p.scales[v.Weight.Key]
		if !known {
			s = p.scaleOf(v.Weight, n)
			p.scales[v.Weight.Key] = s
		}
		return normal(seedOf(v.Name)).apply(func(x float64) float64 { return s.mean + s.deviation*x })
	case p.flows[id] != nil:
		return p.flows[id]
	}
	return normal(seedOf(v.Name))
}

func constant(c *graph.Const) sample {
	s := make(sample, samples)
	for i := range s {
		switch {
		case len(c.Float32s) > 0:
			s[i] = float64(c.Float32s[i%len(c.Float32s)])
		case len(c.Int64s) > 0:
			s[i] = float64(c.Int64s[i%len(c.Int64s)])
		}
	}
	return s
}

// scaleOf scales a weight that a node reads: the mean and the variance of a normalisation are those of what its layer reads.
func (p *prober) scaleOf(w *graph.Weight, n *graph.Node) scale {
	s := byName(w.Key, w.Stored)
	name := role(w.Key)
	if name != "moving_mean" && name != "mean" && name != "moving_variance" && name != "variance" {
		return s
	}
	mean, variance := p.layerInput(n.Layer).moments()
	variance = max(variance, 1e-6)
	if name == "moving_mean" || name == "mean" {
		return scale{round(mean), round(0.1 * math.Sqrt(variance))}
	}
	return scale{round(variance), round(0.1 * variance)}
}

// layerInput is what a layer reads from the layers before.
func (p *prober) layerInput(layer int) sample {
	l := &p.g.Layers[layer]
	for _, n := range p.g.Nodes[l.FirstNode:l.LastNode] {
		for _, in := range n.Inputs {
			if in != graph.None && p.g.Value(in).Computed() && p.g.Value(in).Producer < l.FirstNode && p.flows[in] != nil {
				return p.flows[in]
			}
		}
	}
	return normal(0)
}

// product is what a sum of count products gives. A kernel that nothing has scaled yet is scaled for a variance of 1.
func (p *prober) product(n *graph.Node, x sample, kernel graph.ValueID, count int64) sample {
	mean, variance := x.moments()
	square := mean*mean + variance
	if w := p.g.Value(kernel).Weight; w != nil {
		if _, known := p.scales[w.Key]; !known {
			p.scales[w.Key] = scale{0, round(1 / math.Sqrt(max(float64(count)*square, 1e-12)))}
		}
	}
	kernelMean, kernelVariance := p.flow(kernel, n).moments()
	kernelSquare := kernelMean*kernelMean + kernelVariance
	outMean := float64(count) * mean * kernelMean
	deviation := math.Sqrt(float64(count) * max(0, square*kernelSquare-mean*mean*kernelMean*kernelMean))
	return normal(seedOf(n.Name)).apply(func(z float64) float64 { return outMean + deviation*z })
}
