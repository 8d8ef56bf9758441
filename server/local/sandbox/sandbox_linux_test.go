package sandbox

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	RunChild()
	if dir := os.Getenv("PARTITA_TEST_UNPRIVILEGED"); dir != "" {
		runUnprivileged(dir)
		return
	}
	os.Exit(m.Run())
}

// recorder is a writer that tests read.
type recorder struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(p)
}

func (r *recorder) String() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}

// script makes a folder with a shell script as its program.
func script(t testing.TB, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bootstrap"), []byte("#!/bin/sh\n"+text), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func newHost(t testing.TB) *Host {
	t.Helper()
	h, err := NewHost(Options{Dir: t.TempDir(), Log: func(m string, args ...any) { t.Log(append([]any{m}, args...)...) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func spec(id, dir string, out io.Writer) Spec {
	return Spec{ID: id, TaskDir: dir, Entry: "bootstrap", MemoryMB: 128, EphemeralMB: 16, Output: out, Env: []string{"A=b", "PATH=/usr/bin:/bin"}}
}

// run runs a script to its end.
func run(t testing.TB, h *Host, text string) (exit, output string) {
	t.Helper()
	out := &recorder{}
	p, err := h.Start(spec("one", script(t, text), out))
	if err != nil {
		t.Fatal(err)
	}
	p.SetActive(true)
	select {
	case <-p.Removed():
	case <-time.After(30 * time.Second):
		p.Kill()
		t.Fatal("still running after 30 s")
	}
	return p.Exit(), out.String()
}

// modes are the ways of running that a machine may force upon the host; each must work where more is permitted.
func modes(t *testing.T, test func(t *testing.T, h *Host)) {
	for name, restrict := range map[string]func(*Host){
		"as the machine permits": func(*Host) {},
		"without namespace":      func(h *Host) { h.namespace, h.noSpace = false, "test" },
		"without groups":         withoutGroups,
		"without both": func(h *Host) {
			h.namespace, h.noSpace = false, "test"
			withoutGroups(h)
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHost(t)
			restrict(h)
			test(t, h)
		})
	}
}

func withoutGroups(h *Host) {
	if h.groups != nil {
		h.groups.remove()
	}
	h.groups, h.noGroups = nil, "test"
}

func TestModes(t *testing.T) {
	modes(t, func(t *testing.T, h *Host) {
		exit, output := run(t, h, `echo "$A $PWD $LAMBDA_TASK_ROOT ${TMPDIR:-/tmp}"; echo x > "${TMPDIR:-/tmp}/file" && echo written; ulimit -n; exit 3`)
		lines := strings.Split(output, "\n")
		paths := h.Paths(Spec{ID: "one", TaskDir: "?"})
		if exit != "exit status 3" || len(lines) < 3 || !strings.HasPrefix(lines[0], "b ") || !strings.HasSuffix(lines[0], " "+paths.TempDir) || lines[1] != "written" || lines[2] != "1024" {
			t.Errorf("%s: %q", exit, output)
		}
		fields := strings.Fields(lines[0])
		if len(fields) != 4 || fields[1] != fields[2] {
			t.Errorf("working folder and task root: %q", lines[0])
		}
		if left, _ := os.ReadDir(h.dir); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	modes(t, func(t *testing.T, h *Host) {
		out := &recorder{}
		// The shell doubles a text until it is ended.
		p, err := h.Start(spec("one", script(t, `x=0123456789abcdef; while :; do x="$x$x"; done`), out))
		if err != nil {
			t.Fatal(err)
		}
		p.SetActive(true)
		select {
		case <-p.Done():
		case <-time.After(60 * time.Second):
			p.Kill()
			t.Fatal("still running after 60 s")
		}
		if p.Exit() != "signal: killed" || !p.OutOfMemory() || p.PeakMemoryBytes() != 128<<20 {
			t.Errorf("%s, out of memory %v, peak %d: %s", p.Exit(), p.OutOfMemory(), p.PeakMemoryBytes(), out)
		}
		<-p.Removed()
	})
}

func TestStartErrors(t *testing.T) {
	modes(t, func(t *testing.T, h *Host) {
		dir := script(t, "")
		if err := os.Chmod(filepath.Join(dir, "bootstrap"), 0o644); err != nil {
			t.Fatal(err)
		}
		for name, s := range map[string]Spec{"absent": {ID: "x", TaskDir: t.TempDir(), Entry: "bootstrap", MemoryMB: 128, EphemeralMB: 16},
			"not executable": spec("x", dir, nil)} {
			_, err := h.Start(s)
			var start *StartError
			if !errors.As(err, &start) || start.Stage != "exec" {
				t.Errorf("%s: %v", name, err)
			}
		}
		if left, _ := os.ReadDir(h.dir); len(left) > 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestCloseKillsAll(t *testing.T) {
	modes(t, func(t *testing.T, h *Host) {
		var all []*Process
		for i := range 3 {
			p, err := h.Start(spec(fmt.Sprint("p", i), script(t, "sleep 1000 & sleep 1000"), nil))
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, p)
		}
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		for _, p := range all {
			if p.Alive() || p.Exit() != "signal: killed" {
				t.Errorf("%d: %s", p.PID(), p.Exit())
			}
		}
	})
}

func TestFlush(t *testing.T) {
	h := newHost(t)
	out := &recorder{}
	p, err := h.Start(spec("one", script(t, "echo written; echo > /tmp/done; sleep 1000"), out))
	if err != nil {
		t.Fatal(err)
	}
	defer p.Kill()
	for deadline := time.Now().Add(20 * time.Second); !strings.Contains(out.String(), "written"); p.Flush() {
		if time.Now().After(deadline) {
			t.Fatal("no output after 20 s")
		}
	}
}

// TestLeftovers gives a new host the folder of one that was killed.
func TestLeftovers(t *testing.T) {
	dir := t.TempDir()
	child := exec.Command("sleep", "1000")
	child.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer child.Process.Kill()
	stranger := exec.Command("sleep", "1000")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	defer stranger.Wait()
	defer stranger.Process.Kill()
	for name, l := range map[string]leftover{
		"ours":     {PID: child.Process.Pid, StartTick: startTick(child.Process.Pid)},
		"theirs":   {PID: stranger.Process.Pid, StartTick: "1"}, // the number is another's now
		"nonsense": {PID: 1, StartTick: startTick(1), Groups: []string{"/etc", "/sys/fs/cgroup/../../../etc/partita-x"}},
	} {
		raw, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, name, "root"), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name, leftoverFile), raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	h, err := NewHost(Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := child.Wait(); err == nil || err.Error() != "signal: killed" {
		t.Errorf("our leftover: %v", err)
	}
	if startTick(stranger.Process.Pid) == "" {
		t.Error("a stranger was killed")
	}
	if left, _ := os.ReadDir(dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestGroup2 writes a version 2 group into a folder that looks like the kernel's, for machines that have version 1.
func TestGroup2(t *testing.T) {
	mount := t.TempDir()
	place := filepath.Join(mount, "partita-x", "one")
	if err := os.MkdirAll(place, 0o755); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"cgroup.subtree_control": "", "partita-x/cgroup.subtree_control": "",
		"partita-x/one/cpu.max": "max 100000", "partita-x/one/memory.max": "max", "partita-x/one/pids.max": "max",
		"partita-x/one/cgroup.procs": "", "partita-x/one/memory.current": "50000\n", "partita-x/one/memory.peak": "60000\n",
		"partita-x/one/memory.stat": "anon 30000\nfile 15000\nshmem 5000\n", "partita-x/one/memory.events": "low 0\noom 1\noom_kill 0\n",
		"partita-x/one/cgroup.kill": "",
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(mount, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	g, err := newGroup2(mount, "/partita-x/one")
	if err != nil {
		t.Fatal(err)
	}
	expect := func(name, want string) {
		t.Helper()
		raw, err := os.ReadFile(filepath.Join(mount, name))
		if err != nil || string(raw) != want {
			t.Errorf("%s: %q %v, want %q", name, raw, err, want)
		}
	}
	expect("cgroup.subtree_control", "+cpu +memory +pids")
	expect("partita-x/cgroup.subtree_control", "+cpu +memory +pids")
	expect("partita-x/one/pids.max", "1024")
	if err := g.setCPU(10_000); err != nil {
		t.Error(err)
	}
	expect("partita-x/one/cpu.max", "10000 20000")
	if err := g.setMemory(128 << 20); err != nil {
		t.Error(err)
	}
	expect("partita-x/one/memory.max", "134217728")
	if err := g.add(4711); err != nil {
		t.Error(err)
	}
	expect("partita-x/one/cgroup.procs", "4711")
	if use, err := g.memory(); err != nil || use != (memoryUse{anonymous: 35000, shared: 5000, peak: 60000}) {
		t.Errorf("%+v %v", use, err)
	}
	if g.outOfMemory() {
		t.Error("out of memory without a kill")
	}
	if err := os.WriteFile(filepath.Join(place, "memory.events"), []byte("oom_kill 2\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if !g.outOfMemory() {
		t.Error("not out of memory after two kills")
	}
	g.kill()
	expect("partita-x/one/cgroup.kill", "1")
}

func TestQuotas(t *testing.T) {
	for memory, want := range map[int64][2]int64{1: {1000, 40000}, 128: {1447, 40000}, 1769: {20000, 40000}, 3538: {40000, 40000}, 10240: {115771, 115771}} {
		if got := [2]int64{cpuQuotaUs(memory), initQuotaUs(memory)}; got != want {
			t.Errorf("%d MB: %v, want %v", memory, got, want)
		}
	}
}

// TestUnprivileged runs the host as a user without rights: whatever it then claims must hold.
func TestUnprivileged(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("what the local cloud claims for a user without rights is not tested: only root can become another user. Run the tests as root")
	}
	dir, err := os.MkdirTemp("", "unprivileged-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	const nobody = 65534
	program := filepath.Join(dir, "program")
	raw, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, raw, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{dir, program} {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	work := filepath.Join(dir, "work")
	if err := os.Mkdir(work, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(work, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program)
	command.Env = append(os.Environ(), "PARTITA_TEST_UNPRIVILEGED="+work)
	command.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := command.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Error(err)
	}
}

// runUnprivileged is TestUnprivileged's other process.
func runUnprivileged(work string) {
	fail := func(args ...any) {
		fmt.Println(args...)
		os.Exit(1)
	}
	h, err := NewHost(Options{Dir: filepath.Join(work, "host")})
	if err != nil {
		fail(err)
	}
	for _, l := range h.Limits() {
		fmt.Println(l.Name, l.Enforced, l.How)
	}
	task := filepath.Join(work, "task")
	if err := os.Mkdir(task, 0o755); err != nil {
		fail(err)
	}
	if err := os.WriteFile(filepath.Join(task, "bootstrap"), []byte("#!/bin/sh\ngrep CapEff /proc/self/status; grep CapBnd /proc/self/status; ls /; umount /tmp && echo unmounted; exit 0\n"), 0o755); err != nil {
		fail(err)
	}
	out := &recorder{}
	p, err := h.Start(spec("one", task, out))
	if err != nil {
		fail(err)
	}
	<-p.Removed()
	fmt.Println(p.Exit(), strconv.Quote(out.String()))
	if p.Exit() != "exit status 0" || !strings.Contains(out.String(), "CapEff:\t0000000000000000") || strings.Contains(out.String(), "unmounted") {
		fail("not as it should be")
	}
	if h.namespace && strings.Contains(out.String(), "\nhome\n") {
		fail("the function sees the host's files")
	}
	if err := h.Close(); err != nil {
		fail(err)
	}
	if err := os.RemoveAll(work + "/host"); err != nil {
		fail(err)
	}
}

// BenchmarkStart measures the way from nothing to a running program and back.
func BenchmarkStart(b *testing.B) {
	h := newHost(b)
	dir := script(b, "exit 0")
	for b.Loop() {
		p, err := h.Start(spec("one", dir, nil))
		if err != nil {
			b.Fatal(err)
		}
		<-p.Removed()
	}
}
