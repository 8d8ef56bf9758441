package cli

import (
	"context"
	"os"
	"path/filepath"
	"strings"

	"partita/planner"
	"partita/planner/describe"
	"partita/planner/diag"
	"partita/planner/export"
	"partita/planner/plan"
	"partita/planner/report"
	"partita/planner/rivals"
)

// schemaFormat is the form of export that takes no plan: what a plan looks like.
const schemaFormat = "schema"

func exportFlags() []flag {
	return []flag{
		{name: "format", value: "CHOICE", standard: "json", help: "one of the forms above"},
		{name: "output", value: "FILE", help: "write to a file instead of standard output"},
		{name: "name", value: "NAME", help: "of the deployment (default: made of the model's name)"},
		{name: "bucket", value: "BUCKET", standard: export.DefaultBucket, help: "that holds packages and hand-overs"},
		{name: "region", value: "REGION", help: "in the ARNs of IAM policies (default: any)"},
		{name: "account", value: "ID", help: "in the ARNs of IAM policies (default: any)"},
	}
}

// exportDetail lists the forms.
func exportDetail() string {
	width := len(schemaFormat)
	for _, f := range export.Formats() {
		width = max(width, len(f.Name))
	}
	var b strings.Builder
	line := func(name, summary string) {
		b.WriteString("  " + name + strings.Repeat(" ", width-len(name)+3) + summary + "\n")
	}
	b.WriteString("Forms:\n")
	for _, f := range export.Formats() {
		line(f.Name, f.Summary)
	}
	line(schemaFormat, "the JSON schema of plan documents; takes no PLAN")
	return strings.TrimSuffix(b.String(), "\n")
}

// openPlan reads a plan document, or the link to a plan, from a file or standard input.
func openPlan(name string, env *environment) (*plan.Plan, error) {
	data, err := readFile(name, plan.MaxDocumentBytes, env)
	if err != nil {
		return nil, err
	}
	p, err := decodePlan(data)
	if err != nil {
		return nil, inFile(name, err)
	}
	return p, nil
}

// decodePlan reads a document, or the fragment of a link behind its #.
func decodePlan(data []byte) (*plan.Plan, error) {
	text := strings.TrimSpace(string(data))
	if len(text) <= plan.MaxLinkBytes && !strings.HasPrefix(text, "{") && !strings.ContainsAny(text, " \n") {
		if _, fragment, found := strings.Cut(text, "#"); found {
			return plan.DecodeLink(fragment)
		}
	}
	return plan.Decode(data)
}

func show(_ context.Context, a *arguments, env *environment) error {
	p, err := openPlan(a.words[0], env)
	if err != nil {
		return err
	}
	if a.on("json") {
		text, err := p.Encode()
		if err == nil {
			_, err = env.out.Write(append(text, '\n'))
		}
		return err
	}
	page := report.NewPage(env.out)
	page.Line("%s", report.Summary(p))
	if err := page.Err(); err != nil || a.on("summary") {
		return err
	}
	page.Line("")
	return report.WritePlan(env.out, p)
}

func diff(_ context.Context, a *arguments, env *environment) error {
	if a.words[0] == "-" && a.words[1] == "-" {
		return usage(find("diff"), "only one of the two plans can be standard input")
	}
	before, err := openPlan(a.words[0], env)
	if err != nil {
		return err
	}
	after, err := openPlan(a.words[1], env)
	if err != nil {
		return err
	}
	d, err := report.NewDiff(before, after)
	if err != nil {
		return err
	}
	if a.on("json") {
		return writeJSON(env.out, d)
	}
	return report.WriteDiff(env.out, d)
}

func exportPlan(_ context.Context, a *arguments, env *environment) error {
	text, err := exported(a, env)
	if err != nil {
		return err
	}
	if file := a.text("output"); file != "" && file != "-" {
		return replaceFile(file, text)
	}
	_, err = env.out.Write(text)
	return err
}

func exported(a *arguments, env *environment) ([]byte, error) {
	format := a.text("format")
	if format == schemaFormat {
		if len(a.words) > 0 {
			return nil, usage(find("export"), "the schema is of all plans: leave "+a.words[0]+" out")
		}
		return plan.Schema(), nil
	}
	if len(a.words) == 0 {
		return nil, usage(find("export"), "it needs PLAN")
	}
	p, err := openPlan(a.words[0], env)
	if err != nil {
		return nil, err
	}
	return export.Export(p, format, export.Options{Name: a.text("name"), Bucket: a.text("bucket"), Region: a.text("region"), Account: a.text("account")})
}

// replaceFile writes a file whole or not at all.
func replaceFile(name string, data []byte) error {
	doing := "writing " + name
	file, err := os.CreateTemp(filepath.Dir(name), ".partita-*")
	if err != nil {
		return fileError(doing, err)
	}
	defer os.Remove(file.Name()) // gone once renamed
	_, err = file.Write(data)
	if closed := file.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Chmod(file.Name(), 0o644)
	}
	if err == nil {
		err = os.Rename(file.Name(), name)
	}
	if err != nil {
		return diag.New(diag.Invalid, "file.unusable", doing, err.Error(), "check the folder and its permissions")
	}
	return nil
}

func compare(_ context.Context, a *arguments, env *environment) error {
	rate, err := planner.ParseRate(a.text("rate"))
	if err != nil {
		return err
	}
	p, err := openPlan(a.words[0], env)
	if err != nil {
		return err
	}
	if _, given := a.values["rate"]; !given && p.Traffic != nil {
		rate = p.Traffic.MicroRequestsPerHour
	}
	c, err := rivals.Compare(p, rate)
	if err != nil {
		return inFile(a.words[0], err)
	}
	if a.on("json") {
		return writeJSON(env.out, c)
	}
	return describe.Comparison(env.out, c)
}
