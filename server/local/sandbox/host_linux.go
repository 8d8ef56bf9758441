package sandbox

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// firstUID is the first of the users that environments run as when the server is root. The range 0x70000000 to
// 0x7fffffff is the one that systemd's documentation of user numbers (UIDS-GIDS) lists as unused by anything.
const firstUID = 0x70000000

// Host starts and limits the environments of one server.
type Host struct {
	dir        string
	log        func(string, ...any)
	namespace  bool   // environments get a root file system of their own
	noSpace    string // why not
	rootUser   bool   // the server is root: environments get users of their own
	groups     *groups
	noGroups   string // why there are none
	nextUID    atomic.Int64
	spawn      chan func()
	closeOnce  sync.Once
	processes  sync.Map // *Process -> struct{}
	processesN sync.WaitGroup
}

// NewHost finds out what the machine permits and removes what a server that died on the same folder has left.
func NewHost(o Options) (*Host, error) {
	h := &Host{dir: o.Dir, log: o.Log, rootUser: os.Geteuid() == 0, spawn: make(chan func())}
	if h.log == nil {
		h.log = func(string, ...any) {}
	}
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		return nil, err
	}
	h.removeLeftovers()
	// The kernel sends the death signal when the thread that started the process ends, so one thread starts them all
	// and lives as long as the host.
	go func() {
		runtime.LockOSThread()
		for start := range h.spawn {
			start()
		}
	}()
	absolute, err := filepath.Abs(h.dir)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(absolute))
	h.groups, err = newGroups("partita-" + hex.EncodeToString(sum[:6]))
	if err != nil {
		h.noGroups = err.Error()
	}
	switch {
	case !linked.Load():
		h.noSpace = "the program does not call RunChild at its start"
	default:
		h.namespace = true
		if err := h.probe(); err != nil {
			h.namespace = false
			h.noSpace = err.Error()
		}
	}
	return h, nil
}

// probe builds a sandbox that runs nothing, to see whether the machine permits it.
func (h *Host) probe() error {
	dir, err := os.MkdirTemp(h.dir, "probe-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		return err
	}
	config := childConfig{NewRoot: root, TmpBytes: 1 << 20, UID: -1, ParentPID: os.Getpid(), Probe: true}
	child, err := h.fork(config, nil, nil)
	if err != nil {
		return err
	}
	defer child.process.Wait()
	return child.release(config)
}

// Paths tells where an environment's process will find its code and its temporary folder.
func (h *Host) Paths(s Spec) Paths {
	if h.namespace {
		return Paths{TaskRoot: "/var/task", TempDir: "/tmp"}
	}
	return Paths{TaskRoot: s.TaskDir, TempDir: filepath.Join(h.dir, s.ID, "tmp")}
}

// Limits says what holds on this machine.
func (h *Host) Limits() []Limit {
	var all []Limit
	add := func(name string, enforced bool, how string) {
		all = append(all, Limit{Name: name, Enforced: enforced, How: how})
	}
	if h.groups != nil {
		add("cpu", true, fmt.Sprintf("quota of memory/%d of a processor per %d ms by control group version %d; two processors in the init phase",
			MBPerVCPU, cpuPeriodUs/1000, h.groups.version))
		add("memory", true, fmt.Sprintf("limit by control group version %d, and watched every %d ms so that files in /tmp do not count",
			h.groups.version, watchInterval.Milliseconds()))
		add("processes", true, fmt.Sprintf("at most %d by control group version %d", maxProcesses, h.groups.version))
	} else {
		add("cpu", false, "functions use all processors: "+h.noGroups)
		add("memory", true, fmt.Sprintf("the process (not its children) is watched every %d ms and ended when above, so a fast allocation may overshoot: %s",
			watchInterval.Milliseconds(), h.noGroups))
		add("processes", false, "not limited: "+h.noGroups)
	}
	if h.namespace {
		how := "own root file system: code read-only at /var/task, the host's system folders read-only, nothing else of the host"
		if h.rootUser {
			how += "; own user, no capabilities"
		} else {
			how += "; in a user namespace as the server's own user, no capabilities"
		}
		add("isolation", true, how)
		add("tmp", true, "tmpfs of the function's ephemeral storage size at /tmp")
	} else {
		add("isolation", false, "functions see the host's files with the server's own rights: "+h.noSpace)
		add("tmp", false, "a folder per environment, named by TMPDIR, of unlimited size: "+h.noSpace)
	}
	add("files", linked.Load(), fmt.Sprintf("at most %d open files per process", maxFileDescriptors))
	for _, architecture := range []string{"x86_64", "arm64"} {
		if architecture == HostArchitecture() {
			continue
		}
		if err := h.Runs(architecture); err != nil {
			add("processor", false, "functions for "+architecture+" are refused: "+err.Error())
		} else {
			add("processor", true, fmt.Sprintf("functions for %s run in QEMU, with %d MB more and two processors; their times are the emulator's", architecture, emulatorMemoryMB))
		}
	}
	add("lifetime", true, "processes are killed with the server, even when it is killed itself")
	return all
}

