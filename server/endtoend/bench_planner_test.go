//go:build cgo

package endtoend

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"partita/internal/fixture"
	"partita/internal/wasmloops"
	"partita/planner/describe"
	"partita/planner/load"
	"partita/planner/weights"
	"partita/server/split"
)

// measurement is a line that a benchmark printed.
type measurement struct {
	ms     float64 // the mean, or where the benchmark says it the median
	first  float64 // what the first time took, in ms
	points int
}

// readMeasurements reads what benchmarks printed. Of several runs the fastest counts.
func readMeasurements(b *testing.B, out string) map[string]measurement {
	b.Helper()
	found := map[string]measurement{}
	for _, line := range strings.Split(out, "\n") {
		fields := strings.Fields(line)
		if len(fields) < 4 || !strings.HasPrefix(fields[0], "Benchmark") || fields[3] != "ns/op" {
			continue
		}
		var m measurement
		for k := 2; k+1 < len(fields); k += 2 {
			value, err := strconv.ParseFloat(fields[k], 64)
			if err != nil {
				b.Fatal(err)
			}
			switch fields[k+1] {
			case "ns/op":
				m.ms = value / 1e6
			case "median-ms":
				m.ms = value
			case "first-ms":
				m.first = value
			case "points":
				m.points = int(value)
			}
		}
		name := plainName(strings.TrimPrefix(fields[0], "Benchmark"))
		if old, ok := found[name]; !ok || m.ms < old.ms {
			found[name] = m
		}
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

const plannerBenchmarks = "^(BenchmarkProblem|BenchmarkFrontier|BenchmarkMoveSLO)$"

// nativePlanning runs the benchmarks of package planner here.
func nativePlanning(b *testing.B) map[string]measurement {
	b.Helper()
	command := exec.Command("go", "test", "-run", "^$", "-bench", plannerBenchmarks, "-benchtime", "250ms", "-count", "2", "./planner")
	command.Dir = fixture.Root()
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := command.CombinedOutput()
	if err != nil {
		b.Fatalf("go test ./planner: %v\n%.2000s", err, out)
	}
	return readMeasurements(b, string(out))
}

// benchWorker runs a Go program in a Web Worker, as web/worker.js does, with arguments, and hands on what it prints.
const benchWorker = `
console.log = (line) => postMessage({line});
importScripts("/wasm_exec.js");
const go = new Go();
go.argv = ["planner.test", ...JSON.parse(decodeURIComponent(location.search.slice(1)))];
WebAssembly.instantiateStreaming(fetch("/planner.test.wasm"), go.importObject)
  .then((program) => go.run(program.instance))
  .catch((e) => postMessage({line: String(e)}))
  .finally(() => postMessage({ended: true}));`

// benchPageHTML starts such a worker, and ends it.
const benchPageHTML = `<!doctype html><title>benchmarks</title><script>
function measure(args) {
	const worker = new Worker("/worker.js?" + encodeURIComponent(JSON.stringify(args)));
	window.printed = "";
	window.ended = false;
	worker.onerror = (e) => { printed += e.message; ended = true; };
	worker.onmessage = ({data}) => {
		if (data.line !== undefined) printed += data.line + "\n";
		if (data.ended) { // Go's timers may still complain that the program is over
			worker.onerror = null;
			worker.terminate();
			ended = true;
		}
	};
}
</script>`

// planningInChromium runs them as the page runs the planner: in Chromium, in a Web Worker, rewritten as planner.wasm is. Each
// frontier has a worker of its own, so that its first time is that of a program that nobody has used.
func planningInChromium(b *testing.B) map[string]measurement {
	b.Helper()
	tools, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		b.Fatal(err)
	}
	folder := b.TempDir()
	path := filepath.Join(folder, "planner.test.wasm")
	build := exec.Command("go", "test", "-c", "-o", path, "./planner")
	build.Dir = fixture.Root()
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=js", "GOARCH=wasm")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("go test -c ./planner: %v\n%.2000s", err, out)
	}
	program, err := os.ReadFile(path)
	if err == nil {
		program, _, err = wasmloops.Rewrite(program, wasmloops.Planning)
	}
	if err != nil {
		b.Fatal(err)
	}
	glue, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(tools)), "lib", "wasm", "wasm_exec.js"))
	if err != nil {
		b.Fatal(err)
	}
	mux := http.NewServeMux()
	for path, file := range map[string]struct{ kind, content string }{
		"/{$}":               {"text/html", benchPageHTML},
		"/worker.js":         {"text/javascript", benchWorker},
		"/wasm_exec.js":      {"text/javascript", string(glue)},
		"/planner.test.wasm": {"application/wasm", string(program)},
	} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", file.kind)
			w.Header().Set("Cross-Origin-Opener-Policy", "same-origin") // with the next one, clocks are finer
			w.Header().Set("Cross-Origin-Embedder-Policy", "require-corp")
			w.Header().Set("Cache-Control", "no-store") // nor is what was compiled kept
			io.WriteString(w, file.content)
		})
	}
	server := httptest.NewServer(mux)
	b.Cleanup(server.Close)
	page := startBrowser(b)
	page.do("open the benchmarks", chromedp.Navigate(server.URL))
	found := map[string]measurement{}
	measure := func(benchmark, long string) {
		arguments, err := json.Marshal([]string{"-test.run=^$", "-test.bench=" + benchmark, "-test.benchtime=" + long})
		if err != nil {
			b.Fatal(err)
		}
		page.evaluate("measure(" + string(arguments) + ")")
		page.until(benchmark, "window.ended")
		measured := readMeasurements(b, page.evaluate("window.printed"))
		if len(measured) == 0 {
			b.Fatalf("%s measured nothing: %s", benchmark, page.evaluate("window.printed"))
		}
		maps.Copy(found, measured)
	}
	measure("^(BenchmarkProblem|BenchmarkMoveSLO)$", "1s")
	for _, c := range planningProblems {
		for _, scenario := range planningScenarios {
			measure("^BenchmarkFrontier$/^"+c.problem+"$/^"+scenario+"$", "3s")
		}
	}
	return found
}

