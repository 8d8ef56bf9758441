// Package keras reads what Keras writes: architectures (JSON, YAML) into the operator graph, and weight files.
//
// An architecture is read in three steps. The text becomes plain data (decode.go, yaml.go). The data becomes a
// description that is the same for Keras 1, 2 and 3 (config.go). Each layer's options are read into an operation
// (options.go and one file per family of layers), so that everything that is not supported is found before anything is
// lowered; then the operations emit ONNX operators in execution order (lowering.go).
package keras
