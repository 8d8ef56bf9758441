package export

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"partita/planner/diag"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/report"
	"partita/planner/solve"
)

// deployment is what the descriptions for other tools have in common. Names, sizes and timeouts are those that the
// server's own deployer gives, so that either can take the other's place.
type deployment struct {
	plan         *plan.Plan
	name         string
	bucket       string
	region       string
	account      string
	architecture string
	stages       []function
	gateway      function
	wake         bool // all stages are woken when a request arrives
	tensors      *sideTensors
}

// function is one function of a deployment.
type function struct {
	id             string // in templates, "Stage1"
	key            string // "stage-1"
	name           string // "partita-NAME-stage-1"
	description    string
	memoryMB       int64
	timeoutSeconds int64
	temporaryMB    int64
	stage          *plan.Stage // nil for the gateway
	fetches        bool        // its weights are not in its package
	image          bool        // it is made of a container image
}

// A stage may take so much longer than predicted before it is stopped, as when the server deploys it.
const (
	timeoutFactor       = 10
	timeoutFloorSeconds = 60
)

// maxDescription is the most that Lambda takes as a function's description (AWS Lambda API reference, CreateFunction).
const maxDescription = 256

const describing = "describing the deployment"

var (
	namePattern   = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	bucketPattern = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)
	regionPattern = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
	// Of container images (ECR API reference, CreateRepository).
	repositoryPattern = regexp.MustCompile(`^[a-z0-9]+(?:[._-][a-z0-9]+)*$`)
	accountPattern    = regexp.MustCompile(`^[0-9]{12}$`)
)

func newDeployment(p *plan.Plan, o Options) (*deployment, error) {
	if err := needsStages(p); err != nil {
		return nil, err
	}
	bought, err := platform.Get(p.Platform)
	if err != nil {
		return nil, err
	}
	if !strings.HasPrefix(p.Platform, "aws-lambda") && p.Platform != "local" { // the local cloud runs what AWS runs
		return nil, diag.New(diag.Usage, "export.not-aws", describing, "the plan is for "+bought.Label+", and this form describes functions of AWS Lambda", "plan for an aws-lambda platform")
	}
	d := &deployment{plan: p, name: o.Name, bucket: o.Bucket, region: o.Region, account: o.Account, architecture: bought.Architecture,
		wake: p.Request.Scenario == string(solve.ColdOverlapped)}
	if d.name == "" {
		d.name = nameOf(p.Model.Name)
	}
	if d.bucket == "" {
		d.bucket = DefaultBucket
	}
	for _, c := range []struct {
		what, value, pattern string
		ok                   bool
	}{
		{"name", d.name, "1 to 40 characters: a letter, then lower-case letters, digits and hyphens", namePattern.MatchString(d.name)},
		{"bucket", d.bucket, "3 to 63 lower-case letters, digits, dots and hyphens", bucketPattern.MatchString(d.bucket)},
		{"region", d.region, "a region's name, as in us-east-1", d.region == "" || regionPattern.MatchString(d.region)},
		{"account", d.account, "the 12 digits of an account", d.account == "" || accountPattern.MatchString(d.account)},
	} {
		if !c.ok {
			return nil, diag.New(diag.Usage, "export.bad-"+c.what, describing, fmt.Sprintf("the %s is %.60q", c.what, c.value), "give "+c.pattern)
		}
	}
	limit := bought.TimeoutUs / 1_000_000
	for i := range p.Stages {
		s := &p.Stages[i]
		if s.Packaging != "" && !slices.Contains(plan.Packagings, s.Packaging) {
			return nil, diag.New(diag.Usage, "export.unsupported-packaging", describing, fmt.Sprintf("stage %d is packaged as %.40q, which this form cannot describe", s.Index, s.Packaging), "plan with packaging "+strings.Join(plan.Packagings, ", "))
		}
		if s.Packaging == plan.PackagingImage && !repositoryPattern.MatchString(d.repository()) {
			return nil, diag.New(diag.Usage, "export.bad-name", describing, fmt.Sprintf("the name is %.60q, and repositories of container images have no two hyphens together and none at the end", d.name), "give another --name")
		}
		key := fmt.Sprintf("stage-%d", s.Index)
		d.stages = append(d.stages, function{
			id: fmt.Sprintf("Stage%d", s.Index), key: key, name: d.functions() + key, stage: s, memoryMB: s.MemoryMB, temporaryMB: max(bought.TemporaryMB, s.TemporaryMB),
			fetches: s.FetchesWeights(), image: s.Packaging == plan.PackagingImage,
			description:    describe(fmt.Sprintf("%s: stage %d of %d, %s", d.name, s.Index, len(p.Stages), s.Layers)),
			timeoutSeconds: min(timeoutFloorSeconds+timeoutFactor*(s.InitUs+s.InputUs+s.ComputeUs+s.OutputUs)/1_000_000, limit),
		})
	}
	if d.tensors, err = tensorsOf(p); err != nil {
		return nil, err
	}
	d.gateway = function{id: "Gateway", key: "gateway", name: d.functions() + "gateway", memoryMB: p.Gateway.MemoryMB, temporaryMB: bought.TemporaryMB,
		description: describe(d.name + ": gateway to " + p.Model.Name), timeoutSeconds: limit} // it waits for all stages, for as many passes as a batch takes
	return d, nil
}

