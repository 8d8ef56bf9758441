package wire

import (
	"encoding/json"
	"fmt"

	"partita/planner/diag"
)

// maxManifestBytes bounds stage.json and gateway.json: some thousand tensors.
const maxManifestBytes = 4 << 20

// ReadStageManifest reads stage.json.
func ReadStageManifest(data []byte) (*StageManifest, error) {
	var m StageManifest
	if err := readManifest(StageFile, data, &m); err != nil {
		return nil, err
	}
	if m.Format != StageFormat {
		return nil, otherFormat(StageFile, m.Format, StageFormat)
	}
	if len(m.Inputs) == 0 || len(m.Outputs) == 0 {
		return nil, badManifest(StageFile, "it names no inputs or no outputs")
	}
	if w := m.Weights; w != nil && (w.Bytes < 1 || w.PartBytes < 1 || len(w.CRC32C) > MaxWeightsParts || int64(len(w.CRC32C)) != (w.Bytes-1)/w.PartBytes+1) {
		return nil, badManifest(StageFile, fmt.Sprintf("%d bytes of weights in %d parts of %d bytes do not fit together", w.Bytes, len(w.CRC32C), w.PartBytes))
	}
	return &m, checkSpecs(StageFile, m.Inputs, m.Outputs)
}

// ReadGatewayManifest reads gateway.json.
func ReadGatewayManifest(data []byte) (*GatewayManifest, error) {
	var m GatewayManifest
	if err := readManifest(GatewayFile, data, &m); err != nil {
		return nil, err
	}
	if m.Format != GatewayFormat {
		return nil, otherFormat(GatewayFile, m.Format, GatewayFormat)
	}
	switch {
	case len(m.Stages) == 0:
		return nil, badManifest(GatewayFile, "it names no stages")
	case len(m.Inputs) == 0 || len(m.Outputs) == 0:
		return nil, badManifest(GatewayFile, "it names no inputs or no outputs")
	case len(m.Inputs) != len(m.InputNames) || len(m.Outputs) != len(m.OutputNames):
		return nil, badManifest(GatewayFile, "inputNames or outputNames do not match inputs and outputs")
	}
	for i := range m.Stages {
		for _, transport := range []string{m.Stages[i].TransportIn, m.Stages[i].TransportOut} {
			if transport != "" && transport != Inline && transport != S3 {
				return nil, badManifest(GatewayFile, fmt.Sprintf("stage %d has transport %q", i+1, transport))
			}
		}
		if m.Stages[i].Function == "" {
			return nil, badManifest(GatewayFile, fmt.Sprintf("stage %d names no function", i+1))
		}
		if b := m.Stages[i].Branch; b < 0 || b > 1 && (i == 0 || m.Stages[i-1].Branch != b-1) {
			return nil, badManifest(GatewayFile, fmt.Sprintf("stage %d is branch %d, which does not continue the stages beside it", i+1, b))
		}
	}
	return &m, checkSpecs(GatewayFile, m.Inputs, m.Outputs)
}

// Steps divides the stages into those that run one after another: it gives the first of each, and the number of stages at the
// end. Stages of one step run side by side.
func (m *GatewayManifest) Steps() []int {
	var first []int
	for i := range m.Stages {
		if m.Stages[i].Branch <= 1 {
			first = append(first, i)
		}
	}
	return append(first, len(m.Stages))
}

func readManifest(file string, data []byte, v any) error {
	if len(data) > maxManifestBytes {
		return badManifest(file, fmt.Sprintf("it has %d bytes; at most %d are read", len(data), maxManifestBytes))
	}
	if err := json.Unmarshal(data, v); err != nil {
		return badManifest(file, "it is not the JSON that FORMAT.md describes").Because(err)
	}
	return nil
}

func checkSpecs(file string, lists ...[]TensorSpec) error {
	for _, list := range lists {
		seen := map[string]bool{}
		for i := range list {
			s := &list[i]
			if _, ok := s.Least().Bytes(1); !ok {
				return badManifest(file, "tensor "+s.String()+" has no size")
			}
			if seen[s.Name] {
				return badManifest(file, fmt.Sprintf("tensor %q is named twice", s.Name))
			}
			seen[s.Name] = true
		}
	}
	return nil
}

func badManifest(file, found string) *diag.Error {
	return diag.New(diag.Invalid, "wire.bad-manifest", "reading "+file, found, "deploy again")
}

func otherFormat(file, got, want string) *diag.Error {
	return diag.New(diag.Invalid, "wire.unsupported-format", "reading "+file, fmt.Sprintf("its format is %q; this program reads %q",
		got, want), "deploy again with matching versions")
}
