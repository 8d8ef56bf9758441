package deploy

import (
	"debug/elf"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"partita/planner/diag"
	"partita/planner/platform"
	"partita/server/split"
)

// program writes the beginning of a program for a processor, and a library beside it.
func program(t *testing.T, machine elf.Machine) split.Native {
	t.Helper()
	header := make([]byte, 64)
	copy(header, "\x7fELF\x02\x01\x01")
	binary.LittleEndian.PutUint16(header[16:], uint16(elf.ET_EXEC))
	binary.LittleEndian.PutUint16(header[18:], uint16(machine))
	binary.LittleEndian.PutUint32(header[20:], 1)
	binary.LittleEndian.PutUint16(header[52:], 64)
	native := split.Native{Bootstrap: filepath.Join(t.TempDir(), "bootstrap"), Library: filepath.Join(t.TempDir(), "library")}
	for _, path := range []string{native.Bootstrap, native.Library} {
		if err := os.WriteFile(path, header, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return native
}

// TestRuntimeOfPlan chooses what functions run by the processor that the plan is for.
func TestRuntimeOfPlan(t *testing.T) {
	intel, arm, mips := program(t, elf.EM_X86_64), program(t, elf.EM_AARCH64), program(t, elf.EM_MIPS)
	both := map[string]split.Native{"arm64": arm}
	for _, c := range []struct {
		name, platform string
		options        Options
		want           split.Native
		built, code    string
	}{
		{"its own", "aws-lambda-x86_64", Options{Native: intel, Foreign: both}, intel, "x86_64", ""},
		{"the other", "aws-lambda-arm64", Options{Native: intel, Foreign: both}, arm, "arm64", ""},
		{"the other on the local cloud", "aws-lambda-arm64", Options{Native: intel, Foreign: both, AnyArchitecture: true}, arm, "arm64", ""},
		{"none for it", "aws-lambda-arm64", Options{Native: intel}, intel, "", "deploy.other-architecture"},
		{"none for it on the local cloud", "aws-lambda-arm64", Options{Native: intel, AnyArchitecture: true}, intel, "x86_64", ""},
		{"this machine's speeds", "local", Options{Native: arm, Foreign: map[string]split.Native{"x86_64": intel}, AnyArchitecture: true}, arm, "arm64", ""},
		{"mixed up", "aws-lambda-arm64", Options{Native: intel, Foreign: map[string]split.Native{"arm64": intel}}, intel, "", "deploy.no-runtime"},
		{"no such processor", "aws-lambda-x86_64", Options{Native: mips}, mips, "", "deploy.no-runtime"},
	} {
		bought, err := platform.Get(c.platform)
		if err != nil {
			t.Fatal(err)
		}
		got, built, err := New(c.options).nativeFor(bought)
		if got != c.want || built != c.built || diag.CodeOf(err) != c.code {
			t.Errorf("%s: %v for %s, %v", c.name, got, built, err)
		}
		if c.code == "deploy.other-architecture" && !strings.Contains(err.Error(), "gcc-aarch64-linux-gnu") {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}
