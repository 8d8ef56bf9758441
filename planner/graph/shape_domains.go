package graph

import "fmt"

// Rules of operator sets beside ai.onnx: those of classic machine learning (ai.onnx.ml, as skl2onnx writes) and of ONNX
// Runtime's own (com.microsoft, as its quantizer and optimizer write). Sources: ONNX's Operators-ml.md, ONNX Runtime's
// ContribOperators.md.

var learners, contributed map[string]func(*call) error

func init() {
	learners = map[string]func(*call) error{
		"Scaler": typed(Float32, ruleSame), "Normalizer": typed(Float32, ruleSame), "Binarizer": ruleSame, "Imputer": ruleSame,
		"LinearRegressor": ruleRegressor, "LinearClassifier": ruleClassifier, "TreeEnsembleRegressor": ruleRegressor,
		"TreeEnsembleClassifier": ruleClassifier, "SVMClassifier": ruleVectorClassifier, "SVMRegressor": ruleRegressor, "TreeEnsemble": ruleTrees,
		"ArrayFeatureExtractor": ruleFeatures, "LabelEncoder": ruleLabels, "CategoryMapper": ruleCategories, "OneHotEncoder": ruleCategoriesOneHot,
		"FeatureVectorizer": ruleVectorizer,
	}
	contributed = map[string]func(*call) error{
		"FusedConv": ruleConv, "FusedGemm": ruleGemm, "Gelu": ruleSame, "FastGelu": ruleSame, "QuickGelu": ruleSame, "BiasGelu": ruleSame,
		"LayerNormalization": ruleLayerNormalization, "SimplifiedLayerNormalization": ruleLayerNormalization, "GroupNorm": ruleSame,
		"SkipLayerNormalization": ruleSkip, "SkipSimplifiedLayerNormalization": ruleSkip, "EmbedLayerNormalization": ruleEmbed,
		"Attention": rulePackedAttention, "MultiHeadAttention": ruleHeads, "FusedMatMul": ruleFusedMatMul, "MatMulNBits": ruleMatMulBits,
		"QuantizeLinear": ruleQuantize, "DequantizeLinear": ruleDequantize, "DynamicQuantizeMatMul": typed(Float32, ruleMatMul),
		"MatMulIntegerToFloat": typed(Float32, ruleMatMul), "QLinearAdd": ruleQuantizedPair, "QLinearMul": ruleQuantizedPair, "QLinearSigmoid": ruleSame,
		"QLinearLeakyRelu": ruleSame, "QLinearSoftmax": ruleSame, "QLinearGlobalAveragePool": ruleGlobalPool, "QLinearAveragePool": rulePool, "QLinearConcat": ruleQuantizedConcat,
		"QGemm": ruleQuantizedGemm, "QLinearWhere": ruleQuantizedWhere, "CDist": ruleDistances, "RotaryEmbedding": ruleSame, "Trilu": ruleSame,
		"GroupQueryAttention": ruleGroupQuery, "QAttention": rulePackedAttention, "SkipGroupNorm": ruleSame,
	}
}

// rows gives the first dimension of a table of features.
func (c *call) rows() (int64, error) {
	if err := c.need(1); err != nil {
		return 0, err
	}
	switch x := c.in[0].Shape; len(x) {
	case 1:
		return 1, nil
	case 2:
		return x[0], nil
	default:
		return 0, fmt.Errorf("its input %s is not a table", x)
	}
}

func ruleRegressor(c *call) error {
	rows, err := c.rows()
	targets := c.int("n_targets", c.int("targets", 1))
	c.set(0, Float32, rows, targets)
	return err
}

func ruleClassifier(c *call) error {
	rows, err := c.rows()
	if err != nil {
		return err
	}
	labels, d := int64(0), Int64
	for _, name := range []string{"classlabels_int64s", "classlabels_ints"} {
		if a := c.Attr(name); a != nil {
			labels = int64(len(a.Ints))
		}
	}
	if a := c.Attr("classlabels_strings"); a != nil && len(a.Strs) > 0 {
		labels, d = int64(len(a.Strs)), String
	}
	if labels == 0 {
		return fmt.Errorf("it names no classes")
	}
	c.set(0, d, rows)
	c.set(1, Float32, rows, labels)
	return nil
}

