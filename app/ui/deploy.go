package ui

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maxence-charriere/go-app/v10/pkg/app"

	"partita/app/state"
	"partita/planner/report"
)

// deployment is the part of the page about the plan's life on the server. What of it outlives the page is in its first part.
type deployment struct {
	state.Deployment
	steps   []state.Step
	cancel  context.CancelFunc // of what is under way; nil: it cannot be cancelled
	asking  string             // the input being sent; "" when none is
	reply   *state.Reply
	message string
	failure string   // why it did not work; "" when it did
	left    []string // what an interrupted deployment left behind
}

// addStep keeps one line per action on a resource.
func (d *deployment) addStep(s state.Step) {
	for i := range d.steps {
		if d.steps[i].Resource == s.Resource && d.steps[i].Action == s.Action {
			d.steps[i] = s
			return
		}
	}
	d.steps = append(d.steps, s)
}

// become changes the phase, and has it outlive the page.
func (p *Page) become(phase state.Phase, message string) {
	p.deployed.Phase, p.deployed.message = phase, message
	p.keep()
}

func (p *Page) startDeploy(app.Context, app.Event) {
	d, view := &p.deployed, p.session.View
	work, cancel := context.WithCancel(context.Background())
	d.steps, d.reply, d.cancel, d.failure, d.left = nil, nil, cancel, "", nil
	d.Predicted, d.Plan = state.PredictedBy(view.Answer), ""
	p.become(state.Uploading, "Preparing the weights…")
	name := d.Name
	p.ctx.Async(func() {
		defer cancel()
		err := p.upload(work, name, view)
		if err == nil {
			p.dispatch(func() { p.become(state.Deploying, "Deploying…") })
			err = p.watch(work, name)
		}
		p.ended(work, name, err)
	})
}

// uploadStep names the sending of the weights among the steps.
const uploadStep = "weights to the server"

// upload sends the weights and begins the deployment.
func (p *Page) upload(work context.Context, name string, view state.View) error {
	document, err := p.host.Document(work, view.Opening, view.Request)
	if err != nil {
		return err
	}
	hash, err := hashOf(document)
	if err != nil {
		return err
	}
	bundle, err := p.host.Bundle(work, view.Opening)
	if err != nil {
		return err
	}
	what := bundle.Upload(view.Opening)
	if err := p.fetchWeights(work, what); err != nil {
		return err
	}
	began, total := time.Now(), view.WeightsSize()
	tell := func(phase string, bytes int64) {
		step := state.Step{Action: "send", Resource: uploadStep, State: phase, Bytes: bytes, TotalBytes: total, ElapsedMs: time.Since(began).Milliseconds()}
		p.dispatch(func() { p.deployed.addStep(step) })
	}
	p.dispatch(func() { p.deployed.Plan, p.deployed.message = hash, "Sending the weights…"; p.keep() })
	tell("started", 0)
	upload, err := p.host.Upload(work, what, func(bytes int64) { tell("progress", bytes) })
	if err != nil {
		tell("failed", 0)
		return err
	}
	tell("done", total)
	return p.host.Deploy(work, name, document, upload)
}

// fetchStep names the fetching of weights that are at a web address.
const fetchStep = "weights from their address"

// fetchWeights has the browser fetch what it is to send and has not.
func (p *Page) fetchWeights(work context.Context, what *state.Upload) error {
	for i, part := range what.Parts {
		if part.File == nil {
			continue
		}
		began, size, told := time.Now(), part.File.Size(), false
		tell := func(phase string, bytes int64) {
			told = true
			step := state.Step{Action: "fetch", Resource: fetchStep, State: phase, Bytes: bytes, TotalBytes: size, ElapsedMs: time.Since(began).Milliseconds()}
			p.dispatch(func() { p.deployed.addStep(step) })
		}
		local, err := p.host.Local(work, part.File, func(bytes int64) { tell("progress", bytes) })
		if err != nil {
			tell("failed", 0)
			return err
		}
		if told {
			tell("done", size)
		}
		what.Parts[i].File = local
	}
	return nil
}

// ended shows how a deployment went. Where it did not go well it finds out what is left.
func (p *Page) ended(work context.Context, name string, err error) {
	if err == nil {
		note := "Deployed: it serves now."
		if found, err := p.host.Look(work, name); err == nil {
			note += found.Outputs()
		}
		p.dispatch(func() { p.become(state.Serving, note) })
		return
	}
	if errors.Is(err, errFound) {
		return
	}
	if work.Err() != nil { // the user cancelled: what was made so far is removed again
		p.dispatch(func() { p.become(state.Destroying, "Cancelled. Removing what was made so far…") })
		gone := p.host.Destroy(context.Background(), name)
		if gone == nil || state.HasCode(gone, "deploy.unknown") {
			p.dispatch(func() { p.become(state.Undeployed, "Cancelled: nothing is left behind.") })
			return
		}
		err = gone
	}
	if state.HasCode(err, "deploy.name-in-use") { // which is another one
		p.dispatch(func() { p.deployed.failure = explained(err); p.become(state.Undeployed, "") })
		return
	}
	if state.Unreachable(err) {
		if found, err := p.lookUp(work, name); err == nil {
			p.dispatch(func() { p.found(found) })
			return
		}
	}
	found, looked := p.host.Look(context.Background(), name)
	p.dispatch(func() {
		d := &p.deployed
		d.failure = explained(err)
		switch {
		case state.HasCode(looked, "deploy.unknown"):
			p.become(state.Undeployed, "Nothing is left behind.")
		case looked != nil:
			p.become(state.Interrupted, "What is left behind is not known, because the server does not answer.")
		case found.Plan != d.Plan && d.Plan != "":
			p.become(state.Undeployed, "")
		default:
			d.left = leftBy(found)
			p.become(state.Interrupted, "Not all of it could be removed: Destroy tries again.")
		}
	})
}

