//go:build cgo

package endtoend

import (
	"context"
	"fmt"
	"go/build"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"partita/internal/fixture"
	"partita/planner/describe"
	"partita/planner/load"
	"partita/planner/weights"
	"partita/server/split"
)

// measurement is a line that `go test -bench` printed.
type measurement struct {
	ms      float64
	points  int
	skipped bool
}

// planBenchmarks runs the benchmarks of package planner, natively or as the page runs them: as WebAssembly, here in
// Node.js, which has Chromium's engine. Of several runs the fastest counts.
func planBenchmarks(b *testing.B, inBrowser bool) map[string]measurement {
	b.Helper()
	command := exec.Command("go", "test", "-run", "^$", "-bench", "^(BenchmarkProblem|BenchmarkFrontier|BenchmarkMoveSLO)$", "-benchtime", "250ms", "-count", "2", "-v", "./planner")
	command.Dir = fixture.Root()
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if inBrowser {
		tools := filepath.Join(build.Default.GOROOT, "lib", "wasm")
		if root, err := exec.Command("go", "env", "GOROOT").Output(); err == nil {
			tools = filepath.Join(strings.TrimSpace(string(root)), "lib", "wasm")
		}
		command.Env = append(command.Env, "GOOS=js", "GOARCH=wasm", "PATH="+tools+string(filepath.ListSeparator)+os.Getenv("PATH"))
	}
	out, err := command.CombinedOutput()
	if err != nil {
		b.Fatalf("go test ./planner: %v\n%.2000s", err, out)
	}
	found := map[string]measurement{}
	for _, line := range strings.Split(string(out), "\n") {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "--- SKIP: Benchmark"); ok {
			found[plainName(name)] = measurement{skipped: true}
			continue
		}
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") || fields[3] != "ns/op" {
			continue
		}
		name := plainName(strings.TrimPrefix(fields[0], "Benchmark"))
		ns, err := strconv.ParseFloat(fields[2], 64)
		if err != nil {
			b.Fatal(err)
		}
		m := measurement{ms: ns / 1e6}
		for k := 4; k+1 < len(fields); k += 2 {
			if fields[k+1] == "points" {
				points, _ := strconv.ParseFloat(fields[k], 64)
				m.points = int(points)
			}
		}
		if old, ok := found[name]; !ok || m.ms < old.ms {
			found[name] = m
		}
	}
	if len(found) == 0 {
		b.Fatalf("go test ./planner measured nothing:\n%.2000s", out)
	}
	return found
}

// plainName takes the number of processors off a benchmark's name.
func plainName(name string) string {
	if at := strings.LastIndexByte(name, '-'); at >= 0 {
		if _, err := strconv.Atoi(name[at+1:]); err == nil {
			return name[:at]
		}
	}
	return name
}

// benchOptimiser measures the way from a graph to the whole frontier in each scenario, the making of its stages included, and what a
// move of the SLO slider takes.
func benchOptimiser(b *testing.B, t *targets) {
	native := planBenchmarks(b, false)
	browser, inNode := native, false
	if _, err := exec.LookPath("node"); err == nil {
		browser, inNode = planBenchmarks(b, true), true
	}
	where := "WebAssembly in Node.js"
	if !inNode {
		where = "native: node is not installed"
	}
	scenarios := []string{"warm", "cold-sequential", "cold-overlapped"}
	for _, c := range []struct {
		what, problem string
		limit         float64
	}{
		{"whole frontier, ResNet50, 64 MB grid", "ResNet50", 16},
		{"whole frontier, ResNet50, 1 MB grid (10,113 sizes)", "ResNet50-fine", 100},
		{"whole frontier, NASNetLarge, 64 MB grid", "NASNetLarge", 250},
	} {
		if browser["Frontier/"+c.problem+"/warm"].skipped || browser["Problem/"+c.problem].skipped {
			t.note(c.what, "refused: it has more options than the planner writes down", atMost(c.limit, "ms"))
			continue
		}
		for _, scenario := range scenarios {
			m, own := browser["Frontier/"+c.problem+"/"+scenario], native["Frontier/"+c.problem+"/"+scenario]
			t.add(c.what+", "+scenario+", "+where, atMost(c.limit, "ms"), m.ms, fmt.Sprintf("%d points, native %s ms", m.points, number(own.ms)))
			t.add("    the same, native", atMost(c.limit, "ms"), own.ms, "")
		}
		t.note("    before it: the law and its nodes (stages are made on the way)", fmt.Sprintf("%s, native %s (ms)", number(browser["Problem/"+c.problem].ms), number(native["Problem/"+c.problem].ms)), nil)
	}
	for _, problem := range []string{"ResNet50", "NASNetLarge"} {
		m := browser["MoveSLO/"+problem]
		t.add("moving the SLO slider, "+problem+", "+where, atMost(1, "ms"), m.ms, "native "+number(native["MoveSLO/"+problem].ms))
	}
}

// modelFile opens a model's file for the length of the benchmark.
func modelFile(b *testing.B, path string) load.File {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { f.Close() })
	return load.File{Name: filepath.Base(path), Size: fileSize(b, path), Reader: f}
}

// openModel opens a whole model.
func openModel(b *testing.B, path string) (*load.Model, weights.Source, load.File) {
	b.Helper()
	f := modelFile(b, path)
	m, err := load.Open(f)
	if err != nil {
		b.Fatal(err)
	}
	source, err := m.Weights(f)
	if err != nil {
		b.Fatal(err)
	}
	return m, source, f
}

