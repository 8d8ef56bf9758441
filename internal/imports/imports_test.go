// Package imports holds the test that keeps the directions in which packages may import each other. The rules are those
// of ARCHITECTURE.md; the files are parsed in this process, so nothing has to be built or installed.
package imports

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"partita/internal/fixture"
)

// rule says what the production files of the packages under a folder may import beyond their own subtree. Among the
// rules whose folder contains a package the longest folder decides.
type rule struct {
	folder string
	std    func(path string) bool // standard library; nil: all of it
	allow  []string               // prefixes of other import paths
}

func stdPure(path string) bool {
	for _, banned := range []string{"os", "net", "os/exec", "os/signal", "os/user", "syscall", "syscall/js", "plugin"} {
		if path == banned {
			return false
		}
	}
	return !strings.HasPrefix(path, "net/")
}

func stdBrowser(path string) bool { return path != "net/http" && path != "os/exec" }

const (
	awsSDK      = "github.com/aws/"
	echo        = "github.com/labstack/echo/v4"
	huma        = "github.com/danielgtaylor/huma/v2"
	goApp       = "github.com/maxence-charriere/go-app/v10"
	registries  = "github.com/google/go-containerregistry"
	onnxRuntime = "github.com/yalue/onnxruntime_go"
)

var rules = []rule{
	{folder: "planner", std: stdPure, allow: []string{"partita/planner", "gonum.org/v1/gonum", "google.golang.org/protobuf/encoding/protowire"}},
	// The page's program is downloaded before anything can be done, so it holds documents and views only; what opens and plans
	// models is another program, which app/engine and app/planner are.
	{folder: "app", std: stdBrowser, allow: []string{"partita/planner/plan", "partita/planner/report", "partita/app/browser", "partita/app/remote", "partita/app/state", "partita/app/ui", goApp}},
	{folder: "app/engine", std: stdBrowser, allow: []string{"partita/planner", "partita/app/state"}},
	{folder: "app/planner", std: stdBrowser, allow: []string{"partita/app/engine", "partita/app/remote", "partita/app/state", "partita/app/browser"}},
	{folder: "app/remote", std: stdBrowser, allow: []string{"partita/planner/diag", "partita/planner/report"}},
	{folder: "web", allow: nil},
	{folder: "runtime", allow: []string{"partita/planner", "partita/runtime", "golang.org/x/image"}},
	{folder: "runtime/wire", std: stdPure, allow: []string{"partita/planner/diag", "partita/planner/graph", "partita/planner/plan", "partita/runtime/wire"}},
	{folder: "runtime/store", allow: []string{"partita/planner/diag", "partita/runtime/wire", awsSDK}},
	{folder: "runtime/invoke", allow: []string{"partita/planner/diag", "partita/runtime/wire", awsSDK}},
	{folder: "runtime/stage", allow: []string{"partita/planner", "partita/runtime", onnxRuntime, "golang.org/x/sys"}},
	{folder: "server", allow: []string{"partita/planner", "partita/runtime", "partita/server"}},
	{folder: "server/cloud", allow: []string{"partita/planner/diag", awsSDK}},
	{folder: "server/api", allow: []string{"partita/planner", "partita/runtime/wire", "partita/server/deploy", "partita/server/links", "partita/server/obs", echo, huma}},
	{folder: "server/site", allow: []string{"partita/planner/diag", "partita/web", "partita/app", echo, goApp}},
	{folder: "server/obs", allow: []string{"partita/planner/diag"}},
	{folder: "server/split", allow: []string{"partita/planner", "partita/runtime/wire"}},
	{folder: "server/image", allow: []string{"partita/planner/diag", registries}},
	{folder: "server/libhdf5", allow: []string{"partita/planner/diag", "partita/planner/hdf5", "gonum.org/v1/hdf5", "golang.org/x/sys"}},
	{folder: "server/local", allow: []string{"partita/planner/diag", "partita/server/local", "github.com/johannesboyne/gofakes3", "github.com/spf13/afero", "github.com/containerd/cgroups/v3", "github.com/opencontainers/runtime-spec", "golang.org/x/sys"}},
	{folder: "server/cli", allow: []string{"partita/", echo, "golang.org/x/sys"}},
	{folder: "internal", allow: []string{"partita/"}},
}

func ruleFor(folder string) *rule {
	var best *rule
	for i := range rules {
		r := &rules[i]
		if (folder == r.folder || strings.HasPrefix(folder, r.folder+"/")) && (best == nil || len(r.folder) > len(best.folder)) {
			best = r
		}
	}
	return best
}