// planningProblems are those that the targets name.
var planningProblems = []struct {
	what, problem string
	limit         float64
}{
	{"whole frontier, ResNet50, 64 MB grid", "ResNet50", 16},
	{"whole frontier, ResNet50, 1 MB grid (10,113 sizes)", "ResNet50-fine", 100},
	{"whole frontier, NASNetLarge, 64 MB grid", "NASNetLarge", 250},
}

var planningScenarios = []string{"warm", "cold-sequential", "cold-overlapped"}

// benchOptimiser measures the way from a graph to the whole frontier in each scenario, the making of its stages included, and what a
// move of the SLO slider takes: in a Web Worker of Chromium, the median once it is warm and the first time of all, and natively.
func benchOptimiser(b *testing.B, t *targets) {
	native, chromium := nativePlanning(b), planningInChromium(b)
	for _, c := range planningProblems {
		for _, scenario := range planningScenarios {
			name := "Frontier/" + c.problem + "/" + scenario
			m, own := chromium[name], native[name]
			if m.points == 0 || m.points != own.points {
				b.Errorf("%s has %d points in Chromium and %d natively", name, m.points, own.points)
			}
			t.add(c.what+", "+scenario+", Chromium", atMost(c.limit, "ms"), m.ms, fmt.Sprintf("%d points, native %s ms; the first time %s, native %s ms", m.points, number(own.ms), number(m.first), number(own.first)))
			t.add("    the same, native", atMost(c.limit, "ms"), own.ms, "")
		}
		t.note("    before it: the law and its nodes (stages are made on the way)", fmt.Sprintf("%s, native %s (ms)", number(chromium["Problem/"+c.problem].ms), number(native["Problem/"+c.problem].ms)), nil)
	}
	for _, problem := range []string{"ResNet50", "NASNetLarge"} {
		m := chromium["MoveSLO/"+problem]
		t.add("moving the SLO slider, "+problem+", Chromium", atMost(1, "ms"), m.ms, "native "+number(native["MoveSLO/"+problem].ms))
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
