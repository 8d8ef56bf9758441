package deploy

import (
	"io"
	"time"

	"partita/planner/report"
	"partita/runtime/wire"
)

// Blueprint is a deployment worked out to the last byte, before anything is made.
type Blueprint struct {
	Plan         planSummary
	Architecture string // of the processor the functions need; "" is the cloud's default
	Stages       []Part
	Gateway      Part
	Workflow     *Workflow // nil where the gateway drives
	LatencyUs    int64
	CostPicoUSD  int64
	Inputs       []wire.TensorSpec
	Outputs      []wire.TensorSpec
	Preprocess   string
	OutputError  *report.OutputError     // measured once it serves
	RuntimeLayer func(w io.Writer) error // the layer that all container images share
}

// Part is one function of a deployment and its package.
type Part struct {
	Name           string // "stage-1" or "gateway"
	Function       string
	Description    string
	Layers         string
	MemoryMB       int64
	TimeoutSeconds int64
	Environment    map[string]string
	WeightBytes    int64
	TransportIn    string
	Branch         int   // of stages that run side by side, from 1; 0: it runs alone
	PackageBytes   int64 // about; for progress
	Write          func(w io.Writer) error
	// WriteWeights, where it is set, writes the weights that the function fetches when it starts. It comes before Write.
	WriteWeights func(w io.Writer) error
	// WriteLayer, in the place of Write, writes the layer of the part's container image that is its own.
	WriteLayer  func(w io.Writer) error
	Image       string         // address of the image, once it is in a registry
	TemporaryMB int64          // size of /tmp; 0 is what every function has
	Packaging   string         // where it is not "zip"
	Precision   string         // where it is not "float32"
	WeightLoss  func() float64 // once it is written: how far its weights are from the exact ones, relative to them
	WakeEvent   []byte
	// WakeRefused says that the function answers its wake with a diagnostic of its own: see gatewayWakeEvent.
	WakeRefused bool
}

func (b *Blueprint) manifest(name string, created time.Time) *Deployment {
	m := &Deployment{Format: DeploymentFormat, Name: name, State: Ready, Created: created, Plan: b.Plan.Hash, Model: b.Plan.Model, Platform: b.Plan.Platform, Architecture: b.Architecture,
		LatencyUs: b.LatencyUs, CostPicoUSD: b.CostPicoUSD, Gateway: b.Gateway.Function, Inputs: b.Inputs, Outputs: b.Outputs, Preprocess: b.Preprocess, OutputError: b.OutputError}
	if w := b.Workflow; w != nil {
		m.Workflow = &DeployedWorkflow{Name: w.Name, PicoUSDPerRun: w.Cost.PicoUSDPerRun, PicoUSDPerMs: w.Cost.PicoUSDPerMs}
	}
	for _, p := range b.Stages {
		m.Stages = append(m.Stages, DeployedStage{Function: p.Function, Layers: p.Layers, MemoryMB: p.MemoryMB, WeightBytes: p.WeightBytes, TransportIn: p.TransportIn, Branch: p.Branch,
			Packaging: p.Packaging, Image: p.Image, Precision: p.Precision, WeightError: p.weightError()})
	}
	return m
}

// weightError is the loss of a part's weights; 0 where they are exact.
func (p *Part) weightError() float64 {
	if p.WeightLoss == nil {
		return 0
	}
	return p.WeightLoss()
}
