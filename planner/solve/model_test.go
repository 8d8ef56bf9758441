package solve

import "math/rand/v2"

// This file makes instances with the structure of real models on AWS Lambda (2026): time falls with memory by the share
// of a vCPU and then by Amdahl's law, money is whole milliseconds times memory, tensors cross inline or through S3.

type modelLayer struct {
	flops, weightBytes int64
	liveBytes          int64 // crossing the cut after the layer
	peakBytes          int64
}

// resnetLike has the layers of a residual network of 16 bottleneck blocks: 177 of them, 3.9 G multiply-adds.
func resnetLike() []modelLayer {
	var layers []modelLayer
	add := func(flops, weights, live, peak int64) {
		layers = append(layers, modelLayer{flops, weights, live, peak})
	}
	image := int64(224 * 224 * 3 * 4)
	add(0, 0, image, image)
	add(0, 0, image, 2*image)
	add(118e6*2, 9408*4, 112*112*64*4, 6e6)
	for range 2 {
		add(112*112*64*2, 64*16, 112*112*64*4, 112*112*64*8)
	}
	add(0, 0, 114*114*64*4, 7e6)
	add(112*112*64, 0, 56*56*64*4, 5e6)
	side, in := int64(56), int64(64)
	for stage, blocks := range []int{3, 4, 6, 3} {
		width := int64(64) << stage
		for b := range blocks {
			if b == 0 && stage > 0 {
				side /= 2
			}
			skip := side * side * 4 * width * 4
			inner := side * side * width * 4
			if b == 0 { // the projected shortcut
				add(2*side*side*in*4*width, in*4*width*4, skip+side*side*in*4, 2*skip)
				add(side*side*4*width*2, 64*width, skip+side*side*in*4, 2*skip)
			}
			add(2*side*side*in*width, in*width*4, skip+inner, skip+2*inner)
			add(2*side*side*width, 16*width, skip+inner, skip+2*inner)
			add(side*side*width, 0, skip+inner, skip+2*inner)
			add(2*side*side*9*width*width, 9*width*width*4, skip+inner, skip+2*inner)
			add(2*side*side*width, 16*width, skip+inner, skip+2*inner)
			add(side*side*width, 0, skip+inner, skip+2*inner)
			add(2*side*side*width*4*width, 4*width*width*4, 2*skip, 2*skip+inner)
			add(8*side*side*width, 64*width, 2*skip, 3*skip)
			add(4*side*side*width, 0, skip, 3*skip)
			add(4*side*side*width, 0, skip, 2*skip)
			in = 4 * width
		}
	}
	add(7*7*2048, 0, 2048*4, 500e3)
	add(2*2048*1000, 2049*1000*4, 4000, 20e3)
	return layers
}

// cellsLike has layers as a network found by search has them: many small ones, and two cells' outputs always alive.
func cellsLike(n int) []modelLayer {
	rng := rand.New(rand.NewPCG(7, 7))
	layers := make([]modelLayer, n)
	for i := range layers {
		side := int64(42 >> (3 * i / n))
		channels := int64(1000) << (3 * i / n)
		live := side * side * channels * 4 * (2 + rng.Int64N(3)) / 2
		layers[i] = modelLayer{flops: rng.Int64N(90e6), weightBytes: rng.Int64N(2 * 356e6 / int64(n)), liveBytes: live, peakBytes: 2 * live}
	}
	return layers
}

func chainLike(n int, seed uint64) []modelLayer {
	rng := rand.New(rand.NewPCG(seed, 9))
	layers := make([]modelLayer, n)
	for i := range layers {
		live := 4 << (12 + rng.IntN(8))
		layers[i] = modelLayer{flops: rng.Int64N(1 << (20 + rng.IntN(10))), weightBytes: rng.Int64N(1 << (10 + rng.IntN(14))),
			liveBytes: int64(live), peakBytes: int64(2 * live)}
	}
	return layers
}

// sizes lists memory sizes from 128 MB up.
func sizes(step, to int64) []int64 {
	var list []int64
	for m := int64(128); m <= to; m += step {
		list = append(list, m)
	}
	return list
}

// model makes an instance of layers. When both is set every cut may be crossed inline and through S3.
func model(layers []modelLayer, sizes []int64, scenario Scenario, maxStages int, both bool) *Instance {
	const (
		picoUSDPerMBms = 16276       // 0.0000166667 USD per GB and second, times 1000 to keep a digit
		request        = 200e3       // pico-dollars
		s3             = 5400e3      // pico-dollars for a put and a get
		package_       = 250 << 20   // bytes
		payload        = 4500e3      // bytes, before base64
		megabyte       = int64(1e6)  // of transfer
		inlineRate     = 200         // bytes per microsecond
		s3Rate         = 75          // bytes per microsecond
		flopsRate      = int64(40e3) // per microsecond on a vCPU
	)
	n := len(layers)
	in := &Instance{Format: Format, Terms: Terms{Scenario: scenario, MinStages: 1, MaxStages: maxStages, StartUs: 3000,
		DispatchUs: 9000, GatewayPicoUSDPerMs: 128 * picoUSDPerMBms / 1000}}
	live := make([]int64, n+1)
	live[0] = layers[0].liveBytes
	for c := 1; c <= n; c++ {
		live[c] = layers[c-1].liveBytes
	}
	for c := 0; c <= n; c++ {
		inline := live[c] <= payload
		if inline || c == 0 || c == n {
			in.Nodes = append(in.Nodes, Node{c, "inline"})
		}
		if c > 0 && c < n && (both || !inline) {
			in.Nodes = append(in.Nodes, Node{c, "s3"})
		}
	}
	flops, weights := make([]int64, n+1), make([]int64, n+1)
	for i, l := range layers {
		flops[i+1], weights[i+1] = flops[i]+l.flops, weights[i]+l.weightBytes
	}
	side := func(node Node) (us, picoUSD int64) {
		if node.Transport == "s3" {
			return 20000 + live[node.Cut]/s3Rate, s3 / 2
		}
		return live[node.Cut] / inlineRate, 0
	}
	for i := range in.Nodes {
		for j := i + 1; j < len(in.Nodes); j++ {
			a, b := in.Nodes[i].Cut, in.Nodes[j].Cut
			w := weights[b] - weights[a]
			if a == b || w+40*megabyte > package_ {
				continue
			}
			peak := int64(0)
			for l := a; l < b; l++ {
				peak = max(peak, layers[l].peakBytes)
			}
			inUs, inCost := side(in.Nodes[i])
			outUs, outCost := side(in.Nodes[j])
			init := 250000 + (w+40*megabyte)/s3Rate
			run1 := (flops[b]-flops[a])/flopsRate + int64(b-a)*20 + w/2000
			s := Segment{I: i, J: j}
			for _, m := range sizes {
				if m<<20 < 90*megabyte+w+2*peak {
					continue
				}
				compute := run1 * 1769 / m
				if m > 1769 {
					compute = run1/10 + (run1-run1/10)*1769/m
				}
				o := Option{m, init, inUs + compute + outUs, 0}
				billed := o.RunUs
				if scenario != Warm {
					billed += init
				}
				o.CostPicoUSD = (billed+999)/1000*m*picoUSDPerMBms/1000 + request + inCost + outCost
				s.Options = append(s.Options, o)
			}
			in.Segments = append(in.Segments, s)
		}
	}
	return in
}
