package plan

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"

	"partita/planner/diag"
)

// MaxArchitectureBytes bounds the architecture that a plan carries, inflated.
const MaxArchitectureBytes = 64 << 20

// Architecture is a model's architecture in the form its front-end reads: raw DEFLATE (RFC 1951) in base64.
type Architecture struct {
	Format  string `json:"format"` // "keras-json"
	Deflate string `json:"deflate"`
}

// PackArchitecture compresses an architecture for a plan.
func PackArchitecture(format string, data []byte) (Architecture, error) {
	if len(data) > MaxArchitectureBytes {
		return Architecture{}, diag.New(diag.Limit, "plan.architecture-too-large", "writing the plan",
			fmt.Sprintf("the model's architecture has %d bytes, the limit is %d", len(data), MaxArchitectureBytes), "use a smaller model description")
	}
	return Architecture{format, base64.StdEncoding.EncodeToString(deflate(data))}, nil
}

// Digest identifies an architecture: the model's digest in a plan.
func Digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hashPrefix + hex.EncodeToString(sum[:])
}

// Unpack gives the architecture in its format.
func (a Architecture) Unpack() ([]byte, error) {
	packed, err := base64.StdEncoding.DecodeString(a.Deflate)
	if err != nil {
		return nil, err
	}
	return inflate(packed, MaxArchitectureBytes)
}

// Architecture gives the model's architecture in its format, checked against the model's digest.
func (p *Plan) Architecture() (format string, data []byte, err error) {
	data, err = p.Model.Architecture.Unpack()
	if err != nil {
		return "", nil, diag.New(diag.Invalid, "plan.bad-architecture", reading, "the model's architecture in it cannot be read", "make the plan again").Because(err)
	}
	if digest := Digest(data); digest != p.Model.Digest {
		return "", nil, diag.New(diag.Invalid, "plan.bad-architecture", reading,
			"the model's architecture in it has the digest "+digest+", the plan says "+clip(p.Model.Digest), "make the plan again")
	}
	return p.Model.Architecture.Format, data, nil
}

func deflate(data []byte) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestCompression)
	if err != nil {
		panic(err) // the level is a constant
	}
	// Writing to a bytes.Buffer does not fail.
	_, _ = w.Write(data)
	_ = w.Close()
	return b.Bytes()
}

// inflate reads raw DEFLATE up to a limit and refuses text after its end.
func inflate(packed []byte, limit int) ([]byte, error) {
	source := bytes.NewReader(packed)
	r := flate.NewReader(source)
	data, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err != nil {
		return nil, err
	}
	if len(data) > limit {
		return nil, fmt.Errorf("it inflates to more than %d bytes", limit)
	}
	if source.Len() != 0 {
		return nil, fmt.Errorf("%d bytes follow its end", source.Len())
	}
	return data, nil
}
