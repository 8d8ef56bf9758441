package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"sync"
	"time"

	"partita/planner/diag"
	"partita/planner/plan"
	"partita/runtime/wire"
	"partita/server/cloud"
)

// Request asks for a deployment.
type Request struct {
	Name       string
	Plan       []byte // the plan document
	Upload     string // id of the uploaded weights
	Preprocess string // for images; "" is what the plan says
	// MeasureError says whether to measure what lower precision does to the outputs: "auto" (also ""), "on" or "off". Samples are inputs to do
	// it with, each one for every input of the model.
	MeasureError string
	Samples      [][]InvocationInput

	plan *plan.Plan // decoded from Plan
}

// Limits of the steps.
const (
	createAtOnce     = 4 // functions created or woken at the same time
	createPatience   = 2 * time.Minute
	rollbackPatience = 3 * time.Minute
)

// functionTags mark what a deployment made, so that nothing else is ever deleted.
const (
	tagDeployment = "partita:deployment"
	tagPlan       = "partita:plan"
)

// Start checks a request, takes the name, and deploys while the caller goes on. Watch tells how it goes.
func (d *Deployer) Start(ctx context.Context, r Request) (*Deployment, error) {
	if err := CheckName(r.Name); err != nil {
		return nil, err
	}
	if err := checkPreprocess(r.Preprocess); err != nil {
		return nil, err
	}
	if err := checkMeasure(&r); err != nil {
		return nil, err
	}
	var err error
	if r.plan, err = d.options.readPlan(r.Plan); err != nil {
		return nil, err
	}
	upload, err := d.findUpload(ctx, r.Upload)
	if err != nil {
		return nil, err
	}
	work, cancel := context.WithCancel(context.WithoutCancel(ctx))
	run, err := d.begin(r.Name, Deploying, cancel)
	if err != nil {
		cancel()
		return nil, err
	}
	summary := summaryOf(r.plan)
	j, err := d.claim(ctx, Journal{Name: r.Name, State: Deploying, Plan: summary.Hash, Model: summary.Model.Name, Entries: []Resource{
		{objectKind, upload.Key}, {prefixKind, packagesOf(r.Name)}, {prefixKind, runsOf(r.Name)},
	}})
	if err != nil {
		d.end(r.Name, run)
		return nil, err
	}
	feed := d.watch(r.Name)
	started := &Deployment{Format: DeploymentFormat, Name: r.Name, State: Deploying, Created: j.doc.Started, Plan: summary.Hash, Model: summary.Model, Platform: summary.Platform}
	go func() {
		began := time.Now()
		err := d.deploy(work, r, upload, j, feed)
		if err != nil {
			if work.Err() != nil && !errors.Is(err, context.DeadlineExceeded) {
				err = diag.New(diag.Interrupted, "deploy.cancelled", "deploying "+r.Name, "it was cancelled", "").Because(context.Cause(work))
			}
			if diag.CodeOf(err) != "deploy.taken-over" {
				err = d.rollBack(ctx, j, feed, err)
			}
			d.options.Logger.Warn("deployment failed", "deployment", r.Name, "code", diag.CodeOf(err), "error", err)
		} else {
			d.options.Logger.Info("deployed", "deployment", r.Name, "elapsed", time.Since(began).Round(time.Millisecond))
		}
		d.end(r.Name, run) // before the feed ends: who sees the end may act on the deployment at once
		feed.Finish(err)
	}()
	return started, nil
}

// deploy does the steps.
func (d *Deployer) deploy(ctx context.Context, r Request, upload *upload, j *journal, feed *Feed) error {
	alive, stop := context.WithCancel(ctx)
	defer stop()
	go j.renew(alive)

	check := feed.Start("check", "weights "+upload.Name, 0)
	body, size, err := d.options.Store.Read(ctx, upload.Key)
	if err != nil {
		return check.End(err)
	}
	weights := Weights{Name: upload.Name, Size: size, Reader: body}
	blueprint, err := d.options.Prepare(ctx, &r, weights)
	if check.End(err) != nil {
		return err
	}

	if err := d.pushImages(ctx, r.Name, blueprint, j, feed); err != nil {
		return err
	}
	for i := range blueprint.Stages {
		if blueprint.Stages[i].WriteLayer != nil {
			continue
		}
		if err := d.pack(ctx, r.Name, &blueprint.Stages[i], feed); err != nil {
			return err
		}
	}
	if err := d.pack(ctx, r.Name, &blueprint.Gateway, feed); err != nil {
		return err
	}

	err = each(ctx, blueprint.Stages, func(ctx context.Context, p *Part) error {
		if err := d.create(ctx, r.Name, p, blueprint, j, feed); err != nil {
			return err
		}
		// The first invocation after a deployment is far slower than all others; users should not meet it.
		return d.wake(ctx, p, feed)
	})
	if err != nil {
		return err
	}
	if err := d.create(ctx, r.Name, &blueprint.Gateway, blueprint, j, feed); err != nil {
		return err
	}
	if err := d.wake(ctx, &blueprint.Gateway, feed); err != nil {
		return err
	}
	if err := d.createWorkflow(ctx, r.Name, blueprint, j, feed); err != nil {
		return err
	}

	if blueprint.OutputError, err = d.measured(ctx, r, weights, blueprint, j, feed); err != nil {
		return err
	}

	write := feed.Start("write", "manifest", 0)
	if err := write.End(d.writeManifest(ctx, r, blueprint, j)); err != nil {
		return err
	}
	remove := feed.Start("delete", "upload "+upload.Name, 0)
	return remove.End(d.finish(ctx, upload, j))
}

