// Package keras reads what Keras writes: architectures (JSON, YAML) into the operator graph, and weight files.
package keras
