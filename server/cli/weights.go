package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"partita/planner/diag"
	"partita/planner/load"
	"partita/planner/synthetic"
	"partita/planner/zoo"
)

// modelDetail says what a command takes as MODEL.
const modelDetail = "MODEL is an architecture (JSON, YAML), a whole model (.h5, .keras), or a built-in architecture of keras.applications, as zoo:ResNet50."

// openBuiltIn opens a built-in architecture, and matches it with the file of its weights when there is one.
func openBuiltIn(name string, files []load.File) (*load.Model, error) {
	m, err := zoo.Open(name)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if _, err := m.Weights(f); err != nil {
			return nil, err
		}
		m.HasWeights = true
	}
	return m, nil
}

// weightsDocument is what weights --json prints.
type weightsDocument struct {
	Format string `json:"format"`
	Model  string `json:"model"`
	File   string `json:"file"`
	Bytes  int64  `json:"bytes"`
}

// makeWeights writes a weights file for a model.
func makeWeights(_ context.Context, a *arguments, env *environment) error {
	if !a.on("synthetic") {
		return diag.New(diag.Usage, "weights.no-source", "weights", "it is not said where the weights shall come from", "--synthetic makes numbers up")
	}
	m, end, err := openModel(a, env)
	if err != nil {
		return err
	}
	defer end()
	size, err := synthetic.Size(m)
	if err != nil {
		return err
	}
	path := a.text("output")
	if path == "-" {
		out := bufio.NewWriterSize(env.out, 1<<18)
		if err := synthetic.Write(out, m); err != nil {
			return err
		}
		return out.Flush()
	}
	if path == "" {
		path = filepath.Base(m.Name) + ".synthetic.h5"
	}
	if err := writeWhole(path, func(w io.Writer) error { return synthetic.Write(w, m) }); err != nil {
		return err
	}
	if a.on("json") {
		return writeJSON(env.out, weightsDocument{"partita.weights/1", m.Name, path, size})
	}
	env.say("Made-up weights of %s: %.1f MB. They are good for trying a deployment, and for nothing else.", m.Name, float64(size)/1e6)
	_, err = fmt.Fprintln(env.out, path)
	return err
}

// writeWhole writes a file so that it is there whole or not at all.
func writeWhole(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".partita-*")
	if err != nil {
		return fileError("writing "+path, err)
	}
	defer os.Remove(f.Name()) // fails when all went well
	err = write(f)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if diag.As(err) == nil && err != nil {
		return fileError("writing "+path, err)
	}
	return err
}
