package stage

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"partita/planner/diag"
	"partita/runtime/wire"
)

// Fetcher copies weights out of the store.
type Fetcher interface {
	Fetch(ctx context.Context, object wire.Object, parts *wire.Weights, w io.WriterAt) error
}

// fetchWeights makes a temporary folder with the stage's model and the weights that its package lacks, as openSession wants
// them. The folder may go as soon as ONNX Runtime has mapped the file. Meanwhile ONNX Runtime itself is loaded.
func fetchWeights(root, library string, m *wire.StageManifest, store Store) (folder string, err error) {
	from, ok := store.(Fetcher)
	if !ok {
		return "", loading("stage.no-store", "its weights are in S3, and it has no access to S3", "report this")
	}
	place := os.Getenv(wire.WeightsVariable)
	bucket, key, ok := strings.Cut(strings.TrimPrefix(place, "s3://"), "/")
	if !ok || !strings.HasPrefix(place, "s3://") || bucket == "" || key == "" {
		return "", loading("stage.no-weights-place", fmt.Sprintf("its weights are not in the package, and %s is %.80q", wire.WeightsVariable, place),
			"set that variable of the function to s3://BUCKET/KEY, where the deployment's weights are")
	}
	made, err := os.MkdirTemp("", "partita-stage-*")
	if err != nil {
		return "", noTemporary(m, err)
	}
	defer func() {
		if err != nil {
			os.RemoveAll(made)
		}
	}()
	ready := make(chan struct{})
	go func() {
		_ = environment(library) // openSession tells what is wrong with it
		close(ready)
	}()
	defer func() { <-ready }()
	model, err := os.ReadFile(filepath.Join(root, wire.ModelFile))
	if err != nil {
		return "", loading("stage.no-model", "its "+wire.ModelFile+" cannot be read", "deploy again").Because(err)
	}
	if err := os.WriteFile(filepath.Join(made, wire.ModelFile), model, 0o600); err != nil {
		return "", noTemporary(m, err)
	}
	f, err := os.Create(filepath.Join(made, wire.WeightsFile))
	if err != nil {
		return "", noTemporary(m, err)
	}
	defer f.Close()
	if err := f.Truncate(m.Weights.Bytes); err != nil {
		return "", noTemporary(m, err)
	}
	err = from.Fetch(context.Background(), wire.Object{Bucket: bucket, Key: key, Bytes: m.Weights.Bytes}, m.Weights, f)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EIO) {
		return "", noTemporary(m, err)
	}
	return made, err
}

func noTemporary(m *wire.StageManifest, err error) *diag.Error {
	return loading("stage.no-room", fmt.Sprintf("its weights of %d bytes cannot be put into the temporary folder %s", m.Weights.Bytes, os.TempDir()),
		"give the function more temporary storage").Because(err)
}
