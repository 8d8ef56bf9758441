package lambda

import (
	"archive/tar"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"syscall"
)

// unpacker puts the layers of an image over each other in a folder. Nothing is written or removed outside it, wherever links in
// the layers point, because all of it goes through an os.Root; and no more than a function's image may have, whatever the
// archives say about their sizes.
type unpacker struct {
	root        *os.Root
	bytesLeft   int64
	entriesLeft int
}

// Names by which a layer removes what is below it (OCI image specification 1.1, "Whiteouts").
const (
	whiteout = ".wh."
	opaque   = ".wh..wh..opq"
)

// layer unpacks one layer.
func (u *unpacker) layer(r io.Reader) error {
	archive := tar.NewReader(r)
	made := map[string]bool{} // by this layer, with the folders above
	for {
		h, err := archive.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return badImage("a layer is no tar archive: %v", err)
		}
		if u.entriesLeft--; u.entriesLeft < 0 {
			return badImage("it has more than %d entries", maxImageEntries)
		}
		name, ok := localName(h.Name)
		if !ok {
			return badImage("the entry %.200q leads out of the image", h.Name)
		}
		if name == "." {
			continue
		}
		if err := u.entry(archive, h, name, made); err != nil {
			var known *apiError
			var place *fs.PathError
			var link *os.LinkError
			switch {
			case errors.As(err, &known) || full(err):
				return err
			case errors.As(err, &place) || errors.As(err, &link):
				return badImage("the entry %.200q: %v", h.Name, err)
			}
			return badImage("the entry %.200q is cut off: %v", h.Name, err)
		}
		for p := name; p != "." && !made[p]; p = path.Dir(p) {
			made[p] = true
		}
	}
}

// full tells whether the disk is.
func full(err error) bool { return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) }

// localName makes an entry's name relative to the root. Archives write it as usr/lib, ./usr/lib or /usr/lib.
func localName(name string) (string, bool) {
	if strings.ContainsRune(name, 0) {
		return "", false
	}
	for _, part := range strings.Split(name, "/") {
		if part == ".." {
			return "", false
		}
	}
	return path.Clean(strings.TrimLeft(path.Clean("/"+name), "/")), true
}

func (u *unpacker) entry(content io.Reader, h *tar.Header, name string, made map[string]bool) error {
	dir, base := path.Split(name)
	dir = path.Clean(dir)
	if base == opaque {
		return u.clear(dir, made)
	}
	if hidden, ok := strings.CutPrefix(base, whiteout); ok {
		if hidden == "" || hidden == "." || hidden == ".." {
			return badImage("the entry %.200q hides nothing", h.Name)
		}
		if gone := path.Join(dir, hidden); !made[gone] {
			return u.root.RemoveAll(gone)
		}
		return nil
	}
	if err := u.root.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	present, err := u.root.Lstat(name)
	if err == nil && !(present.IsDir() && h.Typeflag == tar.TypeDir) {
		if err := u.root.RemoveAll(name); err != nil {
			return err
		}
	}
	permissions := fs.FileMode(h.Mode) & 0o777
	switch h.Typeflag {
	case tar.TypeDir:
		if err := u.root.Mkdir(name, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
		return u.root.Chmod(name, permissions|0o700) // so that the server can remove it
	case tar.TypeSymlink:
		return u.root.Symlink(h.Linkname, name)
	case tar.TypeLink:
		target, ok := localName(h.Linkname)
		if !ok {
			return badImage("the entry %.200q is a link that leads out of the image", h.Name)
		}
		return u.root.Link(target, name)
	case tar.TypeReg:
		return u.file(content, h, name, permissions)
	}
	return nil // devices and pipes: the sandbox has its own
}

func (u *unpacker) file(content io.Reader, h *tar.Header, name string, permissions fs.FileMode) error {
	if h.Size > u.bytesLeft {
		return badImage("it is larger than %d bytes uncompressed", int64(maxImageBytes))
	}
	file, err := u.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	n, err := io.Copy(file, content) // the archive's reader ends with the entry
	u.bytesLeft -= n
	if err != nil {
		return err
	}
	if err := file.Chmod(permissions | 0o400); err != nil {
		return err
	}
	return file.Close()
}

// clear removes what lower layers have put into a folder.
func (u *unpacker) clear(dir string, made map[string]bool) error {
	folder, err := u.root.Open(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	names, err := folder.Readdirnames(-1)
	folder.Close()
	if err != nil {
		return err
	}
	for _, base := range names {
		name := path.Join(dir, base)
		if !made[name] {
			err = u.root.RemoveAll(name)
		} else if info, statErr := u.root.Lstat(name); statErr == nil && info.IsDir() {
			err = u.clear(name, made)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