// benchOpen measures the way from a file to what `partita inspect` shows.
func benchOpen(b *testing.B, t *targets) {
	whole := modelFile(b, wholeModel(b, "k3_ResNet50"))
	inspect := func(f load.File) func() time.Duration {
		return func() time.Duration {
			return timed(b, func() error {
				m, err := load.Open(f)
				if err == nil && describe.Model(m).Layers == 0 {
					err = fmt.Errorf("%s has no layers", f.Name)
				}
				return err
			})
		}
	}
	t.add("inspecting ResNet50's .h5 ("+megabytes(whole.Size)+")", atMost(100, "ms"), milliseconds(takeTurns(b, 5, time.Second, inspect(whole))[0]), "")

	large := modelFile(b, nasnetLarge(b))
	t.add("inspecting NASNetLarge's .json ("+megabytes(large.Size)+")", atMost(200, "ms"), milliseconds(takeTurns(b, 5, time.Second, inspect(large))[0]), "")
	benchNetron(t)
}

// nasnetLarge unpacks the configuration of the network with the most layers.
func nasnetLarge(b *testing.B) string {
	plain := filepath.Join(b.TempDir(), "NASNetLarge.json")
	gunzip(b, fixture.Shared(b, "zoo", "keras3", "NASNetLarge.json.gz"), plain)
	return plain
}

// benchNetron says why the times that Netron takes for the same files are not beside ours.
func benchNetron(t *targets) {
	const what = "    Netron on the same files"
	program, err := exec.LookPath("npm")
	if err != nil {
		t.note(what, "not measured: npm is not installed", nil)
		return
	}
	ctx, stop := context.WithTimeout(context.Background(), time.Minute)
	defer stop()
	version, err := exec.CommandContext(ctx, program, "view", "netron", "version").CombinedOutput()
	if err == nil {
		t.note(what, "not measured: the npm package netron "+strings.TrimSpace(string(version))+" is there, and this table does not run it yet", nil)
		return
	}
	why := err.Error()
	if code := regexp.MustCompile(`E[0-9]{3}|E[A-Z]{5,}`).Find(version); code != nil {
		why = string(code)
	}
	t.note(what, "not measured: npm view netron answers "+why, nil)
}

func megabytes(bytes int64) string { return number(float64(bytes)/1e6) + " MB" }

// benchSplit measures the splitting of ResNet50 into four stages against copying the same bytes: the stages' own files
// against the model's, and whole packages against the model's file and what is packed beside each stage.
func benchSplit(b *testing.B, t *targets) {
	folder := fixture.Native(b)
	native := split.Native{Bootstrap: filepath.Join(folder, "bootstrap"), Library: filepath.Join(folder, "libonnxruntime.so")}
	path := wholeModel(b, "k3_ResNet50")
	m, source, file := openModel(b, path)
	cuts := m.Graph.Cuts()
	stages, err := split.Stages(m.Graph, []int{cuts[len(cuts)/4], cuts[len(cuts)/2], cuts[3*len(cuts)/4]}, "bench")
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	emptied := func(write func() error) func() time.Duration {
		return func() time.Duration {
			took := timed(b, write)
			entries, err := os.ReadDir(dir)
			if err != nil {
				b.Fatal(err)
			}
			for _, e := range entries {
				if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
					b.Fatal(err)
				}
			}
			return took
		}
	}
	buffer := make([]byte, 1<<20)
	copyFiles := func(paths ...string) func() error {
		return func() error {
			for k, path := range paths {
				if err := copyFile(filepath.Join(dir, strconv.Itoa(k)), path, buffer); err != nil {
					return err
				}
			}
			return nil
		}
	}
	everything := []string{path}
	for range stages {
		everything = append(everything, native.Bootstrap, native.Library)
	}
	took := takeTurns(b, 10, 10*time.Second,
		emptied(copyFiles(path)),
		emptied(func() error {
			for k, s := range stages {
				folder := filepath.Join(dir, strconv.Itoa(k))
				if err := os.Mkdir(folder, 0o755); err != nil {
					return err
				}
				if err := s.WriteDir(folder, source); err != nil {
					return err
				}
			}
			return nil
		}),
		emptied(copyFiles(everything...)),
		emptied(func() error {
			for k, s := range stages {
				f, err := os.Create(filepath.Join(dir, strconv.Itoa(k)))
				if err != nil {
					return err
				}
				if err := s.WritePackage(f, source, native); err != nil {
					return err
				}
				if err := f.Close(); err != nil {
					return err
				}
			}
			return nil
		}),
	)
	speed := func(k int) (percent float64, more string) {
		return 100 * float64(took[k-1]) / float64(took[k]), fmt.Sprintf("%s ms, copying %s ms", number(milliseconds(took[k])), number(milliseconds(took[k-1])))
	}
	percent, more := speed(1)
	t.add("splitting ResNet50's .h5 ("+megabytes(file.Size)+") into 4 stages, speed against copying it", atLeast(60, "%"), percent, more)
	percent, more = speed(3)
	t.add("the same into 4 packages, against copying the .h5 and 4 x runtime", atLeast(60, "%"), percent, more)
}

// copyFile copies by reading and writing. What the kernel can do by itself, a split cannot: the wrapped writer and
// reader keep io.CopyBuffer from asking it.
func copyFile(to, from string, buffer []byte) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.Create(to)
	if err != nil {
		return err
	}
	if _, err := io.CopyBuffer(struct{ io.Writer }{target}, struct{ io.Reader }{source}, buffer); err != nil {
		target.Close()
		return err
	}
	return target.Close()
}