// finish removes the upload and declares the deployment ready.
func (d *Deployer) finish(ctx context.Context, upload *upload, j *journal) error {
	if err := d.options.Store.Delete(ctx, upload.Key); err != nil {
		return err
	}
	j.mu.Lock()
	kept := j.doc.Entries[:0:0]
	for _, e := range j.doc.Entries {
		if e.Name != upload.Key {
			kept = append(kept, e)
		}
	}
	j.doc.Entries = kept
	j.mu.Unlock()
	return j.become(ctx, Ready, d.owner)
}

// pack writes a part's package, and before it the weights that are not in it, and uploads them. The journal already names the
// folder they go to.
func (d *Deployer) pack(ctx context.Context, name string, p *Part, feed *Feed) error {
	if p.WriteWeights != nil {
		if err := d.packFile(ctx, p, "weights "+p.Name, weightsKey(name, p.Name), "application/octet-stream", p.WeightBytes, p.WriteWeights, feed); err != nil {
			return err
		}
	}
	return d.packFile(ctx, p, "package "+p.Name, packageKey(name, p.Name), "application/zip", p.PackageBytes, p.Write, feed)
}

// packFile writes a temporary file of about so many bytes and uploads it.
func (d *Deployer) packFile(ctx context.Context, p *Part, what, key, contentType string, about int64, write func(io.Writer) error, feed *Feed) error {
	step := feed.Start("package", what, about)
	file, err := os.CreateTemp(d.options.Folder, "package-*")
	if err != nil {
		return step.End(diag.New(diag.Internal, "deploy.no-temporary-file", "packaging "+p.Name, "no temporary file can be made", "check the data folder").Because(err))
	}
	defer os.Remove(file.Name())
	defer file.Close()
	err = write(&packageFile{File: file, ctx: ctx, tell: step.progress})
	if full := noRoom(err, "packaging "+p.Name); full != nil {
		err = full
	}
	if step.End(err) != nil {
		return err
	}
	size, err := file.Seek(0, io.SeekCurrent)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	step = feed.Start("upload", what, size)
	return step.End(d.options.Store.Put(ctx, key, &seekMeter{file, step.progress}, size, contentType))
}

func (d *Deployer) create(ctx context.Context, name string, p *Part, b *Blueprint, j *journal, feed *Feed) error {
	return d.createAs(ctx, name, name, p, b, j, feed)
}

// createAs creates a function of a deployment from a package under another name.
func (d *Deployer) createAs(ctx context.Context, name, packages string, p *Part, b *Blueprint, j *journal, feed *Feed) error {
	return j.create(ctx, feed, Resource{functionKind, p.Function}, "function", func(creating context.Context) error {
		err := d.options.Functions.CreateFunction(creating, cloud.FunctionSpec{
			Name: p.Function, PackageKey: packageKey(packages, p.Name), Image: p.Image, MemoryMB: p.MemoryMB, TemporaryMB: p.TemporaryMB, TimeoutSeconds: p.TimeoutSeconds,
			Architecture: b.Architecture, Description: p.Description, Environment: p.Environment,
			Tags: map[string]string{tagDeployment: name, tagPlan: b.Plan.Hash},
		})
		if err != nil {
			return err
		}
		return d.options.Functions.WaitActive(ctx, p.Function)
	})
}

// create has a resource created, which the journal names before it is there. What is broken off may be carried out all the same, and later
// than the roll-back that would undo it: so do goes on when the deployment is cancelled. One of the
// name that is there already is refused as deploy.function-exists, deploy.workflow-exists or deploy.repository-exists.
func (j *journal) create(ctx context.Context, feed *Feed, r Resource, what string, do func(creating context.Context) error) error {
	step := feed.Start("create", what+" "+r.Name, 0)
	if err := j.before(ctx, r); err != nil {
		return step.End(err)
	}
	creating, cancel := context.WithTimeout(context.WithoutCancel(ctx), createPatience)
	defer cancel()
	err := do(creating)
	if diag.CodeOf(err) == cloud.CodeConflict {
		err = diag.New(diag.Conflict, "deploy."+r.Kind+"-exists", "creating "+what+" "+r.Name, "there is one of that name that this deployment did not make",
			"delete that "+what+" or take another name").Because(err)
	}
	return step.End(err)
}

