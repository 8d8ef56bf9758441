package engine

import (
	"bytes"
	"os"
	"testing"

	"partita/internal/fixture"
)

// counted is a file in memory that counts what is read of it.
type counted struct {
	name string
	raw  []byte
	read int64
}

func (f *counted) Name() string     { return f.name }
func (f *counted) Size() int64      { return int64(len(f.raw)) }
func (f *counted) Key() string      { return f.name }
func (f *counted) BytesRead() int64 { return f.read }
func (f *counted) ReadAt(p []byte, offset int64) (int, error) {
	n, err := bytes.NewReader(f.raw).ReadAt(p, offset)
	f.read += int64(n)
	return n, err
}

func shared(t *testing.T, name string, elem ...string) *counted {
	t.Helper()
	raw, err := os.ReadFile(fixture.Shared(t, elem...))
	if err != nil {
		t.Fatal(err)
	}
	return &counted{name: name, raw: raw}
}
