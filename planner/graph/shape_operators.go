package graph

import (
	"fmt"
	"slices"
)

// operators are the rules of domain ai.onnx. A rule speaks for every version of its operator; those that differ ask for
// the operator set. Sources: ONNX's Operators.md and Changelog.md, opsets 7 to 24.
var operators map[string]func(*call) error

func init() {
	operators = map[string]func(*call) error{
		"Conv": ruleConv, "ConvInteger": typed(Int32, ruleConv), "QLinearConv": ruleQLinearConv, "ConvTranspose": ruleConvTranspose,
		"MaxPool": rulePool, "AveragePool": rulePool, "LpPool": rulePool,
		"GlobalMaxPool": ruleGlobalPool, "GlobalAveragePool": ruleGlobalPool, "GlobalLpPool": ruleGlobalPool,
		"MaxRoiPool": ruleMaxRoiPool, "RoiAlign": ruleRoiAlign, "GridSample": ruleGridSample, "Col2Im": ruleCol2Im, "MaxUnpool": ruleMaxUnpool, "DeformConv": ruleConv,
		"DFT": ruleDFT, "STFT": ruleSTFT, "HannWindow": ruleWindow, "HammingWindow": ruleWindow, "BlackmanWindow": ruleWindow, "MelWeightMatrix": ruleMelWeights,
		"CenterCropPad": ruleCenterCropPad, "AffineGrid": ruleAffineGrid, "Det": ruleDet, "RandomNormal": ruleRandom, "RandomUniform": ruleRandom, "Multinomial": ruleMultinomial,
		"Resize": ruleResize, "Upsample": ruleUpsample, "DepthToSpace": ruleDepthToSpace, "SpaceToDepth": ruleSpaceToDepth,
		"BatchNormalization": ruleBatchNormalization, "LayerNormalization": ruleLayerNormalization, "Dropout": ruleDropout,
		"Gemm": ruleGemm, "MatMul": ruleMatMul, "MatMulInteger": typed(Int32, ruleMatMul), "QLinearMatMul": ruleQLinearMatMul, "Einsum": ruleEinsum,
		"Reshape": ruleReshape, "Flatten": ruleFlatten, "Squeeze": ruleSqueeze, "Unsqueeze": ruleUnsqueeze, "Transpose": ruleTranspose,
		"Concat": ruleConcat, "Split": ruleSplit, "Slice": ruleSlice, "Pad": rulePad, "Tile": ruleTile, "Expand": ruleExpand,
		"Gather": ruleGather, "GatherElements": ruleGatherElements, "GatherND": ruleGatherND,
		"Shape": ruleShape, "Size": ruleSize, "Range": ruleRange, "ConstantOfShape": ruleConstantOfShape, "EyeLike": ruleLike,
		"RandomNormalLike": ruleLike, "RandomUniformLike": ruleLike, "Bernoulli": ruleLike,
		"OneHot": ruleOneHot, "TopK": ruleTopK, "ArgMax": ruleArg, "ArgMin": ruleArg, "Cast": ruleCast, "CastLike": ruleCastLike, "Where": ruleWhere,
		"QuantizeLinear": ruleQuantize, "DequantizeLinear": ruleDequantize, "DynamicQuantizeLinear": ruleDynamicQuantize,
		"LSTM": ruleRecurrent, "GRU": ruleRecurrent, "RNN": ruleRecurrent, "Attention": ruleAttention,
		"PRelu": rulePRelu, "NonZero": ruleNonZero, "NonMaxSuppression": dataDecide, "Compress": dataDecide, "Unique": dataDecide,
		"SimplifiedLayerNormalization": ruleLayerNormalization, "SkipSimplifiedLayerNormalization": ruleSame,
	}
	for _, op := range []string{"Identity", "Abs", "Neg", "Relu", "LeakyRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "Sigmoid",
		"HardSigmoid", "HardSwish", "Tanh", "Softplus", "Softsign", "Exp", "Log", "Sqrt", "Reciprocal", "Floor", "Ceil", "Round", "Sign",
		"Erf", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh", "Cosh", "Asinh", "Acosh", "Atanh", "Softmax", "LogSoftmax",
		"Hardmax", "Clip", "Gelu", "Mish", "Swish", "BitwiseNot", "InstanceNormalization", "LRN", "MeanVarianceNormalization",
		"LpNormalization", "Shrink", "CumSum", "Trilu", "Scatter", "ScatterElements", "ScatterND", "ReverseSequence",
		"GroupNormalization", "RMSNormalization", "RotaryEmbedding", "TensorScatter", "Not"} {
		operators[op] = ruleSame
	}
	for _, op := range []string{"Add", "Sub", "Mul", "Div", "Pow", "Mod", "Max", "Min", "Sum", "Mean", "BitShift",
		"BitwiseAnd", "BitwiseOr", "BitwiseXor"} {
		operators[op] = ruleBroadcast
	}
	for _, op := range []string{"Greater", "Less", "Equal", "GreaterOrEqual", "LessOrEqual", "And", "Or", "Xor"} {
		operators[op] = typed(Bool, ruleBroadcast)
	}
	for _, op := range []string{"IsNaN", "IsInf"} {
		operators[op] = typed(Bool, ruleSame)
	}
	for _, op := range []string{"ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
		"ReduceLogSum", "ReduceLogSumExp", "ReduceSumSquare"} {
		operators[op] = ruleReduce
	}
}

