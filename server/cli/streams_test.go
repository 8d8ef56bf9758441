package cli

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"partita/runtime/wire"
	"partita/server/api"
)

// sequential is a model of one layer.
const sequential = `{"class_name":"Sequential","config":{"name":"m","layers":[{"class_name":"Dense","config":{"name":"d","units":2,"batch_input_shape":[null,3],"activation":"linear","use_bias":true}}]}}`

// brokenWriter fails from the second write on, as a disk does that is full.
type brokenWriter struct{ writes int }

func (b *brokenWriter) Write(p []byte) (int, error) {
	if b.writes++; b.writes > 1 {
		return 0, errors.New("no space left on device")
	}
	return len(p), nil
}

func TestOutputThatCannotBeWritten(t *testing.T) {
	model := filepath.Join(t.TempDir(), "m.json")
	if err := os.WriteFile(model, []byte(sequential), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"help"}, {"plan", model}, {"plan", "-h"}, {"version", "--json"}, {"plan", model, "--json"}} {
		var said bytes.Buffer
		env := &environment{in: strings.NewReader(""), out: &brokenWriter{writes: 1}, errors: &said, getenv: os.Getenv}
		code := run(t.Context(), args, env)
		if code != 1 || !strings.Contains(said.String(), "writing standard output") || !strings.Contains(said.String(), "file.unusable") {
			t.Errorf("partita %v ends with %d: %s", args, code, said.String())
		}
	}
}

// silent never says anything and never ends.
type silent struct{ asked chan struct{} }

func (s *silent) Read([]byte) (int, error) {
	close(s.asked)
	select {}
}

func TestInterruptedWhileWaitingForInput(t *testing.T) {
	for _, args := range [][]string{{"inspect", "-"}, {"invoke", "demo", "-"}, {"deploy", "-", "--weights", "w", "--name", "demo", "--yes"}, {"destroy", "demo"}} {
		ctx, cancel := context.WithCancel(t.Context())
		in := &silent{make(chan struct{})}
		go func() { <-in.asked; cancel() }()
		var said bytes.Buffer
		ended := make(chan int)
		go func() {
			ended <- run(ctx, args, &environment{in: in, out: io.Discard, errors: &said, terminal: true, getenv: func(string) string { return "" }})
		}()
		select {
		case code := <-ended:
			if code != 130 {
				t.Errorf("partita %v ends with %d: %s", args, code, said.String())
			}
		case <-time.After(20 * time.Second):
			t.Fatalf("partita %v does not end", args)
		}
	}
}

// TestModelFromPipe reads a model from a file that is no regular one, as the shell's <(...) gives.
func TestModelFromPipe(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("models from pipes are tested on Linux only, by its /dev/fd: run the tests there")
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		io.WriteString(w, sequential)
		w.Close()
	}()
	got := partita(t, "", "inspect", "/proc/self/fd/"+strconv.Itoa(int(r.Fd())), "--json")
	if got.code != 0 || !strings.Contains(got.stdout, `"parameters":8`) {
		t.Errorf("%+v", got)
	}
}

// TestTensorIsNotLeftHalfWritten writes to a full device, and a tensor that is none to a file.
func TestTensorIsNotLeftHalfWritten(t *testing.T) {
	good := &api.OutputTensor{Name: "o", DType: "uint8", Shape: []int64{4}, Data: []byte{1, 2, 3, 4}}
	if _, err := os.Stat("/dev/full"); err == nil {
		if err := writeTensor("/dev/full", good); err == nil || !strings.Contains(err.Error(), "file.unusable") {
			t.Errorf("/dev/full: %v", err)
		}
		if _, err := os.Stat("/dev/full"); err != nil {
			t.Fatal("the device was removed")
		}
	}
	path := filepath.Join(t.TempDir(), "t.npy")
	if err := writeTensor(path, &api.OutputTensor{DType: "no such type", Shape: []int64{4}, Data: []byte{1}}); err == nil {
		t.Error("a tensor of no type is written")
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a file is left")
	}
}

func TestDataFolderThatCannotBeUsed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "lock"), 0o700); err != nil { // so that the lock cannot be made, even by root
		t.Fatal(err)
	}
	for _, c := range [][2]string{{file, "not a directory"}, {dir, "is a directory"}} {
		got := partita(t, "", "serve", "--addr", "127.0.0.1:0", "--data", c[0])
		if got.code != 1 || !strings.Contains(got.stderr, c[1]) || !strings.Contains(got.stderr, c[0]) || strings.Contains(got.stderr, "another server") {
			t.Errorf("%s: %+v", c[0], got)
		}
	}
}

func TestScoresThatAreNotNumbers(t *testing.T) {
	var shown bytes.Buffer
	if err := showInvocation(&shown, &invocation{Top: [][]wire.Class{{}, {{Index: 3, Score: 0.5}}}}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(shown.String(), "not numbers"); n != 1 || !strings.Contains(shown.String(), "class    3  0.5") {
		t.Errorf("%s", shown.String())
	}
}