func (d *deployment) functions() string { return "partita-" + d.name + "-" }
func (d *deployment) runs() string      { return "runs/" + d.name + "/" }
func (d *deployment) packages() string  { return PackagePrefix(d.name) }

func (d *deployment) repository() string { return RepositoryName(d.name) }

// RepositoryName is the repository in which the templates look for a deployment's container images, one tagged stage-N for each.
func RepositoryName(name string) string { return "partita-" + name }

// images tells whether some stage is made of a container image.
func (d *deployment) images() bool {
	return slices.ContainsFunc(d.stages, func(f function) bool { return f.image })
}

// PackagePrefix is the folder in the bucket where the templates look for a deployment's packages.
func PackagePrefix(name string) string { return "deployments/" + name + "/packages" }

// Place gives the name and the bucket of the deployment that an export describes.
func Place(p *plan.Plan, o Options) (name, bucket string, err error) {
	d, err := newDeployment(p, o)
	if err != nil {
		return "", "", err
	}
	return d.name, d.bucket, nil
}

// weightsVariable is the variable that tells a stage where the weights are which its package lacks.
const weightsVariable = "PARTITA_WEIGHTS"

// fetches tells whether some stage fetches its weights.
func (d *deployment) fetches() bool {
	return slices.ContainsFunc(d.stages, func(f function) bool { return f.fetches })
}

// all lists the functions, the gateway last: it needs the others.
func (d *deployment) all() []function { return append(append([]function{}, d.stages...), d.gateway) }

// heading says at the top of a description what it is.
func (d *deployment) heading() []string {
	p := d.plan
	lines := []string{
		fmt.Sprintf("%s in %s behind a gateway, planned for %s", oneLine(p.Model.Name), report.Count(len(p.Stages), "function"), p.Platform),
		"Plan " + p.Hash,
	}
	if p.Platform == "aws-lambda-2020" {
		lines = append(lines, "The plan uses the prices and limits of 2020: its latency and cost do not hold today.")
	}
	return lines
}

// nameOf makes a deployment's name of a model's.
func nameOf(model string) string {
	var b strings.Builder
	for _, c := range strings.ToLower(model) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9' && b.Len() > 0:
			b.WriteRune(c)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == 40 {
			break
		}
	}
	if name := strings.Trim(b.String(), "-"); name != "" {
		return name
	}
	return "model"
}

func describe(text string) string {
	text = strings.ToValidUTF8(text, "?")
	if len(text) > maxDescription {
		text = strings.ToValidUTF8(text[:maxDescription-3], "") + "..."
	}
	return text
}

// oneLine makes text from a model fit for a comment.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0x85 || r == 0x2028 || r == 0x2029 {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}