// typed makes the first output of a rule one of another type.
func typed(d DType, rule func(*call) error) func(*call) error {
	return func(c *call) error {
		err := rule(c)
		if err == nil {
			c.out[0].DType = d
		}
		return err
	}
}

func dataDecide(*call) error { return ErrDataDecide }

// ruleSame gives the first output the first input's type and shape.
func ruleSame(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	c.set(0, c.in[0].DType, c.in[0].Shape...)
	return nil
}

func ruleBroadcast(c *call) error {
	if err := c.need(max(1, len(c.in))); err != nil {
		return err
	}
	shapes := make([]Shape, len(c.in))
	for i, t := range c.in {
		if t.DType != c.in[0].DType && c.Op != "Pow" && c.Op != "BitShift" {
			return fmt.Errorf("types %s and %s differ", c.in[0].DType, t.DType)
		}
		shapes[i] = t.Shape
	}
	out, err := broadcast(shapes...)
	c.set(0, c.in[0].DType, out...)
	return err
}

// rulePRelu: the slope is broadcast to the input, never the other way.
func rulePRelu(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	x, slope := c.in[0].Shape, c.in[1].Shape
	if out, err := Broadcast(x, slope); err != nil || !out.Equal(x) {
		return fmt.Errorf("slope %s does not broadcast to %s", slope, x)
	}
	return ruleSame(c)
}

func ruleWhere(c *call) error {
	if err := c.need(3); err != nil {
		return err
	}
	if c.in[0].DType != Bool || c.in[1].DType != c.in[2].DType {
		return fmt.Errorf("types %s, %s and %s do not go together", c.in[0].DType, c.in[1].DType, c.in[2].DType)
	}
	out, err := broadcast(c.in[0].Shape, c.in[1].Shape, c.in[2].Shape)
	c.set(0, c.in[1].DType, out...)
	return err
}

func ruleCast(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	to := DType(c.int("to", 0))
	if _, ok := dtypes[to]; !ok {
		return fmt.Errorf("it casts to the type %d, which is not supported", int32(to))
	}
	c.set(0, to, c.in[0].Shape...)
	return nil
}

func ruleCastLike(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	c.set(0, c.in[1].DType, c.in[0].Shape...)
	return nil
}

func ruleDropout(c *call) error {
	if err := ruleSame(c); err != nil {
		return err
	}
	if len(c.in) > 2 && c.in[2] != nil && c.in[2].Filled && slices.Contains(c.in[2].Ints, 1) {
		return fmt.Errorf("it is in training mode, so that its answers are drawn by chance: export the model for inference")
	}
	c.set(1, Bool, c.in[0].Shape...)
	return nil
}

