//go:build libhdf5 && linux

package libhdf5

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"
	gonum "gonum.org/v1/hdf5"
)

// linked records that the program calls RunWorker, without which the executable cannot be run again safely.
var linked atomic.Bool

// RunWorker must be called first thing in main (in tests: TestMain) of a program that uses this package. In an ordinary
// process it notes that it was called and returns. In a process started to read a file it does not return.
func RunWorker() {
	if len(os.Args) != 3 || os.Args[0] != workerName {
		linked.Store(true)
		return
	}
	runtime.LockOSThread() // libhdf5 keeps what fails by thread
	if err := work(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// work answers questions until there are no more.
func work(memory, cpu string) error {
	if err := limitSelf(memory, cpu); err != nil {
		return fmt.Errorf("limiting the process: %w", err)
	}
	in := bufio.NewReaderSize(os.Stdin, 4<<10)
	out := bufio.NewWriterSize(os.Stdout, 64<<10)
	l, problem := openLibrary(fmt.Sprintf("/proc/self/fd/%d", fileDescriptor))
	if err := openNothingMore(); err != nil {
		return err
	}
	for {
		q, err := readQuestion(in)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if problem != nil {
			err = writeProblem(out, problem)
		} else {
			err = l.answer(out, q)
		}
		if err == nil {
			err = out.Flush()
		}
		if err != nil {
			return err
		}
	}
}

// answer answers one question. The error is one of writing; what the library says goes into the answer.
func (l *library) answer(out io.Writer, q question) error {
	switch q.Ask {
	case askCatalog:
		c, err := l.catalog()
		if err != nil {
			return writeProblem(out, err)
		}
		return writeJSON(out, answerJSON, c)
	case askStrings:
		s, err := l.strings(q.Object)
		if err != nil {
			return writeProblem(out, err)
		}
		return writeJSON(out, answerJSON, s)
	case askRaw, askFloat32s:
		b, err := l.elements(q)
		if err != nil {
			return writeProblem(out, err)
		}
		return writeAnswer(out, answerBytes, b)
	}
	return fmt.Errorf("nobody can be asked for %q", q.Ask)
}

// limitSelf bounds what the process may take: so many bytes of memory on top of what it has, and seconds of a processor.
func limitSelf(memory, cpu string) error {
	bytes, err := strconv.ParseUint(memory, 10, 63)
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseUint(cpu, 10, 32)
	if err != nil {
		return err
	}
	// The Go runtime reserves address space that it never uses; the limit is on what comes on top.
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return err
	}
	pages, _, _ := strings.Cut(string(statm), " ")
	reserved, err := strconv.ParseUint(pages, 10, 40)
	if err != nil {
		return err
	}
	bytes += reserved * uint64(os.Getpagesize())
	for _, l := range []struct {
		resource int
		limit    unix.Rlimit
	}{
		{unix.RLIMIT_AS, unix.Rlimit{Cur: bytes, Max: bytes}},
		{unix.RLIMIT_CPU, unix.Rlimit{Cur: seconds, Max: seconds + 1}},
		{unix.RLIMIT_CORE, unix.Rlimit{}},
		{unix.RLIMIT_FSIZE, unix.Rlimit{}}, // it writes nothing but answers
	} {
		if err := unix.Setrlimit(l.resource, &l.limit); err != nil {
			return err
		}
	}
	return unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
}

// openNothingMore lets the process have no descriptors beyond those it has, so that no file, whatever a link in this one
// says, can be opened.
func openNothingMore() error {
	free, err := unix.Dup(fileDescriptor)
	if err != nil {
		return err
	}
	unix.Close(free)
	return unix.Setrlimit(unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: uint64(free), Max: uint64(free)})
}

// Version gives the version of libhdf5.
func Version() string {
	v, err := gonum.LibVersion()
	if err != nil {
		return ""
	}
	return v.String()
}
