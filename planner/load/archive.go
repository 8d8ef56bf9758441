package load

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strings"

	"partita/planner/diag"
)

// Bounds on a .keras file's own structure. Keras writes three entries; assets may add some.
const (
	maxDirectoryBytes = 4 << 20
	maxMetadataBytes  = 1 << 20
	maxConfigBytes    = 8 << 20
)

// archive is a .keras file of Keras 3: a zip whose entries are stored as they are, so that the weights in it can be read
// in place.
type archive struct {
	file    File
	config  *zip.File
	version string // of Keras
	weights *zip.File
	bundle  *bundled // a TensorFlow.js model instead
}

func openArchive(f File) (*archive, error) {
	if err := boundDirectory(f); err != nil {
		return nil, err
	}
	z, err := zip.NewReader(f.Reader, f.Size)
	if err != nil {
		return nil, damagedZip().Because(err)
	}
	a := &archive{file: f}
	var metadata *zip.File
	what, fix := "", ""
	for _, e := range z.File {
		if twice := map[string]*zip.File{"config.json": a.config, "metadata.json": metadata, "model.weights.h5": a.weights}[e.Name]; twice != nil {
			return nil, damagedZip().Because(errors.New(e.Name + " is in it twice"))
		}
		switch {
		case e.Name == "config.json":
			a.config = e
		case e.Name == "metadata.json":
			metadata = e
		case e.Name == "model.weights.h5":
			a.weights = e
		case strings.HasSuffix(e.Name, "data.pkl"):
			what, fix = "it is a PyTorch checkpoint", "export the model to ONNX (torch.onnx.export), and give the .onnx file"
		case strings.HasSuffix(e.Name, "saved_model.pb"):
			what, fix = "it is a zipped TensorFlow SavedModel", "load it in Keras and save it as .keras or .h5, or convert it with tf2onnx"
		case strings.HasSuffix(e.Name, ".npy"):
			what, fix = "it is an archive of NumPy arrays", "give the model, not its arrays"
		case strings.HasSuffix(e.Name, ".keras") || strings.HasSuffix(e.Name, ".h5"):
			what, fix = "it is a zip with "+shorten(e.Name)+" in it", "unpack it first"
		}
	}
	if a.config == nil {
		if a.bundle = bundleIn(f, z); a.bundle != nil {
			return a, nil
		}
		if what == "" {
			return nil, diag.New(diag.Invalid, "model.not-a-model", doing, "it is a zip without a config.json: not a .keras file", known)
		}
		return nil, diag.New(diag.Invalid, "model.unsupported-format", doing, what, fix)
	}
	if metadata != nil {
		text, err := readEntry(metadata, maxMetadataBytes)
		if err != nil {
			return nil, err
		}
		var m struct {
			KerasVersion string `json:"keras_version"`
		}
		if json.Unmarshal(text, &m) == nil {
			a.version = m.KerasVersion
		}
	}
	return a, nil
}

// weightsFile gives the weights in the archive as a file of their own.
func (a *archive) weightsFile() (File, error) {
	if a.weights == nil {
		return File{}, diag.New(diag.Invalid, "weights.absent", doing, "the .keras file has no model.weights.h5", "save the model again")
	}
	return storedEntry(a.file, a.weights)
}

// storedEntry gives an entry of an archive as a file of its own, read in place.
func storedEntry(f File, e *zip.File) (File, error) {
	if err := encrypted(e); err != nil {
		return File{}, err
	}
	if e.Method != zip.Store {
		return File{}, diag.New(diag.Invalid, "model.compressed-weights", doing, shorten(e.Name)+" in it is compressed, so that it cannot be read in place",
			"unpack it and pack it again with zip -0, or save the model again")
	}
	offset, err := e.DataOffset()
	if err != nil {
		return File{}, damagedZip().Because(err)
	}
	size := int64(e.UncompressedSize64)
	if size < 0 || offset < 0 || size > f.Size-offset {
		return File{}, damagedZip().Because(errors.New(e.Name + " reaches beyond the file's end"))
	}
	return File{Name: f.Name + "/" + e.Name, Size: size, Reader: io.NewSectionReader(f.Reader, offset, size), Second: f.Second}, nil
}

