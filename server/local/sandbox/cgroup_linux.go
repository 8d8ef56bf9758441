package sandbox

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/containerd/cgroups/v3"
	"github.com/containerd/cgroups/v3/cgroup1"
	"github.com/containerd/cgroups/v3/cgroup2"
	"github.com/opencontainers/runtime-spec/specs-go"
)

// group is the control group of one environment. Two kernels' interfaces implement it.
type group interface {
	add(pid int) error
	setCPU(quotaUs int64) error
	setMemory(limitBytes int64) error
	memory() (memoryUse, error)
	outOfMemory() bool // whether the kernel has killed a process of the group for want of memory
	kill()             // ends every process of the group
	remove() error
	folders() []string // the group's folders, for removal by a later server
}

// memoryUse is what a group holds, in bytes.
type memoryUse struct {
	anonymous int64 // heap, stacks, and the kernel's own structures: what cannot be given back
	shared    int64 // shared memory, which includes files in tmpfs
	peak      int64 // most ever charged, page cache included
}

// groups makes control groups; nil controllers are those that the machine does not permit.
type groups struct {
	version int // 1 or 2
	parent  string
	make    func(name string) (group, error)
	remove  func() // removes the parent group
}

// newGroups finds out which kind of control group works here by making one. The reason is given when none does.
func newGroups(parent string) (*groups, error) {
	var g *groups
	switch cgroups.Mode() {
	case cgroups.Legacy, cgroups.Hybrid:
		g = &groups{version: 1, parent: parent}
		g.make = func(name string) (group, error) { return newGroup1(filepath.Join(parent, name)) }
		g.remove = func() {
			if c, err := cgroup1.Load(cgroup1.NestedPath(parent), inHierarchy1()); err == nil {
				_ = c.Delete()
			}
		}
	case cgroups.Unified:
		g = &groups{version: 2, parent: parent}
		g.make = func(name string) (group, error) {
			return newGroup2(cgroup2Mount, "/"+filepath.Join(parent, name))
		}
		g.remove = func() { _ = os.Remove(filepath.Join(cgroup2Mount, parent)) }
	default:
		return nil, errors.New("no control groups are mounted")
	}
	probe, err := g.make("probe-" + strconv.Itoa(os.Getpid()))
	if err != nil {
		return nil, fmt.Errorf("control groups version %d: %w", g.version, err)
	}
	defer func() { _ = probe.remove() }()
	if err := probe.setCPU(cpuPeriodUs); err != nil {
		return nil, fmt.Errorf("control groups version %d: %w", g.version, err)
	}
	if err := probe.setMemory(64 << 20); err != nil {
		return nil, fmt.Errorf("control groups version %d: %w", g.version, err)
	}
	return g, nil
}

// Version 1.

// controllers1 are the version 1 controllers that an environment uses.
var controllers1 = []cgroup1.Name{cgroup1.Cpu, cgroup1.Memory, cgroup1.Pids}

func inHierarchy1() cgroup1.InitOpts {
	return cgroup1.WithHierarchy(func() ([]cgroup1.Subsystem, error) {
		all, err := cgroup1.Default()
		if err != nil {
			return nil, err
		}
		var used []cgroup1.Subsystem
		for _, s := range all {
			for _, name := range controllers1 {
				if s.Name() == name {
					used = append(used, s)
				}
			}
		}
		if len(used) < len(controllers1) {
			return nil, errors.New("one of the controllers cpu, memory and pids is not mounted")
		}
		return used, nil
	})
}

type group1 struct {
	control cgroup1.Cgroup
	paths   map[cgroup1.Name]string
}

func newGroup1(name string) (*group1, error) {
	path := cgroup1.NestedPath(name)
	pids := int64(maxProcesses)
	strict := func(c *cgroup1.InitConfig) error {
		c.InitCheck = func(s cgroup1.Subsystem, _ cgroup1.Path, err error) error { return err }
		return nil
	}
	resources := &specs.LinuxResources{Pids: &specs.LinuxPids{Limit: &pids}}
	control, err := cgroup1.New(path, resources, inHierarchy1(), strict)
	if err != nil {
		return nil, err
	}
	g := &group1{control: control, paths: map[cgroup1.Name]string{}}
	for _, s := range control.Subsystems() {
		place, err := path(s.Name())
		if err != nil {
			return nil, err
		}
		if p, ok := s.(interface{ Path(string) string }); ok {
			g.paths[s.Name()] = p.Path(place)
		}
	}
	return g, nil
}

func (g *group1) add(pid int) error { return g.control.Add(cgroup1.Process{Pid: pid}) }

func (g *group1) setCPU(quotaUs int64) error {
	period := uint64(cpuPeriodUs)
	return g.control.Update(&specs.LinuxResources{CPU: &specs.LinuxCPU{Quota: &quotaUs, Period: &period}})
}

func (g *group1) setMemory(limitBytes int64) error {
	return g.control.Update(&specs.LinuxResources{Memory: &specs.LinuxMemory{Limit: &limitBytes}})
}

