package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os/exec"
	"strings"
	"testing"
	"time"

	"partita/internal/fixture"
	"partita/planner/diag"
	"partita/planner/graph"
	"partita/planner/onnx"
	"partita/runtime/wire"
)

func values(name string, width int64) []wire.TensorSpec {
	return []wire.TensorSpec{{Name: name, DType: "float32", Shape: []int64{-1, width}}}
}

// stageFiles is a stage that gives v<i+1> = v<i> + i + 1.
func stageFiles(t testing.TB, i int, width int64) map[string][]byte {
	info := func(name string, shape ...int64) onnx.ValueInfo {
		return onnx.ValueInfo{Name: name, DType: graph.Float32, Shape: shape}
	}
	in, out := fmt.Sprint("v", i), fmt.Sprint("v", i+1)
	model := &onnx.Model{Name: "stage", Producer: "test", Inputs: []onnx.ValueInfo{info(in, graph.Batch, width)}, Outputs: []onnx.ValueInfo{info(out, graph.Batch, width)},
		Initializers: []onnx.Tensor{{ValueInfo: info("step", 1), External: &onnx.External{Location: wire.WeightsFile, Length: 4}}},
		Nodes:        []onnx.Node{{Op: "Add", Name: "add", Inputs: []string{in, "step"}, Outputs: []string{out}}}}
	manifest := &wire.StageManifest{Format: wire.StageFormat, Deployment: "d", Index: i, Stages: 2, Layers: "a .. b", Inputs: values(in, width), Outputs: values(out, width)}
	return map[string][]byte{wire.StageFile: mustJSON(t, manifest), wire.ModelFile: model.Encode(),
		wire.WeightsFile: binary.LittleEndian.AppendUint32(nil, math.Float32bits(float32(i+1)))}
}

func gatewayFiles(t testing.TB, width int64, change func(*wire.GatewayManifest)) map[string][]byte {
	m := &wire.GatewayManifest{Format: wire.GatewayFormat, Deployment: "d", Bucket: "bucket", KeyPrefix: "runs/d/", Batch: 2, Concurrency: 2, Wake: true,
		Inputs: values("in", width), InputNames: []string{"v0"}, Outputs: values("out", width), OutputNames: []string{"v2"}, Cost: wire.FunctionCost{PicoUSDPerMs: 1}}
	for i := range 2 {
		m.Stages = append(m.Stages, wire.GatewayStage{Function: fmt.Sprint("stage-", i), TransportIn: wire.Inline, TransportOut: wire.Inline, Cost: wire.FunctionCost{PicoUSDPerMs: 10}})
	}
	if change != nil {
		change(m)
	}
	return map[string][]byte{wire.GatewayFile: mustJSON(t, m)}
}

func jsonInput(rows int, width int64) []wire.Input {
	var b strings.Builder
	fmt.Fprintf(&b, `{"shape":[%d,%d],"data":[0`, rows, width)
	for i := 1; i < rows*int(width); i++ {
		fmt.Fprintf(&b, ",%d", i%1000)
	}
	return []wire.Input{{ContentType: wire.TypeJSON, Data: []byte(b.String() + "]}")}}
}

func checkSum(t *testing.T, data []byte, elements int) {
	t.Helper()
	if len(data) != 4*elements {
		t.Fatalf("%d bytes of output, want %d", len(data), 4*elements)
	}
	for i := range elements {
		if got := math.Float32frombits(binary.LittleEndian.Uint32(data[4*i:])); got != float32(i%1000+3) {
			t.Fatalf("element %d is %v, want %d", i, got, i%1000+3)
		}
	}
}

// One deployment, all of it real processes: a gateway and two stages.
func TestDeployment(t *testing.T) {
	fixture.Library(t)
	for _, c := range []struct {
		name   string
		rows   int
		width  int64
		change func(*wire.GatewayManifest)
	}{
		{"inline", 3, 4, nil},
		{"through S3", 3, 4, func(m *wire.GatewayManifest) {
			for i := range m.Stages {
				m.Stages[i].TransportIn, m.Stages[i].TransportOut = wire.S3, wire.S3
			}
		}},
		{"too large for a payload", 1, 1_300_000, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			cloud := newCloud(t)
			cloud.throttle = 2
			for i := range 2 {
				cloud.start(fmt.Sprint("stage-", i), packageDir(t, stageFiles(t, i, c.width), true))
			}
			gateway := cloud.start("gateway", packageDir(t, gatewayFiles(t, c.width, c.change), false))
			event, err := wire.Marshal(&wire.GatewayEvent{Format: wire.EventFormat, Request: "r", Inputs: jsonInput(c.rows, c.width)})
			if err != nil {
				t.Fatal(err)
			}
			payload, failed := cloud.call(gateway, event)
			if failed {
				t.Fatalf("%.1000s", payload)
			}
			var reply wire.GatewayReply
			if err := wire.Unmarshal(payload, &reply); err != nil {
				t.Fatal(err)
			}
			if o := reply.Outputs[0].Object; o == nil {
				checkSum(t, reply.Outputs[0].Data, c.rows*int(c.width))
			} else if c.width < 1_000_000 || o.Bytes != 4*c.width {
				t.Errorf("%+v", o)
			}
			cold, attempts := 0, 0
			for _, s := range reply.Trace.Stages {
				if s.Cold {
					cold++
					if s.InitUs <= 0 || s.InitUs > 20_000_000 {
						t.Errorf("init of %d us", s.InitUs)
					}
				}
				attempts += s.Attempts
				if s.BilledMs < 13 || s.MaxMemoryMB != 70 || s.ComputeUs <= 0 || s.CostPicoUSD != 10*s.BilledMs {
					t.Errorf("%+v", s)
				}
			}
			if cold != 2 || attempts < len(reply.Trace.Stages) {
				t.Errorf("%d stages cold, %d attempts: %+v", cold, attempts, reply.Trace.Stages)
			}
		})
	}
}

