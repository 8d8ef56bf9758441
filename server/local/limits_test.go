package local

import (
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// needs skips the test when a limit does not hold on this machine.
func (h *harness) needs(limit string) {
	h.t.Helper()
	for _, l := range h.Limits() {
		if l.Name == limit && !l.Enforced {
			h.t.Skipf("the limit of %s is not enforced here, so it is not tested: %s. Where it is enforced: as root, on Linux with cgroups that may be written", limit, l.How)
		}
	}
}

func sized(memoryMB, timeout int32) func(*lambda.CreateFunctionInput) {
	return func(in *lambda.CreateFunctionInput) {
		in.MemorySize, in.Timeout = aws.Int32(memoryMB), aws.Int32(timeout)
	}
}

func TestOutOfMemory(t *testing.T) {
	h := open(t, testOptions(t))
	h.needs("memory")
	h.create("hungry", sized(128, 30))
	h.invoke("hungry", event{}) // warm
	out, answer := h.invoke("hungry", event{"allocateMB": 600})
	if aws.ToString(out.FunctionError) != "Unhandled" || answer["errorType"] != "Runtime.ExitError" ||
		!strings.HasSuffix(answer["errorMessage"].(string), " Error: Runtime exited with error: signal: killed") {
		t.Errorf("%v %v", aws.ToString(out.FunctionError), answer)
	}
	log := tail(t, out)
	if !strings.Contains(log, "Max Memory Used: 128 MB\t") || !strings.Contains(log, "Status: error\tError Type: Runtime.ExitError\t") {
		t.Errorf("log: %q", log)
	}
	// The next request gets a fresh environment.
	if _, answer := h.invoke("hungry", event{}); answer["count"] != 1.0 {
		t.Errorf("after the end by memory: %v", answer)
	}
	if _, answer := h.invoke("hungry", event{"allocateMB": 60}); answer["errorType"] != nil {
		t.Errorf("60 MB of 128 MB: %v", answer)
	}
}

func TestTemporaryStorage(t *testing.T) {
	h := open(t, testOptions(t))
	h.needs("tmp")
	h.create("writer", sized(128, 60))
	// Files in /tmp do not count as memory: 400 MB of 512 fit in a function of 128 MB.
	if out, answer := h.invoke("writer", event{"writeMB": 400}); out.FunctionError != nil || answer["writeError"] != nil {
		t.Fatalf("400 MB in /tmp: %v %s", answer, tail(t, out))
	}
	_, answer := h.invoke("writer", event{"writeMB": 600})
	if text, _ := answer["writeError"].(string); !strings.Contains(text, "no space left on device") {
		t.Errorf("600 MB in /tmp of 512 MB: %v", answer)
	}
	// With /tmp full, memory is still bounded.
	if _, answer := h.invoke("writer", event{"allocateMB": 300}); answer["errorType"] != "Runtime.ExitError" {
		t.Errorf("300 MB of memory in 128 MB with /tmp full: %v", answer)
	}
}

func TestIsolation(t *testing.T) {
	h := open(t, testOptions(t))
	h.needs("isolation")
	h.create("prisoner", nil)
	_, answer := h.invoke("prisoner", event{"look": "/", "identity": true, "touchCode": true})
	names := []string{}
	for _, name := range answer["names"].([]any) {
		names = append(names, name.(string))
	}
	for _, hidden := range []string{"root", "home", "srv", "mnt"} {
		if slices.Contains(names, hidden) {
			t.Errorf("the function sees /%s: %v", hidden, names)
		}
	}
	status := answer["status"].(string)
	for _, line := range []string{"CapEff:\t0000000000000000", "CapPrm:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1"} {
		if !strings.Contains(status, line) {
			t.Errorf("no %q in\n%s", line, status)
		}
	}
	if text, _ := answer["touchError"].(string); !strings.Contains(text, "read-only file system") {
		t.Errorf("writing to the code: %v", answer["touchError"])
	}
	if _, answer := h.invoke("prisoner", event{"look": h.dir}); answer["lookError"] == nil {
		t.Errorf("the function sees the server's folder: %v", answer)
	}
}

// TestProcessorShare compares processor time within the same span of wall-clock time, coarsely: other work on the machine
// can only lower both.
func TestProcessorShare(t *testing.T) {
	h := open(t, testOptions(t))
	h.needs("cpu")
	h.create("small", sized(177, 30)) // a tenth of a processor
	h.create("large", sized(1769, 30))
	_, small := h.invoke("small", event{"burnMs": 1000})
	_, large := h.invoke("large", event{"burnMs": 1000})
	s, l := small["cpuMs"].(float64), large["cpuMs"].(float64)
	t.Logf("processor time in 1000 ms: %v ms with 177 MB, %v ms with 1769 MB", s, l)
	if s > 250 {
		t.Errorf("a function of 177 MB had %v ms of processor time in 1000 ms; its share is 100", s)
	}
	if l < 1.5*s {
		t.Errorf("ten times the memory gave %v ms in the place of %v", l, s)
	}
}

func TestMaxMemoryUsed(t *testing.T) {
	h := open(t, testOptions(t))
	h.needs("memory")
	h.create("meter", sized(512, 30))
	used := func(e event) (mb int) {
		out, _ := h.invoke("meter", e)
		log := tail(t, out)
		at := strings.Index(log, "Max Memory Used: ")
		for _, c := range log[at+len("Max Memory Used: "):] {
			if c < '0' || c > '9' {
				break
			}
			mb = mb*10 + int(c-'0')
		}
		return mb
	}
	before, after := used(event{}), used(event{"allocateMB": 100})
	if before < 1 || after < before+95 || after > before+140 {
		t.Errorf("100 MB more: from %d to %d MB", before, after)
	}
}

func TestTimeout(t *testing.T) {
	h := open(t, testOptions(t))
	h.create("slow", sized(256, 1))
	_, first := h.invoke("slow", event{})
	out, answer := h.invoke("slow", event{"sleepMs": 60000})
	message, _ := answer["errorMessage"].(string)
	if aws.ToString(out.FunctionError) != "Unhandled" || answer["errorType"] != "Sandbox.Timedout" ||
		!strings.HasPrefix(message, "RequestId: ") || !strings.HasSuffix(message, " Error: Task timed out after 1.00 seconds") {
		t.Errorf("%v %v", aws.ToString(out.FunctionError), answer)
	}
	log := tail(t, out)
	if !strings.Contains(log, " Task timed out after 1.00 seconds\n") ||
		!strings.Contains(log, "\tDuration: 1000.00 ms\tBilled Duration: 1000 ms\t") || !strings.Contains(log, "\tStatus: timeout\t") {
		t.Errorf("log: %q", log)
	}
	_, next := h.invoke("slow", event{})
	if next["count"] != 1.0 || next["pid"] == first["pid"] {
		t.Errorf("after the timeout: %v", next)
	}
	waitUntil(t, "the process that timed out is gone", func() bool { return !alive(int(first["pid"].(float64))) })
}

func TestCrash(t *testing.T) {
	h := open(t, testOptions(t))
	h.create("crash", nil)
	for name, c := range map[string]struct {
		event event
		text  string
	}{
		"exit 1": {event{"exit": 1}, "Runtime exited with error: exit status 1"},
		"exit 0": {event{"exit": 0}, "Runtime exited without providing a reason"},
		"panic":  {event{"panic": true}, "Runtime exited with error: exit status 2"},
	} {
		t.Run(name, func(t *testing.T) {
			out, answer := h.invoke("crash", c.event)
			message, _ := answer["errorMessage"].(string)
			if aws.ToString(out.FunctionError) != "Unhandled" || answer["errorType"] != "Runtime.ExitError" ||
				!strings.HasPrefix(message, "RequestId: ") || !strings.HasSuffix(message, " Error: "+c.text) {
				t.Errorf("%v %v", aws.ToString(out.FunctionError), answer)
			}
			if _, answer := h.invoke("crash", event{}); answer["count"] != 1.0 {
				t.Errorf("after the crash: %v", answer)
			}
		})
	}
	t.Run("after the answer", func(t *testing.T) {
		if out, _ := h.invoke("crash", event{"exitAfter": true}); out.FunctionError != nil {
			t.Errorf("an answer before the end counts: %v", aws.ToString(out.FunctionError))
		}
		if out, answer := h.invoke("crash", event{}); out.FunctionError != nil || answer["count"] != 1.0 {
			t.Errorf("after the end: %v", answer)
		}
	})
	t.Run("function error", func(t *testing.T) {
		out, err := h.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: ptr("crash"), Payload: []byte(`"text"`), LogType: types.LogTypeTail})
		if err != nil {
			t.Fatal(err)
		}
		if string(out.Payload) != `{"errorType":"Event.Malformed","errorMessage":"not an event"}` || aws.ToString(out.FunctionError) != "Unhandled" {
			t.Errorf("%s %v", out.Payload, aws.ToString(out.FunctionError))
		}
		if _, answer := h.invoke("crash", event{}); answer["count"] == 1.0 {
			t.Error("an error that the function reports does not end its environment")
		}
	})
	t.Run("answer too large", func(t *testing.T) {
		out, answer := h.invoke("crash", event{"answerMB": 7})
		if aws.ToString(out.FunctionError) != "Unhandled" || answer["errorType"] != "Function.ResponseSizeTooLarge" {
			t.Errorf("%v", answer)
		}
	})
}

