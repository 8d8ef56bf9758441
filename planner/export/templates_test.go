package export

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"partita/internal/fixture"
	"partita/planner/plan"
)

func parsed(t *testing.T, format string, text []byte) map[string]any {
	t.Helper()
	tree := map[string]any{}
	if err := yaml.Unmarshal(text, &tree); err != nil {
		t.Fatalf("%s: %v\n%s", format, err, text)
	}
	return tree
}

// walk calls visit with every object of a tree.
func walk(tree any, visit func(map[string]any)) {
	switch v := tree.(type) {
	case map[string]any:
		visit(v)
		for _, inner := range v {
			walk(inner, visit)
		}
	case []any:
		for _, inner := range v {
			walk(inner, visit)
		}
	}
}

var placeholder = regexp.MustCompile(`\$\{([^}]+)\}`)

// TestTemplateReferences reads the templates back and looks for what they refer to.
func TestTemplateReferences(t *testing.T) {
	for _, p := range []*plan.Plan{sample(t), whole(t), hostile(t), imaged(t), driven(t)} {
		for format, kind := range map[string]string{"cloudformation": "AWS::Lambda::Function", "sam": "AWS::Serverless::Function"} {
			tree := parsed(t, format, mustExport(t, p, format, Options{Name: "demo"}))
			resources, parameters := tree["Resources"].(map[string]any), tree["Parameters"].(map[string]any)
			known := func(name string) {
				if name, _, _ = strings.Cut(name, "."); resources[name] == nil && parameters[name] == nil && !strings.HasPrefix(name, "AWS::") {
					t.Errorf("%s: nothing is called %s", format, name)
				}
			}
			walk(tree, func(o map[string]any) {
				if name, ok := o["Ref"].(string); ok {
					known(name)
				}
				if parts, ok := o["Fn::GetAtt"].([]any); ok {
					known(parts[0].(string))
				}
				if text, ok := o["Fn::Sub"].(string); ok {
					for _, match := range placeholder.FindAllStringSubmatch(text, -1) {
						known(match[1])
					}
				}
				if name, ok := o["DependsOn"].(string); ok {
					known(name)
				}
			})
			var names []string
			for _, r := range resources {
				r := r.(map[string]any)
				properties := r["Properties"].(map[string]any)
				if r["Type"] != kind {
					continue
				}
				names = append(names, properties["FunctionName"].(string))
				memory, timeout := int64(properties["MemorySize"].(uint64)), int64(properties["Timeout"].(uint64))
				if properties["FunctionName"] == "partita-demo-stage-1" && (memory != 512 || timeout != 60+10*(p.Stages[0].InitUs+95_000)/1_000_000) {
					t.Errorf("%s: stage 1 has %d MB and %d s", format, memory, timeout)
				}
			}
			if len(names) != len(p.Stages)+1 || !slices.Contains(names, "partita-demo-gateway") {
				t.Errorf("%s: functions %v", format, names)
			}
		}
	}
}

// TestPolicies reads the policies and looks for rights that are too wide.
func TestPolicies(t *testing.T) {
	type statement struct {
		Sid, Effect      string
		Action, Resource []string
		Condition        map[string]map[string]string
	}
	type subject struct {
		For    string
		Policy struct {
			Version   string
			Statement []statement
		}
	}
	var d struct {
		Format          string
		Policies, Roles map[string]subject
	}
	if err := json.Unmarshal(mustExport(t, sample(t), "iam", Options{Name: "demo", Bucket: "my-bucket", Region: "eu-west-1", Account: "123456789012"}), &d); err != nil {
		t.Fatal(err)
	}
	if d.Format != IAMFormat || len(d.Policies) != 2 || len(d.Roles) != 4 {
		t.Fatalf("%+v", d)
	}
	own := regexp.MustCompile(`^arn:aws:(lambda:eu-west-1:123456789012:function:partita-demo-|iam::123456789012:role/partita-demo-|logs:eu-west-1:123456789012:log-group:/aws/lambda/partita-demo-|s3:::my-bucket($|/(runs/demo/|deployments/|uploads/)))`)
	check := func(who string, s subject) {
		for _, one := range s.Policy.Statement {
			if one.Sid == "" || one.Effect != "Allow" || len(one.Action) == 0 || s.Policy.Version != "2012-10-17" {
				t.Errorf("%s: %+v", who, one)
			}
			for _, action := range one.Action {
				if !regexp.MustCompile(`^(lambda|s3|iam|logs):[A-Z][A-Za-z]+$`).MatchString(action) {
					t.Errorf("%s may %s", who, action)
				}
			}
			for _, r := range one.Resource {
				if r == "*" && len(one.Action) == 1 && slices.Contains([]string{"lambda:ListFunctions", "logs:DescribeLogGroups"}, one.Action[0]) {
					continue
				}
				if !own.MatchString(r) {
					t.Errorf("%s may %v on %s", who, one.Action, r)
				}
			}
			if slices.Contains(one.Action, "iam:PassRole") && one.Condition["StringEquals"]["iam:PassedToService"] != "lambda.amazonaws.com" {
				t.Errorf("%s may pass roles to any service", who)
			}
		}
	}
	for who, s := range d.Policies {
		check(who, s)
	}
	for who, s := range d.Roles {
		check(who, s)
	}
	for _, s := range d.Roles["partita-demo-stage"].Policy.Statement {
		if slices.Contains(s.Action, "lambda:InvokeFunction") || slices.Contains(s.Action, "s3:DeleteObject") {
			t.Errorf("a stage may %v", s.Action)
		}
	}
}

