package state

import (
	"errors"
	"strings"

	"partita/planner/plan"
	"partita/planner/report"
)

// Phase is how far a deployment has come, as the page knows it.
type Phase string

// The phases. An absent one is Undeployed.
const (
	Undeployed  Phase = ""
	Uploading   Phase = "uploading" // the weights; nothing has been made yet
	Deploying   Phase = "deploying"
	Serving     Phase = "serving"
	Destroying  Phase = "destroying"
	Interrupted Phase = "interrupted" // the server that worked on it is gone, and what it made is still there
)

// Deployment is what the page knows of the deployment that it made or makes. It outlives the page: see Visit.
type Deployment struct {
	Name      string     `json:"name"`
	Model     string     `json:"model,omitempty"` // digest of the model that the name was suggested for
	Phase     Phase      `json:"phase,omitempty"`
	Plan      string     `json:"plan,omitempty"`      // hash of the plan that was deployed
	Predicted *Predicted `json:"predicted,omitempty"` // of the plan that was deployed, which may not be on the screen any more
}

// Predicted is what a plan says, for what is measured to be held against.
type Predicted struct {
	Scenario    string       `json:"scenario"`
	LatencyUs   int64        `json:"latencyUs"`
	CostPicoUSD int64        `json:"costPicoUSD"`
	Stages      []plan.Stage `json:"stages"`
	// What happens when in a request that finds all functions cold, and all warm; nil in what an earlier page has kept.
	Cold *report.Timeline `json:"cold,omitempty"`
	Warm *report.Timeline `json:"warm,omitempty"`
}

// PredictedBy takes from an answer what it predicts.
func PredictedBy(a *Answer) *Predicted {
	p := a.Plan
	return &Predicted{Scenario: p.Request.Scenario, LatencyUs: p.LatencyUs, CostPicoUSD: p.CostPicoUSD, Stages: p.Stages, Cold: &a.Cold, Warm: &a.Warm}
}

// Deployed is what the server knows of a deployment.
type Deployed struct {
	State     string `json:"state"` // "deploying", "ready", "destroying" or "interrupted"
	Plan      string `json:"plan"`  // its hash
	Resources []struct {
		Kind string `json:"kind"`
		Name string `json:"name"`
	} `json:"resources"` // of an interrupted one: what was made or about to be
	OutputError *report.OutputError `json:"outputError"` // where weights are stored in less than float32
}

// Outputs says how far the answers of a deployment are from exact, where they are not; it begins with a space.
func (d *Deployed) Outputs() string {
	if d.OutputError == nil {
		return ""
	}
	text := report.Outputs(d.OutputError)
	return " " + strings.ToUpper(text[:1]) + text[1:] + "."
}

// Cloud says where deployments go.
type Cloud struct {
	Kind   string   `json:"kind"` // "local" or "aws"
	Region string   `json:"region"`
	Bucket string   `json:"bucket"`
	Limits []string `json:"limits"`
}

// ShortLink is a link that the server keeps.
type ShortLink struct {
	ID    string `json:"id"`
	Model string `json:"model"`
	Bytes int64  `json:"bytes"`
	Made  string `json:"created"` // as RFC 3339 has it
}

// CodeUnreachable is the code of the problem that the server does not answer.
const CodeUnreachable = "server.unreachable"

// Unreachable tells whether an error says that the server does not answer.
func Unreachable(err error) bool { return HasCode(err, CodeUnreachable) }

// HasCode tells whether an error is a problem with a code.
func HasCode(err error, code string) bool {
	var p *Problem
	return errors.As(err, &p) && p.Code == code
}

// PhaseAfter gives the phase of a deployment that the page lost sight of, from what the server says of it now: found is nil when
// there is none. note says what became of it.
func (d *Deployment) PhaseAfter(found *Deployed) (phase Phase, note string) {
	switch {
	case found == nil && d.Phase == Destroying:
		return Undeployed, "Destroyed: nothing is left."
	case found == nil && d.Phase == Serving:
		return Undeployed, "The deployment is not there any more: somebody destroyed it."
	case found == nil && d.Phase == Uploading:
		return Undeployed, "The weights were still being uploaded: nothing was deployed and nothing is left behind. Press Deploy to begin again."
	case found == nil:
		return Undeployed, "The deployment was not completed, and nothing of it is left. Press Deploy to begin again."
	case d.Phase == Uploading && found.Plan != d.Plan:
		return Undeployed, "There is another deployment of this name. Take another name to deploy this plan."
	case found.State == "ready":
		return Serving, "Deployed: it serves now." + found.Outputs()
	case found.State == "destroying":
		return Destroying, "Destroying…"
	case found.State == "deploying":
		return Deploying, "Deploying…"
	}
	return Interrupted, "The server was stopped in the middle. What it had made is listed in its journal and still there: Destroy removes it."
}