func damagedZip() *diag.Error {
	return diag.New(diag.Invalid, "model.damaged", doing, "the zip archive is damaged or incomplete", "download or copy the file again")
}

// encrypted refuses an entry that needs a password, which the standard reader passes over.
func encrypted(e *zip.File) error {
	if e.Flags&1 == 0 {
		return nil
	}
	return diag.New(diag.Invalid, "model.unsupported-format", doing, shorten(e.Name)+" in it is encrypted", "unpack it first")
}

// readEntry unpacks one small entry. It takes as much memory as the entry claims to have bytes.
func readEntry(e *zip.File, limit int64) ([]byte, error) {
	if e.UncompressedSize64 > uint64(limit) {
		return nil, diag.New(diag.Limit, "model.too-large", doing, fmt.Sprintf("%s in it has more than %d bytes", shorten(e.Name), limit), "give a file as Keras wrote it")
	}
	if err := encrypted(e); err != nil {
		return nil, err
	}
	r, err := e.Open()
	if err != nil {
		return nil, damagedZip().Because(err)
	}
	defer r.Close()
	text := make([]byte, e.UncompressedSize64)
	if _, err := io.ReadFull(r, text); err != nil {
		return nil, damagedZip().Because(err)
	}
	// The end, where the checksum is compared, is at once behind it.
	if n, err := r.Read(make([]byte, 1)); n > 0 || err != io.EOF {
		return nil, damagedZip().Because(err)
	}
	return text, nil
}

// boundDirectory refuses a zip whose directory would take much memory to read. The standard reader reads entries from
// the directory's start to the end of the file, whatever count the file claims, so that stretch is what is bounded.
func boundDirectory(f File) error {
	const endBytes, locatorBytes, recordBytes, maxComment = 22, 20, 56, 1<<16 - 1
	tail := make([]byte, min(f.Size, endBytes+maxComment+locatorBytes))
	if _, err := f.Reader.ReadAt(tail, f.Size-int64(len(tail))); err != nil && err != io.EOF {
		return unreadable(err)
	}
	end := bytes.LastIndex(tail, []byte("PK\x05\x06"))
	if end < 0 || len(tail)-end < endBytes {
		return damagedZip().Because(errors.New("the directory at its end is missing"))
	}
	size := uint64(binary.LittleEndian.Uint32(tail[end+12:]))
	start := uint64(binary.LittleEndian.Uint32(tail[end+16:]))
	if locator := end - locatorBytes; locator >= 0 && string(tail[locator:locator+4]) == "PK\x06\x07" {
		// The 64-bit form: the locator says where the record with the true numbers is.
		record := make([]byte, recordBytes)
		at := binary.LittleEndian.Uint64(tail[locator+8:])
		if at > uint64(f.Size) {
			return damagedZip().Because(errors.New("the directory is beyond its end"))
		}
		if n, _ := f.Reader.ReadAt(record, int64(at)); n == len(record) && string(record[:4]) == "PK\x06\x06" {
			if size == math.MaxUint32 {
				size = binary.LittleEndian.Uint64(record[40:])
			}
			if start == math.MaxUint32 {
				start = binary.LittleEndian.Uint64(record[48:])
			}
		}
	}
	if start > uint64(f.Size) || size > uint64(f.Size) {
		return damagedZip().Because(errors.New("the directory is beyond its end"))
	}
	if size > maxDirectoryBytes || uint64(f.Size)-start > maxDirectoryBytes+maxComment {
		return diag.New(diag.Limit, "model.too-large", doing, fmt.Sprintf("the zip's directory takes more than %d bytes", maxDirectoryBytes), "give a .keras file as Keras wrote it")
	}
	return nil
}

func shorten(s string) string {
	if len(s) > 60 {
		return s[:60] + "..."
	}
	return s
}
