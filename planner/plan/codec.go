package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"partita/planner/diag"
	"partita/planner/precision"
)

// MaxDocumentBytes bounds a document that Decode accepts.
const MaxDocumentBytes = 32 << 20

// hashPrefix begins every content hash.
const hashPrefix = "sha256:"

// Encode gives the canonical form with the content hash, and sets p.Hash.
func (p *Plan) Encode() ([]byte, error) {
	hash, err := p.contentHash()
	if err != nil {
		return nil, err
	}
	p.Hash = hash
	return p.canonical()
}

// contentHash is the SHA-256 of the canonical form without the hash.
func (p *Plan) contentHash() (string, error) {
	bare := *p
	bare.Hash, bare.Reasons, bare.Levers = "", nil, nil // these say why the plan is as it is: the plan is the same without them
	text, err := bare.canonical()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hashPrefix + hex.EncodeToString(sum[:]), nil
}

// canonical writes the document with the members of every object in the order of their names and without white space.
// All numbers are integers, so no other choice is left.
func (p *Plan) canonical() ([]byte, error) {
	full := *p
	full.Stages = present(p.Stages)
	full.Frontier = present(p.Frontier)
	full.Baselines = present(p.Baselines)
	full.Request.MemoryMB = present(p.Request.MemoryMB)
	ordered, err := marshal(&full)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(ordered))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, err
	}
	return marshal(tree) // encoding/json sorts the keys of maps
}

