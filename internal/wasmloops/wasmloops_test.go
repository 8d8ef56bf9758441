package wasmloops

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"partita/internal/fixture"
)

// build makes a program for WebAssembly of the flows in testdata, with its functions' names.
func build(t testing.TB) []byte {
	t.Helper()
	path := filepath.Join(t.TempDir(), "flows.wasm")
	command := exec.Command("go", "build", "-trimpath", "-ldflags", "-w", "-o", path, "./testdata/flows")
	command.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// A program whose functions all have their loops writes what it writes natively: flows of every kind, goroutines put aside within them, panics.
func TestRewrittenProgramDoesTheSame(t *testing.T) {
	runner := fixture.WebAssembly(t, "what rewritten programs do")
	want, err := exec.Command("go", "run", "./testdata/flows").Output()
	if err != nil {
		t.Fatal(err)
	}
	program, report, err := Rewrite(build(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", report)
	if report.Rewritten < report.Functions/2 || report.Resumable == 0 {
		t.Errorf("most functions have loops or jumps: %+v", report)
	}
	if report.Left != 1 {
		t.Errorf("one function has a loop with two entries: %+v", report)
	}
	path := filepath.Join(t.TempDir(), "rewritten.wasm")
	if err := os.WriteFile(path, program, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, often := range []string{"GOGC=100", "GOGC=1"} {
		run := exec.CommandContext(t.Context(), runner, path)
		run.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), often}
		var complaints bytes.Buffer
		run.Stderr = &complaints
		got, err := run.Output()
		if err != nil {
			t.Fatalf("%v\n%s", err, complaints.String())
		}
		if !bytes.Equal(got, want) {
			t.Errorf("with %s the program writes\n%s\nand natively\n%s", often, got, want)
		}
	}
}

// No table is left in what was rewritten, and nothing else was touched.
func TestOnlyWhatIsChosenIsRewritten(t *testing.T) {
	given := build(t)
	program, report, err := Rewrite(given, func(name string) bool { return strings.HasPrefix(name, "main.") })
	if err != nil {
		t.Fatal(err)
	}
	before, err := parse(given)
	if err != nil {
		t.Fatal(err)
	}
	after, err := parse(program)
	if err != nil {
		t.Fatal(err)
	}
	if got := len(after.bodies) - len(before.bodies); got != report.Resumable || got == 0 {
		t.Errorf("%d functions were added, %d may be resumed", got, report.Resumable)
	}
	changed := 0
	for i, body := range before.bodies {
		name := before.names[before.imported+i]
		if bytes.Equal(body, after.bodies[i]) {
			continue
		}
		changed++
		if !strings.HasPrefix(name, "main.") {
			t.Error(name, " was changed")
		}
		if f, err := readFunction(after.bodies[i], nil); err != nil || f != nil {
			t.Errorf("%s still has a table of blocks: %v", name, err)
		}
	}
	if changed != report.Rewritten || changed < 8 {
		t.Errorf("%d functions were changed: %+v", changed, report)
	}
	if len(after.names) != 0 {
		t.Error("names are left")
	}
}

// assemble makes a program of one function.
func assemble(name string, code ...byte) []byte {
	body := append([]byte{0}, code...)
	section := func(kind byte, data ...byte) []byte {
		return append(putUnsigned([]byte{kind}, uint64(len(data))), data...)
	}
	out := bytes.Clone(header)
	out = append(out, section(1, 1, 0x60, 1, 0x7f, 1, 0x7f)...) // one type: i32 to i32
	out = append(out, section(functionSection, 1, 0)...)
	out = append(out, section(codeSection, append(putUnsigned([]byte{1}, uint64(len(body))), body...)...)...)
	names := append([]byte{1, 0, byte(len(name))}, name...)
	names = append([]byte{4, 'n', 'a', 'm', 'e', 1, byte(len(names))}, names...)
	return append(out, section(customSection, names...)...)
}

// counting is a function as the compiler writes it: block 0 goes on to 1, which leaves for 2 or goes on with itself.
var counting = []byte{
	opLoop, void, opBlock, void, opBlock, void, opBlock, void,
	opLocalGet, 0, opBrTable, 3, 0, 1, 2, 2, opEnd,
	0x01, opEnd, // block 0: nop
	opI32Const, 5, opIf, void, opI32Const, 2, opLocalSet, 0, opBr, 2, opEnd,
	opI32Const, 1, opLocalSet, 0, opBr, 1, opEnd, // block 1
	opI32Const, 0, opReturn, // block 2
	opEnd, opUnreachable, opEnd,
}

func TestWriting(t *testing.T) {
	program, report, err := Rewrite(assemble("main.f", counting...), nil)
	if err != nil || report.Rewritten != 1 {
		t.Fatalf("%v, %v", report, err)
	}
	m, err := parse(program)
	if err != nil {
		t.Fatal(err)
	}
	want := []byte{0,
		opLocalGet, 0, opI32Const, 1, opI32GeU, opIf, void, opUnreachable, opEnd,
		0x01,
		opBlock, void, opLoop, void, opI32Const, 5, opBrIf, 1, opBr, 0, opEnd, opUnreachable, opEnd,
		opI32Const, 0, opReturn, opUnreachable, opEnd,
	}
	if !bytes.Equal(m.bodies[0], want) {
		t.Errorf("got  % x\nwant % x", m.bodies[0], want)
	}
}

// A function that looks otherwise than the compiler writes it is left alone.
func TestUnlikeFunctionsAreLeft(t *testing.T) {
	for at, x := range counting {
		changed := bytes.Clone(counting)
		changed[at] = 0x6a // i32.add
		given := assemble("main.f", changed...)
		program, report, err := Rewrite(given, nil)
		if err != nil || report.Rewritten == 1 {
			continue // no program any more, or one whose plain code changed
		}
		if m, err := parse(program); err != nil || !bytes.Equal(m.bodies[0], append([]byte{0}, changed...)) {
			t.Errorf("with byte %d (%#x) changed it was rewritten to %x, %v", at, x, program, err)
		}
	}
}

func TestBrokenPrograms(t *testing.T) {
	whole := assemble("main.f", counting...)
	for n := range whole {
		if _, _, err := Rewrite(whole[:n], nil); err == nil {
			t.Errorf("the first %d of %d bytes are no program with names", n, len(whole))
		}
	}
	nameless := whole[:bytes.LastIndex(whole, []byte("\x04name"))-2]
	if _, _, err := Rewrite(nameless, nil); err == nil || !strings.Contains(err.Error(), "-ldflags=-s") {
		t.Error("a program without names: ", err)
	}
}

func FuzzRewrite(f *testing.F) {
	f.Add(counting)
	f.Add([]byte{opBlock, void, opLoop, void, opBlock, void, opBlock, void, opLocalGet, 0, opBrTable, 1, 0, 1, opEnd, opI32Const, 0, opBrIf, 2, opEnd, opI32Const, 0, opReturn, opEnd, opUnreachable, opEnd, opI32Const, 1, opEnd})
	f.Fuzz(func(t *testing.T, code []byte) {
		program, report, err := Rewrite(assemble("main.f", code...), nil)
		if err != nil {
			return
		}
		m, err := parse(program)
		if err != nil || len(m.bodies) != 1+report.Resumable {
			t.Fatalf("%v, %v", report, err)
		}
		if report.Rewritten == 1 {
			if again, err := readFunction(m.bodies[0], nil); err != nil || again != nil {
				t.Fatal("what was rewritten has a table of blocks: ", fmt.Sprintf("% x", m.bodies[0]), err)
			}
		}
	})
}

// Every package that Planning chooses is one of the page's planner.
func TestPlanning(t *testing.T) {
	path := filepath.Join(t.TempDir(), "planner.wasm")
	command := exec.Command("go", "build", "-ldflags", "-w", "-o", path, "partita/app/planner")
	command.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range planning {
		_, report, err := Rewrite(program, func(name string) bool { return Planning(name) && strings.HasPrefix(name, prefix) })
		if err != nil || report.Rewritten < 10 {
			t.Errorf("%s: %+v, %v", prefix, report, err)
		}
	}
}