func (g *group1) memory() (memoryUse, error) {
	folder := g.paths[cgroup1.Memory]
	usage, err := readNumber(filepath.Join(folder, "memory.usage_in_bytes"))
	if err != nil {
		return memoryUse{}, err
	}
	peak, err := readNumber(filepath.Join(folder, "memory.max_usage_in_bytes"))
	if err != nil {
		return memoryUse{}, err
	}
	stat, err := readTable(filepath.Join(folder, "memory.stat"))
	if err != nil {
		return memoryUse{}, err
	}
	// total_cache counts files and shared memory; the rest of the usage cannot be given back.
	return memoryUse{anonymous: max(0, usage-stat["total_cache"]), shared: stat["total_shmem"], peak: peak}, nil
}

func (g *group1) outOfMemory() bool {
	table, err := readTable(filepath.Join(g.paths[cgroup1.Memory], "memory.oom_control"))
	return err == nil && table["oom_kill"] > 0
}

func (g *group1) kill() { killAll(filepath.Join(g.paths[cgroup1.Pids], "cgroup.procs")) }

func (g *group1) remove() error { return g.control.Delete() }

func (g *group1) folders() []string {
	var all []string
	for _, path := range g.paths {
		all = append(all, path)
	}
	return all
}

// Version 2.

// cgroup2Mount is where every distribution mounts version 2.
const cgroup2Mount = "/sys/fs/cgroup"

type group2 struct {
	manager *cgroup2.Manager
	path    string
}

func newGroup2(mount, name string) (*group2, error) {
	quota, period := int64(cpuPeriodUs), uint64(cpuPeriodUs)
	limit := int64(64 << 20)
	resources := &cgroup2.Resources{
		CPU:    &cgroup2.CPU{Max: cgroup2.NewCPUMax(&quota, &period)},
		Memory: &cgroup2.Memory{Max: &limit},
		Pids:   &cgroup2.Pids{Max: maxProcesses},
	}
	manager, err := cgroup2.NewManager(mount, name, resources)
	if err != nil {
		return nil, err
	}
	return &group2{manager: manager, path: filepath.Join(mount, name)}, nil
}

func (g *group2) add(pid int) error { return g.manager.AddProc(uint64(pid)) }

func (g *group2) setCPU(quotaUs int64) error {
	period := uint64(cpuPeriodUs)
	return g.manager.Update(&cgroup2.Resources{CPU: &cgroup2.CPU{Max: cgroup2.NewCPUMax(&quotaUs, &period)}})
}

func (g *group2) setMemory(limitBytes int64) error {
	return g.manager.Update(&cgroup2.Resources{Memory: &cgroup2.Memory{Max: &limitBytes}})
}

func (g *group2) memory() (memoryUse, error) {
	usage, err := readNumber(filepath.Join(g.path, "memory.current"))
	if err != nil {
		return memoryUse{}, err
	}
	stat, err := readTable(filepath.Join(g.path, "memory.stat"))
	if err != nil {
		return memoryUse{}, err
	}
	peak, err := readNumber(filepath.Join(g.path, "memory.peak")) // Linux 5.19
	if err != nil {
		peak = usage
	}
	// "file" counts files and shared memory, as in version 1.
	return memoryUse{anonymous: max(0, usage-stat["file"]), shared: stat["shmem"], peak: peak}, nil
}

func (g *group2) outOfMemory() bool {
	table, err := readTable(filepath.Join(g.path, "memory.events"))
	return err == nil && table["oom_kill"] > 0
}

func (g *group2) kill() {
	if os.WriteFile(filepath.Join(g.path, "cgroup.kill"), []byte("1"), 0) == nil { // Linux 5.14
		return
	}
	killAll(filepath.Join(g.path, "cgroup.procs"))
}

func (g *group2) remove() error { return g.manager.Delete() }

func (g *group2) folders() []string { return []string{g.path} }

// killAll ends all processes listed in a cgroup.procs file, again and again until none is left: one may start another
// between the reading and the killing.
func killAll(procs string) {
	for range 100 {
		raw, err := os.ReadFile(procs)
		if err != nil || len(bytes.TrimSpace(raw)) == 0 {
			return
		}
		for _, line := range strings.Fields(string(raw)) {
			if pid, err := strconv.Atoi(line); err == nil && pid > 1 && pid != os.Getpid() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		time.Sleep(2 * time.Millisecond)
	}
}

func readNumber(path string) (int64, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(raw)), 10, 64)
}

// readTable reads a file of "name value" lines.
func readTable(path string) (map[string]int64, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	table := map[string]int64{}
	lines := bufio.NewScanner(bytes.NewReader(raw))
	for lines.Scan() {
		name, text, _ := strings.Cut(lines.Text(), " ")
		if value, err := strconv.ParseInt(text, 10, 64); err == nil {
			table[name] = value
		}
	}
	return table, lines.Err()
}
