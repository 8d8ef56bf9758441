//go:build cgo

package endtoend

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	ort "github.com/yalue/onnxruntime_go"

	"partita/internal/fixture"
	"partita/runtime/stage"
	"partita/runtime/wire"
	"partita/server/split"
)

// oneVCPU is the memory at which a function has one full virtual processor, and a stage one thread.
const oneVCPU = "1769"

// writeStages splits a model into folders that stages can be opened from.
func writeStages(b *testing.B, model string, count int) (folders []string) {
	b.Helper()
	library, err := filepath.Abs(fixture.Library(b))
	if err != nil {
		b.Fatal(err)
	}
	m, source, _ := openModel(b, model)
	cuts := m.Graph.Cuts()
	var inner []int
	for k := 1; k < count; k++ {
		inner = append(inner, cuts[k*len(cuts)/count])
	}
	stages, err := split.Stages(m.Graph, inner, "bench")
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range stages {
		folder := b.TempDir()
		if err := s.WriteDir(folder, source); err != nil {
			b.Fatal(err)
		}
		if err := os.Symlink(library, filepath.Join(folder, wire.LibraryFile)); err != nil {
			b.Fatal(err)
		}
		folders = append(folders, folder)
	}
	return folders
}

// oneImage gives an input of one image's shape, of numbers as preprocessed images have them.
func oneImage(spec wire.TensorSpec) wire.Tensor {
	t := wire.Tensor{TensorSpec: wire.TensorSpec{Name: spec.Name, DType: spec.DType, Shape: append([]int64{1}, spec.Shape[1:]...)}}
	elements := int64(1)
	for _, d := range t.Shape {
		elements *= d
	}
	var data bytes.Buffer
	for i := range elements {
		// 0, 1/256, ... as float32, little-endian.
		data.Write(floatBytes(float32(i*7919%256) / 256))
	}
	t.Data = data.Bytes()
	return t
}

// openStages opens stages as their functions do.
func openStages(b *testing.B, folders []string) (stages []*stage.Stage) {
	b.Helper()
	b.Setenv("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", oneVCPU)
	for _, folder := range folders {
		s, err := stage.Open(folder, nil)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { s.Close() })
		stages = append(stages, s)
	}
	return stages
}

// runAll passes a tensor through stages and adds up what each takes.
func runAll(b *testing.B, stages []*stage.Stage, input wire.Tensor) time.Duration {
	tensors, total := []wire.Tensor{input}, time.Duration(0)
	for _, s := range stages {
		total += timed(b, func() (err error) {
			tensors, err = s.Run(tensors)
			return err
		})
	}
	return total
}

// alone opens the same ONNX file in ONNX Runtime with its own defaults, but one thread.
func alone(b *testing.B, folder string, input wire.Tensor, output string) func() time.Duration {
	b.Helper()
	options, err := ort.NewSessionOptions()
	if err != nil {
		b.Fatal(err)
	}
	defer options.Destroy()
	for _, set := range []error{options.SetIntraOpNumThreads(1), options.SetInterOpNumThreads(1)} {
		if set != nil {
			b.Fatal(set)
		}
	}
	session, err := ort.NewDynamicAdvancedSession(filepath.Join(folder, wire.ModelFile), []string{input.Name}, []string{output}, options)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { session.Destroy() })
	in, err := ort.NewCustomDataTensor(ort.NewShape(input.Shape...), input.Data, ort.TensorElementDataTypeFloat)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { in.Destroy() })
	out := []ort.Value{nil}
	b.Cleanup(func() {
		if out[0] != nil {
			out[0].Destroy()
		}
	})
	return func() time.Duration { return timed(b, func() error { return session.Run([]ort.Value{in}, out) }) }
}

// benchCompute measures a stage's computing against ONNX Runtime alone, and that of four stages against one.
func benchCompute(b *testing.B, t *targets) {
	for _, c := range []struct{ name, model string }{{"ResNet50", "k3_ResNet50"}, {"MobileNetV2", "trained_mobilenet_v2"}} {
		model := wholeModel(b, c.model)
		folders := writeStages(b, model, 1)
		whole := openStages(b, folders)
		parts := openStages(b, writeStages(b, model, 4))
		manifest := whole[0].Manifest()
		input := oneImage(manifest.Inputs[0])
		took := takeTurns(b, 15, 10*time.Second,
			alone(b, folders[0], input, manifest.Outputs[0].Name),
			func() time.Duration { return runAll(b, whole, input) },
			func() time.Duration { return runAll(b, parts, input) },
		)
		more := fmt.Sprintf("%s ms, alone %s ms", number(milliseconds(took[1])), number(milliseconds(took[0])))
		t.add(c.name+" as one stage, compute against ONNX Runtime alone, 1 thread", atMost(1.05, "x"), float64(took[1])/float64(took[0]), more)
		more = fmt.Sprintf("%s ms, unsplit %s ms", number(milliseconds(took[2])), number(milliseconds(took[1])))
		t.add(c.name+" in 4 stages, sum of compute against unsplit", atMost(1.05, "x"), float64(took[2])/float64(took[1]), more)
	}
}