// ruleVectorClassifier: without probabilities the scores of over two classes are those of each pair of classes.
func ruleVectorClassifier(c *call) error {
	if err := ruleClassifier(c); err != nil {
		return err
	}
	probabilities, vectors := c.Attr("prob_a"), c.Attr("vectors_per_class")
	if classes := c.out[len(c.out)-1].Shape; len(c.out) > 1 && vectors != nil && (probabilities == nil || len(probabilities.Floats) == 0) && classes[1] > 2 {
		c.set(1, Float32, classes[0], mulSaturated(classes[1], classes[1]-1)/2)
	}
	return nil
}

// ruleTrees is that of ai.onnx.ml 5, in which trees give numbers of the input's type.
func ruleTrees(c *call) error {
	rows, err := c.rows()
	if err != nil {
		return err
	}
	c.set(0, c.in[0].DType, rows, c.int("n_targets", 1))
	return nil
}

// ruleCategories changes strings for numbers, or numbers for strings.
func ruleCategories(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	d := String
	if c.in[0].DType == String {
		d = Int64
	}
	c.set(0, d, c.in[0].Shape...)
	return nil
}

func ruleCategoriesOneHot(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	count := int64(0)
	if a := c.Attr("cats_int64s"); a != nil {
		count = int64(len(a.Ints))
	}
	if a := c.Attr("cats_strings"); a != nil && len(a.Strs) > 0 {
		count = int64(len(a.Strs))
	}
	if count == 0 {
		return fmt.Errorf("it names no categories")
	}
	c.set(0, Float32, append(append(Shape{}, c.in[0].Shape...), count)...)
	return nil
}

// ruleVectorizer puts the features of several tables side by side.
func ruleVectorizer(c *call) error {
	rows, err := c.rows()
	if err != nil {
		return err
	}
	sizes, ok := c.list("inputdimensions")
	if !ok || len(sizes) != len(c.in) {
		return ErrNoRule
	}
	total := int64(0)
	for _, n := range sizes {
		if n < 0 {
			return fmt.Errorf("a table of %d features", n)
		}
		total = addSaturated(total, n)
	}
	c.set(0, Float32, rows, total)
	return nil
}

// ruleDistances gives the distance of each row of one table to each of another.
func ruleDistances(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	a, b := c.in[0].Shape, c.in[1].Shape
	if len(a) != 2 || len(b) != 2 || a[1] != b[1] {
		return fmt.Errorf("inputs %s and %s are not tables of the same features", a, b)
	}
	c.set(0, c.in[0].DType, a[0], b[0])
	return nil
}

// ruleQuantizedWhere: after the condition come two triples of a tensor, its scale and its zero point.
func ruleQuantizedWhere(c *call) error {
	if err := c.need(5); err != nil {
		return err
	}
	out, err := broadcast(c.in[0].Shape, c.in[1].Shape, c.in[4].Shape)
	c.set(0, c.in[1].DType, out...)
	return err
}

// ruleGroupQuery: queries are (batch, length, hidden), past and present keys and values (batch, heads, length, size). With
// a shared buffer the present is as long as the past, which the data tell.
func ruleGroupQuery(c *call) error {
	if err := c.need(3); err != nil {
		return ErrNoRule // packed forms
	}
	if len(c.out) > 1 {
		return ErrNoRule
	}
	return ruleSame(c)
}

func ruleFeatures(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	x := c.in[0].Shape
	if len(x) == 0 {
		return fmt.Errorf("its input is a scalar")
	}
	out := append(append(Shape{}, x[:len(x)-1]...), c.in[1].Shape.Elements(1))
	if len(x) == 1 {
		out = append(Shape{1}, out...)
	}
	c.set(0, c.in[0].DType, out...)
	return nil
}

func ruleLabels(c *call) error {
	if err := c.need(1); err != nil {
		return err
	}
	d := DType(0)
	for _, kind := range []struct {
		name string
		to   DType
	}{{"values_int64s", Int64}, {"values_floats", Float32}, {"values_strings", String}} {
		if c.Attr(kind.name) != nil {
			d = kind.to
		}
	}
	if a := c.Attr("values_tensor"); a != nil && a.Tensor != nil {
		d = a.Tensor.DType
	}
	if d == 0 {
		return ErrNoRule
	}
	c.set(0, d, c.in[0].Shape...)
	return nil
}

