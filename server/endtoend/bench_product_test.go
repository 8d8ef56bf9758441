//go:build cgo

package endtoend

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	"partita/internal/fixture"
	"partita/planner/plan"
	"partita/runtime/wire"
)

// gunzip unpacks a file.
func gunzip(b *testing.B, from, to string) {
	b.Helper()
	packed, err := os.ReadFile(from)
	if err != nil {
		b.Fatal(err)
	}
	z, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		b.Fatal(err)
	}
	text, err := io.ReadAll(z)
	if err != nil {
		b.Fatal(err)
	}
	if err := os.WriteFile(to, text, 0o600); err != nil {
		b.Fatal(err)
	}
}

func floatBytes(v float32) []byte { return binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)) }

var peakResident = regexp.MustCompile(`VmHWM:\s*(\d+) kB`)

// peakMB gives the most memory that the server's process has had resident so far, in units of 10^6 bytes. Files that
// it has mapped are part of it, its own program's among them; processes that it started are not.
func (p *product) peakMB(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.process.Process.Pid))
	if err != nil {
		b.Skip("the peak of the server's memory is not measured: /proc, where Linux tells it, is missing: ", err)
	}
	found := peakResident.FindSubmatch(status)
	if found == nil {
		b.Skip("the peak of the server's memory is not measured: this kernel does not tell it (VmHWM in /proc/PID/status)")
	}
	kB, err := strconv.ParseFloat(string(found[1]), 64)
	if err != nil {
		b.Fatal(err)
	}
	return kB * 1024 / 1e6
}

// benchMemory measures the server's memory while it deploys ResNet50: upload, splitting, packaging, creation.
func benchMemory(b *testing.B, t *targets) {
	model := wholeModel(b, "k3_ResNet50")
	for _, way := range []struct{ packaging, title string }{{"zip", ""}, {"image", " of container images"}} {
		benchMemoryOf(b, t, model, way.packaging, way.title)
	}
}

func benchMemoryOf(b *testing.B, t *targets, model, packaging, title string) {
	file, document := planFor(b, model, 4, "--packaging", packaging)
	p := serve(b, b.TempDir())
	before := p.peakMB(b)
	start := time.Now()
	mustPartita(b, "deploy", file, "--weights", model, "--name", "bench", "--server", p.url, "--yes", "--json")
	took := time.Since(start)
	t.add(fmt.Sprintf("server's peak memory, deploying ResNet50 (%s) in %d stages%s", megabytes(fileSize(b, model)), len(document.Stages), title),
		atMost(200, "MB"), p.peakMB(b), fmt.Sprintf("%s MB at its start; deploying took %s s", number(before), number(took.Seconds())))
	mustPartita(b, "destroy", "bench", "--server", p.url, "--yes")
	p.stop(b)
}

// benchPrediction deploys models to the local platform and compares what their plans say with what requests take. A cold
// request is the first one after a restart of the server.
func benchPrediction(b *testing.B, t *targets) {
	const restarts, warmRuns = 3, 9
	type deployed struct {
		name, title, scenario string
		plan                  *plan.Plan
		latencies, costs      []float64 // measured, in microseconds and pico-dollars
	}
	var all []*deployed
	data := b.TempDir()
	p := serve(b, data)
	for _, c := range []struct{ title, model string }{{"ResNet50", "k3_ResNet50"}, {"MobileNetV2", "trained_mobilenet_v2"}} {
		model := wholeModel(b, c.model)
		for _, scenario := range []string{"cold-overlapped", "warm"} {
			file, document := planFor(b, model, 0, "--scenario", scenario)
			d := &deployed{name: fmt.Sprintf("bench-%d", len(all)+1), title: c.title, scenario: scenario, plan: document}
			mustPartita(b, "deploy", file, "--weights", model, "--name", d.name, "--server", p.url, "--yes", "--json")
			all = append(all, d)
		}
	}
	invoke := func(d *deployed) wire.Trace {
		return decode[invocation](b, mustPartita(b, "invoke", d.name, photo(b), "--server", p.url, "--json")).Trace
	}
	for range restarts {
		p.stop(b)
		p = serve(b, data)
		for _, d := range all {
			if d.scenario != "warm" {
				trace := invoke(d)
				// The gateway is billed from its own cold start on.
				d.latencies = append(d.latencies, float64(max(1000*trace.GatewayBilledMs, trace.LatencyUs)))
				d.costs = append(d.costs, float64(trace.CostPicoUSD))
			}
		}
	}
	for _, d := range all {
		if d.scenario == "warm" {
			invoke(d)
			for range warmRuns {
				trace := invoke(d)
				d.latencies = append(d.latencies, float64(trace.LatencyUs))
				d.costs = append(d.costs, float64(trace.CostPicoUSD))
			}
		}
		latency, cost := median(d.latencies), median(d.costs)
		t.note(fmt.Sprintf("prediction, %s, %s, stages: %d, latency", d.title, d.scenario, len(d.plan.Stages)),
			fmt.Sprintf("%+.0f %% (predicted %s ms, measured %s ms)", 100*(float64(d.plan.LatencyUs)/latency-1), number(float64(d.plan.LatencyUs)/1e3), number(latency/1e3)), nil)
		t.note("    the same, billed cost",
			fmt.Sprintf("%+.0f %% (predicted %s, measured %s micro-USD)", 100*(float64(d.plan.CostPicoUSD)/cost-1), number(float64(d.plan.CostPicoUSD)/1e6), number(cost/1e6)), nil)
		mustPartita(b, "destroy", d.name, "--server", p.url, "--yes")
	}
}

// benchPageSize tells the sizes of the page's program and of its planner, which the page does not wait for.
func benchPageSize(b *testing.B, t *targets) {
	page := filepath.Join(fixture.Root(), "web", "dist", "app.wasm")
	planner := filepath.Join(fixture.Root(), "web", "dist", "planner.wasm")
	if _, err := os.Stat(page + ".br"); err != nil {
		b.Skip("web/dist is not built, so the sizes of the page are not told: make build")
	}
	t.add("app.wasm, brotli", atMost(2, "MB"), float64(fileSize(b, page+".br"))/1e6,
		"raw "+megabytes(fileSize(b, page))+"; its planner "+megabytes(fileSize(b, planner+".br"))+", raw "+megabytes(fileSize(b, planner)))
}

// benchSecondBuild measures `make run` when nothing has changed, until the server answers.
func benchSecondBuild(b *testing.B, t *targets) {
	program := fixture.Tool(b, "make", "how long a second build takes", "sudo apt-get install make")
	build := func() error {
		command := exec.Command(program, "build")
		command.Dir = fixture.Root()
		if out, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("make build: %w\n%s", err, out)
		}
		return nil
	}
	if err := build(); err != nil {
		b.Fatal(err)
	}
	took := timed(b, build)
	took += timed(b, func() error { serve(b, b.TempDir()); return nil })
	t.add("make run when nothing has changed, until it answers", atMost(10, "s"), took.Seconds(), "")
}
