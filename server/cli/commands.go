package cli

import (
	"context"

	"partita/planner"
	"partita/planner/diag"
	"partita/planner/export"
	"partita/server/deploy"
)

type runner func(ctx context.Context, a *arguments, env *environment) error

// Flags that several commands share.
var (
	jsonFlag    = flag{name: "json", help: "print a JSON document"}
	weightsFlag = flag{name: "weights", value: "FILE", help: "the model's weights, when MODEL has none"}
	dimFlag     = flag{name: "dim", value: "NAME=SIZE,...", help: "sizes of dimensions that the model leaves open"}
	serverFlags = []flag{
		{name: "server", value: "URL", help: "the server to use (default $PARTITA_SERVER, else " + defaultServer + ")"},
		{name: "token", value: "TOKEN", help: "the server's token (default $PARTITA_TOKEN)"},
	}
	yesFlag = flag{name: "yes", help: "do not ask"}
)

// commands is the table of commands: parsing, help and dispatch are all drawn from it.
func commands() []command {
	return []command{
		{name: "serve", maxArgs: 0, summary: "serve the page, the interface and the local cloud", run: serve, flags: serveFlags()},
		{name: "inspect", args: "MODEL", minArgs: 1, maxArgs: 1, summary: "say what a model file holds", run: inspect, alone: true,
			detail: modelDetail, flags: []flag{weightsFlag, dimFlag, jsonFlag}},
		{name: "plan", args: "MODEL", minArgs: 1, maxArgs: 1, summary: "find the best way to serve a model", run: makePlan, alone: true,
			detail: "An infeasible request gives a plan that says why, and exit code 3.", flags: planFlags()},
		{name: "instance", args: "MODEL", minArgs: 1, maxArgs: 1, summary: "print the numeric problem that plan solves", run: instance, alone: true,
			detail: "The document is JSON in either case, for other solvers to check the optimum.", flags: planFlags()},
		{name: "show", args: "PLAN", minArgs: 1, maxArgs: 1, summary: "show a plan", run: show,
			detail: "PLAN is a plan document, or a file with the link to one.", flags: []flag{{name: "summary", help: "print one line only"}, jsonFlag}},
		{name: "diff", args: "PLAN PLAN", minArgs: 2, maxArgs: 2, summary: "say what differs between two plans", run: diff, flags: []flag{jsonFlag}},
		{name: "compare", args: "PLAN", minArgs: 1, maxArgs: 1, summary: "hold a plan against other ways to serve its model", run: compare,
			detail: "The other ways are simpler plans, AMPS-Inf as published, and SageMaker at a rate of requests, with the rate from which it is cheaper. A plan made for a rate is compared at that rate unless another is given.", flags: []flag{
				{name: "rate", value: "RATE", standard: "100/h", help: "requests per second, minute, hour or day, as in 2.5/s, 30/m, 100/h or 1000/d"}, jsonFlag}},
		{name: "export", args: "PLAN", minArgs: 0, maxArgs: 1, summary: "write a plan in a form for other programs", run: exportPlan,
			detail: exportDetail(), flags: exportFlags()},
		{name: "package", args: "PLAN", minArgs: 1, maxArgs: 1, summary: "write the packages of a plan's functions for other tools", run: packagePlan,
			detail: "The exported SAM, CloudFormation and Terraform forms look for them in the bucket; the command that copies them there is printed.", flags: []flag{
				{name: "weights", value: "FILE", help: "the model's weights"},
				{name: "output-dir", value: "DIR", help: "where to write stage-1.zip ... gateway.zip, and stage-1.tar ... of container images"},
				{name: "name", value: "NAME", help: "of the deployment (default: made of the model's name)"},
				{name: "bucket", value: "BUCKET", standard: export.DefaultBucket, help: "that holds packages and hand-overs"},
				{name: "preprocess", value: "HOW", help: "how images are prepared: caffe, tf, torch, unit or none (default: the plan's choice)"},
				{name: "base-image", value: "IMAGE", help: "that container images go on from, or scratch (default " + deploy.DefaultBaseImage + ")"},
				jsonFlag}},
		{name: "weights", args: "MODEL", minArgs: 1, maxArgs: 1, summary: "write a weights file for a model", run: makeWeights,
			detail: modelDetail + "\nThe numbers are the same every time. Keras reads the file with load_weights.", flags: []flag{
				{name: "synthetic", help: "make numbers up, so that a model without weights can be tried"},
				{name: "output", value: "FILE", help: "where to write (default: the model's name and .synthetic.h5)"}, jsonFlag}},
		{name: "deploy", args: "PLAN", minArgs: 1, maxArgs: 1, summary: "deploy a plan", run: deployPlan, flags: append([]flag{
			{name: "weights", value: "FILE", help: "the model's weights"},
			{name: "name", value: "NAME", help: "of the deployment: lower-case letters, digits and hyphens"},
			{name: "preprocess", value: "HOW", help: "how images are prepared: caffe, tf, torch, unit or none (default: the plan's choice)"},
			{name: "measure-error", value: "CHOICE", standard: deploy.MeasureAuto, help: "measure how far the outputs of float16 and int8 are from float32's, by a second deployment for a moment: auto (on the local cloud, and with samples), on, off"},
			{name: "sample", value: "FILE,...", help: "inputs to measure it with, as invoke takes them (default: made up); NAME=FILE,... is one for a model with several inputs"},
			yesFlag, jsonFlag}, serverFlags...)},
		{name: "invoke", args: "NAME INPUT...", minArgs: 2, maxArgs: -1, summary: "send inputs through a deployment", run: invoke,
			detail: "INPUT is an image, a .npy file (also of several inputs), a pickled array or a JSON tensor, or a folder of them; all are one request. Of a model with several inputs each is NAME=FILE.", flags: append([]flag{
				{name: "output", value: "FILE", help: "write the first output tensor as .npy; - is standard output, instead of the summary"},
				{name: "output-dir", value: "DIR", help: "write every output tensor as NAME.npy"},
				{name: "preprocess", value: "HOW", help: "how images are prepared: caffe, tf, torch, unit or none (default: the deployment's choice)"},
				{name: "top", value: "N", standard: "5", help: "classes shown of each item"},
				jsonFlag}, serverFlags...)},
		{name: "link", args: "PLAN", maxArgs: 1, summary: "keep the link to a plan on the server, under a short name", run: link,
			detail: "PLAN is a plan document, or a file with the link to one. What is printed opens in a browser as long as the server keeps it.", flags: linkFlags()},
		{name: "list", maxArgs: 0, summary: "list the deployments", run: list, flags: append([]flag{jsonFlag}, serverFlags...)},
		{name: "destroy", args: "NAME", minArgs: 1, maxArgs: 1, summary: "remove a deployment and all that belongs to it", run: destroy,
			flags: append([]flag{yesFlag, jsonFlag}, serverFlags...)},
		{name: "version", maxArgs: 0, summary: "print the version", run: version, flags: []flag{jsonFlag}},
	}
}