// watch follows what the server does to a deployment until it has ended. A server that goes away is asked until it answers again.
func (p *Page) watch(work context.Context, name string) error {
	for {
		err := p.host.Follow(work, name, func(s state.Step) { p.dispatch(func() { p.deployed.addStep(s) }) })
		if work.Err() != nil {
			return work.Err()
		}
		if !state.Unreachable(err) && !state.HasCode(err, "deploy.elsewhere") && !state.HasCode(err, "deploy.interrupted") {
			return err
		}
		found, err := p.lookUp(work, name)
		if err != nil {
			return err
		}
		phase := make(chan state.Phase, 1)
		p.dispatch(func() { phase <- p.found(found) })
		switch now := <-phase; now {
		case state.Deploying, state.Destroying:
		case state.Serving:
			return nil
		default:
			return errFound
		}
	}
}

// errFound says that what became of a deployment has been shown already.
var errFound = errors.New("the deployment was looked up")

// found shows what became of a deployment that the page lost sight of, and gives the phase it is in.
func (p *Page) found(found *state.Deployed) state.Phase {
	d := &p.deployed
	phase, note := d.PhaseAfter(found)
	d.left = nil
	if phase == state.Interrupted {
		d.left = leftBy(found)
	}
	p.become(phase, note)
	return phase
}

func leftBy(found *state.Deployed) []string {
	var left []string
	for _, r := range found.Resources {
		left = append(left, r.Kind+" "+r.Name)
	}
	return left
}

// askInterval is how often a server that does not answer is asked again.
const askInterval = 2 * time.Second

// lookUp asks the server about a deployment until it answers; nil: there is none.
func (p *Page) lookUp(work context.Context, name string) (*state.Deployed, error) {
	for since := time.Now(); ; {
		found, err := p.host.Look(work, name)
		switch {
		case err == nil:
			return found, nil
		case state.HasCode(err, "deploy.unknown"):
			return nil, nil
		case !state.Unreachable(err):
			return nil, err
		}
		p.dispatch(func() {
			p.deployed.message = "The server has not answered for " + report.Count(1+int(time.Since(since)/time.Second), "second") +
				". It is asked again and again; nothing you typed is lost. Make sure that partita serve is running: what was begun is in its journal, and is shown here once it answers."
		})
		select {
		case <-work.Done():
			return nil, work.Err()
		case <-time.After(askInterval):
		}
	}
}

// reattach finds out what became of the deployment of a visit, and follows it where it still goes on.
func (p *Page) reattach() {
	work, cancel := context.WithCancel(context.Background())
	p.deployed.cancel, p.deployed.message = cancel, "Asking the server about the deployment "+p.deployed.Name+"…"
	name := p.deployed.Name
	p.ctx.Async(func() {
		defer cancel()
		found, err := p.lookUp(work, name)
		if err == nil {
			phase := make(chan state.Phase, 1)
			p.dispatch(func() { phase <- p.found(found) })
			now := <-phase
			if now != state.Deploying && now != state.Destroying {
				return
			}
			if err = p.watch(work, name); err == nil && now == state.Destroying {
				p.dispatch(func() { p.become(state.Undeployed, "Destroyed: nothing is left.") })
				return
			}
		}
		p.ended(work, name, err)
	})
}

// destroyHeadStart is how long a destroy may take to begin before its steps are followed.
const destroyHeadStart = 150 * time.Millisecond

func (p *Page) startDestroy(app.Context, app.Event) {
	d := &p.deployed
	before := d.Phase
	d.steps, d.reply, d.failure, d.cancel = nil, nil, "", nil
	p.become(state.Destroying, "Destroying…")
	name := d.Name
	work, cancel := context.WithCancel(context.Background())
	p.ctx.Async(func() {
		select {
		case <-work.Done():
		case <-time.After(destroyHeadStart):
			// How it ends is told by the answer.
			_ = p.host.Follow(work, name, func(s state.Step) { p.dispatch(func() { p.deployed.addStep(s) }) })
		}
	})
	p.ctx.Async(func() {
		err := p.host.Destroy(context.Background(), name)
		if state.Unreachable(err) {
			var found *state.Deployed
			if found, err = p.lookUp(work, name); err == nil {
				cancel()
				p.dispatch(func() { p.found(found) })
				return
			}
		}
		cancel()
		p.dispatch(func() {
			if err != nil && !state.HasCode(err, "deploy.unknown") {
				p.deployed.failure = explained(err)
				p.become(before, "Not destroyed.")
				return
			}
			p.deployed.left = nil
			p.become(state.Undeployed, "Destroyed: nothing is left.")
		})
	})
}

func (p *Page) send(app.Context, app.Event) {
	files := p.host.Chosen("input-file")
	if len(files) == 0 {
		return
	}
	file, name := files[0], p.deployed.Name
	p.deployed.asking, p.deployed.reply, p.deployed.failure = file.Name(), nil, ""
	p.ctx.Async(func() {
		var reply *state.Reply
		raw, err := p.host.ReadFile(context.Background(), file)
		if err == nil {
			reply, err = p.host.Invoke(context.Background(), name, state.Input{Data: raw})
		}
		p.dispatch(func() {
			p.deployed.asking = ""
			if err != nil {
				p.deployed.failure = fmt.Sprintf("%s was not answered: %s", file.Name(), explained(err))
				return
			}
			p.deployed.reply = reply
		})
	})
}
