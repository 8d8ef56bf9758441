package sandbox

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"

	"golang.org/x/sys/unix"
)

// childName is the name (argv[0]) under which the server's own executable is run again to prepare a sandbox from
// within and then become the function's process.
const childName = "partita-sandbox-init"

// Descriptors the parent hands to the child beside the standard three.
const (
	configFD = 3 // the childConfig as JSON, ended by end of file
	statusFD = 4 // a StartError as JSON, or end of file when the program was started
)

// childConfig tells the child what to prepare and what to become.
type childConfig struct {
	NewRoot   string   `json:"newRoot"`  // where to build the root file system; empty: keep the host's
	TaskDir   string   `json:"taskDir"`  // becomes /var/task
	RootDir   string   `json:"rootDir"`  // an image's files, which take the place of the host's and of TaskDir
	TmpBytes  int64    `json:"tmpBytes"` // size of /tmp
	UID       int      `json:"uid"`      // user to become; negative: stay
	ParentPID int      `json:"parentPid"`
	Path      string   `json:"path"`
	Args      []string `json:"args"` // with the program's name
	Env       []string `json:"env"`
	Dir       string   `json:"dir"`
	Probe     bool     `json:"probe"` // prepare, report, and end
}

// linked records that the program calls RunChild, without which the executable cannot be run again safely.
var linked atomic.Bool

// RunChild must be called first thing in main (in tests: TestMain) of a program that uses this package. In an ordinary
// process it notes that it was called and returns. In a process started to become a sandbox it does not return.
func RunChild() {
	if len(os.Args) != 1 || os.Args[0] != childName {
		linked.Store(true)
		return
	}
	runtime.LockOSThread() // capabilities, securebits and the death signal belong to a thread
	unix.CloseOnExec(configFD)
	unix.CloseOnExec(statusFD)
	err := becomeSandbox()
	status := os.NewFile(statusFD, "status")
	if err == nil { // a probe that worked
		os.Exit(0)
	}
	var start *StartError
	if !errors.As(err, &start) {
		start = &StartError{Stage: "prepare", Text: err.Error()}
	}
	_ = json.NewEncoder(status).Encode(start)
	os.Exit(125)
}

func becomeSandbox() error {
	raw, err := io.ReadAll(io.LimitReader(os.NewFile(configFD, "config"), 1<<20))
	if err != nil {
		return &StartError{"config", err.Error()}
	}
	var c childConfig
	if err := json.Unmarshal(raw, &c); err != nil {
		return &StartError{"config", err.Error()}
	}
	if c.NewRoot != "" {
		if err := buildRoot(&c); err != nil {
			return err
		}
	}
	if c.Probe {
		return nil
	}
	if err := limitSelf(&c); err != nil {
		return err
	}
	if err := os.Chdir(c.Dir); err != nil {
		return &StartError{"exec", fmt.Sprintf("chdir %s: %v", c.Dir, err)}
	}
	if c.RootDir != "" && !strings.Contains(c.Path, "/") {
		if found := lookPath(c.Path, c.Env); found != "" {
			c.Path = found
		}
	}
	err = syscall.Exec(c.Path, c.Args, c.Env)
	return &StartError{"exec", fmt.Sprintf("fork/exec %s: %v", c.Path, err)}
}

// hostFolders are the folders of the host that an environment sees, read-only: what a dynamically linked program needs.
var hostFolders = []string{"bin", "sbin", "lib", "lib32", "lib64", "libx32", "usr", "etc", "nix", "gnu"}

// hostDevices are the device files an environment sees.
var hostDevices = []string{"null", "zero", "full", "random", "urandom"}

