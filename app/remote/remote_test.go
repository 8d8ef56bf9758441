package remote

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"partita/planner/diag"
)

func TestParseAddress(t *testing.T) {
	for text, want := range map[string]string{
		" https://example.org/a/model.h5?download=true#top ": "https://example.org/a/model.h5?download=true",
		"http://127.0.0.1:8000/model.keras":                  "http://127.0.0.1:8000/model.keras",
		"http://localhost/model.onnx":                        "http://localhost/model.onnx",
		"https://example.org/a b.h5":                         "remote.not-an-address",
		"model.h5":                                           "remote.not-an-address",
		"":                                                   "remote.not-an-address",
		"https:///model.h5":                                  "remote.not-an-address",
		"https://me:word@example.org/model.h5":               "remote.not-an-address",
		"https://example.org/" + strings.Repeat("a", 9000): "remote.not-an-address",
		"http://example.org/model.h5":                      "remote.not-https",
		"http://127.0.0.1.example.org/model.h5":            "remote.not-https",
		"file:///etc/passwd":                               "remote.not-an-address",
		"ftp://example.org/model.h5":                       "remote.not-https",
	} {
		u, err := ParseAddress(text)
		got := diag.CodeOf(err)
		if err == nil {
			got = u.String()
		}
		if got != want {
			t.Errorf("%.60q is read as %s, want %s", text, got, want)
		}
	}
}

func TestNames(t *testing.T) {
	for address, want := range map[string]string{
		"https://example.org/a/ResNet%2050.h5?x=/y": "ResNet 50.h5", "https://example.org/a/": "a", "https://example.org/": "example.org", "https://example.org": "example.org",
	} {
		u, err := ParseAddress(address)
		if err != nil || NameOf(u) != want {
			t.Errorf("%s is called %q (%v), want %q", address, NameOf(u), err, want)
		}
	}
}

func TestKeysAreReadAgain(t *testing.T) {
	for _, i := range []Identity{{"https://example.org/a%20b.h5", 12, `W/"x y"`}, {"http://localhost:1/m", 0, ""}} {
		if again, there := ParseKey(i.Key()); !there || again != i {
			t.Errorf("%q is read as %v", i.Key(), again)
		}
	}
	for _, key := range []string{"", "model.h5|12|1700000000000", "my model 2 x|12|17", "https://example.org/a x y", "https://example.org/a -1 ", "http://example.org/a 1 "} {
		if i, there := ParseKey(key); there {
			t.Errorf("%q is taken for %v", key, i)
		}
	}
}

// server is a file and what has been asked of it.
type server struct {
	content  []byte
	requests int
	bytes    int
	answer   func(*Answer) (*Answer, error) // spoils answers; nil: it does not
}

func (s *server) fetch(first, last int64) (*Answer, error) {
	s.requests++
	a := &Answer{Status: 206, Total: int64(len(s.content)), Mark: "one", Body: s.content[first:min(last+1, int64(len(s.content)))]}
	s.bytes += len(a.Body)
	if s.answer != nil {
		return s.answer(a)
	}
	return a, nil
}

func (s *server) file() *File {
	return New(Identity{"https://example.org/model.h5", int64(len(s.content)), "one"}, s.fetch)
}

func content(size int) []byte {
	raw, random := make([]byte, size), rand.New(rand.NewPCG(1, 2))
	for i := range raw {
		raw[i] = byte(random.Uint32())
	}
	return raw
}

// TestReadAtIsThatOfTheFile reads at random places and holds what it gets against a reader of the content.
func TestReadAtIsThatOfTheFile(t *testing.T) {
	for _, size := range []int{1, blockBytes - 1, blockBytes, blockBytes + 1, 40*blockBytes + 7} {
		s := &server{content: content(size)}
		f, want, random := s.file(), bytes.NewReader(s.content), rand.New(rand.NewPCG(3, uint64(size)))
		for range 300 {
			offset, p := random.Int64N(int64(size)+2), make([]byte, random.IntN(3*blockBytes))
			q := bytes.Clone(p)
			n, err := f.ReadAt(p, offset)
			m, wrong := want.ReadAt(q, offset)
			if n != m || !bytes.Equal(p, q) || (err == nil) != (wrong == nil) || err != nil && err != io.EOF {
				t.Fatalf("%d bytes at %d of %d: %d, %v, want %d, %v", len(p), offset, size, n, err, m, wrong)
			}
		}
		if s.bytes > size || f.BytesRead() != int64(s.bytes) {
			t.Errorf("%d bytes of %d were asked for, and %d counted", s.bytes, size, f.BytesRead())
		}
	}
	if _, err := (&server{content: content(1)}).file().ReadAt(nil, -1); err == nil {
		t.Error("a negative offset is taken")
	}
}

// TestReadingStraightOnAsksForMore reads a file larger than what is kept from its beginning to its end in small pieces.
func TestReadingStraightOnAsksForMore(t *testing.T) {
	s := &server{content: content((mostKept + 100) * blockBytes)}
	f := s.file()
	got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
	if err != nil || !bytes.Equal(got, s.content) {
		t.Fatalf("%d bytes came, %v", len(got), err)
	}
	if s.requests > 20 || s.bytes != len(s.content) {
		t.Errorf("%d requests for %d bytes of %d", s.requests, s.bytes, len(s.content))
	}
	if len(f.blocks) > mostKept || len(f.order) != len(f.blocks) {
		t.Errorf("%d blocks are kept, of %d", len(f.blocks), len(f.order))
	}
}

