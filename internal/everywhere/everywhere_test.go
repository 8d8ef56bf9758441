package everywhere

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/internal/wasmloops"
)

// thorough tells whether more is wanted than fits a test run: the whole grid, four stages, every scenario.
func thorough() bool { return os.Getenv("PARTITA_TEST_EVERYWHERE") != "" }

// target is a kind of machine, and what runs its programs here.
type target struct {
	system, architecture string
	runner               func(t *testing.T) []string
}

var targets = []target{
	{"linux", "arm64", func(t *testing.T) []string {
		if runtime.GOOS == "linux" && runtime.GOARCH == "arm64" {
			return nil
		}
		return []string{fixture.Tool(t, "qemu-aarch64-static", "the hashes of plans on arm64", "make test-tools, or sudo apt-get install qemu-user-static")}
	}},
	{"linux", "amd64", func(t *testing.T) []string {
		if runtime.GOOS != "linux" || runtime.GOARCH != "amd64" {
			t.Skip("this machine is no amd64 one, so the hashes of plans on amd64 are not tested: run the tests on one")
		}
		return nil
	}},
	{"js", "wasm", func(t *testing.T) []string {
		return []string{fixture.WebAssembly(t, "the hashes of plans in WebAssembly")}
	}},
}

// The plans of every built-in model, in every scenario, have the same hashes on amd64, arm64 and in WebAssembly.
func TestHashesAreTheSameEverywhere(t *testing.T) {
	e := Effort{MaxStages: 3, Layers: 60}
	if thorough() {
		e = Effort{MaxStages: 4}
	}
	same(t, e, 60)
}

// So have those of the architectures that Keras itself wrote.
func TestSharedHashesAreTheSameEverywhere(t *testing.T) {
	folder := fixture.Shared(t, "zoo")
	e := Effort{MaxStages: 2, Layers: 1, Turns: true, Folder: folder}
	if thorough() {
		e = Effort{MaxStages: 4, Folder: folder}
	}
	same(t, e, 40)
}

// same compares the hashes of all targets with this process's, of which so many must be of feasible plans.
func same(t *testing.T, e Effort, least int) {
	var want bytes.Buffer
	if err := Hashes(&want, e); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(want.String()), "\n")
	optimal := strings.Count(want.String(), ": optimal sha256:")
	if optimal < least {
		t.Fatalf("only %d of %d plans are optimal", optimal, len(lines))
	}
	t.Logf("%d plans, %d of them feasible", len(lines), optimal)
	for _, m := range targets {
		t.Run(m.system+"-"+m.architecture, func(t *testing.T) {
			t.Parallel()
			if m.system == runtime.GOOS && m.architecture == runtime.GOARCH {
				return // that is what this process computed
			}
			compare(t, lines, m.run(t, e))
		})
	}
}

// run builds the program for a target and gives the lines that it writes there.
func (m *target) run(t *testing.T, e Effort) []string {
	command := m.runner(t)
	program := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", "build", "-trimpath", "-o", program, "./program")
	build.Env = append(os.Environ(), "GOOS="+m.system, "GOARCH="+m.architecture, "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building for %s/%s: %v\n%s", m.system, m.architecture, err, out)
	}
	if m.architecture == "wasm" {
		likeThePage(t, program)
	}
	effort, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	command = append(command, program, string(effort))
	run := exec.CommandContext(t.Context(), command[0], command[1:]...)
	run.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")} // WebAssembly has room for little
	var out, complaints bytes.Buffer
	run.Stdout, run.Stderr = &out, &complaints
	if err := run.Run(); err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(command, " "), err, complaints.String())
	}
	return strings.Split(strings.TrimSpace(out.String()), "\n")
}

// likeThePage does to a program what the page's planner is built with.
func likeThePage(t *testing.T, program string) {
	built, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	rewritten, report, err := wasmloops.Rewrite(built, wasmloops.Planning)
	if err != nil {
		t.Fatal(err)
	}
	if report.Rewritten < 500 {
		t.Errorf("functions of the planner and of Go's runtime have their loops: %+v", report)
	}
	if err := os.WriteFile(program, rewritten, 0o600); err != nil {
		t.Fatal(err)
	}
}

func compare(t *testing.T, want, got []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%d lines, want %d", len(got), len(want))
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("got  %s\nwant %s", got[i], want[i])
		}
	}
}
