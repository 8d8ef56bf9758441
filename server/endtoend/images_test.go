package endtoend

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"partita/planner/plan"
)

// answersOf compares what a deployment answers with what Keras does.
func answersOf(t *testing.T, p *product, c *testCase, name string) {
	t.Helper()
	out := t.TempDir()
	mustPartita(t, append(append([]string{"invoke", name}, c.inputs()...), "--output-dir", out, "--server", p.url, "--json")...)
	for k, want := range c.Outputs {
		if text := disagreement(readArray(t, filepath.Join(out, want.Name+".npy")), c.expected(t, k), c.Tolerance.Atol, c.Tolerance.Rtol); text != "" {
			t.Errorf("%s: output %s: %s", name, want.Name, text)
		}
	}
}

// TestImages plans, deploys, invokes and destroys stages that are container images, with the server killed in between, and
// looks at them with the AWS command line.
func TestImages(t *testing.T) {
	c := readCase(t, mainCase)
	j := c.jobs(t)[0]
	data := t.TempDir()
	p := serve(t, data)
	for _, stages := range []int{1, 2} {
		file, document := planFor(t, j.model, stages, "--packaging", "image")
		for _, s := range document.Stages {
			if s.Packaging != plan.PackagingImage {
				t.Fatalf("stage %d is a %s", s.Index, s.Packaging)
			}
		}
		text := mustPartita(t, "deploy", file, "--weights", j.weights, "--name", "photos", "--server", p.url, "--yes", "--json")
		if n := strings.Count(text, "/partita-photos@sha256:"); n != stages {
			t.Errorf("%d of %d stages say what they are made of:\n%s", n, stages, text)
		}
		answersOf(t, p, c, "photos")
		images := aws(t, p, "ecr", "describe-images", "--repository-name", "partita-photos", "--query", "imageDetails[].imageTags[]", "--output", "text")
		if len(strings.Fields(images)) != stages || !strings.Contains(images, "stage-1") {
			t.Errorf("images: %s", images)
		}
		if got := aws(t, p, "lambda", "get-function", "--function-name", "partita-photos-stage-1"); !strings.Contains(got, `"PackageType": "Image"`) {
			t.Errorf("%s", got)
		}
		// All stages share the layer with the runtime: a manifest, a configuration and a layer for each, and one layer more.
		blobs, err := filepath.Glob(filepath.Join(data, "cloud", "ecr", "partita-photos", "blobs", "*"))
		if err != nil || len(blobs) != 2*stages+1 {
			t.Errorf("%d stages have %d blobs (%v)", stages, len(blobs), err)
		}
		p.kill()
		p = serve(t, data)
		answersOf(t, p, c, "photos")
		mustPartita(t, "destroy", "photos", "--server", p.url, "--yes")
		if left := aws(t, p, "ecr", "describe-repositories"); strings.Contains(left, "partita") {
			t.Errorf("left: %s", left)
		}
		for _, folder := range []string{"ecr", "lambda/functions", "s3/partita/objects"} {
			if left, err := os.ReadDir(filepath.Join(data, "cloud", folder)); err == nil && len(left) > 0 {
				t.Errorf("left in %s: %v", folder, left)
			}
		}
	}
	// A repository that carries a deployment's name and tag is found without a journal, too; one without the tag is another's.
	aws(t, p, "ecr", "create-repository", "--repository-name", "partita-photos", "--tags", "Key=partita:deployment,Value=photos")
	aws(t, p, "ecr", "create-repository", "--repository-name", "partita-other")
	mustPartita(t, "destroy", "photos", "--server", p.url, "--yes")
	if r := partita(t, "destroy", "other", "--server", p.url, "--yes"); r.code == 0 {
		t.Error("another's repository is destroyed")
	}
	if left := aws(t, p, "ecr", "describe-repositories", "--query", "repositories[].repositoryName", "--output", "text"); strings.TrimSpace(left) != "partita-other" {
		t.Errorf("left: %s", left)
	}
}
