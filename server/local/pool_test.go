package local

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

func TestScaleOutAndReuse(t *testing.T) {
	h := open(t, testOptions(t))
	h.create("wide", nil)
	pids := map[any]bool{}
	var mu sync.Mutex
	var group sync.WaitGroup
	for range 3 {
		group.Add(1)
		go func() {
			defer group.Done()
			_, answer := h.invoke("wide", event{"sleepMs": 1500})
			mu.Lock()
			pids[answer["pid"]] = true
			mu.Unlock()
		}()
	}
	group.Wait()
	if len(pids) != 3 {
		t.Errorf("three requests at once ran in %d environments", len(pids))
	}
	if all, idle := h.Environments("wide"); all != 3 || idle != 3 {
		t.Errorf("%d environments, %d idle", all, idle)
	}
	for range 5 {
		if _, answer := h.invoke("wide", event{}); !pids[answer["pid"]] {
			t.Errorf("a new environment although three are idle: %v", answer)
		}
	}
}

func TestIdleExpiry(t *testing.T) {
	o := testOptions(t)
	o.IdleTimeout = 200 * time.Millisecond
	h := open(t, o)
	h.create("brief", nil)
	_, answer := h.invoke("brief", event{})
	waitUntil(t, "the idle environment ends", func() bool { all, _ := h.Environments("brief"); return all == 0 })
	if alive(int(answer["pid"].(float64))) {
		t.Error("its process lives")
	}
	if _, answer := h.invoke("brief", event{}); answer["count"] != 1.0 {
		t.Errorf("after the end: %v", answer)
	}
}

// throttled tells whether an error is AWS's answer to too many requests at once.
func throttled(err error, reason types.ThrottleReason) bool {
	var many *types.TooManyRequestsException
	return errors.As(err, &many) && many.Reason == reason
}

func TestConcurrencyLimits(t *testing.T) {
	o := testOptions(t)
	o.MaxEnvironments = 2
	h := open(t, o)
	h.create("first", nil)
	h.create("second", nil)
	h.invoke("first", event{}) // idle afterwards
	h.invoke("second", event{})
	var group sync.WaitGroup
	for _, name := range []string{"second", "second"} { // the idle environment of the other gives way
		group.Add(1)
		go func() {
			defer group.Done()
			if out, answer := h.invoke(name, event{"sleepMs": 1000}); out.FunctionError != nil {
				t.Error(answer)
			}
		}()
	}
	waitUntil(t, "both are at work", func() bool {
		all, idle := h.Environments("second")
		return all == 2 && idle == 0
	})
	_, err := h.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: ptr("first")})
	if !throttled(err, types.ThrottleReasonConcurrentInvocationLimitExceeded) {
		t.Errorf("a third environment of two: %v", err)
	}
	group.Wait()
	if _, err := h.lambda.PutFunctionConcurrency(ctx, &lambda.PutFunctionConcurrencyInput{FunctionName: ptr("first"), ReservedConcurrentExecutions: aws.Int32(0)}); err != nil {
		t.Fatal(err)
	}
	_, err = h.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: ptr("first")})
	if !throttled(err, types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded) {
		t.Errorf("a function that may not run: %v", err)
	}
	if got, err := h.lambda.GetFunctionConcurrency(ctx, &lambda.GetFunctionConcurrencyInput{FunctionName: ptr("first")}); err != nil || aws.ToInt32(got.ReservedConcurrentExecutions) != 0 || got.ReservedConcurrentExecutions == nil {
		t.Errorf("%v %v", got, err)
	}
	if _, err := h.lambda.DeleteFunctionConcurrency(ctx, &lambda.DeleteFunctionConcurrencyInput{FunctionName: ptr("first")}); err != nil {
		t.Fatal(err)
	}
	if out, answer := h.invoke("first", event{}); out.FunctionError != nil {
		t.Error(answer)
	}
}

// TestDeadIdleEnvironment kills the process of an idle environment: the next request must not notice.
func TestDeadIdleEnvironment(t *testing.T) {
	h := open(t, testOptions(t))
	h.create("fragile", nil)
	_, answer := h.invoke("fragile", event{})
	process, err := os.FindProcess(int(answer["pid"].(float64)))
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Kill(); err != nil {
		t.Fatal(err)
	}
	waitUntil(t, "it has ended", func() bool { return !alive(process.Pid) })
	if out, answer := h.invoke("fragile", event{}); out.FunctionError != nil || answer["count"] != 1.0 {
		t.Errorf("%v", answer)
	}
}

