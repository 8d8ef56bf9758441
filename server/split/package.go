package split

import (
	"archive/zip"
	"compress/flate"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"partita/planner/diag"
	"partita/planner/weights"
	"partita/runtime/wire"
)

// BootstrapFile is the name under which Lambda's provided.al2023 runtime starts a function's program (AWS Lambda
// developer guide, "OS-only runtimes", 2026).
const BootstrapFile = "bootstrap"

// Native names the files that every stage's package carries beside the model.
type Native struct {
	Bootstrap string // the runtime's program
	Library   string // ONNX Runtime
}

// WritePackage writes the stage's zip: bootstrap, ONNX Runtime, stage.json, stage.onnx and stage.weights, uncompressed,
// in that order and with fixed times, so that the same inputs give the same bytes. On an error what has been written is
// no package; it is the caller's to discard. After WriteWeights the zip holds all but stage.weights.
//
// Where w can also be written at an offset (a file), every entry is stored with its size and checksum in front. Where
// it cannot (a pipe), the weights' checksum follows them, which readers that do not seek accept only of deflated
// entries (java.util.zip.ZipInputStream is one): the weights are then deflate's uncompressed blocks.
func (s *Stage) WritePackage(w io.Writer, src weights.Source, native Native) error {
	doing := fmt.Sprintf("writing the package of stage %d of %s", s.Manifest.Index+1, s.Manifest.Deployment)
	a := newArchive(w)
	inside := s.weightsSize
	if s.Manifest.Weights != nil {
		inside = 0
	}
	a.reserve(inside+int64(len(s.model)), native.Bootstrap, native.Library)
	if err := a.file(BootstrapFile, native.Bootstrap, 0o755); err != nil {
		return coded(err, doing)
	}
	if err := a.file(wire.LibraryFile, native.Library, 0o755); err != nil {
		return coded(err, doing)
	}
	if err := a.manifest(wire.StageFile, s.Manifest); err != nil {
		return coded(err, doing)
	}
	if err := a.content(wire.ModelFile, s.model); err != nil {
		return coded(err, doing)
	}
	if s.Manifest.Weights != nil {
		return coded(a.close(), doing)
	}
	err := a.stream(wire.WeightsFile, 0o644, s.weightsSize, func(w io.Writer) error { return s.writeWeights(w, src) })
	if err == nil {
		err = a.close()
	}
	return coded(err, doing)
}

// WriteWeights writes stage.weights as an object of its own, which the function fetches when it starts, and notes in the
// manifest what it must get. The package is written after that.
func (s *Stage) WriteWeights(w io.Writer, src weights.Source) error {
	if s.weightsSize == 0 {
		panic("split: a stage without weights has none to fetch")
	}
	c := &partSums{w: w, m: wire.Weights{Bytes: s.weightsSize, PartBytes: wire.WeightsPartBytes(s.weightsSize)}}
	if err := s.writeWeights(c, src); err != nil {
		return coded(err, fmt.Sprintf("writing the weights of stage %d of %s", s.Manifest.Index+1, s.Manifest.Deployment))
	}
	s.Manifest.Weights = &c.m
	return nil
}

// partSums sums up what is written, part by part.
type partSums struct {
	w io.Writer
	m wire.Weights
	n int64
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (c *partSums) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	for p = p[:n]; len(p) > 0; {
		at := c.n % c.m.PartBytes
		if at == 0 {
			c.m.CRC32C = append(c.m.CRC32C, 0)
		}
		part := p[:min(int64(len(p)), c.m.PartBytes-at)]
		last := len(c.m.CRC32C) - 1
		c.m.CRC32C[last] = crc32.Update(c.m.CRC32C[last], castagnoli, part)
		c.n += int64(len(part))
		p = p[len(part):]
	}
	return n, err
}

// WriteDir writes the stage's own files into a folder.
func (s *Stage) WriteDir(dir string, src weights.Source) error {
	doing := fmt.Sprintf("writing stage %d of %s to a folder", s.Manifest.Index+1, s.Manifest.Deployment)
	manifest, err := encode(s.Manifest)
	if err != nil {
		return coded(err, doing)
	}
	f, err := os.Create(filepath.Join(dir, wire.WeightsFile))
	if err != nil {
		return coded(err, doing)
	}
	reserve(f, 0, s.weightsSize)
	if err := s.writeWeights(f, src); err != nil {
		return coded(errors.Join(err, f.Close()), doing)
	}
	if err := f.Close(); err != nil {
		return coded(err, doing)
	}
	if err := os.WriteFile(filepath.Join(dir, wire.ModelFile), s.model, 0o644); err != nil {
		return coded(err, doing)
	}
	return coded(os.WriteFile(filepath.Join(dir, wire.StageFile), manifest, 0o644), doing)
}

// WriteGatewayPackage writes the gateway's zip: bootstrap and gateway.json.
func WriteGatewayPackage(w io.Writer, m wire.GatewayManifest, bootstrap string) error {
	doing := "writing the package of the gateway of " + m.Deployment
	a := newArchive(w)
	if err := a.file(BootstrapFile, bootstrap, 0o755); err != nil {
		return coded(err, doing)
	}
	if err := a.manifest(wire.GatewayFile, m); err != nil {
		return coded(err, doing)
	}
	return coded(a.close(), doing)
}

// writeWeights writes stage.weights.
func (s *Stage) writeWeights(w io.Writer, src weights.Source) error {
	p := pipelines.Get().(*pipeline)
	defer pipelines.Put(p)
	err := p.write(w, src, s.tensors)
	s.mu.Lock()
	s.loss = p.loss
	s.mu.Unlock()
	return err
}

