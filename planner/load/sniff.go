package load

import (
	"bytes"
	"io"
	"strings"
	"unicode/utf8"

	"partita/planner/diag"
)

// kind is what a file is by its first bytes.
type kind int

const (
	unknown kind = iota
	hdf5File
	zipFile
	jsonText
	yamlText
)

const doing = "opening a model"

// hdf5Signature begins an HDF5 file, or follows a user block of 512, 1024, 2048... bytes.
const hdf5Signature = "\x89HDF\r\n\x1a\n"

// known says which models are read.
const known = "give a model of Keras (.keras, .h5, or its architecture in .json or .yaml), ONNX (.onnx) or TensorFlow.js (model.json)"

// foreign are files of other programs, told by their first bytes.
var foreign = []struct {
	offset           int
	magic, what, fix string
}{
	{0, "\x1f\x8b", "it is compressed with gzip", "unpack it first (gunzip)"},
	{0, "\xfd7zXZ\x00", "it is compressed with xz", "unpack it first (unxz)"},
	{0, "BZh", "it is compressed with bzip2", "unpack it first (bunzip2)"},
	{0, "\x28\xb5\x2f\xfd", "it is compressed with zstd", "unpack it first (unzstd)"},
	{4, "TFL3", "it is a TensorFlow Lite model", "give the model that it was converted from: a Keras file (.keras, .h5), or an ONNX file (.onnx)"},
	{0, "GGUF", "it is a GGUF model", "export the model that it was made from to ONNX (.onnx), or give its Keras file"},
	{0, "\x80\x02", "it is a Python pickle, perhaps a PyTorch checkpoint", "export the model to ONNX (torch.onnx.export; for scikit-learn skl2onnx), and give the .onnx file"},
	{0, "\x80\x03", "it is a Python pickle, perhaps a PyTorch checkpoint", "export the model to ONNX (torch.onnx.export; for scikit-learn skl2onnx), and give the .onnx file"},
	{0, "\x80\x04", "it is a Python pickle, perhaps a PyTorch checkpoint", "export the model to ONNX (torch.onnx.export; for scikit-learn skl2onnx), and give the .onnx file"},
	{0, "\x80\x05", "it is a Python pickle, perhaps a PyTorch checkpoint", "export the model to ONNX (torch.onnx.export; for scikit-learn skl2onnx), and give the .onnx file"},
}

// sniff tells what a file is.
func sniff(f File) (kind, error) {
	if f.Size <= 0 {
		return unknown, diag.New(diag.Invalid, "model.empty", doing, "the file is empty", "download or copy it again")
	}
	head := make([]byte, min(f.Size, 4096))
	if _, err := f.Reader.ReadAt(head, 0); err != nil && err != io.EOF {
		return unknown, unreadable(err)
	}
	for at := int64(0); at < f.Size; at = max(512, at*2) {
		signature := make([]byte, len(hdf5Signature))
		if n, err := f.Reader.ReadAt(signature, at); n == len(signature) && string(signature) == hdf5Signature {
			return hdf5File, nil
		} else if err != nil && err != io.EOF {
			return unknown, unreadable(err)
		}
		if at > 1<<30 {
			break
		}
	}
	text := string(head)
	switch {
	case strings.HasPrefix(text, "PK\x03\x04") || strings.HasPrefix(text, "PK\x05\x06"):
		return zipFile, nil
	}
	for _, m := range foreign {
		if len(text) >= m.offset && strings.HasPrefix(text[m.offset:], m.magic) {
			return unknown, diag.New(diag.Invalid, "model.unsupported-format", doing, m.what, m.fix)
		}
	}
	name := strings.ToLower(f.Name)
	switch {
	case strings.HasSuffix(name, ".pb"):
		return unknown, diag.New(diag.Invalid, "model.unsupported-format", doing, "it is a TensorFlow graph or SavedModel", "load it in Keras and save it as .keras or .h5, or convert it with tf2onnx")
	case len(text) > 9 && text[8] == '{' && strings.HasSuffix(name, ".safetensors"):
		return unknown, diag.New(diag.Invalid, "model.unsupported-format", doing, "it is a safetensors file: weights without their model", "export the model to ONNX (torch.onnx.export, or optimum-cli for Hugging Face), and give the .onnx file")
	}
	start := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	if !isText(head) || len(start) == 0 {
		return unknown, diag.New(diag.Invalid, "model.unknown-format", doing, "its first bytes are those of no known format", known)
	}
	if start[0] == '{' || start[0] == '[' {
		return jsonText, nil
	}
	return yamlText, nil
}

// isText tells whether bytes look like UTF-8 text; the last character may be cut off.
func isText(head []byte) bool {
	for len(head) > 0 {
		r, size := utf8.DecodeRune(head)
		if r == utf8.RuneError && size <= 1 {
			return len(head) < utf8.UTFMax && !utf8.FullRune(head)
		}
		if r < ' ' && r != '\n' && r != '\r' && r != '\t' && r != '\f' || r == 0x7f {
			return false
		}
		head = head[size:]
	}
	return true
}

func unreadable(err error) error {
	return diag.New(diag.Unavailable, "model.unreadable", doing, "it cannot be read", "check that the file is still there").Because(err)
}
