package lambda

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
)

// functionLog keeps what a function's environments write, on the disk and within bounds: when the file is full it takes
// the place of the one before.
type functionLog struct {
	dir    string
	mu     sync.Mutex
	file   *os.File
	size   int64
	closed bool
}

const (
	logFile     = "log.txt"
	oldLogFile  = "log.old.txt"
	maxLogBytes = 4 << 20
)

func newFunctionLog(dir string) *functionLog { return &functionLog{dir: dir} }

// Write appends to the log. It never fails its caller: a function must not fail because its log cannot be kept.
func (l *functionLog) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return len(text), nil
	}
	if l.file != nil && l.size+int64(len(text)) > maxLogBytes {
		l.file.Close()
		l.file = nil
		_ = os.Rename(filepath.Join(l.dir, logFile), filepath.Join(l.dir, oldLogFile))
	}
	if l.file == nil {
		file, err := os.OpenFile(filepath.Join(l.dir, logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return len(text), nil
		}
		l.file, l.size = file, 0
		if info, err := file.Stat(); err == nil {
			l.size = info.Size()
		}
	}
	n, _ := l.file.Write(text)
	l.size += int64(n)
	return len(text), nil
}

// read gives what is kept, oldest first.
func (l *functionLog) read() ([]byte, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var all []byte
	for _, name := range []string{oldLogFile, logFile} {
		part, err := os.ReadFile(filepath.Join(l.dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		all = append(all, part...)
	}
	return all, nil
}

func (l *functionLog) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.file != nil {
		l.file.Close()
		l.file = nil
	}
}

// sink receives what one environment writes: all of it goes to the function's log, the last of it also to the
// invocation that is being served.
type sink struct {
	log  *functionLog
	mu   sync.Mutex
	tail []byte
	last byte
}

// Write implements io.Writer.
func (s *sink) Write(text []byte) (int, error) {
	if len(text) == 0 {
		return 0, nil
	}
	s.mu.Lock()
	s.keep(text)
	s.mu.Unlock()
	return s.log.Write(text)
}

func (s *sink) keep(text []byte) {
	s.last = text[len(text)-1]
	if len(text) >= logTailBytes {
		s.tail = append(s.tail[:0], text[len(text)-logTailBytes:]...)
		return
	}
	if len(s.tail)+len(text) > 4*logTailBytes {
		s.tail = append(s.tail[:0], s.tail[len(s.tail)-logTailBytes:]...)
	}
	s.tail = append(s.tail, text...)
}

// line writes a line of the service's own, on a line of its own.
func (s *sink) line(text string) {
	s.mu.Lock()
	if s.last != '\n' && s.last != 0 {
		text = "\n" + text
	}
	s.keep([]byte(text + "\n"))
	s.mu.Unlock()
	_, _ = s.log.Write([]byte(text + "\n"))
}

// begin forgets the tail of the invocation before.
func (s *sink) begin() {
	s.mu.Lock()
	s.tail, s.last = s.tail[:0], 0
	s.mu.Unlock()
}

// end gives the invocation's tail.
func (s *sink) end() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	tail := s.tail
	if len(tail) > logTailBytes {
		tail = tail[len(tail)-logTailBytes:]
	}
	return bytes.Clone(tail)
}