// archive writes a zip of uncompressed entries.
type archive struct {
	zw      *zip.Writer
	written *counter
	at      io.WriterAt // nil: what is written cannot be changed
	base    int64       // the zip's offset in it
}

func newArchive(w io.Writer) *archive {
	a := &archive{written: &counter{w: w}}
	a.zw = zip.NewWriter(a.written)
	// A pipe's *os.File has these methods too, but does not seek.
	if f, ok := w.(interface {
		io.Seeker
		io.WriterAt
	}); ok {
		if base, err := f.Seek(0, io.SeekCurrent); err == nil {
			a.at, a.base = f, base
		}
	}
	a.zw.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) {
		return flate.NewWriter(w, flate.NoCompression)
	})
	return a
}

// reserve makes room for entries: those of so many bytes, and these files. What is not counted, headers and the
// manifest, is little; what is reserved is written in full.
func (a *archive) reserve(bytes int64, files ...string) {
	if a.at == nil {
		return
	}
	for _, path := range files {
		if info, err := os.Stat(path); err == nil {
			bytes += info.Size()
		}
	}
	reserve(a.at, a.base, bytes)
}

// header makes an entry's header. Its time is the earliest that zip can express, 1 January 1980 (the legacy field
// writes it without the extra field that a zip.FileHeader.Modified would add).
func header(name string, mode fs.FileMode) *zip.FileHeader {
	h := &zip.FileHeader{Name: name, Method: zip.Store}
	h.ModifiedDate = 1<<5 | 1 //nolint:staticcheck // see above
	h.SetMode(mode)
	return h
}

// copyFile copies a file of this machine, in large pieces, and refuses one whose size is not what it was.
func copyFile(w io.Writer, f *os.File, size int64) error {
	n, err := io.CopyBuffer(struct{ io.Writer }{w}, struct{ io.Reader }{f}, make([]byte, 1<<20))
	if err == nil && n != size {
		err = fmt.Errorf("%s changed while it was read", f.Name())
	}
	return err
}

// file adds a file of this machine.
func (a *archive) file(name, path string, mode fs.FileMode) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	copied := func(w io.Writer) error { return copyFile(w, f, info.Size()) }
	if a.at != nil {
		return a.stream(name, mode, info.Size(), copied)
	}
	sum := crc32.NewIEEE()
	if err := copied(sum); err != nil {
		return err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	w, err := a.create(header(name, mode), info.Size(), sum.Sum32())
	if err != nil {
		return err
	}
	again := crc32.NewIEEE()
	if err := copied(io.MultiWriter(w, again)); err != nil {
		return err
	}
	if again.Sum32() != sum.Sum32() {
		return fmt.Errorf("%s changed while it was read", path)
	}
	return nil
}

func (a *archive) content(name string, data []byte) error {
	w, err := a.create(header(name, 0o644), int64(len(data)), crc32.ChecksumIEEE(data))
	if err == nil {
		_, err = w.Write(data)
	}
	return err
}

func (a *archive) manifest(name string, v any) error {
	data, err := encode(v)
	if err != nil {
		return err
	}
	return a.content(name, data)
}

// create starts a stored entry whose size and checksum are known.
func (a *archive) create(h *zip.FileHeader, size int64, sum uint32) (io.Writer, error) {
	if a.written.n+size > math.MaxUint32-1<<20 {
		return nil, diag.New(diag.Limit, "split.package-size", "", fmt.Sprintf("the package would be over 4 GiB with %s", h.Name),
			"plan with more stages")
	}
	h.CompressedSize64, h.UncompressedSize64, h.CRC32 = uint64(size), uint64(size), sum
	return a.zw.CreateRaw(h)
}

// stream adds an entry of a known size whose bytes are made as they are written.
func (a *archive) stream(name string, mode fs.FileMode, size int64, write func(io.Writer) error) error {
	h := header(name, mode)
	if a.at == nil {
		h.Method = zip.Deflate
		w, err := a.zw.CreateHeader(h)
		if err != nil {
			return err
		}
		return write(w)
	}
	// CreateRaw keeps the header it is given and writes it again into the directory at the end: only the checksum in
	// front of the entry has to be put right, at its offset 14 in a local file header (APPNOTE.TXT 4.3.7).
	if err := a.zw.Flush(); err != nil {
		return err
	}
	place := a.base + a.written.n + 14
	w, err := a.create(h, size, 0)
	if err != nil {
		return err
	}
	sum := crc32.NewIEEE()
	if err := write(io.MultiWriter(w, sum)); err != nil {
		return err
	}
	h.CRC32 = sum.Sum32()
	if err := a.zw.Flush(); err != nil {
		return err
	}
	var field [4]byte
	for i := range field {
		field[i] = byte(h.CRC32 >> (8 * i))
	}
	_, err = a.at.WriteAt(field[:], place)
	return err
}

func (a *archive) close() error { return a.zw.Close() }

// counter counts what has been written.
type counter struct {
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func encode(v any) ([]byte, error) {
	data, err := json.MarshalIndent(v, "", " ")
	return append(data, '\n'), err
}

// coded gives an error of reading or writing a code; one that has a code already keeps it.
func coded(err error, doing string) error {
	if err == nil {
		return nil
	}
	if e := diag.As(err); e != nil {
		if e.Doing != "" {
			return err
		}
		c := *e
		c.Doing = doing
		return &c
	}
	if errors.Is(err, fs.ErrNotExist) {
		return diag.New(diag.Internal, "split.file-missing", doing, "a file it needs is absent",
			"build it with `make build`, or name its folder in PARTITA_FUNCTION_DIR").Because(err)
	}
	return diag.New(diag.Internal, "split.write", doing, "a file could not be read or written",
		"make room on the disk and try again").Because(err)
}
