package split

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/planner/graph"
	"partita/runtime/wire"
)

// native makes files in place of the real bootstrap and ONNX Runtime.
func native(t testing.TB) Native {
	dir := t.TempDir()
	n := Native{Bootstrap: filepath.Join(dir, "bootstrap"), Library: filepath.Join(dir, "library")}
	for path, text := range map[string]string{n.Bootstrap: "#!/bin/sh\n", n.Library: "\x7fELF..."} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

func oneStage(t testing.TB) (*Stage, memory) {
	g, src := everything(t)
	stages, err := Stages(g, []int{5}, "test")
	if err != nil {
		t.Fatal(err)
	}
	return stages[1], src
}

// onlyWriter hides a writer's other methods.
type onlyWriter struct{ io.Writer }

// packages writes a stage's package to a file (from an offset on) and to a stream.
func packages(t testing.TB, s *Stage, src memory) (file, stream []byte) {
	n := native(t)
	f, err := os.Create(filepath.Join(t.TempDir(), "stage.zip"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("before"); err != nil {
		t.Fatal(err)
	}
	if err := s.WritePackage(f, src, n); err != nil {
		t.Fatal(err)
	}
	if file, err = os.ReadFile(f.Name()); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := s.WritePackage(onlyWriter{&b}, src, n); err != nil {
		t.Fatal(err)
	}
	return file[len("before"):], b.Bytes()
}

func TestPackage(t *testing.T) {
	s, src := oneStage(t)
	file, stream := packages(t, s, src)
	again, streamAgain := packages(t, s, src)
	if !bytes.Equal(file, again) || !bytes.Equal(stream, streamAgain) {
		t.Error("two writings differ")
	}
	dir := t.TempDir()
	if err := s.WriteDir(dir, src); err != nil {
		t.Fatal(err)
	}
	for kind, data := range map[string][]byte{"file": file, "stream": stream} {
		z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, e := range z.File {
			names = append(names, e.Name)
			if kind == "file" && (e.Method != zip.Store || e.Flags&8 != 0) {
				t.Errorf("%s: %s has method %d and flags %#x", kind, e.Name, e.Method, e.Flags)
			}
			if want := map[bool]os.FileMode{true: 0o755, false: 0o644}[e.Name == "bootstrap" || e.Name == "libonnxruntime.so"]; e.Mode() != want {
				t.Errorf("%s: %s has mode %v", kind, e.Name, e.Mode())
			}
			if e.ModifiedDate != 33 || e.ModifiedTime != 0 { //nolint:staticcheck // what the header holds
				t.Errorf("%s: %s has date %d", kind, e.Name, e.ModifiedDate)
			}
			r, err := e.Open()
			if err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r) // checks the checksum
			if err != nil {
				t.Fatalf("%s: %s: %v", kind, e.Name, err)
			}
			if want, err := os.ReadFile(filepath.Join(dir, e.Name)); err == nil && !bytes.Equal(got, want) {
				t.Errorf("%s: %s differs from WriteDir's", kind, e.Name)
			}
		}
		if want := []string{"bootstrap", "libonnxruntime.so", "stage.json", "stage.onnx", "stage.weights"}; !slices.Equal(names, want) {
			t.Errorf("%s: entries %v", kind, names)
		}
	}
}

// TestPackageForeignReaders opens packages with programs that are not Go's, one of which reads local headers.
func TestPackageForeignReaders(t *testing.T) {
	s, src := oneStage(t)
	file, stream := packages(t, s, src)
	dir := t.TempDir()
	checkers := map[string][]string{
		"unzip": {"unzip", "-tqq"},
		// Going through the local headers alone, as readers of streams do.
		"python3": {"python3", "-c", `
import sys, struct, zlib
b = open(sys.argv[1], "rb").read()
at = 0
while b[at:at+4] == b"PK\3\4":
    _, flags, method, _, _, crc, packed, size, n, x = struct.unpack("<HHHHHIIIHH", b[at+4:at+30])
    at += 30 + n + x
    if flags & 8:
        assert method == 8, "a stored entry of unknown size"
        d = zlib.decompressobj(-15)
        data = d.decompress(b[at:])
        end = len(b) - len(d.unused_data)
        sig, crc, packed, size = struct.unpack("<4sIII", b[end:end+16])
        assert sig == b"PK\7\x08" and packed == end - at
        at = end + 16
    else:
        data, at = b[at:at+size], at + size
    assert len(data) == size and zlib.crc32(data) == crc, "checksum"
assert b[at:at+4] == b"PK\1\2"
`},
	}
	for program, command := range checkers {
		t.Run(program, func(t *testing.T) {
			fixture.Tool(t, program, "that "+program+" reads packages", "make test-tools, or sudo apt-get install "+program)
			for kind, data := range map[string][]byte{"file": file, "stream": stream} {
				path := filepath.Join(dir, kind+".zip")
				if err := os.WriteFile(path, data, 0o600); err != nil {
					t.Fatal(err)
				}
				if out, err := exec.Command(command[0], append(command[1:], path)...).CombinedOutput(); err != nil {
					t.Errorf("%s: %v: %s", kind, err, out)
				}
			}
		})
	}
}

func TestGatewayPackage(t *testing.T) {
	var b bytes.Buffer
	m := wire.GatewayManifest{Format: wire.GatewayFormat, Deployment: "test", Batch: 3}
	if err := WriteGatewayPackage(&b, m, native(t).Bootstrap); err != nil {
		t.Fatal(err)
	}
	z, err := zip.NewReader(bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if len(z.File) != 2 || z.File[0].Name != "bootstrap" || z.File[0].Mode() != 0o755 || z.File[1].Name != "gateway.json" {
		t.Fatalf("entries %v", z.File)
	}
	r, err := z.File[1].Open()
	if err != nil {
		t.Fatal(err)
	}
	var got wire.GatewayManifest
	if err := json.NewDecoder(r).Decode(&got); err != nil || got.Deployment != "test" || got.Batch != 3 {
		t.Errorf("gateway.json is %+v (%v)", got, err)
	}
}

// TestManifest checks what a stage says of its tensors: those that pass through are on both sides.
func TestManifest(t *testing.T) {
	g, _ := everything(t)
	stages, err := Stages(g, []int{5, 9}, "test")
	if err != nil {
		t.Fatal(err)
	}
	names := func(list []wire.TensorSpec) (n []string) {
		for _, s := range list {
			n = append(n, s.Name)
		}
		return n
	}
	for k, want := range []struct {
		layers          string
		inputs, outputs []string
	}{
		{"conv1 .. relu1", []string{"image", "side"}, []string{"side", "relu1/0:0"}},
		{"depthwise .. conv3", []string{"side", "relu1/0:0"}, []string{"side", "relu2/0:0", "conv3/0:0"}},
		{"bn3 .. sum", []string{"side", "relu2/0:0", "conv3/0:0"}, []string{"relu8/0:0", "sum/0:0"}},
	} {
		m := stages[k].Manifest
		if m.Format != wire.StageFormat || m.Deployment != "test" || m.Index != k || m.Stages != 3 || m.Layers != want.layers ||
			!slices.Equal(names(m.Inputs), want.inputs) || !slices.Equal(names(m.Outputs), want.outputs) {
			t.Errorf("stage %d: %+v", k, m)
		}
		if k == 1 {
			if s := m.Outputs[1]; s.DType != "float32" || !slices.Equal(s.Shape, []int64{-1, 16, 8, 8}) {
				t.Errorf("stage 1 makes %+v", s)
			}
		}
	}
}

// failing fails after so many bytes, or when told to close.
type failing struct{ left int }

var errFull = errors.New("no space left on device")

func (f *failing) Write(p []byte) (int, error) {
	if f.left -= len(p); f.left < 0 {
		return 0, errFull
	}
	return len(p), nil
}

func TestErrors(t *testing.T) {
	g, src := everything(t)
	for _, cuts := range [][]int{{0}, {5, 5}, {7, 3}, {len(g.Layers)}, {-1}} {
		if _, err := Stages(g, cuts, "test"); diag.CodeOf(err) != "split.bad-cut" {
			t.Errorf("cuts %v: %v", cuts, err)
		}
	}
	if _, err := Stages(g, []int{1}, "test"); diag.CodeOf(err) != "split.empty-stage" {
		t.Errorf("a stage of inputs only: %v", err)
	}
	s, _ := oneStage(t)
	n := native(t)
	if err := s.WritePackage(io.Discard, src, Native{Bootstrap: "/nowhere/bootstrap", Library: n.Library}); diag.CodeOf(err) != "split.file-missing" {
		t.Errorf("no bootstrap: %v", err)
	}
	for _, left := range []int{0, 100, 5000, 20000} {
		err := s.WritePackage(&failing{left}, src, n)
		if diag.CodeOf(err) != "split.write" || !errors.Is(err, errFull) {
			t.Errorf("a full disk after %d bytes: %v", left, err)
		}
	}
	if err := s.WriteDir(filepath.Join(t.TempDir(), "absent"), src); diag.CodeOf(err) != "split.file-missing" {
		t.Errorf("no folder: %v", err)
	}
	short := memory{}
	for k, v := range src {
		short[k] = v
	}
	delete(short, "bn5/mean")
	if err := s.WritePackage(io.Discard, short, n); diag.CodeOf(err) != "weights.missing" {
		t.Errorf("a missing weight: %v", err)
	}
	short["bn5/mean"] = &stored{shape: graph.Shape{9}, data: make([]float32, 9)}
	if err := s.WritePackage(io.Discard, short, n); diag.CodeOf(err) != "split.weight-shape" {
		t.Errorf("a weight of another shape: %v", err)
	}
	g.Values[g.Nodes[0].Inputs[1]].DType = graph.Float16
	if _, err := Stages(g, nil, "test"); diag.CodeOf(err) != "split.weight-type" {
		t.Errorf("a weight of another type: %v", err)
	}
}