// present makes an absent list an empty one: a list is never null.
func present[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

const reading = "reading the plan"

// Decode reads a document in any layout, checks its hash and that it makes sense.
func Decode(data []byte) (*Plan, error) {
	if len(data) > MaxDocumentBytes {
		return nil, diag.New(diag.Limit, "plan.too-large", reading, fmt.Sprintf("it has %d bytes, the limit is %d", len(data), MaxDocumentBytes),
			"is this file a plan?")
	}
	if err := checkFormat(data); err != nil {
		return nil, err
	}
	var p Plan
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		if strings.Contains(err.Error(), "unknown field") {
			return nil, diag.New(diag.Invalid, "plan.unknown-version", reading, "it has a field that this version does not know",
				"use the version of Partita that wrote it, or a newer one").Because(err)
		}
		return nil, invalid("it does not follow " + Format).Because(err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, invalid("there is more text after the document")
	}
	hash, err := p.contentHash()
	if err != nil {
		return nil, invalid("it has no canonical form").Because(err)
	}
	if hash != p.Hash {
		found := "its content has the hash " + hash + ", it says " + clip(p.Hash)
		if p.Hash == "" {
			found = "it has no hash"
		}
		return nil, diag.New(diag.Invalid, "plan.hash-mismatch", reading, found, "it was changed or damaged after it was written: make the plan again")
	}
	if err := p.check(); err != nil {
		return nil, err
	}
	return &p, nil
}

// checkFormat tells a plan of this version from a newer one, from another document, and from none.
func checkFormat(data []byte) error {
	var head struct {
		Format string `json:"format"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return diag.New(diag.Invalid, "plan.not-a-plan", reading, "it is not a JSON document", "give the file that partita plan --json wrote").Because(err)
	}
	family, version, _ := strings.Cut(head.Format, "/")
	switch {
	case head.Format == Format:
		return nil
	case family == "partita.plan" && version != "":
		return diag.New(diag.Invalid, "plan.unknown-version", reading, fmt.Sprintf("its format is %q, this version of Partita reads %q", clip(head.Format), Format),
			"use the version of Partita that wrote it, or a newer one")
	case strings.HasPrefix(family, "partita."):
		return diag.New(diag.Invalid, "plan.not-a-plan", reading, fmt.Sprintf("it is a document of format %q, not a plan", clip(head.Format)),
			"give the file that partita plan --json wrote")
	}
	return diag.New(diag.Invalid, "plan.not-a-plan", reading, "it is a JSON document, but not a plan: it has no format "+Format,
		"give the file that partita plan --json wrote")
}

// maxInputs bounds the inputs of a request.
const maxInputs = 4096

// maxStages bounds the stages of a plan that Decode accepts.
const maxStages = 10000

// check refuses documents that contradict themselves.
func (p *Plan) check() error {
	switch p.Status {
	case Optimal, Stopped:
		if len(p.Stages) == 0 || len(p.Stages) > maxStages {
			return invalid(fmt.Sprintf("its status is %s with %d stages", p.Status, len(p.Stages)))
		}
	case Infeasible:
		if len(p.Stages) != 0 || p.Reason == "" {
			return invalid("its status is infeasible, with stages or without a reason")
		}
	default:
		return invalid(fmt.Sprintf("its status is %q", clip(string(p.Status))))
	}
	next := 1
	for i := range p.Stages {
		s := &p.Stages[i]
		if s.Index != i+1 || s.FirstLayer != next || s.LastLayer < s.FirstLayer {
			return invalid(fmt.Sprintf("stage %d does not continue the one before it: index %d, layers %d to %d", i+1, s.Index, s.FirstLayer, s.LastLayer))
		}
		next = s.LastLayer + 1
		if !p.sideBySide(i) {
			return invalid(fmt.Sprintf("stage %d is branch %d, which does not continue the stages beside it", i+1, s.Branch))
		}
		if _, err := precision.Parse(s.Precision); err != nil {
			return invalid(fmt.Sprintf("stage %d stores its weights as %q", i+1, clip(s.Precision)))
		}
		var last Phases
		if s.LastPass != nil {
			last = *s.LastPass
		}
		for _, v := range []int64{s.MemoryMB - 1, s.MemoryNeededMB, s.WeightBytes, s.PackageBytes, s.InputBytes, s.OutputBytes, s.InitUs, s.InputUs,
			s.ComputeUs, s.OutputUs, last.InputUs, last.ComputeUs, last.OutputUs, s.BilledUs, s.FeesPicoUSD, s.CostPicoUSD, s.TemporaryMB} {
			if v < 0 {
				return invalid(fmt.Sprintf("stage %d has a negative figure", i+1))
			}
		}
	}
	if b := p.Batching; b != nil && (b.Inputs < 1 || b.Inputs > maxInputs || b.Batch < 1 || b.Batch > b.Inputs || b.Passes != (b.Inputs+b.Batch-1)/b.Batch || b.Pipelines < 1 || b.Pipelines > b.Passes) {
		return invalid(fmt.Sprintf("%d inputs in %d passes of %d over %d pipelines do not fit together", b.Inputs, b.Passes, b.Batch, b.Pipelines))
	}
	if len(p.Reasons) > maxReasons || len(p.Levers) > maxLevers {
		return invalid(fmt.Sprintf("it has %d reasons and %d levers", len(p.Reasons), len(p.Levers)))
	}
	if p.LatencyUs < 0 || p.CostPicoUSD < 0 {
		return invalid("its latency or cost is negative")
	}
	if _, _, err := p.Architecture(); err != nil {
		return err
	}
	return nil
}

// sideBySide tells whether a stage's branch goes on where the stage before stands, and the first of some has a second.
func (p *Plan) sideBySide(i int) bool {
	before, after := 0, 0
	if i > 0 {
		before = p.Stages[i-1].Branch
	}
	if i+1 < len(p.Stages) {
		after = p.Stages[i+1].Branch
	}
	switch b := p.Stages[i].Branch; b {
	case 0:
		return before != 1
	case 1:
		return before != 1 && after == 2
	default:
		return b > 1 && before == b-1
	}
}

func invalid(found string) *diag.Error {
	return diag.New(diag.Invalid, "plan.invalid", reading, found, "make the plan again")
}

// clip shortens text that came from outside for a message.
func clip(s string) string {
	if len(s) > 80 {
		return strings.ToValidUTF8(s[:80], "?") + "..."
	}
	return s
}