// buildRoot makes a root file system of its own for this process and moves into it.
func buildRoot(c *childConfig) error {
	fail := func(what string, err error) error {
		return &StartError{"mount", fmt.Sprintf("%s: %v", what, err)}
	}
	unix.Umask(0o022)
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fail("making mounts private", err)
	}
	root := c.NewRoot
	if err := unix.Mount("tmpfs", root, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=1m,mode=755"); err != nil {
		return fail("tmpfs for the root", err)
	}
	at := func(elem ...string) string { return filepath.Join(append([]string{root}, elem...)...) }
	for _, dir := range []string{"tmp", "var", "var/task", "var/runtime", "opt", "proc", "sys", "dev"} {
		if err := os.Mkdir(at(dir), 0o755); err != nil {
			return fail("folder", err)
		}
	}
	folders := hostFolders
	if c.RootDir != "" {
		whole, err := bindImage(c.RootDir, root)
		if err != nil {
			return fail("the image", err)
		}
		if whole {
			folders = nil
		}
	}
	for _, name := range folders {
		if _, err := os.Lstat(at(name)); err == nil {
			continue // the image's
		}
		if err := bindHost(name, at(name), true); err != nil {
			return fail("/"+name, err)
		}
	}
	for _, name := range []string{"proc", "sys"} {
		if err := unix.Mount("/"+name, at(name), "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fail("/"+name, err)
		}
	}
	// Name resolution by systemd-resolved: /etc/resolv.conf is then a link into this folder.
	if info, err := os.Stat("/run/systemd/resolve"); err == nil && info.IsDir() {
		if err := os.MkdirAll(at("run/systemd/resolve"), 0o755); err != nil {
			return fail("folder", err)
		}
		if err := bindHost("run/systemd/resolve", at("run/systemd/resolve"), true); err != nil {
			return fail("/run/systemd/resolve", err)
		}
	}
	for _, name := range hostDevices {
		if err := os.WriteFile(at("dev", name), nil, 0o644); err != nil {
			return fail("device", err)
		}
		if err := unix.Mount("/dev/"+name, at("dev", name), "", unix.MS_BIND, ""); err != nil {
			return fail("/dev/"+name, err)
		}
	}
	for name, target := range map[string]string{"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0",
		"stdout": "/proc/self/fd/1", "stderr": "/proc/self/fd/2"} {
		if err := os.Symlink(target, at("dev", name)); err != nil {
			return fail("device", err)
		}
	}
	options := fmt.Sprintf("size=%d,mode=1777", c.TmpBytes)
	if err := unix.Mount("tmpfs", at("tmp"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, options); err != nil {
		return fail("/tmp", err)
	}
	if c.TaskDir != "" && c.RootDir == "" {
		if err := unix.Mount(c.TaskDir, at("var/task"), "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fail("/var/task", err)
		}
		if err := makeReadOnly(at("var/task"), true); err != nil {
			return fail("/var/task read-only", err)
		}
	}
	if err := os.Chdir(root); err != nil {
		return fail("entering the root", err)
	}
	if err := unix.PivotRoot(".", "."); err != nil {
		return fail("changing the root", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return fail("leaving the host's root", err)
	}
	if err := os.Chdir("/"); err != nil {
		return fail("entering the root", err)
	}
	if err := makeReadOnly("/", false); err != nil {
		return fail("root read-only", err)
	}
	return nil
}

// bindHost shows a folder of the host at target, or repeats the link that the host has there; absent folders are left
// out.
func bindHost(name, target string, readOnly bool) error {
	source := "/" + name
	info, err := os.Lstat(source)
	if err != nil {
		return nil
	}
	if info.Mode()&os.ModeSymlink != 0 {
		link, err := os.Readlink(source)
		if err != nil {
			return err
		}
		return os.Symlink(link, target)
	}
	if !info.IsDir() {
		return nil
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
		return err
	}
	if !readOnly {
		return nil
	}
	return makeReadOnly(target, true)
}

// makeReadOnly makes a mount read-only, with all below it where the kernel can (Linux 5.12), else the mount itself.
func makeReadOnly(path string, recursive bool) error {
	flags := uint(0)
	if recursive {
		flags = unix.AT_RECURSIVE
	}
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY | unix.MOUNT_ATTR_NOSUID}
	err := unix.MountSetattr(unix.AT_FDCWD, path, flags, attr)
	if err == nil || !errors.Is(err, unix.ENOSYS) {
		return err
	}
	// A remount inside a user namespace must repeat the flags that are locked.
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return err
	}
	kept := uintptr(fs.Flags) & (unix.MS_NODEV | unix.MS_NOEXEC | unix.MS_NOATIME | unix.MS_NODIRATIME | unix.MS_RELATIME)
	return unix.Mount("", path, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY|unix.MS_NOSUID|kept, "")
}

// limitSelf takes away from this process what the function must not have.
func limitSelf(c *childConfig) error {
	fail := func(what string, err error) error {
		return &StartError{"limit", fmt.Sprintf("%s: %v", what, err)}
	}
	files := &syscall.Rlimit{Cur: maxFileDescriptors, Max: maxFileDescriptors}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, files); err != nil {
		return fail("file descriptors", err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		return fail("core files", err)
	}
	unix.Umask(0o022)
	if c.NewRoot != "" { // only then is this process privileged, on the machine or in its user namespace
		for capability := uintptr(0); capability <= unix.CAP_LAST_CAP; capability++ {
			err := unix.Prctl(unix.PR_CAPBSET_DROP, capability, 0, 0, 0)
			if err != nil && !errors.Is(err, unix.EINVAL) { // EINVAL: this kernel has fewer capabilities
				return fail("capabilities", err)
			}
		}
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return fail("privileges", err)
	}
	if c.UID >= 0 {
		if err := syscall.Setgroups(nil); err != nil {
			return fail("groups", err)
		}
		if err := syscall.Setresgid(c.UID, c.UID, c.UID); err != nil {
			return fail("group", err)
		}
		if err := syscall.Setresuid(c.UID, c.UID, c.UID); err != nil {
			return fail("user", err)
		}
	}
	// Changing the user clears the death signal that the parent asked for, so it is set here again; the parent may
	// have ended in between.
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fail("death signal", err)
	}
	if c.ParentPID != 0 && os.Getppid() != c.ParentPID {
		return fail("parent", errors.New("the server has ended"))
	}
	return nil
}

// withPaths adds what only this package knows about the places to a function's environment variables.
func withPaths(env []string, p Paths) []string {
	out := append([]string(nil), env...)
	out = append(out, "LAMBDA_TASK_ROOT="+p.TaskRoot)
	if p.TempDir != "/tmp" {
		out = append(out, "TMPDIR="+p.TempDir)
	}
	for i, pair := range out {
		if name, value, _ := strings.Cut(pair, "="); name == "LD_LIBRARY_PATH" {
			out[i] = name + "=" + strings.ReplaceAll(value, "/var/task", p.TaskRoot)
		}
	}
	return out
}
