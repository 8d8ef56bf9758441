package sandbox

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// tempSlack is how far the control group's limit stands above the function's memory, besides what is in /tmp: files
// written there are charged to the group, and the limit follows them only watchInterval later.
const tempSlack = 128 << 20

// Process is one running environment.
type Process struct {
	host      *Host
	spec      Spec
	process   *os.Process
	group     group
	namespace bool
	emulated  bool // by a program whose own memory is not the function's
	output    *output
	done      chan struct{}
	removed   chan struct{}
	state     *os.ProcessState
	peak      atomic.Int64
	oom       atomic.Bool
	active    atomic.Bool
	wake      chan struct{}
	killOnce  sync.Once
}

// forked is a child that waits for its configuration.
type forked struct {
	process *os.Process
	config  *os.File
	status  *os.File
}

// fork starts the server's own executable as a sandbox's beginning; it waits until release.
func (h *Host) fork(c childConfig, stdout, stderr *os.File) (*forked, error) {
	configRead, configWrite, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	statusRead, statusWrite, err := os.Pipe()
	if err != nil {
		configRead.Close()
		configWrite.Close()
		return nil, err
	}
	null, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	if stdout == nil {
		stdout, stderr = null, null
	}
	attr := &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	if c.NewRoot != "" {
		attr.Cloneflags = syscall.CLONE_NEWNS
		if !h.rootUser {
			attr.Cloneflags |= syscall.CLONE_NEWUSER
			attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
			attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
		}
	}
	child := &forked{config: configWrite, status: statusRead}
	err = h.onSpawner(func() error {
		var err error
		child.process, err = os.StartProcess("/proc/self/exe", []string{childName}, &os.ProcAttr{
			Env:   []string{"GOMAXPROCS=1", "GOGC=off"},
			Files: []*os.File{null, stdout, stderr, configRead, statusWrite},
			Sys:   attr,
		})
		return err
	})
	configRead.Close()
	statusWrite.Close()
	if err != nil {
		configWrite.Close()
		statusRead.Close()
		return nil, err
	}
	return child, nil
}

// release hands the child its configuration and waits until it has become the program, or has failed.
func (f *forked) release(c childConfig) error {
	defer f.status.Close()
	err := json.NewEncoder(f.config).Encode(c)
	f.config.Close()
	if err != nil {
		return err
	}
	raw, err := io.ReadAll(io.LimitReader(f.status, 1<<16))
	if err != nil {
		return err
	}
	if len(raw) == 0 {
		return nil
	}
	var start StartError
	if err := json.Unmarshal(raw, &start); err != nil {
		return err
	}
	return &start
}

// Start runs an environment. It returns when the entry program has been started; a *StartError says that it could not.
func (h *Host) Start(s Spec) (*Process, error) {
	folder := filepath.Join(h.dir, s.ID)
	paths := h.Paths(s)
	p := &Process{host: h, spec: s, namespace: h.namespace, done: make(chan struct{}), removed: make(chan struct{}),
		wake: make(chan struct{}, 1)}
	if err := os.MkdirAll(filepath.Join(folder, "root"), 0o755); err != nil {
		return nil, err
	}
	if !h.namespace {
		if err := os.MkdirAll(paths.TempDir, 0o700); err != nil {
			return nil, err
		}
	}
	config := childConfig{UID: -1, ParentPID: os.Getpid(), TaskDir: s.TaskDir, TmpBytes: s.EphemeralMB << 20,
		Path: filepath.Join(paths.TaskRoot, s.Entry), Env: withPaths(s.Env, paths), Dir: paths.TaskRoot}
	program := filepath.Join(s.TaskDir, s.Entry)
	if s.RootDir != "" {
		config.inImage(s, h.namespace)
		program = filepath.Join(s.RootDir, s.Entry)
	}
	config.Args = append([]string{config.Path}, s.Args...)
	emulator, err := emulatorFor(program, s.Architecture)
	if err != nil {
		p.discard()
		return nil, err
	}
	if emulator != nil {
		p.emulated = true
		config.Path, config.Args = emulator.program, append([]string{emulator.program}, config.Args...)
		config.Env = append(config.Env, "QEMU_LD_PREFIX="+emulator.sysroot) // inherited when the program starts itself again
	}
	if h.namespace {
		config.NewRoot = filepath.Join(folder, "root")
		if h.rootUser {
			config.UID = firstUID + int(h.nextUID.Add(1)%0x1000000)
		}
	}
	if err := p.start(config); err != nil {
		p.discard()
		return nil, err
	}
	h.processes.Store(p, struct{}{})
	h.processesN.Add(1)
	go p.wait()
	go p.watch()
	return p, nil
}

