package deploy

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/hdf5"
	"partita/planner/load"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/precision"
	"partita/planner/rewrite"
	"partita/planner/solve"
	"partita/runtime/wire"
	"partita/server/split"
)

// A stage may take so much longer than predicted before it is stopped: predictions are for an idle machine, and the
// first run after a deployment is slower than any other.
const (
	timeoutFactor   = 10
	timeoutFloorSec = 60
)

// readPlan decodes a plan and refuses one that cannot be deployed here.
func (o *Options) readPlan(document []byte) (*plan.Plan, error) {
	p, err := plan.Decode(document)
	if err != nil {
		return nil, err
	}
	if p.Status == plan.Infeasible {
		return nil, diag.New(diag.Infeasible, "deploy.infeasible-plan", "reading the plan", "no plan satisfies what was asked: "+p.Reason, "change the request and plan again")
	}
	if bought, err := platform.Get(p.Platform); err == nil && bought.PlanningOnly {
		return nil, diag.New(diag.Usage, "deploy.planning-only", "reading the plan", "it is for "+p.Platform+", which plans can be made for but nothing is deployed to",
			"plan for an aws-lambda platform or for local")
	}
	if _, region, named := strings.Cut(p.Platform, "@"); named && o.Region != "" && region != o.Region {
		return nil, diag.New(diag.Usage, "deploy.other-region", "reading the plan", "it counts the prices of "+region+", and this server makes functions in "+o.Region,
			"serve with --region "+region+", or plan with --region "+o.Region)
	}
	return p, nil
}

var preprocessings = []string{"caffe", "tf", "torch", "unit", "none"}

func checkPreprocess(name string) error {
	for _, known := range preprocessings {
		if name == known || name == "" {
			return nil
		}
	}
	return diag.New(diag.Usage, "deploy.bad-preprocess", "choosing how images are prepared", "there is no way called "+quote(name), "use one of "+strings.Join(preprocessings, ", "))
}

// prepare works a deployment out: it rebuilds the model from the architecture in the plan, binds the uploaded weights to
// it, and splits it where the plan says.
func (d *Deployer) prepare(ctx context.Context, r *Request, w Weights) (*Blueprint, error) {
	p := r.plan
	doing := "preparing " + r.Name
	bought, err := platform.Get(p.Platform)
	if err != nil {
		return nil, err
	}
	native, architecture, err := d.nativeFor(bought)
	if err != nil {
		return nil, err
	}
	model, err := rewrite.Model(p)
	if err != nil {
		return nil, err
	}
	if last := p.Stages[len(p.Stages)-1].LastLayer; last != len(model.Graph.Layers) {
		return nil, diag.New(diag.Invalid, "plan.invalid", doing, fmt.Sprintf("the plan's stages end at layer %d and the model has %d", last, len(model.Graph.Layers)), "make the plan again")
	}
	file := load.File{Name: w.Name, Size: w.Size, Reader: w.Reader}
	if second := d.options.SecondReader; second != nil {
		file.Second = func(r io.ReaderAt, size int64) (*hdf5.File, error) { return second(ctx, r, size) }
	}
	source, err := model.Weights(file)
	if err != nil {
		return nil, err
	}
	var sections []split.Section
	branched := false
	for _, s := range p.Stages {
		stored, err := precision.Parse(s.Precision)
		if err != nil {
			return nil, err
		}
		sections = append(sections, split.Section{End: s.LastLayer, Precision: stored, Branch: s.Branch})
		branched = branched || s.Branch > 0
		if s.Packaging != "" && !slices.Contains(plan.Packagings, s.Packaging) {
			return nil, diag.New(diag.Invalid, "deploy.packaging", doing, fmt.Sprintf("stage %d is to be packaged as %s", s.Index, quote(s.Packaging)),
				"plan with one of "+strings.Join(plan.Packagings, ", ")+", which are those that this version deploys")
		}
		if s.Packaging == plan.PackagingImage {
			if err := checkRepository(r.Name); err != nil {
				return nil, err
			}
		}
	}
	stages, err := split.Sections(model.Graph, sections, r.Name)
	if err != nil {
		return nil, err
	}
	b := &Blueprint{
		Plan: summaryOf(p), Architecture: architecture, LatencyUs: p.LatencyUs, CostPicoUSD: p.CostPicoUSD, Preprocess: r.Preprocess,
		RuntimeLayer: func(w io.Writer) error { return split.WriteRuntimeLayer(w, native) },
	}
	if b.Preprocess == "" {
		b.Preprocess = p.Model.Preprocess
	}
	limit, sent := bought.TimeoutUs/1e6, p.Sending()
	manifest := wire.GatewayManifest{
		Format: wire.GatewayFormat, Deployment: r.Name, Bucket: d.options.Store.Bucket(), KeyPrefix: runsOf(r.Name),
		Wake: p.Request.Scenario == string(solve.ColdOverlapped), Batch: sent.Batch, Concurrency: max(d.options.Concurrency, 1), Preprocess: b.Preprocess,
		Cost: wire.FunctionCost{MemoryMB: p.Gateway.MemoryMB, PicoUSDPerMs: bought.PicoUSDPerMs(p.Gateway.MemoryMB), PicoUSDPerRun: p.Gateway.FeesPicoUSD, RequestPicoUSD: bought.RequestPicoUSD},
	}
	if p.Batching != nil { // else a request of more inputs than planned for is shared as the server is set up to
		manifest.Concurrency, manifest.Turns = int(sent.Pipelines), int(sent.Turns())
	}
	manifest.Inputs, manifest.InputNames = ports(model.Graph, model.Graph.Inputs)
	manifest.Outputs, manifest.OutputNames = ports(model.Graph, model.Graph.Outputs)
	b.Inputs, b.Outputs = manifest.Inputs, manifest.Outputs
	for i, stage := range stages {
		s := &p.Stages[i]
		name := fmt.Sprintf("stage-%d", s.Index)
		predictedUs := s.InitUs + s.InputUs + s.ComputeUs + s.OutputUs
		part := Part{
			Name: name, Function: functionsOf(r.Name) + name, Layers: s.Layers,
			Description: describePart(fmt.Sprintf("%s: stage %d of %d, %s", r.Name, s.Index, len(stages), s.Layers)),
			MemoryMB:    s.MemoryMB, TimeoutSeconds: min(timeoutFloorSec+timeoutFactor*predictedUs/1e6, limit),
			WeightBytes: stage.WeightBytes(), TransportIn: s.TransportIn, Branch: s.Branch, PackageBytes: s.PackageBytes,
			Write:       func(w io.Writer) error { return stage.WritePackage(w, source, native) },
			WakeEvent:   wakeEvent(),
			TemporaryMB: s.TemporaryMB,
		}
		if sections[i].Precision != precision.Float32 && stage.Lowered() {
			part.Precision = s.Precision
			part.WeightLoss = func() float64 { return stage.Loss().Relative() }
		}
		if s.Packaging == plan.PackagingS3 && stage.WeightsFileBytes() > 0 {
			if err := apart(&part, stage, bought, doing); err != nil {
				return nil, err
			}
			part.WriteWeights = func(w io.Writer) error { return stage.WriteWeights(w, source) }
			part.Environment = map[string]string{wire.WeightsVariable: "s3://" + manifest.Bucket + "/" + weightsKey(r.Name, name)}
		}
		if s.Packaging == plan.PackagingImage {
			inImage(&part, func(w io.Writer) error { return stage.WriteLayer(w, source) })
		}
		b.Stages = append(b.Stages, part)
		manifest.Stages = append(manifest.Stages, wire.GatewayStage{
			Function: functionsOf(r.Name) + name, TransportIn: s.TransportIn, TransportOut: s.TransportOut,
			Cost:      wire.FunctionCost{MemoryMB: s.MemoryMB, PicoUSDPerMs: bought.PicoUSDPerMs(s.MemoryMB), PicoUSDPerRun: (s.FeesPicoUSD-s.Invocations*bought.RequestPicoUSD)/sent.Passes + bought.RequestPicoUSD, RequestPicoUSD: bought.RequestPicoUSD},
			Predicted: wire.PhaseTimes{InitUs: s.InitUs, InputUs: s.InputUs, ComputeUs: s.ComputeUs, OutputUs: s.OutputUs},
			Branch:    s.Branch, Takes: takes(stage, branched),
		})
	}
	if p.Workflow != nil {
		by, err := platform.Orchestration(p.Orchestration(), p.Platform)
		if err != nil {
			return nil, err
		}
		cost := wire.WorkflowCost{PicoUSDPerRun: by.RequestPicoUSD, PicoUSDPerMs: by.PicoUSDPerMs(), StepMs: by.GranularityUs / 1000}
		if b.Workflow, err = d.workflow(p, r.Name, cost); err != nil {
			return nil, err
		}
		manifest.Workflow = &cost
	}
	b.Gateway = Part{
		Name: "gateway", Function: gatewayName(r.Name), MemoryMB: p.Gateway.MemoryMB,
		Description: describePart(r.Name + ": gateway to " + p.Model.Name),
		// It waits for all stages, for as many passes as a batch takes.
		TimeoutSeconds: limit,
		Write:          func(w io.Writer) error { return split.WriteGatewayPackage(w, manifest, native.Bootstrap) },
		WakeEvent:      gatewayWakeEvent(),
		WakeRefused:    true,
	}
	return b, nil
}