// Close ends all environments.
func (h *Host) Close() error {
	h.closeOnce.Do(func() {
		h.processes.Range(func(p, _ any) bool {
			p.(*Process).Kill()
			return true
		})
		h.processesN.Wait()
		close(h.spawn)
		if h.groups != nil {
			h.groups.remove()
		}
	})
	return nil
}

// onSpawner runs f on the thread that starts processes.
func (h *Host) onSpawner(f func() error) error {
	done := make(chan error, 1)
	h.spawn <- func() { done <- f() }
	return <-done
}

// leftover is the note an environment leaves in its folder for a later server.
type leftover struct {
	PID       int      `json:"pid"`
	StartTick string   `json:"startTick"` // tells the process from a later one of the same number
	Groups    []string `json:"groups"`
}

const leftoverFile = "environment.json"

// note writes the leftover of an environment.
func (h *Host) note(id string, l leftover) error {
	raw, err := json.Marshal(l)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(h.dir, id, leftoverFile), raw, 0o600)
}

// removeLeftovers ends and removes the environments of a server that was killed.
func (h *Host) removeLeftovers() {
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		return
	}
	for _, entry := range entries {
		if !entry.IsDir() {
			continue
		}
		folder := filepath.Join(h.dir, entry.Name())
		var l leftover
		if raw, err := os.ReadFile(filepath.Join(folder, leftoverFile)); err == nil && json.Unmarshal(raw, &l) == nil {
			if l.PID > 1 && l.StartTick != "" && startTick(l.PID) == l.StartTick {
				_ = syscall.Kill(-l.PID, syscall.SIGKILL)
				_ = syscall.Kill(l.PID, syscall.SIGKILL)
			}
			parents := map[string]bool{}
			for _, path := range l.Groups {
				if !strings.HasPrefix(path, "/sys/fs/cgroup/") || !strings.Contains(path, "/partita-") {
					continue
				}
				killAll(filepath.Join(path, "cgroup.procs"))
				removeGroupFolder(path)
				parents[filepath.Dir(path)] = true
			}
			for parent := range parents {
				_ = os.Remove(parent) // when it was the last
			}
		}
		h.log("removed an environment that a former server left", "environment", entry.Name())
		_ = os.RemoveAll(folder)
	}
}

// removeGroupFolder removes a control group's folder, waiting a little for its last process to be gone.
func removeGroupFolder(path string) {
	for range 50 {
		if err := os.Remove(path); err == nil || errors.Is(err, os.ErrNotExist) {
			return
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// startTick gives the time at which a process started, in the kernel's ticks; empty when there is no such process.
func startTick(pid int) string {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return ""
	}
	// The name in parentheses may hold anything, so fields are counted from the last parenthesis: the start time is
	// field 22 of proc(5), the 20th after the name.
	text := string(raw)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) < 20 {
		return ""
	}
	return fields[19]
}

// peakMemory reads the most memory a process has held in RAM since it was started.
func peakMemory(pid int) int64 {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.SplitSeq(string(raw), "\n") {
		if text, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(text), " kB"), 10, 64)
			if err != nil {
				return 0
			}
			return kb << 10
		}
	}
	return 0
}

// residentAnonymous reads what a process holds in RAM that is not backed by files.
func residentAnonymous(pid int) int64 {
	raw, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(raw)) // size, resident, shared (file-backed and shmem), ... in pages
	if len(fields) < 3 {
		return 0
	}
	resident, _ := strconv.ParseInt(fields[1], 10, 64)
	shared, _ := strconv.ParseInt(fields[2], 10, 64)
	return (resident - shared) * int64(os.Getpagesize())
}

// tempUse gives the bytes in use in a sandbox's /tmp, seen through its process.
func tempUse(pid int) int64 {
	var fs unix.Statfs_t
	if err := unix.Statfs("/proc/"+strconv.Itoa(pid)+"/root/tmp", &fs); err != nil {
		return 0
	}
	return int64(fs.Blocks-fs.Bfree) * int64(fs.Bsize)
}
