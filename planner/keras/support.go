package keras

import "strings"

// refusal says why a layer of Keras is not supported, and what to do.
type refusal struct{ reason, fix string }

const (
	replace    = "replace it by layers of Keras and save again"
	beforehand = "compute it before the model is called, and build the model on what comes of it"
)

// refused are layers of Keras's own that are known and cannot be served.
var refused = map[string]refusal{}

func init() {
	for reason, classes := range map[string][]string{
		"it turns texts into numbers by tables or by a hash, for which ONNX's operators of opset 17 have no place": {"HashedCrossing", "Hashing", "StringLookup",
			"TextVectorization", "FeatureSpace", "DenseFeatures", "SequenceFeatures"},
		"it changes images by steps that ONNX's operators of opset 17 do not express": {"ContrastLimitedAdaptiveHistogramEqualization"},
	} {
		for _, c := range classes {
			refused[c] = refusal{reason, beforehand}
		}
	}
	for _, c := range []string{"TFSMLayer", "JaxLayer", "FlaxLayer", "TorchModuleWrapper", "KerasLayer"} {
		refused[c] = refusal{"it holds a function of another library, whose code is not in the file", replace}
	}
	refused["TernaryDense"] = refusal{"its weights are packed", "use Dense"}
	refused["Deconvolution2D"] = refusal{"it is Keras 1's transposed convolution, whose kernels no later version reads", "save the model from Keras 2 with Conv2DTranspose"}
	refused["RandomFourierFeatures"] = refusal{"it is an experiment of TensorFlow 2 that Keras 3 left out", "use Dense and Activation"}
	refused["Wrapper"] = refusal{"it wraps a layer without saying what it does", replace}
	for _, c := range []string{"LSTMCell", "GRUCell", "SimpleRNNCell", "StackedRNNCells"} {
		refused[c] = refusal{"it is one step of time by itself", "wrap it in RNN"}
	}
}

// Support is a row of the table of layers.
type Support struct {
	Name         string
	Versions     string // of Keras
	Restrictions string
}

// Supported lists the layers that are read, in the order of their names.
func Supported() []Support { return rows(sortedNames(parsers), restrictions) }

// Functions lists the operations of keras.ops that may stand in a functional model of Keras 3.
func Functions() []Support {
	list := rows(sortedNames(functions), functionRestrictions)
	for i := range list {
		list[i].Versions = "3"
	}
	return list
}

// TensorFlowFunctions lists the functions of TensorFlow that may stand in a functional model of Keras 2, with the operation
// that each becomes. Those of tf.math are there with and without that prefix.
func TensorFlowFunctions() []Support {
	list := make([]Support, 0, len(translations))
	for _, n := range sortedNames(translations) {
		list = append(list, Support{"tf." + n, "2", translations[n].op})
	}
	return list
}

// TensorFlowOperators lists the operators of TensorFlow's graph that may stand in a functional model of TensorFlow 2.0 to 2.3.
func TensorFlowOperators() []string { return sortedNames(nodes) }

// Activations lists the names of activations, as layers and as options.
func Activations() []Support {
	names := map[string]bool{"hard_sigmoid": true, "hard_silu": true, "hard_swish": true}
	for n := range activations {
		names[n] = true
	}
	return rows(sortedNames(names), map[string]string{
		"hard_sigmoid": "Keras 1 and 2: clip(0.2 x + 0.5, 0, 1); Keras 3: relu6(x + 3) / 6",
		"leaky_relu":   "slope 0.2",
		"gelu":         "the exact form, with erf",
	})
}

// Refused lists the layers of Keras's own that are refused, with the reason.
func Refused() []Support {
	reasons := map[string]string{}
	for n, r := range refused {
		reasons[n] = r.reason + "; " + r.fix
	}
	return rows(sortedNames(refused), reasons)
}

func rows(names []string, restrictions map[string]string) []Support {
	list := make([]Support, len(names))
	for i, n := range names {
		list[i] = Support{n, versionsOf(n), restrictions[n]}
	}
	return list
}

