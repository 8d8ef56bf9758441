package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/report"
	"partita/planner/synthetic"
	"partita/runtime/npy"
	"partita/runtime/wire"
	"partita/server/cloud"
)

// What lower precision does to a model's answers is measured where it serves: the same plan in float32 is deployed beside the
// deployment for a moment, both are sent the same inputs, and it is removed again. Its functions and objects have names of their own, which the
// journal names before they are made and which no deployment can have.

// exactSuffix marks what belongs to the twin in float32. Names of deployments have no underscore.
const exactSuffix = "_f32"

// Choices of Request.MeasureError.
const (
	MeasureAuto = "auto" // as Options.MeasureErrors says, and where samples are given
	MeasureOn   = "on"
	MeasureOff  = "off"
)

// madeSamples is how many inputs are made up to measure with where none are given.
const madeSamples = 4

// maxSamples bounds the samples of a request.
const maxSamples = 64

// measurePatience bounds a measurement, and its removal.
const measurePatience = 10 * time.Minute

func checkMeasure(r *Request) error {
	switch r.MeasureError {
	case "", MeasureAuto, MeasureOn, MeasureOff:
	default:
		return diag.New(diag.Usage, "deploy.bad-measure", "choosing whether to measure the outputs' error", "there is no choice called "+quote(r.MeasureError), "use auto, on or off")
	}
	if r.MeasureError == MeasureOff && len(r.Samples) > 0 {
		return diag.New(diag.Usage, "deploy.bad-measure", "choosing whether to measure the outputs' error", "samples are given and measuring is switched off", "leave one of both out")
	}
	if len(r.Samples) > maxSamples {
		return diag.New(diag.Limit, "deploy.too-many-samples", "measuring the outputs' error", "more samples are given than are sent through", fmt.Sprintf("give at most %d", maxSamples))
	}
	for _, sample := range r.Samples {
		if len(sample) == 0 || slices.ContainsFunc(sample, func(in InvocationInput) bool { return in.Upload != "" || len(in.Data) == 0 }) {
			return diag.New(diag.Usage, "deploy.bad-sample", "measuring the outputs' error", "a sample has no data, or is an upload", "send every sample's inputs within the request")
		}
	}
	return nil
}

// lowered tells whether a blueprint stores weights in less than float32.
func (b *Blueprint) lowered() bool {
	return slices.ContainsFunc(b.Stages, func(p Part) bool { return p.Precision != "" })
}

// measured gives the error of a deployment's outputs; nil where there is none, or it is not wanted. That it cannot be measured is
// no reason to take the deployment back, unless it was to be stopped: then the answer says why.
func (d *Deployer) measured(ctx context.Context, r Request, w Weights, b *Blueprint, j *journal, feed *Feed) (*report.OutputError, error) {
	wanted := r.MeasureError == MeasureOn || len(r.Samples) > 0 || r.MeasureError != MeasureOff && d.options.MeasureErrors
	if !b.lowered() || !wanted {
		return nil, nil
	}
	step := feed.Start("measure", "error of the outputs", 0)
	limited, cancel := context.WithTimeout(ctx, measurePatience)
	defer cancel()
	found, err := d.measure(limited, r, w, b, j)
	if removal := d.dropTwin(ctx, j, r.Name); err == nil {
		err = removal
	}
	if step.End(err); err == nil {
		return found, nil
	}
	if ctx.Err() != nil || diag.CodeOf(err) == "deploy.taken-over" {
		return nil, err
	}
	d.options.Logger.Warn("the error of the outputs could not be measured", "deployment", r.Name, "error", err)
	return &report.OutputError{Unmeasured: err.Error()}, nil
}

