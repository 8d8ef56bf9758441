package cli

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"partita/internal/fixture"
	"partita/planner/export"
	"partita/planner/plan"
	"partita/runtime/wire"
	"partita/server/deploy"
	"partita/server/split"
)

// nativeFolder holds a program for this machine and something in the library's place: enough for packages that nobody runs.
func nativeFolder(t *testing.T) string {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.Symlink(program, filepath.Join(folder, "bootstrap")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "libonnxruntime.so"), []byte("library"), 0o600); err != nil {
		t.Fatal(err)
	}
	return folder
}

// thisPlatform names the AWS Lambda of this machine's processor.
func thisPlatform(t *testing.T) string {
	t.Helper()
	target := map[string]string{"amd64": "aws-lambda-x86_64", "arm64": "aws-lambda-arm64"}[runtime.GOARCH]
	if runtime.GOOS != "linux" || target == "" {
		t.Skip("writing packages is not tested, because they take a program for Linux on x86_64 or arm64: run the tests there")
	}
	return target
}

// TestPackage writes packages, and holds the exported template against what the deployer would make of the same plan: the
// same names, sizes and timeouts.
func TestPackage(t *testing.T) {
	model := fixture.Shared(t, "models", "k3_tiny_cnn", "model.h5")
	target := thisPlatform(t)
	planned := partita(t, "", "plan", model, "--json", "--min-stages", "2", "--max-stages", "2", "--memory", "512,1024", "--platform", target, "--packaging", "zip,s3")
	p, err := plan.Decode([]byte(planned.stdout))
	if err != nil {
		t.Fatal(err)
	}
	native, folder := nativeFolder(t), filepath.Join(t.TempDir(), "packages")
	var out, errors bytes.Buffer
	env := &environment{in: strings.NewReader(planned.stdout), out: &out, errors: &errors, getenv: func(name string) string {
		return map[string]string{"PARTITA_FUNCTION_DIR": native}[name]
	}}
	if code := run(t.Context(), []string{"package", "-", "--weights", model, "--output-dir", folder, "--name", "demo", "--bucket", "my-bucket", "--json"}, env); code != 0 {
		t.Fatalf("%d: %s", code, errors.String())
	}
	var d packagesDocument
	if err := json.Unmarshal(out.Bytes(), &d); err != nil || d.Name != "demo" || d.Plan != p.Hash || d.Prefix != "deployments/demo/packages" {
		t.Fatalf("%v: %s", err, out.String())
	}
	var files []string
	for _, f := range d.Packages {
		info, err := os.Stat(filepath.Join(folder, f.File))
		if err != nil || info.Size() != f.Bytes {
			t.Errorf("%s: %v", f.File, err)
		}
		files = append(files, f.File)
	}
	if !slices.Equal(files, []string{"stage-1.zip", "stage-2.zip", "gateway.zip"}) {
		t.Errorf("packages %v", files)
	}
	manifest, err := wire.ReadGatewayManifest(packed(t, filepath.Join(folder, "gateway.zip"), wire.GatewayFile))
	if err != nil {
		t.Fatal(err)
	}
	stage, err := wire.ReadStageManifest(packed(t, filepath.Join(folder, "stage-2.zip"), wire.StageFile))
	if err != nil || stage.Index != 1 || stage.Deployment != "demo" {
		t.Errorf("%v: %+v", err, stage)
	}
	if manifest.Bucket != "my-bucket" || manifest.KeyPrefix != "runs/demo/" || len(manifest.Stages) != 2 {
		t.Errorf("%+v", manifest)
	}

	// The same by the deployer, against the template.
	weights, err := os.Open(model)
	if err != nil {
		t.Fatal(err)
	}
	defer weights.Close()
	info, err := weights.Stat()
	if err != nil {
		t.Fatal(err)
	}
	blueprint, err := deploy.Package(t.Context(), deploy.Options{Native: split.Native{Bootstrap: filepath.Join(native, "bootstrap"), Library: filepath.Join(native, "libonnxruntime.so")}}, "my-bucket", t.TempDir(),
		deploy.Request{Name: "demo", Plan: []byte(planned.stdout)}, deploy.Weights{Name: "model.h5", Size: info.Size(), Reader: weights}, func(string, int64) {})
	if err != nil {
		t.Fatal(err)
	}
	text, err := export.Export(p, "cloudformation", export.Options{Name: "demo", Bucket: "my-bucket"})
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type       string `yaml:"Type"`
			Properties struct {
				FunctionName  string   `yaml:"FunctionName"`
				Description   string   `yaml:"Description"`
				MemorySize    int64    `yaml:"MemorySize"`
				Timeout       int64    `yaml:"Timeout"`
				Architectures []string `yaml:"Architectures"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, part := range append(slices.Clone(blueprint.Stages), blueprint.Gateway) {
		for _, r := range template.Resources {
			f := r.Properties
			if r.Type != "AWS::Lambda::Function" || f.FunctionName != part.Function {
				continue
			}
			found++
			if f.MemorySize != part.MemoryMB || f.Timeout != part.TimeoutSeconds || f.Description != part.Description || !slices.Equal(f.Architectures, []string{blueprint.Architecture}) {
				t.Errorf("the template has %+v, the deployer %d MB, %d s, %q on %s", f, part.MemoryMB, part.TimeoutSeconds, part.Description, blueprint.Architecture)
			}
		}
	}
	if found != 3 {
		t.Errorf("%d of 3 functions are in both", found)
	}
	for i, s := range manifest.Stages {
		if s.Function != blueprint.Stages[i].Function {
			t.Errorf("the gateway calls %s", s.Function)
		}
	}
}

// TestPackageImages writes stages that are container images as docker save does, and says how they get into the registry.
func TestPackageImages(t *testing.T) {
	model := fixture.Shared(t, "models", "k3_tiny_cnn", "model.h5")
	target := thisPlatform(t)
	planned := partita(t, "", "plan", model, "--json", "--min-stages", "2", "--max-stages", "2", "--memory", "512", "--platform", target, "--packaging", "image")
	native, folder := nativeFolder(t), filepath.Join(t.TempDir(), "packages")
	var out, errors bytes.Buffer
	env := &environment{in: strings.NewReader(planned.stdout), out: &out, errors: &errors, getenv: func(name string) string {
		return map[string]string{"PARTITA_FUNCTION_DIR": native}[name]
	}}
	if code := run(t.Context(), []string{"package", "-", "--weights", model, "--output-dir", folder, "--name", "demo", "--base-image", "scratch"}, env); code != 0 {
		t.Fatalf("%d: %s", code, errors.String())
	}
	for _, want := range []string{"--exclude '*.tar'", "create-repository --repository-name partita-demo", "${registry%%/*}", "docker load -i " + folder + "/stage-2.tar && docker tag partita-demo:stage-2 $registry:stage-2"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %s in\n%s", want, out.String())
		}
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, e := range entries {
		files = append(files, e.Name())
	}
	if !slices.Equal(files, []string{"gateway.zip", "stage-1.tar", "stage-2.tar"}) {
		t.Errorf("%v", files)
	}
	file, err := os.Open(filepath.Join(folder, "stage-2.tar"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var saved []struct {
		RepoTags []string
		Layers   []string
	}
	for archive := tar.NewReader(file); ; {
		h, err := archive.Next()
		if err != nil {
			break
		}
		if h.Name == "manifest.json" {
			if err := json.NewDecoder(archive).Decode(&saved); err != nil {
				t.Fatal(err)
			}
		}
	}
	if len(saved) != 1 || len(saved[0].Layers) != 2 || len(saved[0].RepoTags) != 1 || !strings.HasSuffix(saved[0].RepoTags[0], "partita-demo:stage-2") {
		t.Errorf("%+v", saved)
	}
}

func TestPackageRefusals(t *testing.T) {
	file, _ := savedPlan(t)
	infeasible, _ := savedPlan(t, "--slo", "1ms")
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{file}, 2, "--output-dir"},
		{[]string{file, "--weights", file, "--output-dir", t.TempDir(), "--name", "Bad"}, 2, "export.bad-name"},
		{[]string{infeasible, "--weights", file, "--output-dir", t.TempDir()}, 3, "infeasible"},
		{[]string{file, "--weights", "absent.h5", "--output-dir", t.TempDir()}, 1, "file.absent"},
	} {
		if r := partita(t, "", append([]string{"package"}, c.args...)...); r.code != c.code || r.stdout != "" || !strings.Contains(r.stderr, c.says) {
			t.Errorf("%v: %+v", c.args, r)
		}
	}
}

// packed reads one file of a package.
func packed(t *testing.T, archive, name string) []byte {
	t.Helper()
	z, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	data, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