// ruleSkip: the second and third output, statistics, are never made; the fourth is the sum of the inputs.
func ruleSkip(c *call) error {
	if err := ruleSame(c); err != nil {
		return err
	}
	for i := 1; i < len(c.out); i++ {
		c.set(i, c.in[0].DType, c.in[0].Shape...)
	}
	return nil
}

func ruleEmbed(c *call) error {
	if err := c.need(3); err != nil {
		return err
	}
	ids, table := c.in[0].Shape, c.in[2].Shape
	if len(ids) != 2 || len(table) != 2 {
		return fmt.Errorf("ids %s and table %s do not fit", ids, table)
	}
	c.set(0, c.in[2].DType, ids[0], ids[1], table[1])
	c.set(1, Int32, ids[0])
	c.set(2, c.in[2].DType, ids[0], ids[1], table[1])
	return nil
}

// rulePackedAttention: the input (batch, length, hidden) goes through one matrix that makes queries, keys and values.
func rulePackedAttention(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	x, w := c.in[0].Shape, c.in[1].Shape
	if len(x) != 3 || len(w) != 2 || len(c.out) > 1 {
		return ErrNoRule
	}
	hidden := w[1] / 3
	if sizes, ok := c.list("qkv_hidden_sizes"); ok && len(sizes) == 3 {
		hidden = sizes[2]
	}
	c.set(0, c.in[0].DType, x[0], x[1], hidden)
	return nil
}

func ruleHeads(c *call) error {
	if err := c.need(3); err != nil {
		return ErrNoRule // packed forms
	}
	q, v := c.in[0].Shape, c.in[2].Shape
	if len(q) != 3 || len(v) != 3 || len(c.out) > 1 {
		return ErrNoRule
	}
	c.set(0, c.in[0].DType, q[0], q[1], v[2])
	return nil
}

func ruleFusedMatMul(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	if c.int("transBatchA", 0) != 0 || c.int("transBatchB", 0) != 0 {
		return ErrNoRule
	}
	turned := func(s Shape, name string) Shape {
		s = append(Shape{}, s...)
		if n := len(s); n >= 2 && c.int(name, 0) != 0 {
			s[n-1], s[n-2] = s[n-2], s[n-1]
		}
		return s
	}
	out, err := matmul(turned(c.in[0].Shape, "transA"), turned(c.in[1].Shape, "transB"))
	c.set(0, c.in[0].DType, out...)
	return err
}

func ruleMatMulBits(c *call) error {
	if err := c.need(2); err != nil {
		return err
	}
	x := c.in[0].Shape
	if k := c.int("K", 0); len(x) == 0 || x[len(x)-1] != k {
		return fmt.Errorf("its input %s does not fit K = %d", x, k)
	}
	out := append(Shape{}, x...)
	out[len(out)-1] = c.int("N", 0)
	c.set(0, c.in[0].DType, out...)
	return nil
}

// ruleQuantizedPair: inputs are A, its scale and zero point, B, its scale and zero point, and those of the result.
func ruleQuantizedPair(c *call) error {
	if err := c.need(4); err != nil {
		return err
	}
	out, err := broadcast(c.in[0].Shape, c.in[3].Shape)
	c.set(0, c.in[0].DType, out...)
	return err
}

func ruleQuantizedGemm(c *call) error {
	if err := c.need(4); err != nil {
		return err
	}
	a, b := c.in[0].Shape, c.in[3].Shape
	if len(a) != 2 || len(b) != 2 {
		return fmt.Errorf("inputs %s and %s are not matrices", a, b)
	}
	rows, columns := a[0], b[1]
	if c.int("transA", 0) != 0 {
		rows = a[1]
	}
	if c.int("transB", 0) != 0 {
		columns = b[0]
	}
	d := Float32
	if z := c.input(8); z != nil {
		d = z.DType
	}
	c.set(0, d, rows, columns)
	return nil
}

// ruleQuantizedConcat: after the result's scale and zero point come triples of a tensor, its scale and its zero point.
func ruleQuantizedConcat(c *call) error {
	if err := c.need(5); err != nil {
		return err
	}
	inner := &call{Node: c.Node, opset: c.opset, out: c.out}
	for i := 2; i < len(c.in); i += 3 {
		inner.in = append(inner.in, c.in[i])
	}
	return ruleConcat(inner)
}
