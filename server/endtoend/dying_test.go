package endtoend

import (
	"archive/zip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// packageOf writes a function's package whose bootstrap is a shell script.
func packageOf(t *testing.T, script string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "function.zip")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	archive := zip.NewWriter(out)
	header := &zip.FileHeader{Name: "bootstrap", Method: zip.Store}
	header.SetMode(0o755)
	entry, err := archive.CreateHeader(header)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := entry.Write([]byte("#!/bin/sh\n" + script + "\n")); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDyingStages breaks a stage of a deployment behind the product's back, as bugs and limits do, and looks at what the
// user is told. Whatever happens to it, the deployment can be destroyed.
func TestDyingStages(t *testing.T) {
	p := serve(t, t.TempDir())
	input := filepath.Join(readCase(t, "k3_tiny_cnn").folder, "input_0.npy")
	for _, c := range []struct {
		name, script string
		seconds      string // the function's timeout
		says         []string
	}{
		{"dies", "exit 3", "10", []string{"stage-1", "exit status 3", "[function.crashed]"}},
		{"is killed", "kill -9 $$", "10", []string{"stage-1", "killed", "[function.out-of-memory]"}},
		{"hangs", "sleep 600", "1", []string{"stage-1", "timed out", "[function.timed-out]"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			deployTiny(t, p, "ill")
			const function = "partita-ill-stage-1"
			aws(t, p, "lambda", "update-function-configuration", "--function-name", function, "--timeout", c.seconds)
			aws(t, p, "lambda", "update-function-code", "--function-name", function, "--zip-file", "fileb://"+packageOf(t, c.script))
			r := partita(t, "invoke", "ill", input, "--server", p.url)
			if r.code != 1 && r.code != 4 {
				t.Errorf("invoke ended with %d", r.code)
			}
			for _, part := range c.says {
				if !strings.Contains(strings.ToLower(r.stderr), part) {
					t.Errorf("the message does not mention %q:\n%s", part, r.stderr)
				}
			}
			t.Logf("%s", r.stderr)
			mustPartita(t, "destroy", "ill", "--server", p.url, "--yes")
			if left := aws(t, p, "lambda", "list-functions"); strings.Contains(left, "partita-ill") {
				t.Errorf("functions are left: %s", left)
			}
		})
	}
}

// TestStageOutOfMemory gives a stage less memory than it was planned with.
func TestStageOutOfMemory(t *testing.T) {
	c := readCase(t, "k3_ResNet50")
	j := c.jobs(t)[0]
	p := serve(t, t.TempDir())
	file, _ := planFor(t, j.model, 1)
	mustPartita(t, "deploy", file, "--weights", j.weights, "--name", "cramped", "--server", p.url, "--yes", "--json")
	aws(t, p, "lambda", "update-function-configuration", "--function-name", "partita-cramped-stage-1", "--memory-size", "128")
	r := partita(t, append([]string{"invoke", "cramped", "--server", p.url}, c.inputs()...)...)
	if r.code != 1 && r.code != 4 {
		t.Errorf("invoke ended with %d", r.code)
	}
	for _, part := range []string{"stage-1", "memory", "[function.out-of-memory]"} {
		if !strings.Contains(r.stderr, part) {
			t.Errorf("the message does not mention %q:\n%s", part, r.stderr)
		}
	}
	t.Logf("%s", r.stderr)
	mustPartita(t, "destroy", "cramped", "--server", p.url, "--yes")
}
