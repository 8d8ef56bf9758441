package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"partita/planner/diag"
	"partita/planner/plan"
	"partita/server/api"
	"partita/server/deploy"
)

// deployRequest is the body of a deployment request.
type deployRequest struct {
	Name       string          `json:"name"`
	Plan       json.RawMessage `json:"plan"`
	Upload     string          `json:"upload"`
	Preprocess string          `json:"preprocess,omitempty"`

	MeasureError string                  `json:"measureError,omitempty"`
	Samples      [][]api.InvocationInput `json:"samples,omitempty"`
}

func deployPlan(ctx context.Context, a *arguments, env *environment) error {
	c, err := newClient(a, env)
	if err != nil {
		return err
	}
	name, weights := a.text("name"), a.text("weights")
	if name == "" || weights == "" {
		return usage(find("deploy"), "it needs --name NAME and --weights FILE")
	}
	if err := deploy.CheckName(name); err != nil {
		return err
	}
	document, err := readFile(a.words[0], plan.MaxDocumentBytes, env)
	if err != nil {
		return err
	}
	p, err := plan.Decode(document)
	if err != nil {
		return inFile(a.words[0], err)
	}
	if p.Status == plan.Infeasible {
		return diag.New(diag.Infeasible, "deploy.infeasible-plan", "reading "+a.words[0], "no plan satisfies what was asked: "+p.Reason, "change the request and plan again")
	}
	samples, err := readSamples(ctx, c, a.text("sample"), env)
	if err != nil {
		return err
	}
	file, err := openWeights(weights, env)
	if err != nil {
		return err
	}
	defer file.Close()
	if !a.on("yes") {
		showDeploy(env.errors, p, name, c.base)
		if err := confirm(env, "Deploy?"); err != nil {
			return err
		}
	}

	// A name in use is better known before the weights are sent than after.
	err = c.json(ctx, "looking for "+name, http.MethodGet, deploymentPath(name), nil, &deploy.Deployment{})
	if err == nil {
		return diag.New(diag.Conflict, "deploy.name-in-use", "deploying "+name, `there is a deployment "`+name+`" already`, "take another name, or destroy it first: partita destroy "+name)
	}
	if diag.CodeOf(err) != "deploy.unknown" {
		return err
	}
	talk := newProgress(env, a.on("json"))
	upload, err := c.upload(ctx, file.name, talk.reader(file.reader, file.size, "upload "+baseName(file.name)), file.size)
	if err != nil {
		return err
	}
	started := &deploy.Deployment{}
	err = c.json(ctx, "deploying "+name, http.MethodPost, "/api/v1/deployments", deployRequest{name, document, upload.ID, a.text("preprocess"), a.text("measure-error"), samples}, started)
	if err != nil {
		c.dropUpload(context.WithoutCancel(ctx), upload.ID)
		return err
	}
	if err := c.watch(ctx, name, talk.step); err != nil {
		if ctx.Err() != nil {
			// Stopping the command stops the deployment: nothing is left half done.
			env.say("interrupted: removing what was deployed")
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Minute)
			defer cancel()
			if err := c.json(ctx, "destroying "+name, http.MethodDelete, deploymentPath(name), nil, nil); err != nil && diag.CodeOf(err) != "deploy.unknown" {
				return diag.New(diag.Interrupted, "interrupted", "deploying "+name, "interrupted, and what was deployed could not be removed", "run partita destroy "+name).Because(err)
			}
			return diag.New(diag.Interrupted, "interrupted", "deploying "+name, "interrupted", "")
		}
		if e := diag.As(err); e != nil && e.Code == "server.unreachable" {
			lost := *e
			lost.Fix = "start it again; partita destroy " + name + " removes what was deployed"
			return &lost
		}
		return err
	}
	talk.end()
	deployed := &deploy.Deployment{}
	if err := c.json(ctx, "looking at "+name, http.MethodGet, deploymentPath(name), nil, deployed); err != nil {
		return err
	}
	if a.on("json") {
		return writeJSON(env.out, deployed)
	}
	return showDeployment(env.out, deployed)
}

// readSamples reads a list of FILE, each of which is a sample, or of NAME=FILE, which is one sample of a model with several inputs.
func readSamples(ctx context.Context, c *client, list string, env *environment) (samples [][]api.InvocationInput, err error) {
	if list == "" {
		return nil, nil
	}
	var named []api.InvocationInput
	for _, word := range strings.Split(list, ",") {
		room := inlineInput
		input, err := readInput(ctx, c, word, env, &room)
		if err != nil {
			return nil, err
		}
		if input.Upload != "" {
			c.dropUpload(context.WithoutCancel(ctx), input.Upload)
			return nil, diag.New(diag.Limit, "deploy.large-sample", "reading --sample "+word, "it is larger than 4 MB", "give a smaller one: samples are sent within the request")
		}
		if input.Name != "" {
			named = append(named, *input)
			continue
		}
		samples = append(samples, []api.InvocationInput{*input})
	}
	if len(named) > 0 {
		samples = append(samples, named)
	}
	return samples, nil
}

// inFile names the file in a diagnostic about its content.
func inFile(name string, err error) error {
	e := diag.As(err)
	if e == nil || strings.Contains(e.Doing, name) {
		return err
	}
	named := *e
	named.Doing = name + ": " + e.Doing
	return &named
}

// confirm asks on a terminal; elsewhere it demands --yes.
func confirm(env *environment, question string) error {
	if !env.terminal {
		return diag.New(diag.Usage, "usage.not-confirmed", "", "this needs a confirmation and nobody can be asked", "add --yes")
	}
	fmt.Fprintf(env.errors, "%s [y/N] ", question)
	line, err := bufio.NewReader(io.LimitReader(env.in, 100)).ReadString('\n')
	if answer := strings.ToLower(strings.TrimSpace(line)); (err == nil || err == io.EOF) && (answer == "y" || answer == "yes") {
		return nil
	}
	return diag.New(diag.Interrupted, "interrupted", "", "not confirmed", "")
}

func list(ctx context.Context, a *arguments, env *environment) error {
	c, err := newClient(a, env)
	if err != nil {
		return err
	}
	all := &api.DeploymentList{}
	if err := c.json(ctx, "listing the deployments", http.MethodGet, "/api/v1/deployments", nil, all); err != nil {
		return err
	}
	if a.on("json") {
		return writeJSON(env.out, all)
	}
	return showList(env.out, all.Deployments)
}

func destroy(ctx context.Context, a *arguments, env *environment) error {
	c, err := newClient(a, env)
	if err != nil {
		return err
	}
	name := a.words[0]
	if err := deploy.CheckName(name); err != nil {
		return err
	}
	if !a.on("yes") {
		if err := confirm(env, "Destroy "+name+" and all that belongs to it?"); err != nil {
			return err
		}
	}
	removed := &deploy.Destroyed{}
	if err := c.json(ctx, "destroying "+name, http.MethodDelete, deploymentPath(name), nil, removed); err != nil {
		return err
	}
	if a.on("json") {
		return writeJSON(env.out, removed)
	}
	return showDestroyed(env.out, removed)
}