func sortedNames[V any](m map[string]V) []string {
	all := make(map[string]any, len(m))
	for n := range m {
		all[n] = nil
	}
	return sortedKeys(all)
}

// versionsOf tells in which versions of Keras a name exists. (Release notes and documentation of Keras 1.2.2, 2.2.4 to
// 2.15 and 3.0 to 3.15.)
func versionsOf(name string) string {
	const one, two, three, from2 = "1", "2", "3", "2, 3"
	byVersion := map[string]string{
		"Convolution1D": "1, 2, 3", "Convolution2D": "1, 2, 3", "Convolution3D": "1, 2, 3", "Merge": one, "AtrousConvolution1D": one,
		"AtrousConvolution2D": one, "AtrousConv1D": one, "AtrousConv2D": one, "CuDNNGRU": two, "CuDNNLSTM": two, "BatchNormalizationV1": two,
		"BatchNormalizationV2": two, "SyncBatchNormalization": two, "ThresholdedReLU": "1, 2", "GroupQueryAttention": three,
		"GroupedQueryAttention": three, "RMSNormalization": three, "Identity": from2,
		"celu": three, "glu": three, "hard_shrink": three, "hard_silu": three, "hard_tanh": three, "log_sigmoid": three, "soft_shrink": three,
		"sparse_plus": three, "sparse_sigmoid": three, "sparsemax": three, "squareplus": three, "tanh_shrink": three, "silu": three, "log_softmax": from2,
		"leaky_relu": three, "relu6": "1, 2 (of keras-applications), 3", "hard_swish": "1, 2 (of keras-applications), 3", "gelu": from2,
		"mish": from2, "swish": from2, "selu": from2, "elu": "1, 2, 3", "exponential": from2,
		"LayerScale": "2, 3 (of keras-applications)", "CustomScaleLayer": "3 (of keras-applications)", "StochasticDepth": "2, 3 (of keras-applications)",
		"TernaryDense": three, "TFSMLayer": three, "JaxLayer": three, "FlaxLayer": three, "TorchModuleWrapper": three, "KerasLayer": two, "DenseFeatures": two,
		"SequenceFeatures": two, "Deconvolution2D": one, "RandomFourierFeatures": two, "LocallyConnected1D": "1, 2", "LocallyConnected2D": "1, 2",
		"TimeDistributedDense": one, "MaxoutDense": one, "Highway": one, "SReLU": one, "ParametricSoftplus": one, "STFTSpectrogram": three, "MelSpectrogram": three,
		"AutoContrast": three, "Solarization": three, "Equalization": three, "MaxNumBoundingBoxes": three, "Pipeline": three,
		"ContrastLimitedAdaptiveHistogramEqualization": three, "AugMix": three, "CutMix": three, "MixUp": three, "RandAugment": three, "ReversibleEmbedding": three,
	}
	if v, ok := byVersion[name]; ok {
		return v
	}
	switch {
	case strings.HasPrefix(name, "Adaptive"):
		return three
	case strings.HasPrefix(name, "Random"):
		switch name {
		case "RandomHeight", "RandomWidth":
			return two
		case "RandomFlip", "RandomRotation", "RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness", "RandomCrop":
			return from2
		}
		return three
	}
	for _, n := range []string{"Activation", "ActivityRegularization", "AlphaDropout", "AveragePooling", "BatchNormalization", "Bidirectional",
		"Cropping", "Dense", "Dropout", "ELU", "Embedding", "Flatten", "GRU", "GaussianDropout", "GaussianNoise", "GlobalAveragePooling",
		"GlobalMaxPooling", "LSTM", "Lambda", "LeakyReLU", "Masking", "MaxPooling", "PReLU", "Permute", "RepeatVector", "Reshape",
		"SeparableConvolution2D", "SimpleRNN", "SpatialDropout", "TimeDistributed", "UpSampling", "ZeroPadding"} {
		if name == n || strings.HasPrefix(name, n) && len(name) == len(n)+2 {
			return "1, 2, 3"
		}
	}
	switch name {
	case "hard_sigmoid", "linear", "relu", "sigmoid", "softmax", "softplus", "softsign", "tanh":
		return "1, 2, 3"
	}
	return from2
}

