//go:build libhdf5 && linux

package libhdf5

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"

	"partita/planner/diag"
	"partita/planner/hdf5"
)

// Reader opens files in processes of their own.
type Reader struct {
	Folder string // for temporary files; "" is the system's
	Limits Limits
}

// Limits bound one worker; what is zero has a default.
type Limits struct {
	MemoryBytes int64         // on top of what an idle process has; 2 GiB
	CPUSeconds  int64         // of a processor, over its life; 600
	Answer      time.Duration // the longest wait for one answer; 30 s
}

func (l Limits) orDefaults() Limits {
	if l.MemoryBytes == 0 {
		l.MemoryBytes = 2 << 30
	}
	if l.CPUSeconds == 0 {
		l.CPUSeconds = 600
	}
	if l.Answer == 0 {
		l.Answer = 30 * time.Second
	}
	return l
}

// Open starts a process that reads the file in r, and gives what it finds there. The process ends when ctx does; the file
// and the objects found through it must not be used after that.
func (r Reader) Open(ctx context.Context, from io.ReaderAt, size int64) (*hdf5.File, error) {
	if !linked.Load() {
		panic("libhdf5: the program does not call RunWorker at its start")
	}
	file, release, err := r.onDisk(ctx, from, size)
	if err != nil && ctx.Err() != nil {
		return nil, cancelled(ctx)
	}
	if err != nil {
		return nil, diag.New(diag.Unavailable, "hdf5.read", doing, "it cannot be copied to a temporary file", "check that there is room on the disk").Because(err)
	}
	defer release() // once there is a catalog, the worker has opened the file
	c, err := start(ctx, file, r.Limits.orDefaults())
	if err != nil {
		return nil, err
	}
	var catalog hdf5.Catalog
	if err := c.ask(question{Ask: askCatalog}, nil, &catalog); err != nil {
		c.stop()
		return nil, err
	}
	c.objects = catalog.Objects
	f, err := hdf5.FromCatalog(&catalog, size, c)
	if err != nil {
		c.stop()
		return nil, withDoing(err)
	}
	return f, nil
}

// onDisk gives a file with the bytes of a reader: itself where it is a whole file with a name, which libhdf5 insists on,
// else a copy. It may be released as soon as it is open elsewhere.
func (r Reader) onDisk(ctx context.Context, from io.ReaderAt, size int64) (file *os.File, release func(), err error) {
	if f, ok := from.(*os.File); ok {
		info, err := f.Stat()
		if err == nil && info.Mode().IsRegular() && info.Size() == size && info.Sys().(*syscall.Stat_t).Nlink > 0 {
			return f, func() {}, nil
		}
	}
	f, err := os.CreateTemp(r.Folder, "partita-*.h5")
	if err != nil {
		return nil, nil, err
	}
	release = func() {
		f.Close()
		os.Remove(f.Name())
	}
	if _, err = io.Copy(f, contextReader{ctx, io.NewSectionReader(from, 0, size)}); err != nil {
		release()
		return nil, nil, err
	}
	return f, release, nil
}

// contextReader reads until a context ends.
type contextReader struct {
	ctx context.Context
	io.Reader
}

func (r contextReader) Read(p []byte) (int, error) {
	if err := context.Cause(r.ctx); err != nil {
		return 0, err
	}
	return r.Reader.Read(p)
}

// conversation is a worker and the pipes to it. One question is asked at a time.
type conversation struct {
	ctx     context.Context
	limits  Limits
	objects []hdf5.CatalogObject

	mu     sync.Mutex
	cmd    *exec.Cmd
	in     *os.File // to the worker
	out    *bufio.Reader
	pipe   *os.File // behind out
	said   *head    // on standard error
	waited chan struct{}
	failed error // set once: there is no worker any more
}

// start runs this program again to read a file.
func start(ctx context.Context, file *os.File, limits Limits) (*conversation, error) {
	cannot := func(err error) error {
		return diag.New(diag.Unavailable, "hdf5.worker-failed", doing, "no process can be started for it", "try again").Because(err)
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, cannot(err)
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		theirIn.Close()
		in.Close()
		return nil, cannot(err)
	}
	c := &conversation{ctx: ctx, limits: limits, in: in, pipe: out, out: bufio.NewReaderSize(out, 64<<10), said: &head{}, waited: make(chan struct{})}
	c.cmd = exec.CommandContext(ctx, "/proc/self/exe")
	c.cmd.Args = []string{workerName, strconv.FormatInt(limits.MemoryBytes, 10), strconv.FormatInt(limits.CPUSeconds, 10)}
	c.cmd.Env = []string{
		"GOTRACEBACK=none", "GOMAXPROCS=2", "MALLOC_ARENA_MAX=1",
		"HDF5_USE_FILE_LOCKING=FALSE",  // the file is read only, perhaps on a disk without locks
		"HDF5_PLUGIN_PRELOAD=::",       // no filters but those built in
		"HDF5_DISABLE_VERSION_CHECK=1", // of headers against the library: no report on standard output
	}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = theirIn, theirOut, c.said
	c.cmd.ExtraFiles = []*os.File{file}
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is for the parent, which ends the worker
	c.cmd.WaitDelay = time.Second
	err = c.cmd.Start()
	theirIn.Close()
	theirOut.Close()
	if err != nil {
		in.Close()
		out.Close()
		return nil, cannot(err)
	}
	go func() {
		c.cmd.Wait() // what became of it is in its ProcessState
		in.Close()
		close(c.waited)
	}()
	return c, nil
}

