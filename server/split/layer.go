package split

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"time"

	"partita/planner/weights"
	"partita/runtime/wire"
)

// TaskFolder is where Lambda has a function's code, in a container image relative to its root.
const TaskFolder = "var/task"

// layerTime is when all files of layers were made, so that the same files give the same bytes.
var layerTime = time.Unix(0, 0).UTC()

// WriteRuntimeLayer writes the layer of a container image that all stages share, as a tar archive: the bootstrap and ONNX Runtime.
func WriteRuntimeLayer(w io.Writer, native Native) error {
	const doing = "writing the layer of the runtime"
	l := layer{tar.NewWriter(w)}
	err := l.folders()
	if err == nil {
		err = l.file(BootstrapFile, native.Bootstrap)
	}
	if err == nil {
		err = l.file(wire.LibraryFile, native.Library)
	}
	if err == nil {
		err = l.Close()
	}
	return coded(err, doing)
}

// WriteLayer writes the stage's own layer of a container image, as a tar archive: what its zip holds beside the runtime. It is
// streamed, in memory that does not grow with the model.
func (s *Stage) WriteLayer(w io.Writer, src weights.Source) error {
	doing := fmt.Sprintf("writing the layer of stage %d of %s", s.Manifest.Index+1, s.Manifest.Deployment)
	manifest, err := encode(s.Manifest)
	if err != nil {
		return coded(err, doing)
	}
	l := layer{tar.NewWriter(w)}
	err = l.folders()
	if err == nil {
		err = l.content(wire.StageFile, manifest)
	}
	if err == nil {
		err = l.content(wire.ModelFile, s.model)
	}
	if err == nil {
		err = l.header(wire.WeightsFile, s.weightsSize, 0o644)
	}
	if err == nil {
		err = s.writeWeights(l, src)
	}
	if err == nil {
		err = l.Close()
	}
	return coded(err, doing)
}

// layer is a tar archive of files in TaskFolder that belong to nobody in particular.
type layer struct{ *tar.Writer }

func (l layer) folders() error {
	for _, name := range []string{"var/", TaskFolder + "/"} {
		if err := l.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name, Mode: 0o755, ModTime: layerTime}); err != nil {
			return err
		}
	}
	return nil
}

func (l layer) header(name string, size, mode int64) error {
	return l.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: TaskFolder + "/" + name, Size: size, Mode: mode, ModTime: layerTime})
}

func (l layer) content(name string, data []byte) error {
	err := l.header(name, int64(len(data)), 0o644)
	if err == nil {
		_, err = l.Write(data)
	}
	return err
}

// file adds a program or library of this machine.
func (l layer) file(name, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if err := l.header(name, info.Size(), 0o755); err != nil {
		return err
	}
	return copyFile(l, f, info.Size())
}