func TestCloudFormationLint(t *testing.T) {
	lint := fixture.Tool(t, "cfn-lint", "whether cfn-lint takes the templates for CloudFormation and SAM", "pip install cfn-lint", "--version")
	dir := t.TempDir()
	var files []string
	for name, p := range map[string]*plan.Plan{"three": sample(t), "hostile": hostile(t), "fetching": fetching(t), "imaged": imaged(t), "driven": driven(t), "driven whole": drivenBy(whole(t)), "driven hostile": drivenBy(hostile(t))} {
		for _, format := range []string{"cloudformation", "sam"} {
			file := filepath.Join(dir, name+"-"+format+".yaml")
			if err := os.WriteFile(file, mustExport(t, p, format, Options{Name: "demo"}), 0o600); err != nil {
				t.Fatal(err)
			}
			files = append(files, file)
		}
	}
	if out, err := exec.CommandContext(t.Context(), lint, files...).CombinedOutput(); err != nil {
		t.Errorf("cfn-lint: %v\n%s", err, out)
	}
}

// pluginFolders may hold an unpacked AWS provider for Terraform, as terraform providers mirror makes it.
func pluginFolder(t *testing.T) string {
	home, _ := os.UserHomeDir()
	for _, folder := range []string{os.Getenv("PARTITA_TERRAFORM_PLUGINS"), filepath.Join(home, ".terraform.d", "plugins"), "/usr/local/share/terraform/plugins", "/opt/tf-plugins"} {
		if found, _ := filepath.Glob(filepath.Join(folder, "*", "hashicorp", "aws", "*")); folder != "" && len(found) > 0 {
			return folder
		}
	}
	return ""
}

func TestTerraform(t *testing.T) {
	terraform := fixture.Tool(t, "terraform", "whether Terraform takes its files", "install Terraform 1, of which the folder with the program is in PATH", "version")
	run := func(dir string, args ...string) {
		t.Helper()
		c := exec.CommandContext(t.Context(), terraform, args...)
		c.Dir = dir
		c.Env = append(os.Environ(), "TF_CLI_CONFIG_FILE="+filepath.Join(dir, "cli.tfrc"), "CHECKPOINT_DISABLE=1")
		if out, err := c.CombinedOutput(); err != nil {
			t.Errorf("terraform %v: %v\n%s", args, err, out)
		}
	}
	dir := t.TempDir()
	plugins := pluginFolder(t)
	settings := "provider_installation {\n  filesystem_mirror {\n    path = " + text(plugins) + "\n  }\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "cli.tfrc"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	write := func(p *plan.Plan) {
		if err := os.WriteFile(filepath.Join(dir, "main.tf"), mustExport(t, p, "terraform", Options{Name: "demo"}), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range []*plan.Plan{hostile(t), whole(t), fetching(t), imaged(t), drivenBy(hostile(t)), driven(t), sample(t)} {
		write(p)
		run(dir, "fmt", "-check", "-diff", "main.tf")
	}
	if plugins == "" {
		t.Skip("Terraform's AWS provider is missing, so this is not tested: whether terraform validate takes the files, which were found well formed. " +
			"To test it: terraform providers mirror FOLDER, beside a file that requires hashicorp/aws, and PARTITA_TERRAFORM_PLUGINS=FOLDER")
	}
	run(dir, "init", "-backend=false", "-input=false", "-no-color")
	run(dir, "validate", "-no-color")
	for _, p := range []*plan.Plan{hostile(t), fetching(t), imaged(t), drivenBy(hostile(t)), driven(t)} {
		write(p)
		run(dir, "validate", "-no-color")
	}
}