func find(name string) *command {
	for _, c := range commands() {
		if c.name == name {
			return &c
		}
	}
	return nil
}

// planFlags are the planner's own options as flags.
func planFlags() []flag {
	flags := []flag{weightsFlag, dimFlag}
	for _, o := range planner.Options() {
		value := "VALUE"
		help := o.Help
		if len(o.Values) > 0 {
			value = "CHOICE"
			help += ": "
			for i, v := range o.Values {
				if i > 0 {
					help += ", "
				}
				help += v
			}
		}
		flags = append(flags, flag{name: o.Name, value: value, standard: o.Default, help: help})
	}
	return append(flags, jsonFlag)
}

// request makes the planner's request of the flags that were given.
func request(a *arguments) (planner.Request, error) {
	r := planner.DefaultRequest()
	for _, o := range planner.Options() {
		if text, given := a.values[o.Name]; given {
			if err := o.Parse(&r, text); err != nil {
				return r, err
			}
		}
	}
	if r.IdleUs != 0 && r.MicroRequestsPH == 0 {
		return r, diag.New(diag.Usage, "planner.idle-without-rate", "reading --idle", "it says how long functions stay warm between the requests of a rate, and there is no rate",
			"give the rate as well, as in --rate 100/h, or leave --idle out")
	}
	return r, nil
}
