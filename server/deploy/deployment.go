package deploy

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"partita/planner/diag"
	"partita/planner/plan"
	"partita/planner/report"
	"partita/runtime/wire"
	"partita/server/cloud"
)

// DeploymentFormat is the format of manifest.json and of what the interface shows of a deployment.
const DeploymentFormat = "partita.deployment/1"

// States of a deployment.
const (
	Deploying   = "deploying"
	Ready       = "ready"
	Destroying  = "destroying"
	Interrupted = "interrupted" // the server that worked on it is gone; destroy removes what it made
)

// Deployment is a deployment as people and programs see it, and as its manifest in the bucket keeps it.
type Deployment struct {
	Format   string       `json:"format"`
	Name     string       `json:"name"`
	State    string       `json:"state" enum:"deploying,ready,destroying,interrupted"`
	Created  time.Time    `json:"created"`
	Plan     string       `json:"plan" doc:"hash of the plan document"`
	Model    ModelSummary `json:"model"`
	Platform string       `json:"platform,omitempty" doc:"the platform that the plan is for"`
	// Architecture is absent from deployments of versions that did not record it.
	Architecture string              `json:"architecture,omitempty" enum:"x86_64,arm64" doc:"the processor that the functions run on"`
	LatencyUs    int64               `json:"latencyUs,omitempty" doc:"as planned"`
	CostPicoUSD  int64               `json:"costPicoUSD,omitempty" doc:"of one request, as planned"`
	Gateway      string              `json:"gateway,omitempty" doc:"the function that takes requests"`
	Workflow     *DeployedWorkflow   `json:"workflow,omitempty" doc:"what takes requests in the gateway's place, where a workflow drives the stages"`
	Stages       []DeployedStage     `json:"stages,omitempty"`
	Inputs       []wire.TensorSpec   `json:"inputs,omitempty"`
	Outputs      []wire.TensorSpec   `json:"outputs,omitempty"`
	Preprocess   string              `json:"preprocess,omitempty" doc:"how images are prepared"`
	OutputError  *report.OutputError `json:"outputError,omitempty" doc:"where weights are stored in less than float32 and it was measured: how far the answers are from exact"`
	Resources    []Resource          `json:"resources,omitempty" doc:"of an unfinished deployment: what it has made or was about to make"`
}

// ModelSummary says which model is served.
type ModelSummary struct {
	Name       string `json:"name"`
	Digest     string `json:"digest,omitempty"`
	Layers     int    `json:"layers,omitempty"`
	Parameters int64  `json:"parameters,omitempty"`
}

// DeployedWorkflow is the state machine that drives a deployment's stages. Its input and output are the gateway's.
type DeployedWorkflow struct {
	Name          string `json:"name" doc:"of the state machine"`
	PicoUSDPerRun int64  `json:"picoUSDPerRun" doc:"what the start of an execution costs"`
	PicoUSDPerMs  int64  `json:"picoUSDPerMs" doc:"what it costs for each millisecond that it is billed"`
}

// DeployedStage is one stage of a deployment.
type DeployedStage struct {
	Function    string `json:"function"`
	Layers      string `json:"layers"`
	MemoryMB    int64  `json:"memoryMB"`
	WeightBytes int64  `json:"weightBytes"`
	TransportIn string `json:"transportIn,omitempty"`
	Branch      int    `json:"branch,omitempty"` // of stages that run side by side, from 1
	Packaging   string `json:"packaging,omitempty" doc:"where it is not zip: s3 for weights that are fetched when the function starts, image for a container image"`
	Image       string `json:"image,omitempty" doc:"address of the container image that the function is made of"`
	Precision   string `json:"precision,omitempty" doc:"where it is not float32: how the weights are stored"`
	// WeightError is measured while packaging.
	WeightError float64 `json:"weightError,omitempty" doc:"of the weights stored in less than float32: the Euclidean norm of the difference over that of the weights"`
}

// maxManifestBytes bounds the manifest that is read.
const maxManifestBytes = 4 << 20

// planSummary is the part of a plan that a deployment shows.
type planSummary struct {
	Hash     string
	Model    ModelSummary
	Platform string
}

func summaryOf(p *plan.Plan) planSummary {
	return planSummary{Hash: p.Hash, Platform: p.Platform, Model: ModelSummary{Name: p.Model.Name, Digest: p.Model.Digest, Layers: p.Model.Layers, Parameters: p.Model.Parameters}}
}