func ruleBatchNormalization(c *call) error {
	if err := c.need(5); err != nil {
		return err
	}
	x := c.in[0].Shape
	if len(x) < 2 {
		return fmt.Errorf("its input %s has no channels", x)
	}
	for _, t := range c.in[1:5] {
		if !t.Shape.Equal(Shape{x[1]}) {
			return fmt.Errorf("scale, bias, mean and variance must have the %d channels of its input", x[1])
		}
	}
	if c.int("training_mode", 0) != 0 {
		return fmt.Errorf("it is in training mode: export the model for inference")
	}
	c.set(0, c.in[0].DType, x...)
	for i := 1; i < len(c.out); i++ {
		c.set(i, c.in[1].DType, x[1])
	}
	return nil
}

// ruleLayerNormalization: mean and inverse deviation have size 1 along the normalized axes.
func ruleLayerNormalization(c *call) error {
	if err := ruleSame(c); err != nil {
		return err
	}
	x := c.in[0].Shape
	from, err := axis(c.int("axis", -1), len(x))
	if err != nil {
		return err
	}
	reduced := append(Shape{}, x...)
	for i := from; i < len(reduced); i++ {
		reduced[i] = 1
	}
	for i := 1; i < len(c.out); i++ {
		c.set(i, Float32, reduced...)
	}
	return nil
}