// wake invokes a part once, which loads its code and weights where they will run.
func (d *Deployer) wake(ctx context.Context, p *Part, feed *Feed) error {
	step := feed.Start("wake", "function "+p.Function, 0)
	answer, err := d.options.Functions.Invoke(ctx, p.Function, p.WakeEvent)
	if err == nil && answer.Failed != "" {
		failure := wire.ParseFailure(p.Function, answer.Payload)
		if !p.WakeRefused || failure.Kind != diag.Invalid {
			err = failure
		}
	}
	return step.End(err)
}

// writeManifest stores the plan and the manifest: what the deployment is, for as long as it lives.
func (d *Deployer) writeManifest(ctx context.Context, r Request, b *Blueprint, j *journal) error {
	if err := j.before(ctx, Resource{objectKind, planKey(r.Name)}, Resource{objectKind, manifestKey(r.Name)}); err != nil {
		return err
	}
	if err := d.options.Store.Put(ctx, planKey(r.Name), bytes.NewReader(r.Plan), int64(len(r.Plan)), "application/json"); err != nil {
		return err
	}
	m := b.manifest(r.Name, j.doc.Started)
	data, err := json.MarshalIndent(m, "", " ")
	if err != nil {
		return err
	}
	return d.options.Store.Put(ctx, manifestKey(r.Name), bytes.NewReader(data), int64(len(data)), "application/json")
}

// rollBack removes what a failed deployment made and gives the error to report. It goes on when the deployment was
// cancelled: that is what it is for.
func (d *Deployer) rollBack(ctx context.Context, j *journal, feed *Feed, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), rollbackPatience)
	defer cancel()
	if _, err := d.remove(ctx, j, feed); err != nil {
		d.options.Logger.Error("rolling back failed", "deployment", j.doc.Name, "error", err)
		e := diag.As(cause)
		if e == nil {
			e = diag.New(diag.Internal, "internal", "deploying "+j.doc.Name, cause.Error(), "")
		}
		return e.With("it could not be rolled back (" + err.Error() + "): remove the rest with partita destroy " + j.doc.Name)
	}
	return cause
}

// each does the same to several parts, a few at a time. The first error cancels the others.
func each(ctx context.Context, parts []Part, do func(context.Context, *Part) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var (
		wait  sync.WaitGroup
		mu    sync.Mutex
		first error
		slots = make(chan struct{}, createAtOnce)
	)
	for i := range parts {
		wait.Add(1)
		go func() {
			defer wait.Done()
			slots <- struct{}{}
			defer func() { <-slots }()
			err := ctx.Err()
			if err == nil {
				err = do(ctx, &parts[i])
			}
			mu.Lock()
			defer mu.Unlock()
			if err != nil && first == nil {
				first = err
				cancel()
			}
		}()
	}
	wait.Wait()
	return first
}

// packageFile is a file that tells how far it has been written, and cannot be written once the context has ended. It
// keeps the file's other methods: packaging corrects a checksum in place.
type packageFile struct {
	*os.File
	ctx  context.Context
	n    int64
	tell func(int64)
}

func (f *packageFile) Write(p []byte) (int, error) {
	if err := f.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := f.File.Write(p)
	f.n += int64(n)
	f.tell(f.n)
	return n, err
}

// ReadFrom hides the file's own, which would bypass Write.
func (f *packageFile) ReadFrom(r io.Reader) (int64, error) {
	return io.Copy(struct{ io.Writer }{f}, r)
}

// seekMeter tells how far a file has been read.
type seekMeter struct {
	file *os.File
	tell func(int64)
}

func (m *seekMeter) Read(p []byte) (int, error) {
	n, err := m.file.Read(p)
	if position, seekErr := m.file.Seek(0, io.SeekCurrent); seekErr == nil {
		m.tell(position)
	}
	return n, err
}

func (m *seekMeter) Seek(offset int64, whence int) (int64, error) { return m.file.Seek(offset, whence) }

// wakeEvent is what a stage is woken with.
func wakeEvent() []byte {
	event, err := json.Marshal(wire.StageEvent{Format: wire.EventFormat, Kind: "wake", Request: "deploy"})
	if err != nil {
		panic(err) // it has no type that cannot be written
	}
	return event
}

// gatewayWakeEvent has no inputs. A gateway that has started, read its manifest and looked at the event refuses it as
// invalid, which shows that it works without running the model.
func gatewayWakeEvent() []byte {
	event, err := wire.Marshal(wire.GatewayEvent{Format: wire.EventFormat, Request: "deploy", Inputs: []wire.Input{}})
	if err != nil {
		panic(err) // it has no type that cannot be written
	}
	return event
}