// start makes the control group, starts the child in it, and lets it become the program.
func (p *Process) start(config childConfig) error {
	h, s := p.host, p.spec
	if h.groups != nil {
		g, err := h.groups.make(s.ID)
		if err != nil {
			return fmt.Errorf("making the control group of environment %s: %w", s.ID, err)
		}
		p.group = g
		if err := g.setCPU(initQuotaUs(s.MemoryMB)); err != nil {
			return fmt.Errorf("setting the processor quota of environment %s: %w", s.ID, err)
		}
		if err := g.setMemory(p.memoryLimit(0)); err != nil {
			return fmt.Errorf("setting the memory limit of environment %s: %w", s.ID, err)
		}
	}
	out, write, err := newOutput(s.Output)
	if err != nil {
		return err
	}
	p.output = out
	defer write.Close()
	var release func() error
	if linked.Load() {
		child, err := h.fork(config, write, write)
		if err != nil {
			return err
		}
		p.process = child.process
		release = func() error { return child.release(config) }
	} else if err := p.startPlain(config, write); err != nil {
		return err
	}
	note := leftover{PID: p.process.Pid, StartTick: startTick(p.process.Pid)}
	if p.group != nil {
		if err := p.group.add(p.process.Pid); err != nil {
			p.reap()
			return fmt.Errorf("putting environment %s into its control group: %w", s.ID, err)
		}
		note.Groups = p.group.folders()
	}
	if err := h.note(s.ID, note); err != nil {
		p.reap()
		return err
	}
	if release != nil {
		if err := release(); err != nil {
			p.reap()
			return err
		}
	}
	return nil
}

// startPlain starts the program directly, where the executable cannot be run again as its own child.
func (p *Process) startPlain(config childConfig, write *os.File) error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	return p.host.onSpawner(func() error {
		var err error
		p.process, err = os.StartProcess(config.Path, config.Args, &os.ProcAttr{
			Dir: config.Dir, Env: config.Env, Files: []*os.File{null, write, write},
			Sys: &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true},
		})
		if err != nil {
			return &StartError{"exec", err.Error()}
		}
		return nil
	})
}

// reap ends a child that did not become the program.
func (p *Process) reap() {
	_ = p.process.Kill()
	_, _ = p.process.Wait()
}

// discard removes what a failed start has made.
func (p *Process) discard() {
	if p.output != nil {
		p.output.close()
	}
	if p.group != nil {
		p.group.kill()
		_ = p.group.remove()
	}
	_ = os.RemoveAll(filepath.Join(p.host.dir, p.spec.ID))
}

// PID gives the process's number.
func (p *Process) PID() int { return p.process.Pid }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Alive tells whether the process runs, without the delay with which Done is closed.
func (p *Process) Alive() bool {
	select {
	case <-p.done:
		return false
	default:
	}
	var info unix.Siginfo
	err := unix.Waitid(unix.P_PID, p.process.Pid, &info, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return err == nil && info.Signo == 0
}

// Exit says how the ended process ended: "exit status 1", "signal: killed".
func (p *Process) Exit() string {
	<-p.done
	if p.state == nil {
		return "exit status unknown"
	}
	return p.state.String()
}

// OutOfMemory tells whether the process was ended for exceeding its memory.
func (p *Process) OutOfMemory() bool { return p.oom.Load() }

// EndInit puts the function's own processor share in the place of the init phase's.
func (p *Process) EndInit() error {
	if p.group == nil || p.emulated { // an emulator's time is not the function's, whatever its share
		return nil
	}
	return p.group.setCPU(cpuQuotaUs(p.spec.MemoryMB))
}

// SetActive tells whether the environment is at work. Only then is its memory watched.
func (p *Process) SetActive(active bool) {
	p.active.Store(active)
	if active {
		select {
		case p.wake <- struct{}{}:
		default:
		}
	}
}

// Flush hands all output that the process has written so far to the spec's writer.
func (p *Process) Flush() { p.output.drain() }

// PeakMemoryBytes gives the most memory the process has held, never above the function's memory.
func (p *Process) PeakMemoryBytes() int64 {
	select {
	case <-p.done:
	default:
		p.notePeak()
	}
	limit := p.spec.MemoryMB << 20
	if p.oom.Load() {
		return limit
	}
	return min(p.peak.Load(), limit)
}

func (p *Process) notePeak() {
	if now := peakMemory(p.process.Pid); now > p.peak.Load() {
		p.peak.Store(now)
	}
}

// Kill ends the environment with all its processes.
func (p *Process) Kill() {
	p.killOnce.Do(func() {
		select {
		case <-p.done:
			return
		default:
		}
		p.notePeak()
		_ = p.process.Kill()
		if p.group != nil {
			p.group.kill()
		}
	})
}

// Removed is closed when the ended process's folder and control group are gone.
func (p *Process) Removed() <-chan struct{} { return p.removed }

// wait waits for the process's end and removes what belongs to it.
func (p *Process) wait() {
	defer p.host.processesN.Done()
	pid := p.process.Pid
	for { // the process stays a zombie, so that its number and group cannot be another's yet
		err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			break
		}
	}
	_ = syscall.Kill(-pid, syscall.SIGKILL) // what it started and did not wait for
	state, err := p.process.Wait()
	if err == nil {
		p.state = state
	}
	if p.group != nil {
		if p.group.outOfMemory() {
			p.oom.Store(true)
		}
		if p.peak.Load() == 0 {
			if use, err := p.group.memory(); err == nil {
				p.peak.Store(use.peak)
			}
		}
		p.group.kill()
	}
	p.output.drain()
	close(p.done)
	p.output.close()
	if p.group != nil {
		if err := p.group.remove(); err != nil {
			p.host.log("a control group could not be removed", "environment", p.spec.ID, "error", err)
		}
	}
	if err := os.RemoveAll(filepath.Join(p.host.dir, p.spec.ID)); err != nil {
		p.host.log("an environment's folder could not be removed", "environment", p.spec.ID, "error", err)
	}
	p.host.processes.Delete(p)
	close(p.removed)
}
