// Package everywhere plans many models and writes down the hash of each plan, to show that every architecture computes the
// same. Its test does so in its own process, in the program below it built for arm64 and run by QEMU, and in the same for
// js/wasm, rewritten as the page's planner is, in Node.js, which shares its engine with the browser, and compares what they write.
package everywhere

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"sort"

	"partita/planner"
	"partita/planner/diag"
	"partita/planner/load"
	"partita/planner/platform"
	"partita/planner/solve"
	"partita/planner/zoo"
)

// Effort bounds the work: an emulated processor is seven times slower.
type Effort struct {
	MaxStages int
	Layers    int    // models of more layers are planned on a few sizes instead of their platform's whole grid; 0: none is
	Turns     bool   // each model is planned in one scenario, by turns, instead of in all
	Folder    string // of architectures, one a file; empty: the built-in ones
}

// Hashes writes a line for every model and scenario. The platforms take turns.
func Hashes(to io.Writer, e Effort) error {
	w := bufio.NewWriter(to)
	if e.Folder == "" {
		for n, name := range zoo.Names() {
			if err := e.hashes(w, name, n, func() (*load.Model, error) { return zoo.Open(name) }); err != nil {
				return err
			}
		}
		return w.Flush()
	}
	files, err := filepath.Glob(filepath.Join(e.Folder, "*", "*.json.gz"))
	if err != nil {
		return err
	}
	sort.Strings(files)
	for n, file := range files {
		name := filepath.Base(filepath.Dir(file)) + "/" + filepath.Base(file)
		if err := e.hashes(w, name, n, func() (*load.Model, error) { return read(file) }); err != nil {
			return err
		}
	}
	return w.Flush()
}

func read(file string) (*load.Model, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	config, err := io.ReadAll(z)
	if err != nil {
		return nil, err
	}
	return load.FromArchitecture(load.Architecture{Format: load.KerasJSON, Data: config})
}

var scenarios = []solve.Scenario{solve.Warm, solve.ColdSequential, solve.ColdOverlapped}

// hashes plans the n-th model; that the planner refuses it is a line too.
func (e Effort) hashes(w io.Writer, name string, n int, open func() (*load.Model, error)) error {
	m, err := open()
	if code := diag.CodeOf(err); code != "" {
		_, err = fmt.Fprintf(w, "%s %s\n", name, code)
		return err
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	names := platform.Names()
	for k, scenario := range scenarios {
		if e.Turns && k != n/len(names)%len(scenarios) {
			continue
		}
		r := planner.DefaultRequest()
		r.Platform, r.Scenario, r.MaxStages = names[n%len(names)], string(scenario), e.MaxStages
		if k == n%len(scenarios) { // one of them from the other end of the frontier
			r.Objective = planner.LeastLatency
		}
		if e.Layers > 0 && m.Graph.LayerCount > e.Layers {
			if r.MemoryMB, err = fewSizes(r.Platform); err != nil {
				return err
			}
		}
		p, err := planner.Make(m, r)
		if err != nil {
			return fmt.Errorf("%s, %s, %s: %w", name, r.Platform, scenario, err)
		}
		runtime.GC() // WebAssembly has one thread, and a program that never waits leaves its collector none of it
		if _, err := fmt.Fprintf(w, "%s %s %s, %d sizes: %s %s, %d points\n", name, r.Platform, scenario, len(p.Request.MemoryMB), p.Status, p.Hash, len(p.Frontier)); err != nil {
			return err
		}
	}
	return nil
}

// fewSizes are four sizes or as many of them as a platform sells.
func fewSizes(on string) ([]int64, error) {
	p, err := platform.Get(on)
	if err != nil {
		return nil, err
	}
	var sizes []int64
	for _, m := range []int64{1024, 2048, 4096, 8192} {
		if p.Sells(m) {
			sizes = append(sizes, m)
		}
	}
	return sizes, nil
}
