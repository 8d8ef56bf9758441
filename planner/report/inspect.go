// Package report shows models and plans as documents for people and programs.
package report

// InspectFormat is the version of the Inspect document.
const InspectFormat = "partita.inspect/1"

// Inspect says what a model file holds.
type Inspect struct {
	Format       string   `json:"format"`
	Name         string   `json:"name"`
	Source       string   `json:"source"` // keras-json, keras-yaml, keras-h5, keras-v3, tfjs or onnx
	KerasVersion string   `json:"kerasVersion,omitempty"`
	Digest       string   `json:"digest"`
	Layers       int      `json:"layers"`     // as the source framework counts them
	Parameters   int64    `json:"parameters"` // likewise
	WeightBytes  int64    `json:"weightBytes"`
	MACs         int64    `json:"macs"` // of one inference
	Inputs       []Tensor `json:"inputs"`
	Outputs      []Tensor `json:"outputs"`
	Cuts         int      `json:"cuts"` // places at which the model can be split
	Preprocess   string   `json:"preprocess"`
	HasWeights   bool     `json:"hasWeights"`
	Notes        []string `json:"notes,omitempty"` // what is otherwise than in the file
}

// Tensor is an input or output. A dimension of -1 is the batch, one of -2 any size that the data have.
type Tensor struct {
	Name  string  `json:"name"`
	Shape []int64 `json:"shape"`
	DType string  `json:"dtype"`
}
