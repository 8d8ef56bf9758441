package load_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"partita/internal/fixture"
	"partita/planner/describe"
	"partita/planner/diag"
	"partita/planner/load"
)

// What a broken file may take. An open takes at most a second of the processor; what the tests refuse is longer, for slow machines, and
// finds only what hangs.
const (
	maxHostileMemory = 64 << 20 // over the size of the files
	maxHostileTime   = 5 * time.Second
)

// hostileRun is what a process of its own is told to open, in order.
type hostileRun struct {
	Groups [][]string // paths of the files that are opened together
	Alter  bool       // and changed copies of each
}

// hostileResult is what it tells of one group, or of one changed copy.
type hostileResult struct {
	Code    string
	Message string
	Fault   string  // what an error lacks, or what is wrong with the model
	Seconds float64 // of the processor, as other programs may keep it busy
	Memory  int64   // what the process has taken from the system until then, over what it began with
}

// processorTime is what the process has taken of the processor until now.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		t.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

const hostileVariable = "PARTITA_TEST_HOSTILE"

// TestHostileProcess is no test: it is the process that TestHostile starts to open files in, whose memory is measured.
func TestHostileProcess(t *testing.T) {
	in := os.Getenv(hostileVariable)
	if in == "" {
		t.Skip("left out by itself: TestHostile runs it, in a process with a limit of memory")
	}
	var run hostileRun
	data, err := os.ReadFile(in)
	if err == nil {
		err = json.Unmarshal(data, &run)
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() { // what grows without end shall not take the machine with it
		for {
			time.Sleep(20 * time.Millisecond)
			var m runtime.MemStats
			if runtime.ReadMemStats(&m); m.Sys > 2<<30 {
				fmt.Fprintln(os.Stderr, "over 2 GB of memory are in use")
				os.Exit(3)
			}
		}
	}()
	out, err := os.Create(in + ".out")
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	answer := json.NewEncoder(out)
	runtime.GC()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	attempt := func(files []load.File) *hostileResult {
		began := processorTime(t)
		err := openWhole(files)
		r := &hostileResult{Code: diag.CodeOf(err), Seconds: (processorTime(t) - began).Seconds()}
		var after runtime.MemStats
		runtime.ReadMemStats(&after)
		r.Memory = int64(after.Sys) - int64(before.Sys)
		if err != nil {
			r.Message = err.Error()
			e := diag.As(err)
			switch {
			case e == nil || e.Kind == diag.Internal:
				r.Fault = "it is not told as the file's fault"
			case e.Doing == "" || e.Found == "" || e.Fix == "":
				r.Fault = "it does not say what was done, what was found and what to do"
			case len(r.Message) > 64<<10:
				r.Fault = fmt.Sprintf("it takes %d bytes to tell", len(r.Message))
			}
		}
		return r
	}
	for _, group := range run.Groups {
		if run.Alter {
			worst := attempt(nil)
			alter(t, group[0], func(how string, data []byte) {
				r := attempt([]load.File{memory(filepath.Base(group[0]), data)})
				if r.Message = how + ": " + r.Message; r.Fault != "" || worst.Fault == "" && r.Seconds > worst.Seconds {
					worst = r
				}
				worst.Memory = r.Memory
			})
			if err := answer.Encode(worst); err != nil {
				t.Fatal(err)
			}
			continue
		}
		var files []load.File
		for _, path := range group {
			files = append(files, open(t, path))
		}
		if err := answer.Encode(attempt(files)); err != nil {
			t.Fatal(err)
		}
	}
}

// alterations is how many changed copies are made of a file, of each kind.
const alterations = 60

// alter makes damaged copies of a file, the same ones each time: cut, with single bytes and bits changed, and with a
// stretch of it elsewhere.
func alter(t *testing.T, path string, use func(how string, data []byte)) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(uint64(len(data)), 3))
	for range alterations {
		n := random.IntN(len(data))
		use(fmt.Sprintf("cut at %d", n), data[:n])

		changed := bytes.Clone(data)
		at := random.IntN(len(data))
		changed[at] ^= 1 << random.IntN(8)
		use(fmt.Sprintf("a bit changed at %d", at), changed)

		for range 1 + random.IntN(4) {
			at = random.IntN(min(len(data), 4096)) // where most of what tells the structure is
			changed[at] = []byte{0, 1, 0x7f, 0x80, 0xff, byte(random.Uint32())}[random.IntN(6)]
		}
		use(fmt.Sprintf("bytes changed until %d", at), changed)

		from, to := random.IntN(len(data)), random.IntN(len(data))
		copy(changed[to:], data[from:from+random.IntN(min(len(data)-from, 512))])
		use(fmt.Sprintf("a stretch from %d at %d", from, to), changed)
	}
}

