//go:build libhdf5 && linux

package libhdf5

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/planner/hdf5"
)

// TestBoxes checks that boxes list exactly the elements of a window, in their order.
func TestBoxes(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 3000 {
		shape := make([]int64, 1+random.IntN(4))
		total := int64(1)
		for i := range shape {
			shape[i] = 1 + random.Int64N(6)
			total *= shape[i]
		}
		offset := random.Int64N(total)
		count := 1 + random.Int64N(total-offset)
		var listed []int64
		all := boxes(shape, offset, count)
		for _, b := range all {
			before := len(listed)
			listed = appendBox(listed, shape, b, 0, 0)
			if int64(len(listed)-before) != b.elements {
				t.Fatalf("%v from %d, %d: %+v", shape, offset, count, b)
			}
		}
		if int64(len(listed)) != count || len(all) > 2*len(shape) {
			t.Fatalf("%v from %d: %d elements instead of %d in %d boxes", shape, offset, len(listed), count, len(all))
		}
		for i, at := range listed {
			if at != offset+int64(i) {
				t.Fatalf("%v from %d, %d: element %d is %d", shape, offset, count, i, at)
			}
		}
	}
}

// appendBox lists the places of a box's elements in C order.
func appendBox(to []int64, shape []int64, b box, dimension int, at int64) []int64 {
	if dimension == len(shape) {
		return append(to, at)
	}
	for i := range b.count[dimension] {
		to = appendBox(to, shape, b, dimension+1, at*shape[dimension]+int64(b.start[dimension]+i))
	}
	return to
}