// stop ends the worker.
func (c *conversation) stop() {
	c.cmd.Process.Kill()
	<-c.waited
}

// ask asks one question and reads the answer into dst or v.
func (c *conversation) ask(q question, dst []byte, v any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.failed != nil {
		return c.failed
	}
	deadline := time.Now().Add(c.limits.Answer)
	c.pipe.SetReadDeadline(deadline)
	c.in.SetWriteDeadline(deadline)
	err := writeQuestion(c.in, q)
	if err == nil {
		err = readAnswer(c.out, dst, v)
	}
	if err == nil || diag.As(err) != nil {
		return withDoing(err) // the worker is well and has answered
	}
	c.stop()
	c.pipe.Close()
	c.failed = c.verdict(err)
	return c.failed
}

// verdict says what became of a worker that does not answer.
func (c *conversation) verdict(err error) error {
	said := c.said.firstLine()
	const fix = "the file is damaged, or too unusual: get or write it again, or copy it with h5repack -f NONE -l CONTI"
	switch state := c.cmd.ProcessState; {
	case c.ctx.Err() != nil:
		return cancelled(c.ctx)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return diag.New(diag.Limit, "hdf5.worker-timeout", doing, fmt.Sprintf("its process gave no answer for %s", c.limits.Answer), fix)
	case bytes.Contains(c.said.text, []byte("SIGXCPU")) || state != nil && state.UserTime()+state.SystemTime() >= time.Duration(c.limits.CPUSeconds)*time.Second:
		return diag.New(diag.Limit, "hdf5.worker-timeout", doing, fmt.Sprintf("its process used more than %d seconds of a processor", c.limits.CPUSeconds), fix)
	case bytes.Contains(c.said.text, []byte("out of memory")) || bytes.Contains(c.said.text, []byte("cannot allocate memory")):
		return diag.New(diag.Limit, "hdf5.worker-crashed", doing, fmt.Sprintf("its process needed more than %d MB of memory", c.limits.MemoryBytes>>20), fix)
	case state != nil:
		return diag.New(diag.Invalid, "hdf5.worker-crashed", doing, "its process crashed ("+state.String()+")", fix).Because(errors.Join(err, said))
	}
	return diag.New(diag.Invalid, "hdf5.worker-crashed", doing, "its process crashed", fix).Because(err)
}

func cancelled(ctx context.Context) error {
	return diag.New(diag.Interrupted, "hdf5.worker-cancelled", doing, "it was cancelled", "").Because(context.Cause(ctx))
}

// withDoing says what was being done, unless err says it already.
func withDoing(err error) error {
	e := diag.As(err)
	if e == nil || e.Doing != "" {
		return err
	}
	c := *e
	c.Doing = doing
	return &c
}

// ReadRaw implements hdf5.Elements.
func (c *conversation) ReadRaw(object int, dst []byte, offset int64) error {
	size := c.objects[object].Type.Size
	window := max(1, windowBytes/size)
	for len(dst) > 0 {
		n := min(window, len(dst)/size)
		if err := c.ask(question{askRaw, object, offset, int64(n)}, dst[:n*size], nil); err != nil {
			return err
		}
		dst, offset = dst[n*size:], offset+int64(n)
	}
	return nil
}

// ReadFloat32s implements hdf5.Elements.
func (c *conversation) ReadFloat32s(object int, dst []float32, offset int64) error {
	buffer := make([]byte, min(windowBytes, 4*len(dst)))
	for len(dst) > 0 {
		n := min(windowBytes/4, len(dst))
		if err := c.ask(question{askFloat32s, object, offset, int64(n)}, buffer[:4*n], nil); err != nil {
			return err
		}
		for i := range n {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(buffer[4*i:]))
		}
		dst, offset = dst[n:], offset+int64(n)
	}
	return nil
}

// Strings implements hdf5.Elements.
func (c *conversation) Strings(object int) ([]string, error) {
	var s []string
	err := c.ask(question{Ask: askStrings, Object: object}, nil, &s)
	return s, err
}

// head keeps the start of what is written to it.
type head struct{ text []byte }

const headBytes = 4 << 10

func (h *head) Write(p []byte) (int, error) {
	h.text = append(h.text, p[:min(len(p), headBytes-len(h.text))]...)
	return len(p), nil
}

// firstLine gives the first line as an error, nil when there is none.
func (h *head) firstLine() error {
	line, _, _ := bytes.Cut(bytes.TrimSpace(h.text), []byte("\n"))
	if len(line) == 0 {
		return nil
	}
	return errors.New(string(bytes.ToValidUTF8(line, []byte("?"))))
}