func TestInitFailures(t *testing.T) {
	o := testOptions(t)
	o.InitTimeout = 500e6
	h := open(t, o)
	with := func(name, init string, timeout int32) {
		h.create(name, func(in *lambda.CreateFunctionInput) {
			in.Timeout = aws.Int32(timeout)
			in.Environment = &types.Environment{Variables: map[string]string{"INIT": init}}
		})
	}
	t.Run("exit", func(t *testing.T) {
		with("init-exit", "exit", 10)
		out, answer := h.invoke("init-exit", event{})
		message, _ := answer["errorMessage"].(string)
		if answer["errorType"] != "Runtime.ExitError" || !strings.HasSuffix(message, " Error: Runtime exited with error: exit status 7") {
			t.Errorf("%v", answer)
		}
		log := tail(t, out)
		if strings.Count(log, "leaving in the init phase\n") != 2 || !strings.Contains(log, "Phase: init\tStatus: error\tError Type: Runtime.ExitError\t\n") ||
			!strings.Contains(log, "Phase: invoke\tStatus: error\t") || strings.Contains(log, "\tInit Duration") {
			t.Errorf("log: %q", log)
		}
	})
	t.Run("error", func(t *testing.T) {
		with("init-error", "error", 10)
		out, answer := h.invoke("init-error", event{})
		if aws.ToString(out.FunctionError) != "Unhandled" || answer["errorType"] != "Init.Refused" || answer["errorMessage"] != "the init phase refuses" {
			t.Errorf("%v", answer)
		}
	})
	t.Run("timeout", func(t *testing.T) {
		with("init-sleep", "sleep", 1)
		out, answer := h.invoke("init-sleep", event{})
		if answer["errorType"] != "Sandbox.Timedout" {
			t.Errorf("%v", answer)
		}
		if log := tail(t, out); !strings.Contains(log, "Phase: init\tStatus: timeout\t") {
			t.Errorf("log: %q", log)
		}
	})
	t.Run("slow but in time", func(t *testing.T) {
		with("init-slow", "slow", 1)
		if out, answer := h.invoke("init-slow", event{}); out.FunctionError != nil || !strings.Contains(tail(t, out), "Init Duration: ") {
			t.Errorf("%v", answer)
		}
	})
	t.Run("no program", func(t *testing.T) {
		for name, entry := range map[string]zipEntry{
			"absent":         {"readme.txt", []byte("x"), 0o644},
			"not-executable": {"bootstrap", []byte("#!/bin/sh\n"), 0o644},
			"not-a-program":  {"bootstrap", []byte("\x7fELFnonsense"), 0o755},
		} {
			archive, err := makeZip(entry)
			if err != nil {
				t.Fatal(err)
			}
			h.create(name, func(in *lambda.CreateFunctionInput) { in.Code.ZipFile = archive })
			out, answer := h.invoke(name, event{})
			if aws.ToString(out.FunctionError) != "Unhandled" || answer["errorType"] != "Runtime.InvalidEntrypoint" ||
				!strings.Contains(answer["errorMessage"].(string), "bootstrap") {
				t.Errorf("%s: %v", name, answer)
			}
		}
	})
}
