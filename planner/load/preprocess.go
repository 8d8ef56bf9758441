package load

import (
	"strings"

	"partita/planner/graph"
)

// The ways in which the networks of Keras's applications were trained to take images (keras.applications.imagenet_utils):
// caffe is BGR less ImageNet's mean; tf is -1 to 1; torch is 0 to 1, less the mean, over the deviation; unit is 0 to 1;
// none is the pixels as they are.
const (
	caffe = "caffe"
	tf    = "tf"
	torch = "torch"
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

// preprocess suggests how images should be prepared for a model. It is a suggestion only: the file does not say.
func preprocess(g *graph.Graph) string {
	if len(g.Inputs) != 1 {
		return none
	}
	shape := g.Values[g.Inputs[0].Value].Shape
	if len(shape) != 4 || shape[3] != 3 && shape[1] != 3 {
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
	var plain strings.Builder
	for _, r := range strings.ToLower(g.Name) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			plain.WriteRune(r)
		}
	}
	for _, f := range families {
		if strings.Contains(plain.String(), f.name) {
			return f.mode
		}
	}
	for _, l := range landmarks {
		if names[l.layer] {
			return l.mode
		}
	}
	return none
}