func TestUpdateReplacesEnvironments(t *testing.T) {
	h := open(t, testOptions(t))
	h.create("changing", nil)
	_, before := h.invoke("changing", event{})
	busy := make(chan map[string]any, 1)
	go func() {
		_, answer := h.invoke("changing", event{"sleepMs": 1000})
		busy <- answer
	}()
	waitUntil(t, "the invocation is under way", func() bool { _, idle := h.Environments("changing"); return idle == 0 })
	changed, err := h.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: ptr("changing"),
		Environment: &types.Environment{Variables: map[string]string{"COLOUR": "red"}}, MemorySize: aws.Int32(300)})
	if err != nil || changed.LastUpdateStatus != types.LastUpdateStatusInProgress {
		t.Fatalf("%+v %v", changed, err)
	}
	if err := lambda.NewFunctionUpdatedV2Waiter(h.lambda).Wait(ctx, &lambda.GetFunctionInput{FunctionName: ptr("changing")}, 30*time.Second); err != nil {
		t.Fatal(err)
	}
	_, after := h.invoke("changing", event{"env": true})
	if after["pid"] == before["pid"] || after["env"].(map[string]any)["COLOUR"] != "red" || after["env"].(map[string]any)["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"] != "300" {
		t.Errorf("after the change: %v", after)
	}
	if answer := <-busy; answer["errorType"] != nil || answer["pid"] != before["pid"] {
		t.Errorf("the invocation under way: %v", answer)
	}
	waitUntil(t, "the old environment is gone", func() bool { all, _ := h.Environments("changing"); return all == 1 })

	// New code: another program, and the old one's files go.
	script, err := makeZip(zipEntry{"bootstrap", []byte("#!/bin/sh\nexit 9\n"), 0o755})
	if err != nil {
		t.Fatal(err)
	}
	updated, err := h.lambda.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: ptr("changing"), ZipFile: script})
	if err != nil || aws.ToString(updated.CodeSha256) == aws.ToString(changed.CodeSha256) || updated.CodeSize != int64(len(script)) {
		t.Fatalf("%+v %v", updated, err)
	}
	if _, answer := h.invoke("changing", event{}); answer["errorType"] != "Runtime.ExitError" {
		t.Errorf("%v", answer)
	}
	waitUntil(t, "the old code is gone", func() bool {
		left, _ := filepath.Glob(filepath.Join(h.dir, "lambda", "functions", "changing", "code-*"))
		return len(left) == 1
	})
}

func TestEvents(t *testing.T) {
	o := testOptions(t)
	o.AsyncRetryDelays = []time.Duration{time.Millisecond, time.Millisecond}
	h := open(t, o)
	h.create("later", nil)
	send := func(payload string) int32 {
		out, err := h.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: ptr("later"), InvocationType: types.InvocationTypeEvent, Payload: []byte(payload)})
		if err != nil {
			t.Fatal(err)
		}
		return out.StatusCode
	}
	logged := func(text string) int {
		log, err := h.Logs("later")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(log), text)
	}
	if status := send(`{"print":"it has happened"}`); status != http.StatusAccepted {
		t.Errorf("status %d", status)
	}
	waitUntil(t, "the event is served", func() bool { return logged("it has happened") == 1 })
	send(`{"print":"again and again","exit":1}`)
	waitUntil(t, "the failing event is tried three times", func() bool { return logged("again and again") == 3 })
	out, err := h.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: ptr("later"), InvocationType: types.InvocationTypeDryRun})
	if err != nil || out.StatusCode != http.StatusNoContent {
		t.Errorf("%+v %v", out, err)
	}
}

func TestDeleteFunction(t *testing.T) {
	h := open(t, testOptions(t))
	h.create("gone", nil)
	_, answer := h.invoke("gone", event{})
	if _, err := h.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: ptr("gone")}); err != nil {
		t.Fatal(err)
	}
	if alive(int(answer["pid"].(float64))) {
		t.Error("its environment lives")
	}
	if _, err := os.Stat(filepath.Join(h.dir, "lambda", "functions", "gone")); !os.IsNotExist(err) {
		t.Errorf("its files are there: %v", err)
	}
	var absent *types.ResourceNotFoundException
	if _, err := h.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: ptr("gone")}); !errors.As(err, &absent) {
		t.Errorf("invoking it: %v", err)
	}
	if _, err := h.lambda.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: ptr("gone")}); !errors.As(err, &absent) {
		t.Errorf("deleting it again: %v", err)
	}
	h.create("gone", nil) // the name is free
}
