package export

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"partita/planner/diag"
	"partita/planner/plan"
)

// imaged is the sample with two stages that are container images.
func imaged(t testing.TB) *plan.Plan {
	p := sample(t)
	p.Stages[0].Packaging, p.Stages[2].Packaging = "image", "image"
	encode(t, p)
	return p
}

// A stage in an image has no runtime, no handler and no package; the others have them as before.
func TestImages(t *testing.T) {
	for format, kind := range map[string]string{"cloudformation": "AWS::Lambda::Function", "sam": "AWS::Serverless::Function"} {
		tree := parsed(t, format, mustExport(t, imaged(t), format, Options{Name: "demo"}))
		globals, _ := tree["Globals"].(map[string]any)
		if globals != nil && globals["Function"].(map[string]any)["Runtime"] != nil {
			t.Errorf("%s: every function has a runtime", format)
		}
		if d := tree["Parameters"].(map[string]any)["Repository"].(map[string]any)["Default"]; d != "partita-demo" {
			t.Errorf("%s: the repository is %v", format, d)
		}
		for id, r := range tree["Resources"].(map[string]any) {
			r := r.(map[string]any)
			if r["Type"] != kind {
				continue
			}
			p := r["Properties"].(map[string]any)
			code := p
			if format == "cloudformation" {
				code = p["Code"].(map[string]any)
			}
			uri, _ := code["ImageUri"].(map[string]any)
			image := id == "Stage1Function" || id == "Stage3Function"
			if (p["PackageType"] == "Image") != image || (p["Runtime"] == nil) != image || (p["Handler"] == nil) != image || (uri != nil) != image || (p["CodeUri"] == nil && code["S3Key"] == nil) != image {
				t.Errorf("%s: %s: %v", format, id, p)
			}
			if image && !strings.HasSuffix(uri["Fn::Sub"].(string), "/${Repository}:stage-"+id[5:6]) {
				t.Errorf("%s: %s is %v", format, id, uri)
			}
		}
		if text := string(mustExport(t, sample(t), format, Options{Name: "demo"})); strings.Contains(text, "ImageUri") || strings.Contains(text, "Repository") {
			t.Errorf("%s speaks of images where there are none", format)
		}
	}
	var d struct {
		Policies map[string]struct {
			Policy struct {
				Statement []struct{ Action, Resource []string }
			}
		}
	}
	if err := json.Unmarshal(mustExport(t, imaged(t), "iam", Options{Name: "demo", Region: "eu-west-1", Account: "123456789012"}), &d); err != nil {
		t.Fatal(err)
	}
	for who, action := range map[string]string{"deployer": "ecr:PutImage", "infrastructure": "ecr:BatchGetImage"} {
		found := false
		for _, s := range d.Policies[who].Policy.Statement {
			for _, a := range s.Action {
				if strings.HasPrefix(a, "ecr:") && a != "ecr:GetAuthorizationToken" && !slices.Equal(s.Resource, []string{"arn:aws:ecr:eu-west-1:123456789012:repository/partita-demo"}) {
					t.Errorf("%s may %s on %v", who, a, s.Resource)
				}
				found = found || a == action
			}
		}
		if !found {
			t.Errorf("%s may not %s", who, action)
		}
	}
	if _, err := Export(imaged(t), "sam", Options{Name: "a--b"}); diag.CodeOf(err) != "export.bad-name" {
		t.Errorf("%v", err)
	}
}