func ruleReduce(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	since := int64(18)
	if c.Op == "ReduceSum" {
		since = 13
	}
	list, err := c.operand("axes", since, 1)
	if err != nil {
		return err
	}
	x := c.in[0].Shape
	if len(list) == 0 && c.opset >= since && c.int("noop_with_empty_axes", 0) != 0 {
		c.set(0, c.in[0].DType, x...)
		return nil
	}
	set, err := axes(list, len(x))
	if err != nil {
		return err
	}
	keep := c.int("keepdims", 1) != 0
	var out Shape
	for i, d := range x {
		switch {
		case !set[i] && len(list) > 0:
			out = append(out, d)
		case keep:
			out = append(out, 1)
		}
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}

func ruleArg(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	x := c.in[0].Shape
	k, err := axis(c.int("axis", 0), len(x))
	if err != nil {
		return err
	}
	out := append(Shape{}, x[:k]...)
	if c.int("keepdims", 1) != 0 {
		out = append(out, 1)
	}
	c.set(0, Int64, append(out, x[k+1:]...)...)
	return nil
}

func ruleTopK(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	x := c.in[0].Shape
	count := c.int("k", 1)
	if c.opset >= 10 {
		if err := c.need(2); err != nil {
			return err
		}
		var err error
		if count, err = c.in[1].one(); err != nil {
			return err
		}
	}
	a, err := axis(c.int("axis", -1), len(x))
	if err != nil {
		return err
	}
	if count < 0 || count > x[a] {
		return fmt.Errorf("it takes the first %d of %d", count, x[a])
	}
	out := append(Shape{}, x...)
	out[a] = count
	c.set(0, c.in[0].DType, out...)
	c.set(1, Int64, out...)
	return nil
}

func ruleNonZero(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	t := c.in[0]
	if !t.Filled {
		return ErrDataDecide
	}
	count := int64(0)
	for i := range t.Shape.Elements(1) {
		if t.Ints != nil && t.Ints[i] != 0 || t.Floats != nil && t.Floats[i] != 0 {
			count++
		}
	}
	c.set(0, Int64, int64(len(t.Shape)), count)
	return nil
}

func ruleQuantize(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	to := UInt8
	if d := DType(c.int("output_dtype", 0)); d != 0 {
		to = d
	}
	if z := c.input(2); z != nil {
		to = z.DType
	}
	c.set(0, to, c.in[0].Shape...)
	return nil
}

func ruleDequantize(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	to := c.in[1].DType
	if d := DType(c.int("output_dtype", 0)); d != 0 {
		to = d
	}
	c.set(0, to, c.in[0].Shape...)
	return nil
}

func ruleDynamicQuantize(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	c.set(0, UInt8, c.in[0].Shape...)
	c.set(1, Float32)
	c.set(2, UInt8)
	return nil
}

// gates counts what a unit of a recurrent operator computes from its input and its state.
var gates = map[string]int64{"LSTM": 4, "GRU": 3, "RNN": 1}

// ruleRecurrent: X is (sequence, batch, input) or, in layout 1, (batch, sequence, input), W is (directions, gates x hidden,
// input), R is (directions, gates x hidden, hidden), the bias (directions, 2 x gates x hidden).
func ruleRecurrent(c *call) error {
	if err := c.need(3); err != nil {
		return err
	}
	x, w, r := c.in[0].Shape, c.in[1].Shape, c.in[2].Shape
	if len(x) != 3 || len(r) != 3 {
		return fmt.Errorf("its input %s and recurrent weights %s do not fit", x, r)
	}
	directions, hidden := r[0], r[2]
	rows := mulSaturated(gates[c.Op], hidden)
	if r[1] != rows || !w.Equal(Shape{directions, rows, x[2]}) || c.int("hidden_size", hidden) != hidden {
		return fmt.Errorf("weights %s and %s do not fit %d units and input %s", w, r, c.int("hidden_size", hidden), x)
	}
	if b := c.input(3); b != nil && !b.Shape.Equal(Shape{directions, mulSaturated(2, rows)}) {
		return fmt.Errorf("bias %s does not fit %d units", b.Shape, hidden)
	}
	if c.int("layout", 0) == 0 {
		c.set(0, c.in[0].DType, x[0], directions, x[1], hidden)
		c.set(1, c.in[0].DType, directions, x[1], hidden)
		c.set(2, c.in[0].DType, directions, x[1], hidden)
	} else {
		c.set(0, c.in[0].DType, x[0], x[1], directions, hidden)
		c.set(1, c.in[0].DType, x[0], directions, hidden)
		c.set(2, c.in[0].DType, x[0], directions, hidden)
	}
	return nil
}

// ruleAttention: queries, keys and values are (batch, heads, length, size) or (batch, length, hidden); past keys and values,
// and those of past and present that it makes, are always of the first kind.
func ruleAttention(c *call) error {
	if err := c.need(3); err != nil {
		return err
	}
	q, k, v := c.in[0].Shape, c.in[1].Shape, c.in[2].Shape
	if len(q) != len(v) || len(q) != len(k) || len(q) != 3 && len(q) != 4 {
		return ErrNoRule
	}
	out := append(Shape{}, q...)
	heads, length := int64(0), int64(0)
	if len(q) == 4 {
		heads, length = q[1], q[2]
		out[3] = v[3]
	} else {
		kvHeads := c.int("kv_num_heads", 0)
		heads, length = c.int("q_num_heads", 0), q[1]
		if heads <= 0 || kvHeads <= 0 || k[2]%kvHeads != 0 || v[2]%kvHeads != 0 {
			return fmt.Errorf("it does not say how many heads it has")
		}
		out[2] = mulSaturated(v[2]/kvHeads, heads)
		k, v = Shape{k[0], kvHeads, k[1], k[2] / kvHeads}, Shape{v[0], kvHeads, v[1], v[2] / kvHeads}
	}
	k, v = append(Shape{}, k...), append(Shape{}, v...)
	if past := c.input(4); past != nil && len(past.Shape) == 4 {
		k[2], v[2] = addSaturated(k[2], past.Shape[2]), addSaturated(v[2], past.Shape[2])
	}
	d := c.in[0].DType
	c.set(0, d, out...)
	c.set(1, d, k...)
	c.set(2, d, v...)
	c.set(3, d, q[0], heads, length, k[2])
	return nil
}
