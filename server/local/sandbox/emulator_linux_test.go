package sandbox

import (
	"errors"
	"os"
	"runtime"
	"strings"
	"testing"
)

// other is the architecture that this machine is not.
func other() string {
	if runtime.GOARCH == "arm64" {
		return "x86_64"
	}
	return "arm64"
}

// TestWrongMachine starts a program of this machine as one for another.
func TestWrongMachine(t *testing.T) {
	program := os.Args[0]
	if e, err := emulatorFor(program, ""); e != nil || err != nil {
		t.Errorf("this machine's own program: %v, %v", e, err)
	}
	if e, err := emulatorFor(program, HostArchitecture()); e != nil || err != nil {
		t.Errorf("this machine's own program, named: %v, %v", e, err)
	}
	_, err := emulatorFor(program, other())
	var start *StartError
	if !errors.As(err, &start) || start.Stage != "exec" || !strings.Contains(start.Text, "exec format error") || !strings.Contains(start.Text, other()) {
		t.Errorf("%v", err)
	}
	for _, text := range []string{"", "#!/bin/sh\n", "\x7fELF"} {
		path := t.TempDir() + "/bootstrap"
		if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
		if e, err := emulatorFor(path, other()); e != nil || err != nil {
			t.Errorf("%q: %v, %v", text, e, err)
		}
	}
}

// TestNoEmulator looks for QEMU where there is none: what to install is said, and functions for the architecture are refused.
func TestNoEmulator(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	h := newHost(t)
	err := h.Runs(other())
	if err == nil || !strings.Contains(err.Error(), "apt-get install qemu-user-static") || !strings.Contains(err.Error(), other()) {
		t.Errorf("%v", err)
	}
	if err := h.Runs(HostArchitecture()); err != nil {
		t.Errorf("%v", err)
	}
	if err := h.Runs("mips"); err == nil {
		t.Error("mips runs")
	}
	for _, l := range h.Limits() {
		if l.Name == "processor" && (l.Enforced || !strings.Contains(l.How, "refused")) {
			t.Errorf("%+v", l)
		}
	}
}