const (
	recurrentRestrictions = "stateful refused; any mask; activations that ONNX's operators lack (other than relu, tanh, sigmoid, hard_sigmoid, linear, elu, leaky_relu, softsign, softplus) up to 512 steps"
	localRestrictions     = "channels last, valid, implementation 1"
	convLSTMRestrictions  = "stateful refused; up to 512 steps"
	kernelsOfTheano       = "channels_first of Keras 1 refused"
)

// restrictions tell what of a layer is refused.
var restrictions = map[string]string{
	"LSTM": recurrentRestrictions, "GRU": recurrentRestrictions, "SimpleRNN": recurrentRestrictions, "CuDNNLSTM": "stateful refused",
	"CuDNNGRU": "stateful refused", "ConvLSTM1D": convLSTMRestrictions, "ConvLSTM2D": convLSTMRestrictions,
	"ConvLSTM3D": convLSTMRestrictions, "RNN": "of LSTMCell, GRUCell, SimpleRNNCell and StackedRNNCells of these; as LSTM",
	"Bidirectional": "of LSTM, GRU, SimpleRNN, RNN, ConvLSTM; as these", "TimeDistributed": "of a layer, or a model of one input and one output; up to 512 steps, and no mask that it would read, where what it holds does not work on the last axis alone",
	"BatchNormalization": "no renorm; no mode 1 or 2 of Keras 1", "Conv1D": kernelsOfTheano, "Conv2D": kernelsOfTheano, "Conv3D": kernelsOfTheano,
	"AtrousConv1D": kernelsOfTheano, "AtrousConv2D": kernelsOfTheano, "AtrousConvolution1D": kernelsOfTheano, "AtrousConvolution2D": kernelsOfTheano, "SeparableConvolution2D": kernelsOfTheano,
	"Convolution1D": kernelsOfTheano, "Convolution2D": kernelsOfTheano, "Convolution3D": kernelsOfTheano,
	"MultiHeadAttention": "on inputs of more than three axes, masks given by hand only", "Discretization": "boundaries in the configuration", "IntegerLookup": "vocabulary in the configuration; one index or none for others",
	"Lambda":         "the scaled sum of keras.applications' InceptionResNetV2, known by its bytes; any other holds Python bytecode, which is never run, and is refused by name",
	"MelSpectrogram": "windows hann and hamming; top_db counts from the peak of each sound, as in a batch of one",
	"RandomCrop":     "Keras 3: pictures of the right size", "Pipeline": "weights in one of its layers at most", "LocallyConnected1D": localRestrictions, "LocallyConnected2D": localRestrictions, "Merge": "modes sum, mul, ave, max, concat, dot, cos (of one vector each)",
	"Resizing": "padding by a constant", "UpSampling2D": "nearest and bilinear by ONNX's Resize, others by matrices",
	"AdaptiveAveragePooling1D": "up to 512 positions, no more than elements", "AdaptiveAveragePooling2D": "up to 512 positions, no more than elements",
	"AdaptiveAveragePooling3D": "up to 512 positions, no more than elements", "AdaptiveMaxPooling1D": "up to 512 positions, no more than elements",
	"AdaptiveMaxPooling2D": "up to 512 positions, no more than elements", "AdaptiveMaxPooling3D": "up to 512 positions, no more than elements",
	"EinsumDense": "the batch in front; not quantised", "Embedding": "not quantised", "Dense": "not quantised",
}

var functionRestrictions = map[string]string{
	"Mean": "not over the batch", "Sum": "not over the batch", "Max": "not over the batch", "Min": "not over the batch", "Reshape": "the batch in front",
	"Transpose": "the batch in front", "Take": "not from the batch", "GetItem": "numbers, slices, new axes and an ellipsis; the batch whole",
	"Pad": "by a constant", "Round": "to whole numbers", "Normalize": "order 2", "Einsum": "without an ellipsis",
}