// TestWorkerLimits looks at what the kernel holds a worker to.
func TestWorkerLimits(t *testing.T) {
	f, err := os.Open(fixture.Shared(t, "models", "hdf5", "files", "k2_full.h5"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := start(t.Context(), f, Limits{CPUSeconds: 7}.orDefaults())
	if err != nil {
		t.Fatal(err)
	}
	defer c.stop()
	var catalog hdf5.Catalog
	if err := c.ask(question{Ask: askCatalog}, nil, &catalog); err != nil {
		t.Fatal(err)
	}
	process := filepath.Join("/proc", strconv.Itoa(c.cmd.Process.Pid))
	text, err := os.ReadFile(filepath.Join(process, "limits"))
	if err != nil {
		t.Fatal(err)
	}
	limits := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if len(line) > 46 {
			limits[strings.TrimSpace(line[:26])] = strings.TrimSpace(line[26:46])
		}
	}
	open, err := os.ReadDir(filepath.Join(process, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	most, err := strconv.Atoi(limits["Max open files"])
	if err != nil {
		t.Fatal(err)
	}
	below := 0 // the kernel gives a file the lowest free descriptor
	for _, e := range open {
		if n, err := strconv.Atoi(e.Name()); err == nil && n < most {
			below++
		}
	}
	if most < fileDescriptor || below != most {
		t.Errorf("it has %d descriptors below its limit of %d: it can open another file", below, most)
	}
	if limits["Max cpu time"] != "7" || limits["Max core file size"] != "0" || limits["Max file size"] != "0" {
		t.Errorf("limits %q", limits)
	}
	if bytes, err := strconv.ParseInt(limits["Max address space"], 10, 64); err != nil || bytes < 2<<30 || bytes > 8<<30 {
		t.Errorf("limits %q", limits)
	}
}

// TestTooMuchCPU reads until the worker has used its second of a processor.
func TestTooMuchCPU(t *testing.T) {
	f, err := os.Open(fixture.Shared(t, "models", "hdf5", "files", "compressed.h5"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := start(t.Context(), f, Limits{CPUSeconds: 1}.orDefaults())
	if err != nil {
		t.Fatal(err)
	}
	defer c.stop()
	for range 1_000_000 {
		var catalog hdf5.Catalog
		if err = c.ask(question{Ask: askCatalog}, nil, &catalog); err != nil {
			break
		}
	}
	if diag.CodeOf(err) != "hdf5.worker-timeout" {
		t.Errorf("got %v", err)
	}
}

// TestProtocol gives the parent answers that no worker gives.
func TestProtocol(t *testing.T) {
	frame := func(k kind, body string) []byte {
		var b bytes.Buffer
		if err := writeAnswer(&b, k, []byte(body)); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	for name, c := range map[string]struct {
		answer []byte
		dst    []byte
		v      any
	}{
		"nothing":         {nil, make([]byte, 1), nil},
		"no length":       {[]byte{1, 0}, make([]byte, 1), nil},
		"empty":           {[]byte{0, 0, 0, 0}, make([]byte, 1), nil},
		"endless":         {[]byte{255, 255, 255, 255, 'b'}, make([]byte, 1), nil},
		"cut off":         {frame(answerBytes, "1234")[:7], make([]byte, 4), nil},
		"too short":       {frame(answerBytes, "123"), make([]byte, 4), nil},
		"too long":        {frame(answerBytes, "12345"), make([]byte, 4), nil},
		"of another kind": {frame(answerJSON, "{}"), make([]byte, 2), nil},
		"no JSON":         {frame(answerJSON, "{"), nil, new(hdf5.Catalog)},
		"bytes for JSON":  {frame(answerBytes, "{}"), nil, new(hdf5.Catalog)},
		"unknown":         {frame('?', "{}"), nil, new(hdf5.Catalog)},
		"no problem":      {frame(answerProblem, "x"), nil, new(hdf5.Catalog)},
	} {
		if err := readAnswer(bytes.NewReader(c.answer), c.dst, c.v); err == nil || diag.As(err) != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	problem := frame(answerProblem, `{"kind":4,"code":"hdf5.limit","found":"too much"}`)
	for _, v := range []any{nil, new(hdf5.Catalog)} {
		if err := readAnswer(bytes.NewReader(problem), make([]byte, 8), v); diag.CodeOf(err) != "hdf5.limit" {
			t.Errorf("a problem is read as %v", err)
		}
	}
	for _, q := range []string{"", `{"ask":"raw"`, strings.Repeat(" ", 2*maxQuestion)} {
		var b bytes.Buffer
		if err := writeFrame(&b, nil, []byte(q)); err != nil {
			t.Fatal(err)
		}
		if got, err := readQuestion(&b); err == nil {
			t.Errorf("%.20q is read as %+v", q, got)
		}
	}
}

// TestWorkerRefuses asks a worker for what is not there; it stays well.
func TestWorkerRefuses(t *testing.T) {
	f, err := os.Open(fixture.Shared(t, "models", "hdf5", "files", "odd.h5"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	c, err := start(t.Context(), f, Limits{}.orDefaults())
	if err != nil {
		t.Fatal(err)
	}
	defer c.stop()
	var catalog hdf5.Catalog
	one := make([]byte, 4)
	if err := c.ask(question{askRaw, 1, 0, 1}, one, nil); diag.As(err) == nil {
		t.Errorf("before the catalog: %v", err)
	}
	if err := c.ask(question{Ask: askCatalog}, nil, &catalog); err != nil {
		t.Fatal(err)
	}
	for i := range catalog.Objects {
		for _, q := range []question{{askRaw, i, -1, 1}, {askRaw, i, 1 << 40, 1}, {askFloat32s, i, 0, 1 << 40}, {askRaw, i, 0, 0}, {askRaw, i, 0, -1}} {
			if err := c.ask(q, one, nil); diag.As(err) == nil {
				t.Errorf("%+v gives %v", q, err)
			}
		}
	}
	for _, object := range []int{-1, 0, len(catalog.Objects)} {
		if err := c.ask(question{askStrings, object, 0, 0}, nil, new([]string)); diag.As(err) == nil {
			t.Errorf("object %d gives %v", object, err)
		}
	}
}

// BenchmarkRead reads all tensors of a model as float32: "ours" by package hdf5, "worker" through a process.
func BenchmarkRead(b *testing.B) {
	f, err := os.Open(fixture.Shared(b, "models", "k2_MobileNet", "model.h5"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	for name, open := range map[string]func() (*hdf5.File, error){
		"ours":   func() (*hdf5.File, error) { return hdf5.Open(f, info.Size()) },
		"worker": func() (*hdf5.File, error) { return Reader{}.Open(b.Context(), f, info.Size()) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(info.Size())
			for b.Loop() {
				h, err := open()
				if err != nil {
					b.Fatal(err)
				}
				err = h.Root().Walk(func(_ string, _ *hdf5.Group, d *hdf5.Dataset) error {
					if d == nil || d.Type().Format == hdf5.NoNumber {
						return nil
					}
					return d.ReadFloat32s(make([]float32, d.Elements()), 0)
				})
				if err != nil {
					b.Fatal(fmt.Errorf("%s: %w", name, err))
				}
			}
		})
	}
}
