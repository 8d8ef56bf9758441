package keras

import "strings"

// trainingOnly are layers that change data while a model is trained and pass it on unchanged afterwards, with the options
// that say how they change it. (Keras 1.2.2, 2.15 and 3: get_config of each class.)
var trainingOnly = map[string][]string{
	"Dropout":                {"rate", "p", "noise_shape", "seed"},
	"SpatialDropout1D":       {"rate", "p", "noise_shape", "seed"},
	"SpatialDropout2D":       {"rate", "p", "noise_shape", "seed", "data_format", "dim_ordering"},
	"SpatialDropout3D":       {"rate", "p", "noise_shape", "seed", "data_format", "dim_ordering"},
	"GaussianDropout":        {"rate", "p", "seed"},
	"GaussianNoise":          {"stddev", "sigma", "seed"},
	"AlphaDropout":           {"rate", "noise_shape", "seed"},
	"ActivityRegularization": {"l1", "l2"},
	"Identity":               nil,

	"Solarization":        {"addition_factor", "threshold_factor", "value_range", "factor", "seed"},
	"Equalization":        {"bins", "value_range", "factor", "seed"},
	"MaxNumBoundingBoxes": {"max_number", "fill_value", "factor"}, // which only changes boxes, and a model's tensors are no boxes

	"RandomFlip":              {"mode", "seed"},
	"RandomRotation":          {"factor", "fill_mode", "fill_value", "interpolation", "seed"},
	"RandomZoom":              {"height_factor", "width_factor", "fill_mode", "fill_value", "interpolation", "seed"},
	"RandomTranslation":       {"height_factor", "width_factor", "fill_mode", "fill_value", "interpolation", "seed"},
	"RandomHeight":            {"factor", "interpolation", "seed"},
	"RandomWidth":             {"factor", "interpolation", "seed"},
	"RandomContrast":          {"factor", "value_range", "seed"},
	"RandomBrightness":        {"factor", "value_range", "seed"},
	"RandomColorDegeneration": {"factor", "value_range", "seed"},
	"RandomColorJitter":       {"value_range", "brightness_factor", "contrast_factor", "saturation_factor", "hue_factor", "seed"},
	"RandomElasticTransform":  {"factor", "scale", "interpolation", "fill_mode", "fill_value", "value_range", "seed"},
	"RandomErasing":           {"factor", "scale", "fill_value", "value_range", "seed"},
	"RandomGaussianBlur":      {"factor", "kernel_size", "sigma", "value_range", "seed"},
	"RandomGrayscale":         {"factor", "seed"},
	"RandomHue":               {"factor", "value_range", "seed"},
	"RandomInvert":            {"factor", "value_range", "seed"},
	"RandomPerspective":       {"factor", "scale", "interpolation", "fill_value", "seed"},
	"RandomPosterization":     {"factor", "value_range", "seed"},
	"RandomSaturation":        {"factor", "value_range", "seed"},
	"RandomSharpness":         {"factor", "value_range", "seed"},
	"RandomShear":             {"x_factor", "y_factor", "fill_mode", "fill_value", "interpolation", "seed"},
	"AugMix":                  {"value_range", "num_chains", "chain_depth", "factor", "alpha", "all_ops", "interpolation", "seed"},
	"CutMix":                  {"factor", "seed"},
	"MixUp":                   {"alpha", "seed"},
	"RandAugment":             {"value_range", "num_ops", "factor", "interpolation", "seed"},
}

func init() {
	for class, names := range trainingOnly {
		register(func(o *options) operation {
			o.ignore(names...)
			switch {
			case strings.HasPrefix(class, "Rand"), class == "AugMix", class == "CutMix", class == "MixUp", class == "Solarization", class == "Equalization",
				class == "MaxNumBoundingBoxes":
				o.ignore("data_format", "bounding_box_format")
			}
			return elementwise{}
		}, class)
	}
}
