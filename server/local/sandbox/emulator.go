package sandbox

import (
	"debug/elf"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// emulator runs programs for one other processor. QEMU's user mode translates their instructions and hands their system
// calls to the host's kernel, so limits and isolation hold as for any process, and times say nothing.
type emulator struct {
	program string // in one of hostFolders, so that it is seen from within a root file system of its own
	sysroot string // where the other processor's libc and libstdc++ are
}

// emulatorMemoryMB is what the translation of a program's instructions takes beside its own memory: some 50 MB for a
// stage in ONNX Runtime. That is no part of the function's memory on its own processor, so the limit stands so much higher.
const emulatorMemoryMB = 192

// foreign says for each architecture, by Lambda's name for it, what runs its programs on a machine of another.
var foreign = map[string]struct {
	machine  elf.Machine
	goName   string
	program  string
	triplet  string
	packages string // of Debian
}{
	"arm64":  {elf.EM_AARCH64, "arm64", "qemu-aarch64-static", "aarch64-linux-gnu", "qemu-user-static libc6-arm64-cross libstdc++6-arm64-cross"},
	"x86_64": {elf.EM_X86_64, "amd64", "qemu-x86_64-static", "x86_64-linux-gnu", "qemu-user-static libc6-amd64-cross libstdc++6-amd64-cross"},
}

// HostArchitecture is this machine's, by Lambda's name for it: "x86_64" or "arm64".
func HostArchitecture() string {
	for name, f := range foreign {
		if f.goName == runtime.GOARCH {
			return name
		}
	}
	return runtime.GOARCH
}

// Runs tells whether programs for an architecture can be run, and if not, why and what to install.
func (h *Host) Runs(architecture string) error {
	_, err := findEmulator(architecture)
	return err
}

// findEmulator looks for what runs programs for an architecture; nil is the processor itself.
func findEmulator(architecture string) (*emulator, error) {
	f, known := foreign[architecture]
	switch {
	case f.goName == runtime.GOARCH:
		return nil, nil
	case !known:
		return nil, fmt.Errorf("there is no architecture %q", architecture)
	case runtime.GOOS != "linux":
		return nil, fmt.Errorf("programs for %s run on machines with that processor only", architecture)
	}
	install := fmt.Errorf("this machine is %s, and programs for %s need QEMU and its libraries: install them with apt-get install %s", HostArchitecture(), architecture, f.packages)
	program, err := exec.LookPath(f.program)
	if err != nil {
		return nil, install
	}
	program, err = filepath.EvalSymlinks(program)
	if err != nil || !strings.HasPrefix(program, "/usr/") && !strings.HasPrefix(program, "/bin/") {
		return nil, install
	}
	sysroot := "/usr/" + f.triplet
	for _, library := range []string{"libc.so.6", "libstdc++.so.6"} {
		if _, err := os.Stat(filepath.Join(sysroot, "lib", library)); err != nil {
			return nil, install
		}
	}
	return &emulator{program, sysroot}, nil
}

// emulatorFor finds what runs a function's entry program, which must be of the function's architecture; nil is the processor
// itself. What is no ELF file has no architecture: a script runs as it is.
func emulatorFor(path, architecture string) (*emulator, error) {
	if architecture == "" {
		architecture = HostArchitecture()
	}
	file, err := elf.Open(path)
	if err != nil {
		return nil, nil // what is wrong with it, if anything, starting it will say
	}
	defer file.Close()
	if f := foreign[architecture]; f.machine != file.Machine {
		return nil, &StartError{"exec", fmt.Sprintf("fork/exec %s: exec format error: the function is for %s and its program for %s", filepath.Base(path), architecture, file.Machine)}
	}
	found, err := findEmulator(architecture)
	if err != nil {
		return nil, &StartError{"exec", err.Error()}
	}
	return found, nil
}