func TestReadAtRefusesAnotherFile(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*Answer) (*Answer, error)
		code  string
	}{
		"whole":        {func(a *Answer) (*Answer, error) { a.Status = 200; return a, nil }, "remote.changed"},
		"shorter":      {func(a *Answer) (*Answer, error) { a.Status = 416; return a, nil }, "remote.changed"},
		"other size":   {func(a *Answer) (*Answer, error) { a.Total--; return a, nil }, "remote.changed"},
		"other mark":   {func(a *Answer) (*Answer, error) { a.Mark = "two"; return a, nil }, "remote.changed"},
		"too few":      {func(a *Answer) (*Answer, error) { a.Body = a.Body[1:]; return a, nil }, "remote.changed"},
		"gone":         {func(a *Answer) (*Answer, error) { a.Status = 404; return a, nil }, "remote.not-found"},
		"failing":      {func(a *Answer) (*Answer, error) { a.Status = 500; return a, nil }, "remote.refused"},
		"disconnected": {func(*Answer) (*Answer, error) { return nil, errors.New("no more") }, "remote.connection-lost"},
	} {
		s := &server{content: content(100), answer: c.spoil}
		f := s.file()
		n, err := f.ReadAt(make([]byte, 10), 5)
		if n != 0 || diag.CodeOf(err) != c.code || diag.CodeOf(f.Failure()) != c.code {
			t.Errorf("%s: %d bytes, %v", name, n, err)
		}
	}
	// What a server hides is no change, and one broken connection no end.
	broken := 0
	s := &server{content: content(100), answer: func(a *Answer) (*Answer, error) {
		if broken++; broken == 1 {
			return nil, errors.New("once")
		}
		a.Total, a.Mark = -1, ""
		return a, nil
	}}
	if n, err := s.file().ReadAt(make([]byte, 10), 5); n != 10 || err != nil {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func TestAsk(t *testing.T) {
	const address = "https://example.org/model.h5"
	body := []byte("\x89HDF")
	for name, c := range map[string]struct {
		answer Answer
		length int64
		want   string
	}{
		"ranges":            {Answer{Status: 206, Total: 4000, Mark: "m", Body: body}, -1, address + " 4000 m ranges"},
		"hidden size":       {Answer{Status: 206, Total: -1, Body: body}, 4000, address + " 4000  ranges"},
		"no size":           {Answer{Status: 206, Total: -1, Body: body}, -1, address + " -1  whole"},
		"whole":             {Answer{Status: 200, Total: 4000}, -1, address + " 4000  whole"},
		"whole and unknown": {Answer{Status: 200, Total: -1}, -1, address + " -1  whole"},
		"whole and large":   {Answer{Status: 200, Total: MostWhole + 1}, -1, "remote.too-large"},
		"ranges and large":  {Answer{Status: 206, Total: MostWhole + 1, Body: body}, -1, address + " 2147483649  ranges"},
		"empty":             {Answer{Status: 416, Total: -1}, -1, "remote.empty"},
		"called a page":     {Answer{Status: 200, Total: -1, Page: true}, -1, "remote.page"},
		"a page":            {Answer{Status: 206, Total: 4000, Body: []byte("\n <!DOCTYPE html>")}, -1, "remote.page"},
		"nothing":           {Answer{Status: 404}, -1, "remote.not-found"},
		"secret":            {Answer{Status: 401}, -1, "remote.refused"},
	} {
		found, err := Ask(address+"#part", func(string) Fetch {
			return func(int64, int64) (*Answer, error) { a := c.answer; return &a, nil }
		}, func(string) int64 { return c.length })
		got := diag.CodeOf(err)
		if err == nil {
			got = found.Key() + " whole"
			if found.Ranges {
				got = found.Key() + " ranges"
			}
		}
		if got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
	_, err := Ask(address, func(string) Fetch { return func(int64, int64) (*Answer, error) { return nil, errors.New("failed") } }, nil)
	if diag.CodeOf(err) != "remote.unreachable" {
		t.Errorf("of a server that does not answer it says %v", err)
	}
}

func TestWhole(t *testing.T) {
	f := &Found{Identity: Identity{Size: 10, Mark: "one"}, Name: "model.h5", Ranges: true}
	for want, a := range map[string]*Answer{
		"": {Status: 206, Mark: "one"}, "remote.changed": {Status: 206, Mark: "two"}, "remote.page": {Status: 200, Page: true}, "remote.not-found": {Status: 404}, "remote.refused": {Status: 503},
	} {
		if err := f.Whole(a); err == nil && want != "" || err != nil && diag.CodeOf(err) != want {
			t.Errorf("%+v: %v, want %s", a, err, want)
		}
	}
	if err := f.Whole(&Answer{Status: 200, Mark: "one"}); diag.CodeOf(err) != "remote.changed" {
		t.Errorf("of a server that gives no ranges any more it says %v", err)
	}
	if err := (&Found{Identity: Identity{Size: -1, Mark: "one"}, Name: "model.h5"}).Whole(&Answer{Status: 200, Mark: "one-gzip"}); err != nil {
		t.Errorf("of what comes compressed it says %v", err)
	}
	if err := f.Ended(10); err != nil {
		t.Error(err)
	}
	if err := f.Ended(9); diag.CodeOf(err) != "remote.changed" {
		t.Errorf("of 9 bytes in place of 10 it says %v", err)
	}
}
