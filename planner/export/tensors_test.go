package export

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/internal/models"
	"partita/planner"
	"partita/planner/plan"
)

// towers is a plan that a workflow drives, with functions side by side.
func towers(t *testing.T) *plan.Plan {
	t.Helper()
	m := models.Towers(t, fixture.Towers{Size: 64, Filters: []int{32, 32}, Depth: 2, Apart: true, Separate: true})
	r, err := planner.ParseQuery("by=step-functions&fork=all&mb=192&least=latency&start=warm&on=local")
	if err != nil {
		t.Fatal(err)
	}
	p, err := planner.Make(m, r)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Waves())-1 == len(p.Stages) || p.Workflow == nil {
		t.Fatalf("%d stages, none side by side", len(p.Stages))
	}
	return p
}

// Functions side by side are given what their layers read, and no more.
func TestTensorsSideBySide(t *testing.T) {
	p := towers(t)
	machine := string(mustExport(t, p, "asl", Options{Name: "demo"}))
	for i := range p.Stages {
		if p.Stages[i].Branch == 0 {
			continue
		}
		d, err := newDeployment(p, Options{Name: "demo"})
		if err != nil {
			t.Fatal(err)
		}
		if len(d.tensors.takes[i]) != 1 || !strings.Contains(machine, `"tensors": "{% [$states.input.tensors[name in ['`+d.tensors.takes[i][0]+`']]] %}"`) {
			t.Errorf("stage %d takes %q of %s", i+1, d.tensors.takes[i], machine)
		}
	}
	node, folder := checkers(t)
	file := filepath.Join(t.TempDir(), "machine.json")
	if err := os.WriteFile(file, []byte(machine), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.CommandContext(t.Context(), node, filepath.Join(folder, "node_modules", "asl-validator", "dist", "bin", "asl-validator.js"), "--json-path", file).CombinedOutput(); err != nil {
		t.Errorf("asl-validator: %v\n%s", err, out)
	}
}

func TestQuote(t *testing.T) {
	for text, want := range map[string]string{
		"conv1/Relu:0": `'conv1/Relu:0'`, "": `''`, "it's": `'it\u0027s'`, `a\b"`: `'a\u005cb\u0022'`, "${x}%}": `'\u0024\u007bx\u007d\u0025\u007d'`, "é😀\n": `'\u00e9\ud83d\ude00\u000a'`,
	} {
		if got := quote(text); got != want {
			t.Errorf("%q is written %s, want %s", text, got, want)
		}
	}
}
