package solve

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"partita/internal/fixture"
)

type structuredCase struct {
	name string
	in   *Instance
}

// structured lists instances that look like models, of a size that the plain solver and the independent one manage.
func structured() []structuredCase {
	var list []structuredCase
	for seed, layers := range [][]modelLayer{chainLike(12, 1), chainLike(20, 2), chainLike(32, 3), resnetLike()[145:], cellsLike(24)} {
		for _, scenario := range scenarios {
			for _, stages := range [][2]int{{1, 3}, {1, 10}, {2, 4}, {4, 4}} {
				in := model(layers, sizes(700, 3008), scenario, stages[1], seed == 1)
				in.MinStages = stages[0]
				if seed%2 == 1 {
					in.GatewayPicoUSDPerMs = 0
				}
				list = append(list, structuredCase{fmt.Sprintf("%d-layers/%s/%d-%d", len(layers), scenario, stages[0], stages[1]), in})
			}
		}
	}
	return list
}

func TestStructured(t *testing.T) {
	for _, c := range structured() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if err := c.in.Validate(); err != nil {
				t.Fatal(err)
			}
			want := solvePlain(c.in)
			got := Solve(c.in, 0)
			if err := same(c.in, got, want.Frontier); err != nil {
				t.Fatal(err)
			}
			if c.in.Scenario == ColdOverlapped {
				return
			}
			for i := range got.Frontier {
				if g, w := got.Stages(i), want.Stages(i); !reflect.DeepEqual(g, w) {
					t.Fatalf("point %d %v has plan %v, want %v", i, got.Frontier[i], g, w)
				}
			}
		})
	}
}

// TestAgainstIndependent compares the frontiers with those of a solver that shares no code with this one. It is not part
// of the project, so the test skips where it is absent.
func TestAgainstIndependent(t *testing.T) {
	source := fixture.Shared(t, "check", "solve")
	dir := t.TempDir()
	program := filepath.Join(dir, "solve")
	build := exec.Command(fixture.Tool(t, "go", "the frontiers against those of another solver", "sudo apt-get install golang-go"), "build", "-o", program, ".")
	build.Dir = source
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building it: %v\n%s", err, out)
	}
	for _, c := range structured() {
		t.Run(c.name, func(t *testing.T) {
			r := Solve(c.in, 0)
			if err := holds(c.in, r); err != nil {
				t.Fatal(err)
			}
			text, err := c.in.Encode()
			if err != nil {
				t.Fatal(err)
			}
			instance, plan := filepath.Join(dir, "instance.json"), filepath.Join(dir, "plan.json")
			var b bytes.Buffer
			last := r.Frontier[len(r.Frontier)-1]
			fmt.Fprintf(&b, `{"costPicoUSD":%d,"latencyUs":%d,"frontier":[`, last.CostPicoUSD, last.LatencyUs)
			for i, p := range r.Frontier {
				if i > 0 {
					b.WriteByte(',')
				}
				fmt.Fprintf(&b, `{"latencyUs":%d,"costPicoUSD":%d}`, p.LatencyUs, p.CostPicoUSD)
			}
			b.WriteString("]}")
			if err := os.WriteFile(instance, text, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(plan, b.Bytes(), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := exec.Command(program, "-check", instance, plan).CombinedOutput()
			if err != nil || !strings.HasSuffix(strings.TrimSpace(string(out)), "equal") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}