// openWhole does what is done with the files of a stranger: it opens the model, shows it, writes down its architecture
// and opens that, looks for the weights and reads some.
func openWhole(files []load.File) error {
	for _, f := range files {
		if _, err := load.Shards(f); err != nil {
			return err
		}
	}
	m, err := load.Open(files...)
	if err != nil {
		return err
	}
	if err := m.Graph.Validate(); err != nil {
		return err
	}
	if describe.Model(m).Layers == 0 {
		return errors.New("a model without layers is opened")
	}
	if m.HasWeights {
		if err := readWeights(m, files); err != nil {
			return err
		}
	}
	architecture, digest := m.Architecture, m.Digest
	m = nil // so that one model at a time is held
	again, err := load.FromArchitecture(architecture)
	if err != nil {
		return fmt.Errorf("its architecture is refused: %v", err)
	}
	if again.Digest != digest {
		return errors.New("its architecture has another digest")
	}
	return nil
}

// readWeights reads the first numbers of every tensor.
func readWeights(m *load.Model, files []load.File) error {
	if m.Source == load.SourceTFJS && len(files) > 1 {
		bundle, err := load.NewBundle(files...)
		if err != nil {
			return err
		}
		packed, err := io.ReadAll(bundle.Reader())
		if err != nil {
			return err
		}
		files = []load.File{memory(bundle.Name, packed)}
	} else if m.Source != load.SourceONNX {
		files = files[len(files)-1:]
	}
	source, err := m.WeightsOf(files...)
	if err != nil {
		return err
	}
	budget := int64(1 << 20) // numbers
	window := make([]float32, 16<<10)
	for i := range m.Graph.Values {
		w := m.Graph.Values[i].Weight
		if w == nil {
			continue
		}
		tensor, err := source.Tensor(w.Key)
		if err != nil {
			return err
		}
		for at, n := int64(0), tensor.Shape().Elements(1); at < n && budget > 0; {
			part := window[:min(n-at, int64(len(window)))]
			if err := tensor.ReadFloat32s(part, at); err != nil {
				return err
			}
			at, budget = at+int64(len(part)), budget-int64(len(part))
		}
	}
	return nil
}

// hostile opens files in a process of their own and gives what it tells: nothing when it came to no end.
func hostile(t *testing.T, run hostileRun) []hostileResult {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatalf("the test cannot start itself: %v", err)
	}
	in := filepath.Join(t.TempDir(), "run.json")
	data, err := json.Marshal(run)
	if err == nil {
		err = os.WriteFile(in, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "-test.run=^TestHostileProcess$", "-test.timeout=2m")
	command.Env = append(os.Environ(), hostileVariable+"="+in, "GOGC=100", "GOMEMLIMIT=off")
	if text, err := command.CombinedOutput(); err != nil {
		t.Errorf("%v\n%.4000s", err, text)
	}
	out, err := os.ReadFile(in + ".out")
	if err != nil {
		t.Fatal(err)
	}
	var results []hostileResult
	for line := range bytes.Lines(out) {
		var r hostileResult
		if err := json.Unmarshal(line, &r); err != nil {
			t.Fatal(err)
		}
		results = append(results, r)
	}
	return results
}

func (r *hostileResult) check(t *testing.T, size int64) {
	t.Helper()
	t.Logf("%.3f s, %d kB over %d kB: %.300s", r.Seconds, r.Memory>>10, size>>10, r.Message)
	if r.Fault != "" {
		t.Errorf("%s: %.1000s", r.Fault, r.Message)
	}
	if r.Seconds > maxHostileTime.Seconds() {
		t.Errorf("it takes %.1f s", r.Seconds)
	}
	if r.Memory > maxHostileMemory+size {
		t.Errorf("it takes %d MB for %d MB", r.Memory>>20, size>>20)
	}
}

// TestHostile opens files that are made to do harm. Each is refused with its code, "" for those that are only odd and
// open, within bounds of time and memory.
func TestHostile(t *testing.T) {
	for _, c := range hostileCases() {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			var paths []string
			size := int64(0)
			for _, f := range c.files() {
				path := filepath.Join(dir, f.name)
				if err := os.WriteFile(path, f.data, 0o600); err != nil {
					t.Fatal(err)
				}
				paths = append(paths, path)
				size += int64(len(f.data))
			}
			for _, r := range hostile(t, hostileRun{Groups: [][]string{paths}}) {
				r.check(t, size)
				if r.Code != c.code {
					t.Errorf("%q, want %q: %.1000s", r.Code, c.code, r.Message)
				}
			}
		})
	}
}

