package browser

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"sync/atomic"
	"syscall/js"

	"partita/app/state"
)

// File is a file that the user chose. It is never read whole: ReadAt asks the browser for just the slice wanted.
type File struct {
	blob js.Value
	name string
	size int64
	read atomic.Int64
}

// Files takes the files out of a FileList, which must be done inside the event's handler: the list is empty afterwards. In a list from the
// page to its worker a text is the key of a file at a web address.
func Files(list js.Value) []state.File {
	var files []state.File
	for i := range list.Length() {
		if one := list.Index(i); one.Type() != js.TypeString {
			files = append(files, newFile(one))
		} else if r := newRemote(one.String()); r != nil {
			files = append(files, r)
		}
	}
	return files
}

func newFile(blob js.Value) *File {
	return &File{blob: blob, name: blob.Get("name").String(), size: int64(blob.Get("size").Float())}
}

// Key tells the file from others, also on another visit: the same name, length and time of change are the same file.
func (f *File) Key() string {
	return f.name + "|" + strconv.FormatInt(f.size, 10) + "|" + strconv.FormatInt(int64(f.blob.Get("lastModified").Float()), 10)
}

// Name gives the file's name without its folder.
func (f *File) Name() string { return f.name }

// Size gives the file's length in bytes.
func (f *File) Size() int64 { return f.size }

// BytesRead counts what has been read of the file so far.
func (f *File) BytesRead() int64 { return f.read.Load() }

// ReadAt reads a slice of the file; see io.ReaderAt. It waits for the browser, so it must not be called inside a
// JavaScript callback.
func (f *File) ReadAt(p []byte, offset int64) (int, error) {
	if offset < 0 {
		return 0, fmt.Errorf("reading %s at negative offset %d", f.name, offset)
	}
	if offset >= f.size {
		return 0, io.EOF
	}
	end := min(offset+int64(len(p)), f.size)
	// Offsets cross as float64, which is exact up to 2^53.
	buffer, err := await(context.Background(), f.blob.Call("slice", float64(offset), float64(end)).Call("arrayBuffer"))
	if err != nil {
		return 0, fmt.Errorf("reading %s: the browser says %w", f.name, err)
	}
	n := js.CopyBytesToGo(p, js.Global().Get("Uint8Array").New(buffer))
	f.read.Add(int64(n))
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// NewBlob gives bytes to the browser.
func NewBlob(raw []byte) js.Value {
	view := js.Global().Get("Uint8Array").New(len(raw))
	js.CopyBytesToJS(view, raw)
	return js.Global().Get("Blob").New([]any{view})
}