func (r *rule) permits(folder, path string) bool {
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") && first != "partita" {
		return r.std == nil || r.std(path)
	}
	own := "partita/" + folder
	if path == own || strings.HasPrefix(path, own+"/") {
		return true
	}
	for _, prefix := range r.allow {
		if path == prefix || strings.HasPrefix(path, strings.TrimSuffix(prefix, "/")+"/") {
			return true
		}
	}
	return false
}

func TestImportDirections(t *testing.T) {
	root := fixture.Root()
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			switch entry.Name() {
			case "node_modules", "testdata", ".git", "bin", "data":
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		relative, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		folder := filepath.ToSlash(filepath.Dir(relative))
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		files++
		r := ruleFor(folder)
		if r == nil {
			t.Errorf("%s: no rule covers this folder; every package has its place in ARCHITECTURE.md", relative)
			return nil
		}
		for _, spec := range file.Imports {
			imported := strings.Trim(spec.Path.Value, `"`)
			if imported != "C" && !r.permits(folder, imported) {
				t.Errorf("%s imports %s, which packages under %s may not", relative, imported, r.folder)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if files < 5 {
		t.Fatalf("only %d files were checked", files)
	}
}

// TestPageHoldsNoPlanner follows the imports of the page's program: nothing that reads model files or solves is among them, even
// at several removes.
func TestPageHoldsNoPlanner(t *testing.T) {
	seen := map[string]bool{}
	var follow func(folder string)
	follow = func(folder string) {
		if seen[folder] {
			return
		}
		seen[folder] = true
		files, err := filepath.Glob(filepath.Join(fixture.Root(), filepath.FromSlash(folder), "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no files (%v)", folder, err)
		}
		for _, path := range files {
			if strings.HasSuffix(path, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, spec := range file.Imports {
				if own, ok := strings.CutPrefix(strings.Trim(spec.Path.Value, `"`), "partita/"); ok {
					follow(own)
				}
			}
		}
	}
	follow("app")
	if !seen["app/ui"] || !seen["planner/plan"] {
		t.Fatalf("the page imports only %v", seen)
	}
	for _, heavy := range []string{"planner", "planner/load", "planner/keras", "planner/onnx", "planner/hdf5", "planner/solve", "planner/cost", "planner/zoo", "app/engine"} {
		if seen[heavy] {
			t.Errorf("the page's program holds %s", heavy)
		}
	}
}

// TestAdaptersStayApart keeps the packages that touch the outside world from knowing each other: only the command line
// wires them together.
func TestAdaptersStayApart(t *testing.T) {
	for _, adapter := range []string{"cloud", "local", "libhdf5", "api", "site", "split", "image", "obs"} {
		r := ruleFor("server/" + adapter)
		for _, other := range []string{"cloud", "local", "libhdf5", "api", "site", "split", "image"} {
			if other != adapter && r.permits("server/"+adapter, "partita/server/"+other) {
				t.Errorf("server/%s may import server/%s", adapter, other)
			}
		}
	}
}

// TestRulesBite makes sure that the rules refuse what they are there to refuse.
func TestRulesBite(t *testing.T) {
	for _, bad := range []struct{ folder, path string }{
		{"planner/hdf5", "os"},
		{"planner/solve", "net/http"},
		{"planner", "partita/server/split"},
		{"app/ui", "net/http"},
		{"app/ui", "partita/server/api"},
		{"app/ui", "partita/planner"},
		{"app/ui", "partita/app/engine"},
		{"app/state", "partita/planner/load"},
		{"runtime/gateway", awsSDK + "aws-sdk-go-v2/service/s3"},
		{"runtime/gateway", onnxRuntime},
		{"runtime", "partita/server/deploy"},
		{"server/deploy", awsSDK + "aws-sdk-go-v2/service/lambda"},
		{"server/deploy", echo},
		{"server/deploy", registries + "/pkg/v1"},
		{"server/local/ecr", registries + "/pkg/registry"},
		{"server/deploy", "gonum.org/v1/hdf5"},
		{"planner/hdf5", "gonum.org/v1/hdf5"},
		{"server/cli", awsSDK + "aws-sdk-go-v2/service/lambda"},
		{"server/api", "partita/app/ui"},
	} {
		if ruleFor(bad.folder).permits(bad.folder, bad.path) {
			t.Errorf("%s may import %s", bad.folder, bad.path)
		}
	}
}