// TestHostileHDF5 opens the shared files that lead readers of HDF5 astray, as models and as the weights of a model that
// has what is sound in most of them.
func TestHostileHDF5(t *testing.T) {
	config := filepath.Join(t.TempDir(), "model.json")
	text := model("[null, 4, 4, 3]", layer("Conv2D", "conv1", `"filters": 8, "kernel_size": [3, 3]`), layer("BatchNormalization", "bn1", ""),
		layer("Flatten", "flatten", ""), layer("Dense", "dense", `"units": 10`))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, codes := range map[string][2]string{
		"files/hostile_cycle_earliest.h5":                             {"keras.bad-config", ""},
		"files/hostile_cycle_latest.h5":                               {"keras.bad-config", ""},
		"files/hostile_dag_earliest.h5":                               {"keras.bad-config", ""},
		"files/hostile_dag_latest.h5":                                 {"keras.bad-config", ""},
		"files/hostile_deep.h5":                                       {"keras.bad-config", ""},
		"files/hostile_external_storage.h5":                           {"keras.bad-config", "weights.shape-mismatch"},
		"files/hostile_extlink.h5":                                    {"keras.bad-config", ""},
		"files/hostile_gzbomb.h5":                                     {"keras.bad-config", ""},
		"files/hostile_hugeshape_earliest.h5":                         {"keras.bad-config", ""},
		"files/hostile_hugeshape_latest.h5":                           {"keras.bad-config", ""},
		"files/hostile_vds.h5":                                        {"keras.bad-config", "hdf5.external"},
		"damaged/panics_or_oom_scigolib_k2_gzip.h5_flip_191.h5":       {"keras.bad-config", "hdf5.limit"},
		"damaged/panics_or_oom_scigolib_k2_gzip.h5_flip_51.h5":        {"hdf5.damaged", "hdf5.damaged"},
		"damaged/panics_or_oom_scigolib_k2_latest.h5_flip_129.h5":     {"hdf5.damaged", "hdf5.damaged"},
		"damaged/panics_or_oom_scigolib_model.weights.h5_flip_118.h5": {"model.weights-only", "hdf5.limit"},
		"damaged/panics_or_oom_scigolib_model.weights.h5_flip_131.h5": {"model.weights-only", "weights.missing"},
		"damaged/panics_or_oom_scigolib_model.weights.h5_flip_178.h5": {"model.weights-only", "weights.missing"},
		"damaged/panics_or_oom_scigolib_model.weights.h5_flip_55.h5":  {"model.weights-only", "weights.missing"},
		"damaged/segfaults_libhdf5_k2_full.h5_flip_117.h5":            {"keras.bad-config", "hdf5.damaged"},
		"damaged/segfaults_libhdf5_k2_full.h5_flip_216.h5":            {"hdf5.damaged", "hdf5.damaged"},
		"damaged/segfaults_libhdf5_k2_full.h5_flip_9.h5":              {"hdf5.damaged", "hdf5.damaged"},
		"damaged/segfaults_libhdf5_k2_gzip.h5_flip_235.h5":            {"hdf5.damaged", "hdf5.damaged"},
		"damaged/segfaults_libhdf5_k2_gzip.h5_flip_51.h5":             {"hdf5.damaged", "hdf5.damaged"},
		"damaged/segfaults_libhdf5_k2_latest.h5_flip_129.h5":          {"hdf5.damaged", "hdf5.damaged"},
		"damaged/segfaults_libhdf5_k2_latest.h5_flip_177.h5":          {"hdf5.damaged", "hdf5.damaged"},
		"damaged/segfaults_libhdf5_model.weights.h5_flip_192.h5":      {"model.weights-only", "weights.missing"},
		"damaged/segfaults_libhdf5_model.weights.h5_flip_195.h5":      {"model.weights-only", "weights.missing"},
	} {
		t.Run(name, func(t *testing.T) {
			path := fixture.Shared(t, "models", "hdf5", name)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			for k, r := range hostile(t, hostileRun{Groups: [][]string{{path}, {config, path}}}) {
				r.check(t, info.Size())
				if r.Code != codes[k] {
					t.Errorf("%d %q, want %q: %.1000s", k, r.Code, codes[k], r.Message)
				}
			}
		})
	}
}

// TestAltered opens changed copies of every small file of the shared cases: some stay models, all others are refused as
// they should be.
func TestAltered(t *testing.T) {
	var paths []string
	for _, pattern := range []string{"models/*/model*", "models/*/*.h5", "models/hdf5/files/*"} {
		found, err := filepath.Glob(filepath.Join(fixture.Shared(t), pattern))
		if err != nil {
			t.Fatal(err)
		}
		paths = append(paths, found...)
	}
	done := map[string]bool{}
	for _, path := range paths {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if done[path] || info.Size() > 256<<10 || strings.HasSuffix(path, ".gz") {
			continue
		}
		done[path] = true
		t.Run(filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path), func(t *testing.T) {
			for _, r := range hostile(t, hostileRun{Groups: [][]string{{path}}, Alter: true}) {
				r.check(t, 2*info.Size())
			}
		})
	}
}
