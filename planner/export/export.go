// Package export turns a plan into documents for other programs: tables, drawings, and descriptions of its deployment for
// AWS SAM, Terraform, CloudFormation, Step Functions and IAM. Everything is text, made without input or output, and the
// same plan gives the same bytes everywhere.
package export

import (
	"fmt"
	"strings"

	"partita/planner/diag"
	"partita/planner/plan"
)

// Format is one form in which a plan can be exported.
type Format struct {
	Name      string // on the command line
	Summary   string // in a few words
	MediaType string
	Extension string // of a file's name, with its dot

	write func(p *plan.Plan, o Options) ([]byte, error)
}

// Options name the deployment that an export describes.
type Options struct {
	Name    string // of the deployment; "" is made of the model's name
	Bucket  string // that holds packages and hand-overs; "" is DefaultBucket
	Region  string // in ARNs of IAM policies; "" is any
	Account string // likewise
}

// DefaultBucket is the bucket that the server uses unless told otherwise.
const DefaultBucket = "partita"

const (
	typeJSON = "application/json"
	typeYAML = "application/yaml"
	typeCSV  = "text/csv; charset=utf-8"
	typeSVG  = "image/svg+xml"
)

// formats are in the order in which people look for them.
var formats = []Format{
	{"json", "the plan document in canonical form", typeJSON, ".json", func(p *plan.Plan, _ Options) ([]byte, error) { return p.Encode() }},
	{"csv", "the functions as a table", typeCSV, ".csv", func(p *plan.Plan, _ Options) ([]byte, error) { return stagesCSV(p) }},
	{"csv-frontier", "every plan of the frontier as a table", typeCSV, ".csv", func(p *plan.Plan, _ Options) ([]byte, error) { return frontierCSV(p) }},
	{"svg-frontier", "a drawing of cost against latency", typeSVG, ".svg", func(p *plan.Plan, _ Options) ([]byte, error) { return frontierSVG(p) }},
	{"svg-graph", "a drawing of the layers by function", typeSVG, ".svg", func(p *plan.Plan, _ Options) ([]byte, error) { return graphSVG(p) }},
	{"sam", "a template of the AWS Serverless Application Model", typeYAML, ".yaml", deployed(samTemplate)},
	{"cloudformation", "an AWS CloudFormation template", typeYAML, ".yaml", deployed(cloudFormationTemplate)},
	{"terraform", "a Terraform configuration", "text/plain; charset=utf-8", ".tf", deployed(terraformConfiguration)},
	{"asl", "a Step Functions state machine that drives the stages", typeJSON, ".json", deployed(stateMachine)},
	{"iam", "IAM policies of deployer and functions", typeJSON, ".json", deployed(iamDocument)},
}

// Formats lists the forms.
func Formats() []Format { return append([]Format(nil), formats...) }

// Names lists the names of the forms.
func Names() []string {
	names := make([]string, len(formats))
	for i, f := range formats {
		names[i] = f.Name
	}
	return names
}

// Export writes a plan in the named form.
func Export(p *plan.Plan, format string, o Options) ([]byte, error) {
	for _, f := range formats {
		if f.Name != format {
			continue
		}
		text, err := f.write(p, o)
		if err != nil {
			return nil, err
		}
		if len(text) > 0 && text[len(text)-1] != '\n' {
			text = append(text, '\n')
		}
		return text, nil
	}
	return nil, diag.New(diag.Usage, "export.unknown-format", "exporting the plan", fmt.Sprintf("there is no format %.60q", format), "use one of "+strings.Join(Names(), ", "))
}

// deployed makes a form of one that describes a deployment.
func deployed(write func(d *deployment) ([]byte, error)) func(*plan.Plan, Options) ([]byte, error) {
	return func(p *plan.Plan, o Options) ([]byte, error) {
		d, err := newDeployment(p, o)
		if err != nil {
			return nil, err
		}
		return write(d)
	}
}

// needsStages refuses plans without functions.
func needsStages(p *plan.Plan) error {
	if len(p.Stages) > 0 {
		return nil
	}
	return diag.New(diag.Infeasible, "export.infeasible-plan", "exporting the plan", "it has no functions: "+p.Reason, "change the request and plan again")
}
