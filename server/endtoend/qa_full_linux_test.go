package endtoend

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"partita/internal/fixture"
)

// TestFullDisk deploys to a server whose data folder has no room, at each point where room is needed: the user learns
// that it is the disk, nothing is left, and when there is room it goes on.
func TestFullDisk(t *testing.T) {
	executable(t)
	data, resize := fixture.SmallDisk(t, "10m")
	p := serve(t, data)
	c := readCase(t, "k3_tiny_cnn")
	model := c.path(t, "model.h5", "")
	file, _ := planFor(t, model, 2)
	deploy := func() result {
		return partita(t, "deploy", file, "--weights", model, "--name", "full", "--server", p.url, "--yes")
	}
	refused := func(where, code string) {
		t.Helper()
		r := deploy()
		if r.code != 4 || !strings.Contains(r.stderr, code) || !strings.Contains(r.stderr, "full") {
			t.Errorf("%s: %d %s", where, r.code, r.stderr)
		}
		if all := listed(t, p); strings.Contains(all, `"full"`) {
			t.Errorf("%s: left %s", where, all)
		}
	}
	refused("no room for a package", "deploy.no-room")

	// A package is written once by the deployer and once by the local cloud.
	resize("70m")
	refused("no room for a package in the bucket", "cloud.full")

	rest := filepath.Join(data, "rest")
	if err := os.WriteFile(rest, make([]byte, 80<<20), 0o600); err == nil {
		t.Fatal("the disk is not full")
	}
	refused("no room for the weights", "deploy.no-room")

	if err := os.Remove(rest); err != nil {
		t.Fatal(err)
	}
	resize("1g")
	if r := deploy(); r.code != 0 {
		t.Errorf("with room: %d %s", r.code, r.stderr)
	}
	mustPartita(t, "destroy", "full", "--server", p.url, "--yes")
}