// Get describes a deployment.
func (d *Deployer) Get(ctx context.Context, name string) (*Deployment, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	j, err := d.loadJournal(ctx, name)
	if cloud.IsNotFound(err) {
		return nil, unknown("looking for", name)
	}
	if err != nil {
		return nil, err
	}
	return d.describe(ctx, &j.doc)
}

func (d *Deployer) describe(ctx context.Context, doc *Journal) (*Deployment, error) {
	state := d.state(doc)
	unfinished := &Deployment{Format: DeploymentFormat, Name: doc.Name, State: state, Created: doc.Started, Plan: doc.Plan, Model: ModelSummary{Name: doc.Model}}
	if state == Interrupted {
		unfinished.Resources = doc.Entries
	}
	data, _, err := d.options.Store.Get(ctx, manifestKey(doc.Name), maxManifestBytes)
	if cloud.IsNotFound(err) {
		if state == Ready { // its journal says so, but without a manifest nothing can be said about it
			unfinished.State, unfinished.Resources = Interrupted, doc.Entries
		}
		return unfinished, nil
	}
	if err != nil {
		return nil, err
	}
	manifest := &Deployment{}
	if err := json.Unmarshal(data, manifest); err != nil || manifest.Format != DeploymentFormat {
		return nil, diag.New(diag.Internal, "deploy.bad-manifest", "reading the manifest of "+doc.Name, "it is not a manifest of this version of Partita",
			"use the version that made it, or destroy the deployment").Because(err)
	}
	manifest.State = state
	manifest.Resources = unfinished.Resources
	return manifest, nil
}

// List describes all deployments, by name.
func (d *Deployer) List(ctx context.Context) ([]*Deployment, error) {
	journals, err := d.journals(ctx)
	if err != nil {
		return nil, err
	}
	all := []*Deployment{}
	for _, j := range journals {
		one, err := d.describe(ctx, &j.doc)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// journals reads all journals, by deployment.
func (d *Deployer) journals(ctx context.Context) ([]*journal, error) {
	objects, err := d.options.Store.List(ctx, "deployments/")
	if err != nil {
		return nil, err
	}
	var all []*journal
	for _, o := range objects {
		name, isJournal := strings.CutSuffix(strings.TrimPrefix(o.Key, "deployments/"), "/journal.json")
		if !isJournal || CheckName(name) != nil {
			continue
		}
		j, err := d.loadJournal(ctx, name)
		if cloud.IsNotFound(err) { // destroyed since it was listed
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, j)
	}
	return all, nil
}

// Watch gives the steps of a deployment: those of the work under way, or of the last that this process did.
func (d *Deployer) Watch(ctx context.Context, name string) (*Feed, error) {
	if err := CheckName(name); err != nil {
		return nil, err
	}
	if f := d.feed(name); f != nil {
		return f, nil
	}
	one, err := d.Get(ctx, name)
	if err != nil {
		return nil, err
	}
	// Another process worked on it: only how it ended is known.
	f := NewFeed()
	switch one.State {
	case Ready:
		f.Finish(nil)
	case Interrupted:
		f.Finish(diag.New(diag.Unavailable, "deploy.interrupted", "deploying "+name, "the server that deployed it was stopped",
			"remove what it made with partita destroy "+name+", then deploy again"))
	default:
		f.Finish(diag.New(diag.Unavailable, "deploy.elsewhere", "watching "+name, "another server is "+one.State+" it", "ask again when it is done"))
	}
	return f, nil
}

// Recover looks at what an earlier process left: it reports unfinished deployments and removes uploads that were never
// used.
func (d *Deployer) Recover(ctx context.Context) (interrupted []string, err error) {
	journals, err := d.journals(ctx)
	if err != nil {
		return nil, err
	}
	inUse := map[string]bool{}
	for _, j := range journals {
		for _, r := range j.doc.Entries {
			inUse[r.Name] = true
		}
		if d.state(&j.doc) == Interrupted {
			interrupted = append(interrupted, j.doc.Name)
			d.options.Logger.Warn("a deployment was interrupted; partita destroy removes what it made", "deployment", j.doc.Name, "resources", len(j.doc.Entries))
		}
	}
	return interrupted, d.dropOldUploads(ctx, inUse)
}