// The most temporary storage that a function can have (AWS Lambda quotas, 2026), and what is left of it for other files
// than the weights.
const (
	maxTemporaryMB  = 10240
	temporaryRoomMB = 16
)

// apart makes a part one whose weights are fetched when it starts, with room for them.
func apart(part *Part, stage *split.Stage, bought *platform.Platform, doing string) error {
	part.Packaging = plan.PackagingS3
	needs := (stage.WeightsFileBytes()+1<<20-1)>>20 + temporaryRoomMB
	if needs > maxTemporaryMB {
		return diag.New(diag.Limit, "deploy.temporary-storage", doing, fmt.Sprintf("the weights of %s need %d MB of temporary storage, and functions have at most %d", part.Name, needs, maxTemporaryMB),
			"plan with more stages")
	}
	if needs > max(bought.TemporaryMB, part.TemporaryMB) {
		part.TemporaryMB = needs
	}
	return nil
}

// takes names what a stage is given where some stages run side by side: not all that the gateway has is then for each.
func takes(stage *split.Stage, branched bool) (names []string) {
	if !branched {
		return nil
	}
	for _, t := range stage.Manifest.Inputs {
		names = append(names, t.Name)
	}
	return names
}

// ports gives the tensors that users send or get, and the graph's names of the same.
func ports(g *graph.Graph, list []graph.Port) (specs []wire.TensorSpec, names []string) {
	for _, port := range list {
		v := g.Value(port.Value)
		specs = append(specs, wire.TensorSpec{Name: port.Name, DType: v.DType.String(), Shape: v.RunShape()})
		names = append(names, v.Name)
	}
	return specs, names
}

// maxDescription is the most that Lambda takes as a function's description (AWS Lambda API reference, CreateFunction).
const maxDescription = 256

func describePart(text string) string {
	text = strings.ToValidUTF8(text, "?")
	if len(text) > maxDescription {
		text = strings.ToValidUTF8(text[:maxDescription-3], "") + "..."
	}
	return text
}
