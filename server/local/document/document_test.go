package document

import (
	"math"
	"os"
	"path/filepath"
	"testing"
)

// What fails leaves the file as it was, and nothing beside it.
func TestWrite(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a.json")
	for _, value := range []string{"first", "second"} {
		if err := WriteJSON(path, map[string]string{"k": value}); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(path); err != nil || string(got) != "{\n \"k\": \""+value+"\"\n}" {
			t.Errorf("%q %v", got, err)
		}
	}
	if err := WriteJSON(path, math.NaN()); err == nil {
		t.Error("what is no JSON is written")
	}
	taken := filepath.Join(dir, "folder")
	if err := os.MkdirAll(filepath.Join(taken, "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Write(taken, []byte("x")); err == nil {
		t.Error("a file takes the place of a folder")
	}
	if err := Write(filepath.Join(dir, "absent", "b"), nil); err == nil {
		t.Error("a file is written in a folder that is absent")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Errorf("%v %v", entries, err)
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "{\n \"k\": \"second\"\n}" {
		t.Errorf("%q %v", got, err)
	}
}
