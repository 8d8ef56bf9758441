package sandbox

import (
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// output carries what an environment's process writes to a writer. Unlike a copying goroutine it can be drained on
// demand, so that a request's log is complete when its answer is.
type output struct {
	to   io.Writer
	mu   sync.Mutex // held while reading and handing on
	file *os.File
	raw  syscall.RawConn
	buf  []byte
	end  chan struct{}
}

// newOutput makes a pipe and gives its writing end, which blocks, as programs expect of their standard output.
func newOutput(to io.Writer) (*output, *os.File, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, nil, err
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		unix.Close(fds[0])
		unix.Close(fds[1])
		return nil, nil, err
	}
	o := &output{to: to, file: os.NewFile(uintptr(fds[0]), "output"), buf: make([]byte, 32<<10), end: make(chan struct{})}
	raw, err := o.file.SyscallConn()
	if err != nil {
		o.file.Close()
		unix.Close(fds[1])
		return nil, nil, err
	}
	o.raw = raw
	go func() {
		defer close(o.end)
		_ = raw.Read(func(fd uintptr) bool {
			for {
				if more, ended := o.take(fd); !more {
					return ended
				}
			}
		})
	}()
	return o, os.NewFile(uintptr(fds[1]), "output"), nil
}

// take reads once. The lock is held for one reading only, so that drain gets its turn when a process never stops
// writing.
func (o *output) take(fd uintptr) (more, ended bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := unix.Read(int(fd), o.buf)
	switch {
	case n > 0:
		if o.to != nil {
			_, _ = o.to.Write(o.buf[:n])
		}
		return true, false
	case err == unix.EINTR:
		return true, false
	case err == unix.EAGAIN:
		return false, false
	default:
		return false, true
	}
}

// drain hands on what has been written so far, up to the largest size of a pipe (1 MB unless raised by root).
func (o *output) drain() {
	_ = o.raw.Control(func(fd uintptr) {
		for range 1 << 20 / len(o.buf) {
			if more, _ := o.take(fd); !more {
				return
			}
		}
	})
}

func (o *output) close() {
	_ = o.file.Close()
	<-o.end
}