func TestStageReportsErrors(t *testing.T) {
	fixture.Library(t)
	cloud := newCloud(t)
	stage := cloud.start("stage-0", packageDir(t, stageFiles(t, 0, 4), true))
	event := &wire.StageEvent{Format: wire.EventFormat, Kind: "run", Tensors: []wire.Tensor{{TensorSpec: wire.TensorSpec{Name: "v0", DType: "float32", Shape: []int64{1, 5}}, Data: make([]byte, 20)}}}
	body, err := wire.Marshal(event)
	if err != nil {
		t.Fatal(err)
	}
	payload, failed := cloud.call(stage, body)
	var failure wire.Failure
	if err := json.Unmarshal(payload, &failure); err != nil || !failed {
		t.Fatalf("%s: %v", payload, err)
	}
	if failure.ErrorType != "tensor.wrong-shape" || !strings.Contains(failure.ErrorMessage, "has shape 1x5, expected ?x4") {
		t.Errorf("%+v", failure)
	}
	// The environment lives on.
	event.Tensors[0].Shape, event.Tensors[0].Data = []int64{1, 4}, make([]byte, 16)
	if body, err = wire.Marshal(event); err != nil {
		t.Fatal(err)
	}
	if payload, failed = cloud.call(stage, body); failed || stage.starts != 1 {
		t.Errorf("%s", payload)
	}
}

func TestInitErrorsAreReported(t *testing.T) {
	fixture.Library(t)
	broken := stageFiles(t, 0, 4)
	broken[wire.ModelFile] = broken[wire.ModelFile][:40]
	for code, dir := range map[string]string{
		"stage.no-manifest":       packageDir(t, nil, false),
		"stage.no-onnx-runtime":   packageDir(t, stageFiles(t, 0, 4), false),
		"stage.bad-model":         packageDir(t, broken, true),
		"wire.unsupported-format": packageDir(t, map[string][]byte{wire.GatewayFile: []byte(`{"format":"partita.gateway/99"}`)}, false),
	} {
		cloud := newCloud(t)
		f := cloud.start("f", dir)
		select {
		case <-f.ended:
		case <-time.After(30 * time.Second):
			t.Fatal("it does not end")
		}
		var failure wire.Failure
		if err := json.Unmarshal([]byte(f.init), &failure); err != nil || failure.ErrorType != code {
			t.Errorf("want %s, got %s", code, f.init)
		}
		if f.process.ProcessState.ExitCode() != 1 {
			t.Errorf("%s: exit code %d", code, f.process.ProcessState.ExitCode())
		}
	}
}

// gatewayCall sends one request to a gateway of two stages, of which the first dies so many times.
func gatewayCall(t *testing.T, crashes int, change func(*wire.GatewayManifest)) (payload []byte, failed bool) {
	t.Helper()
	cloud := newCloud(t)
	for i := range 2 {
		stage := cloud.start(fmt.Sprint("stage-", i), packageDir(t, stageFiles(t, i, 4), true))
		if i == 0 {
			cloud.mutex.Lock()
			stage.crashes = crashes
			cloud.mutex.Unlock()
		}
	}
	gateway := cloud.start("gateway", packageDir(t, gatewayFiles(t, 4, change), false))
	event, err := wire.Marshal(&wire.GatewayEvent{Format: wire.EventFormat, Inputs: jsonInput(1, 4)})
	if err != nil {
		t.Fatal(err)
	}
	return cloud.call(gateway, event)
}

// A stage that dies while it works is run once more; when it dies again, that is the error.
func TestStageThatDies(t *testing.T) {
	fixture.Library(t)
	payload, failed := gatewayCall(t, 1, nil)
	var reply wire.GatewayReply
	if err := wire.Unmarshal(payload, &reply); err != nil || failed {
		t.Fatalf("%s: %v", payload, err)
	}
	checkSum(t, reply.Outputs[0].Data, 4)
	if s := reply.Trace.Stages[0]; s.Attempts != 2 || s.BilledMs != 26 {
		t.Errorf("%+v", s)
	}
	payload, failed = gatewayCall(t, 2, nil)
	if e := wire.ParseFailure("gateway", payload); !failed || e.Code != wire.CodeCrashed || !strings.Contains(e.Doing, "stage 1 of 2 (stage-0)") {
		t.Errorf("%s", payload)
	}
}

func TestStageThatIsMissing(t *testing.T) {
	fixture.Library(t)
	payload, failed := gatewayCall(t, 0, func(m *wire.GatewayManifest) { m.Stages[0].Function = "missing" })
	e := wire.ParseFailure("gateway", payload)
	if !failed || e.Code != "invoke.no-function" || e.Kind != diag.NotFound || !strings.Contains(e.Doing, "stage 1 of 2 (missing)") {
		t.Errorf("%s", payload)
	}
}

func TestOutsideAFunction(t *testing.T) {
	path, err := buildBootstrap()
	if err != nil {
		t.Fatal(err)
	}
	command := exec.Command(path)
	command.Env = []string{}
	out, err := command.CombinedOutput()
	if err == nil || command.ProcessState.ExitCode() != 2 || !strings.Contains(string(out), "lambda.no-runtime-api") {
		t.Errorf("%v: %s", err, out)
	}
}
