package sandbox

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// sandboxFolders are the folders of an environment that no image brings: their content is the sandbox's.
var sandboxFolders = []string{"proc", "sys", "dev", "tmp", "run"}

// systemFolders hold what programs are linked against. An image that has one of them is a whole system, and sees nothing of the
// host's; one that has none, as an image made from nothing, runs on the host's as a package does.
var systemFolders = []string{"bin", "lib", "lib64", "usr"}

// inImage changes what to run to what an image says. Without a mount namespace the image's files are where they were unpacked,
// and its program must not need others of them by their absolute paths.
func (c *childConfig) inImage(s Spec, namespace bool) {
	root := "/"
	if namespace {
		c.RootDir = s.RootDir
	} else {
		root = s.RootDir
	}
	c.Path = s.Entry
	if strings.Contains(s.Entry, "/") {
		c.Path = filepath.Join(root, s.Entry)
	}
	if s.Dir != "" {
		c.Dir = filepath.Join(root, s.Dir)
	}
}

// bindImage shows an image's files in a new root, read-only, and tells whether they are a whole system.
func bindImage(image, root string) (whole bool, err error) {
	entries, err := os.ReadDir(image)
	if err != nil {
		return false, err
	}
	for _, entry := range entries {
		name := entry.Name()
		if slices.Contains(sandboxFolders, name) {
			continue
		}
		whole = whole || slices.Contains(systemFolders, name)
		source, target := filepath.Join(image, name), filepath.Join(root, name)
		switch {
		case entry.Type()&os.ModeSymlink != 0:
			link, err := os.Readlink(source)
			if err != nil {
				return whole, err
			}
			_ = os.Remove(target) // an empty folder that was made before
			if err := os.Symlink(link, target); err != nil {
				return whole, err
			}
			continue
		case entry.IsDir():
			err = os.MkdirAll(target, 0o755)
		case entry.Type().IsRegular():
			err = os.WriteFile(target, nil, 0o644)
		default:
			continue
		}
		if err == nil {
			err = unix.Mount(source, target, "", unix.MS_BIND, "")
		}
		if err == nil {
			err = makeReadOnly(target, false)
		}
		if err != nil {
			return whole, err
		}
	}
	return whole, nil
}

// lookPath finds a program in the PATH of an environment; empty when it is not there.
func lookPath(name string, env []string) string {
	for i := range env {
		list, ok := strings.CutPrefix(env[len(env)-1-i], "PATH=")
		if !ok {
			continue
		}
		for _, dir := range filepath.SplitList(list) {
			path := filepath.Join(dir, name)
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
				return path
			}
		}
		return ""
	}
	return ""
}