// benchColdStart measures a stage from the start of its process to its first output, against onnxruntime-node with the
// same file.
func benchColdStart(b *testing.B, t *targets) {
	library, err := filepath.Abs(filepath.Join(fixture.Root(), "runtime", "onnxruntime", "node_modules", "onnxruntime-node"))
	if err != nil {
		b.Fatal(err)
	}
	bootstrap := filepath.Join(fixture.Native(b), "bootstrap")
	model := wholeModel(b, "k3_ResNet50")
	measure := func(what, folder string) {
		manifest, err := os.ReadFile(filepath.Join(folder, wire.StageFile))
		if err != nil {
			b.Fatal(err)
		}
		m, err := wire.ReadStageManifest(manifest)
		if err != nil {
			b.Fatal(err)
		}
		input := oneImage(m.Inputs[0])
		event, err := wire.Marshal(&wire.StageEvent{Format: wire.EventFormat, Kind: "run", Request: "bench", TransportOut: wire.Inline, Tensors: []wire.Tensor{input}})
		if err != nil {
			b.Fatal(err)
		}
		ours := func() time.Duration { return startStage(b, bootstrap, folder, event) }
		if problem := tryNode(library); problem != "" {
			t.note(what, fmt.Sprintf("%s ms; onnxruntime-node does not load: %s", number(milliseconds(takeTurns(b, 5, 0, ours)[0])), problem), nil)
			return
		}
		theirs := func() time.Duration { return startNode(b, library, folder, &input) }
		took := takeTurns(b, 6, 5*time.Second, theirs, ours)
		t.add(what, atMost(0.5, "x"), float64(took[1])/float64(took[0]), fmt.Sprintf("%s ms, onnxruntime-node %s ms", number(milliseconds(took[1])), number(milliseconds(took[0]))))
	}
	measure("cold start, ResNet50 as one stage, against onnxruntime-node", writeStages(b, model, 1)[0])
	measure("cold start, first of 4 stages of ResNet50, against the same", writeStages(b, model, 4)[0])
}

// startStage starts a stage's process behind a Runtime API that has an event for it, and stops when its reply is there.
func startStage(b *testing.B, bootstrap, folder string, event []byte) time.Duration {
	b.Helper()
	answer := make(chan error, 1)
	say := func(err error) {
		select {
		case answer <- err:
		default:
		}
	}
	asked := false
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", func(w http.ResponseWriter, r *http.Request) {
		if asked { // one after the other: the process has one loop
			<-r.Context().Done()
			return
		}
		asked = true
		w.Header().Set("Lambda-Runtime-Aws-Request-Id", "bench")
		w.Header().Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(time.Now().Add(time.Minute).UnixMilli(), 10))
		w.Header().Set("Lambda-Runtime-Invoked-Function-Arn", "arn:aws:lambda:us-east-1:000000000000:function:bench")
		w.Write(event)
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/bench/response", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		var reply wire.StageReply
		if err == nil {
			err = wire.Unmarshal(body, &reply)
		}
		if err == nil && (len(reply.Tensors) == 0 || len(reply.Tensors[0].Data) == 0) {
			err = fmt.Errorf("the stage's reply has no output")
		}
		say(err)
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		say(fmt.Errorf("%s %s: %s", r.Method, r.URL.Path, body))
		w.WriteHeader(http.StatusAccepted)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	server := &http.Server{Handler: mux}
	go server.Serve(listener)
	defer server.Close()

	command := exec.Command(bootstrap)
	command.Dir = folder
	command.Env = []string{"LAMBDA_TASK_ROOT=" + folder, "AWS_LAMBDA_RUNTIME_API=" + listener.Addr().String(), "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + oneVCPU}
	command.Stderr = os.Stderr
	start := time.Now()
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() { command.Process.Kill(); command.Wait() }()
	select {
	case err = <-answer:
	case <-time.After(time.Minute):
		err = fmt.Errorf("no reply within a minute")
	}
	took := time.Since(start)
	if err != nil {
		b.Fatal(err)
	}
	return took
}

// tryNode tells why onnxruntime-node cannot be used; "" when it can.
func tryNode(library string) string {
	node, err := exec.LookPath("node")
	if err != nil {
		return "node is not installed"
	}
	out, err := exec.Command(node, "-e", "require(process.argv[1])", library).CombinedOutput()
	if err == nil {
		return ""
	}
	for _, line := range strings.Split(string(out), "\n") {
		if strings.HasPrefix(line, "Error:") {
			return line
		}
	}
	return err.Error()
}

// startNode starts Node.js with the same ONNX file, input and number of threads, and stops when it says that it has the
// output. Like a function it takes its input from outside.
func startNode(b *testing.B, library, folder string, input *wire.Tensor) time.Duration {
	b.Helper()
	shape := strings.Trim(strings.ReplaceAll(fmt.Sprint(input.Shape), " ", ","), "[]")
	command := exec.Command("node", filepath.Join("testdata", "coldstart.js"), library, filepath.Join(folder, wire.ModelFile), input.Name, shape)
	command.Stdin = bytes.NewReader(input.Data)
	command.Stderr = os.Stderr
	stdout, err := command.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	start := time.Now()
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	took := time.Since(start)
	if err != nil || !strings.HasPrefix(line, "elements ") {
		b.Fatalf("Node.js says %q: %v", line, err)
	}
	command.Process.Kill()
	command.Wait()
	runtime.KeepAlive(input)
	return took
}
