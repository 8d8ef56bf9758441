package load

import (
	"cmp"
	"strings"

	"partita/planner/graph"
	"partita/planner/onnx"
)

// The ways in which the networks of Keras's applications were trained to take images (keras.applications.imagenet_utils):
// caffe is BGR less ImageNet's mean; tf is -1 to 1; torch is 0 to 1, less the mean, over the deviation; unit is 0 to 1;
// none is the pixels as they are.
const (
	caffe = "caffe"
	tf    = "tf"
	torch = "torch"
	unit  = "unit"
	none  = "none"
)

// families tells a family by the model's name, letters and digits only; the first that fits counts.
var families = []struct{ name, mode string }{
	{"mobilenetv3", none}, // scales by itself
	{"efficientnetv2", none},
	{"efficientnet", torch}, // of Keras 2; since TensorFlow 2.3 it scales by itself, which the first layers show
	{"convnext", none},
	{"regnet", none},
	{"inceptionresnet", tf},
	{"inception", tf},
	{"xception", tf},
	{"mobilenet", tf},
	{"nasnet", tf},
	{"densenet", torch},
	{"resnext", torch},
	{"resnet50v2", tf},
	{"resnet101v2", tf},
	{"resnet152v2", tf},
	{"resnet", caffe},
	{"vgg", caffe},
}

// landmarks tells a family by a layer that every version of it has, for models that were renamed, cut or retrained.
var landmarks = []struct{ layer, mode string }{
	{"block2_sepconv1", tf},         // Xception
	{"conv_dw_1", tf},               // MobileNet
	{"expanded_conv_depthwise", tf}, // MobileNetV2
	{"mixed_5b", tf},                // InceptionResNetV2
	{"mixed0", tf},                  // InceptionV3
	{"stem_conv1", tf},              // NASNet
	{"conv2_block1_concat", torch},  // DenseNet, which shares the next but one with ResNet
	{"conv2_block1_preact_bn", tf},  // ResNetV2
	{"conv2_block1_1_conv", caffe},  // ResNet
	{"res2a_branch2a", caffe},       // ResNet50 of old
	{"block5_conv3", caffe},         // VGG
}

// torchvision names families whose networks its weights' transforms, and those of ONNX's model zoo that came by way of
// MXNet, prepare images for as in torch. Others share their names between trainings that differ (ViT, Inception).
var torchvision = []string{"resnet", "resnext", "densenet", "vgg", "alexnet", "squeezenet", "shufflenet", "mobilenet", "mnasnet", "efficientnet", "regnet", "convnext", "googlenet"}

// preprocess suggests how images should be prepared for a model. It is a suggestion only: the file does not say.
func preprocess(g *graph.Graph) string {
	if !takesPicture(g) {
		return none
	}
	names := map[string]bool{}
	for i := range g.Layers {
		l := &g.Layers[i]
		names[l.Name] = true
		if i < 3 && (l.Class == "Rescaling" || l.Class == "Normalization") {
			return none
		}
	}
	if mode := family(g.Name); mode != "" {
		return mode
	}
	for _, l := range landmarks {
		if names[l.layer] {
			return l.mode
		}
	}
	return none
}

// takesPicture tells whether a model's only input is a batch of pictures with three channels.
func takesPicture(g *graph.Graph) bool {
	if len(g.Inputs) != 1 {
		return false
	}
	shape := g.Values[g.Inputs[0].Value].RunShape()
	return len(shape) == 4 && (shape[3] == 3 || shape[1] == 3)
}

// family gives the mode of a family of Keras's applications; "" when the name is none of these.
func family(name string) string {
	plain := letters(name)
	for _, f := range families {
		if strings.Contains(plain, f.name) {
			return f.mode
		}
	}
	return ""
}

// letters gives a name's letters and digits only.
func letters(name string) string {
	var plain strings.Builder
	for _, r := range strings.ToLower(name) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			plain.WriteRune(r)
		}
	}
	return plain.String()
}

// preprocessONNX suggests how images should be prepared for a model that came as ONNX, by what the file says of itself:
// the properties of ONNX's document MetadataProps, or the program that wrote it and the name of the model or its file. Where
// that does not tell, it is none.
func preprocessONNX(g *graph.Graph, name string, f *onnx.File) string {
	if !takesPicture(g) || g.Values[g.Inputs[0].Value].DType == graph.UInt8 {
		return none
	}
	properties := f.Properties()
	switch properties["Image.NominalPixelRange"] {
	case "Normalized_0_1":
		return unit
	case "Normalized_1_1":
		return tf
	case "NominalRange_0_255":
		return none
	}
	switch {
	case properties["author"] == "Ultralytics":
		return unit
	case normalizes(g) || len(g.Outputs) != 1 || len(g.Values[g.Outputs[0].Value].Shape) != 2:
		return none // it does so itself, or is no classifier
	case g.Values[g.Inputs[0].Value].Shape[3] == 3:
		return cmp.Or(family(name), none)
	case strings.HasPrefix(f.Producer, "pytorch") || f.Name == "mxnet_converted_model":
		for _, known := range torchvision {
			if strings.Contains(letters(name), known) {
				return torch
			}
		}
	}
	return none
}

// normalizes tells whether the first thing that a model does with its input is arithmetic with numbers of its own.
func normalizes(g *graph.Graph) bool {
	at := g.Inputs[0].Value
	for i := range g.Nodes {
		n := &g.Nodes[i]
		if len(n.Inputs) == 0 || n.Inputs[0] != at {
			continue
		}
		switch n.Op {
		case "Cast", "Identity", "Transpose":
			at = n.Outputs[0]
		case "Sub", "Div", "Mul", "Add", "BatchNormalization":
			return true
		default:
			return false
		}
	}
	return false
}