// measure deploys the twin and sends samples through both. Its caller removes the twin.
func (d *Deployer) measure(ctx context.Context, r Request, w Weights, b *Blueprint, j *journal) (*report.OutputError, error) {
	exact, err := d.twin(ctx, r, w)
	if err != nil {
		return nil, err
	}
	name := r.Name + exactSuffix
	if err := j.before(ctx, Resource{prefixKind, packagesOf(name)}, Resource{prefixKind, runsOf(name)}); err != nil {
		return nil, err
	}
	unseen := NewFeed() // these are steps of one step
	for i := range exact.Stages {
		if err := d.pack(ctx, name, &exact.Stages[i], unseen); err != nil {
			return nil, err
		}
	}
	if err := d.pack(ctx, name, &exact.Gateway, unseen); err != nil {
		return nil, err
	}
	parts := append(slices.Clone(exact.Stages), exact.Gateway)
	err = each(ctx, parts, func(ctx context.Context, p *Part) error { return d.createAs(ctx, r.Name, name, p, exact, j, unseen) })
	if err != nil {
		return nil, err
	}
	samples := r.Samples
	found := &report.OutputError{MadeUp: len(samples) == 0}
	for i := 0; i < madeSamples && found.MadeUp; i++ {
		made, err := sampleFor(b, i)
		if err != nil {
			return nil, err
		}
		samples = append(samples, made)
	}
	var refused error
	for _, sample := range samples {
		in := Invocation{Inputs: sample, Top: 1}
		want, err := d.send(ctx, &Deployment{Name: name, Gateway: exact.Gateway.Function}, in)
		if err != nil && found.MadeUp && ctx.Err() == nil {
			refused = err // a made-up input may be none that this model takes
			continue
		}
		if err != nil {
			return nil, err
		}
		got, err := d.send(ctx, &Deployment{Name: r.Name, Gateway: b.Gateway.Function}, in)
		if err != nil {
			return nil, err
		}
		if err := compareReplies(found, want, got); err != nil {
			return nil, diag.New(diag.Internal, "deploy.incomparable", "measuring the outputs' error", err.Error(), "").Because(err)
		}
	}
	if found.Samples == 0 {
		return nil, refused
	}
	return found, nil
}

// twin works out the plan in float32: cuts and transports are the same, and functions large enough for weights of four bytes, which they
// fetch when they start, as no package may hold them.
func (d *Deployer) twin(ctx context.Context, r Request, w Weights) (*Blueprint, error) {
	exact := *r.plan
	exact.Stages = slices.Clone(r.plan.Stages)
	for i := range exact.Stages {
		s := &exact.Stages[i]
		if s.Precision != "" || s.Packaging != "" && s.Packaging != plan.PackagingZip {
			s.Packaging = plan.PackagingS3
		}
		s.Precision = ""
	}
	r.plan, r.Name = &exact, r.Name+exactSuffix
	b, err := d.options.Prepare(ctx, &r, w)
	if err != nil {
		return nil, err
	}
	most := int64(math.MaxInt64)
	if bought, err := platform.Get(exact.Platform); err == nil {
		most = bought.MaxMemoryMB
	}
	for i := range b.Stages {
		// Loading takes up to three times the weights: the file, what is mapped of it, and the rearranged copy.
		p := &b.Stages[i]
		p.MemoryMB = min(p.MemoryMB+3*p.WeightBytes>>20, max(most, p.MemoryMB))
	}
	return b, nil
}

// sampleFor makes an input up for every input of a model.
func sampleFor(b *Blueprint, number int) ([]InvocationInput, error) {
	var inputs []InvocationInput
	for i := range b.Inputs {
		spec := &b.Inputs[i]
		shape := slices.Clone(spec.Shape)
		for k, size := range shape {
			switch {
			case size == wire.Free && len(shape) > 2:
				shape[k] = 32
			case size == wire.Free:
				shape[k] = 8
			case size < 0: // the batch
				shape[k] = 1
			}
		}
		dtype, _ := graph.ParseDType(spec.DType)
		array, err := npy.FromFloat64s(shape, synthetic.Input(spec.Name, dtype, shape, b.Preprocess, number)).Convert(spec.DType)
		if err != nil {
			return nil, err
		}
		var file bytes.Buffer
		if err := array.Write(&file); err != nil {
			return nil, err
		}
		inputs = append(inputs, InvocationInput{Name: spec.Name, Data: file.Bytes()})
	}
	return inputs, nil
}

// dropTwin removes the twin in float32 and takes it out of the journal.
func (d *Deployer) dropTwin(ctx context.Context, j *journal, name string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackPatience)
	defer cancel()
	twin := name + exactSuffix
	belongs := func(r Resource) bool {
		return r.Kind == functionKind && strings.HasPrefix(r.Name, functionsOf(twin)) || r.Kind == prefixKind && (r.Name == packagesOf(twin) || r.Name == runsOf(twin))
	}
	var problems []error
	for _, r := range j.resources() {
		if r.Kind != functionKind || !belongs(r) {
			continue
		}
		switch f, err := d.options.Functions.Function(ctx, r.Name); {
		case cloud.IsNotFound(err):
		case err != nil:
			problems = append(problems, err)
		case f.Tags[tagDeployment] == name: // another's is the reason why there is no twin
			problems = append(problems, d.options.Functions.DeleteFunction(ctx, r.Name))
		}
	}
	for _, prefix := range []string{folderOf(twin), runsOf(twin)} {
		problems = append(problems, d.deleteAll(ctx, prefix))
	}
	if err := errors.Join(problems...); err != nil {
		return err // the journal still knows what destroy has to remove
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.doc.Entries = slices.DeleteFunc(j.doc.Entries, belongs) // written with the next change
	return nil
}
