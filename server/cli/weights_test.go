package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestBuiltIn inspects and plans an architecture that is in no file, with and without made-up weights.
func TestBuiltIn(t *testing.T) {
	weights := filepath.Join(t.TempDir(), "w.h5")
	if r := partita(t, "", "weights", "--synthetic", "zoo:MobileNetV3Small", "--output", weights); r.code != 0 || r.stdout != weights+"\n" {
		t.Fatalf("weights: %d %q %s", r.code, r.stdout, r.stderr)
	}
	before, err := os.ReadFile(weights)
	if err != nil {
		t.Fatal(err)
	}
	if r := partita(t, "", "weights", "--synthetic", "zoo:MobileNetV3Small", "--output", "-"); r.code != 0 || r.stdout != string(before) {
		t.Errorf("weights to standard output: %d, %d bytes, want the %d of the file; %s", r.code, len(r.stdout), len(before), r.stderr)
	}
	if r := partita(t, "", "inspect", "zoo:mobilenet-v3-small", "--weights", weights); r.code != 0 || !strings.Contains(r.stdout, "2,554,968") {
		t.Errorf("inspect: %d %s %s", r.code, r.stdout, r.stderr)
	}
	if r := partita(t, "", "plan", "zoo:MobileNetV3Small", "--json"); r.code != 0 || !strings.Contains(r.stdout, `"name":"MobileNetV3Small"`) {
		t.Errorf("plan: %d %.200s %s", r.code, r.stdout, r.stderr)
	}
	if r := partita(t, "", "instance", "zoo:MobileNetV3Small"); r.code != 0 || !strings.Contains(r.stdout, "partita.instance/1") {
		t.Errorf("instance: %d %.200s %s", r.code, r.stdout, r.stderr)
	}
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"inspect", "zoo:AlexNet"}, 1, "zoo.unknown"},
		{[]string{"weights", "zoo:VGG16"}, 2, "weights.no-source"},
		{[]string{"weights", "--synthetic", "zoo:MobileNetV3Small", "--output", filepath.Join(t.TempDir(), "none", "w.h5")}, 1, "file.absent"},
		{[]string{"inspect", "zoo:MobileNetV2", "--weights", weights}, 1, "weights.missing"},
	} {
		if r := partita(t, "", c.args...); r.code != c.code || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%v: %d %s, want %d and %q", c.args, r.code, r.stderr, c.code, c.want)
		}
	}
	left, _ := filepath.Glob(filepath.Join(filepath.Dir(weights), ".partita-*"))
	if len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}
