//go:build !linux

package sandbox

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
)

// Host starts environments as plain processes: this operating system offers none of the means that limit them.
type Host struct {
	dir       string
	processes sync.Map
}

// RunChild does nothing where sandboxes are plain processes.
func RunChild() {}

// NewHost makes a host on a folder.
func NewHost(o Options) (*Host, error) {
	if err := os.RemoveAll(o.Dir); err != nil {
		return nil, err
	}
	return &Host{dir: o.Dir}, os.MkdirAll(o.Dir, 0o700)
}

// Paths tells where an environment's process will find its code and its temporary folder.
func (h *Host) Paths(s Spec) Paths {
	return Paths{TaskRoot: s.TaskDir, TempDir: filepath.Join(h.dir, s.ID, "tmp")}
}

// Limits says what holds on this machine.
func (h *Host) Limits() []Limit {
	var all []Limit
	for _, name := range []string{"cpu", "memory", "processes", "isolation", "tmp", "files", "lifetime"} {
		all = append(all, Limit{Name: name, How: "not limited: there are no control groups and namespaces on " + runtime.GOOS})
	}
	return all
}

// Close ends all environments.
func (h *Host) Close() error {
	h.processes.Range(func(p, _ any) bool {
		p.(*Process).Kill()
		<-p.(*Process).removed
		return true
	})
	return nil
}

// Process is one running environment.
type Process struct {
	cmd     *exec.Cmd
	done    chan struct{}
	removed chan struct{}
	active  atomic.Bool
}

// Start runs an environment.
func (h *Host) Start(s Spec) (*Process, error) {
	paths := h.Paths(s)
	if err := os.MkdirAll(paths.TempDir, 0o700); err != nil {
		return nil, err
	}
	if _, err := emulatorFor(filepath.Join(s.TaskDir, s.Entry), s.Architecture); err != nil {
		return nil, err
	}
	p := &Process{done: make(chan struct{}), removed: make(chan struct{})}
	p.cmd = exec.Command(filepath.Join(paths.TaskRoot, s.Entry))
	p.cmd.Dir = paths.TaskRoot
	p.cmd.Env = append(append([]string(nil), s.Env...), "LAMBDA_TASK_ROOT="+paths.TaskRoot, "TMPDIR="+paths.TempDir)
	p.cmd.Stdout, p.cmd.Stderr = s.Output, s.Output
	if err := p.cmd.Start(); err != nil {
		return nil, &StartError{"exec", err.Error()}
	}
	h.processes.Store(p, struct{}{})
	go func() {
		_ = p.cmd.Wait()
		close(p.done)
		_ = os.RemoveAll(filepath.Join(h.dir, s.ID))
		h.processes.Delete(p)
		close(p.removed)
	}()
	return p, nil
}

// PID gives the process's number.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Removed is closed when the ended process's folder is gone.
func (p *Process) Removed() <-chan struct{} { return p.removed }

// Alive tells whether the process runs.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Exit says how the ended process ended.
func (p *Process) Exit() string {
	<-p.done
	return p.cmd.ProcessState.String()
}

// OutOfMemory is never known here.
func (p *Process) OutOfMemory() bool { return false }

// EndInit has no quota to set.
func (p *Process) EndInit() error { return nil }

// SetActive notes whether the environment is at work.
func (p *Process) SetActive(active bool) { p.active.Store(active) }

// Flush has nothing to do: output is handed on as it comes.
func (p *Process) Flush() {}

// PeakMemoryBytes is not known here.
func (p *Process) PeakMemoryBytes() int64 { return 0 }

// Kill ends the environment.
func (p *Process) Kill() { _ = p.cmd.Process.Kill() }
