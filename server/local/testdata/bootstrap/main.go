// Command bootstrap is a function for the tests of the local cloud: a custom runtime that does what its event says.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// event says what to do; what is not set is not done.
type event struct {
	Echo       json.RawMessage `json:"echo"`
	SleepMs    int             `json:"sleepMs"`
	AllocateMB int             `json:"allocateMB"`
	BurnMs     int             `json:"burnMs"` // wall-clock time during which to count as fast as possible
	Exit       *int            `json:"exit"`
	ExitAfter  bool            `json:"exitAfter"` // exit once the answer is given
	Panic      bool            `json:"panic"`
	WriteMB    int             `json:"writeMB"` // to the temporary folder
	Print      string          `json:"print"`
	PrintKB    int             `json:"printKB"`
	Env        bool            `json:"env"`
	AnswerMB   int             `json:"answerMB"`
	Fork       bool            `json:"fork"` // leave a child process behind
	Look       string          `json:"look"` // list a folder
	Identity   bool            `json:"identity"`
	TouchCode  bool            `json:"touchCode"`
	Get        string          `json:"get"` // fetch an address with the function's own client
}

var kept [][]byte

func main() {
	api := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/"
	switch os.Getenv("INIT") {
	case "exit":
		fmt.Println("leaving in the init phase")
		os.Exit(7)
	case "error":
		post(api+"init/error", `{"errorType":"Init.Refused","errorMessage":"the init phase refuses"}`, "Init.Refused")
		os.Exit(1)
	case "sleep":
		time.Sleep(time.Hour)
	case "slow":
		time.Sleep(300 * time.Millisecond)
	case "once": // fails the first time only
		marker := filepath.Join(os.Getenv("MARKER"), "seen")
		if _, err := os.Stat(marker); err != nil {
			_ = os.WriteFile(marker, nil, 0o644)
			os.Exit(3)
		}
	}
	fmt.Fprintln(os.Stderr, "init done")
	count := 0
	for {
		response, err := http.Get(api + "invocation/next")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		raw, _ := io.ReadAll(response.Body)
		response.Body.Close()
		id := response.Header.Get("Lambda-Runtime-Aws-Request-Id")
		count++
		var e event
		if err := json.Unmarshal(raw, &e); err != nil {
			post(api+"invocation/"+id+"/error", `{"errorType":"Event.Malformed","errorMessage":"not an event"}`, "Event.Malformed")
			continue
		}
		answer := act(e)
		answer["count"], answer["pid"] = count, os.Getpid()
		answer["deadlineMs"] = response.Header.Get("Lambda-Runtime-Deadline-Ms")
		answer["arn"] = response.Header.Get("Lambda-Runtime-Invoked-Function-Arn")
		answer["clientContext"] = response.Header.Get("Lambda-Runtime-Client-Context")
		body, _ := json.Marshal(answer)
		post(api+"invocation/"+id+"/response", string(body), "")
		if e.ExitAfter {
			os.Exit(0)
		}
	}
}

func act(e event) map[string]any {
	answer := map[string]any{}
	if e.Echo != nil {
		answer["echo"] = e.Echo
	}
	if e.Print != "" {
		fmt.Println(e.Print)
	}
	if e.PrintKB > 0 {
		fmt.Println(strings.Repeat("x", e.PrintKB<<10))
	}
	time.Sleep(time.Duration(e.SleepMs) * time.Millisecond)
	if e.Panic {
		panic("as told")
	}
	if e.Exit != nil {
		os.Exit(*e.Exit)
	}
	for range e.AllocateMB {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 4096 {
			block[i] = 1
		}
		kept = append(kept, block)
	}
	if e.BurnMs > 0 {
		var before, after syscall.Rusage
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &before)
		for end := time.Now().Add(time.Duration(e.BurnMs) * time.Millisecond); time.Now().Before(end); {
		}
		_ = syscall.Getrusage(syscall.RUSAGE_SELF, &after)
		answer["cpuMs"] = (after.Utime.Nano() + after.Stime.Nano() - before.Utime.Nano() - before.Stime.Nano()) / 1e6
	}
	if e.WriteMB > 0 {
		temp := os.Getenv("TMPDIR")
		if temp == "" {
			temp = "/tmp"
		}
		file, err := os.Create(filepath.Join(temp, "data"))
		for i := 0; err == nil && i < e.WriteMB; i++ {
			_, err = file.Write(make([]byte, 1<<20))
		}
		if err != nil {
			answer["writeError"] = err.Error()
		}
		if file != nil {
			file.Close()
		}
	}
	if e.Env {
		env := map[string]string{}
		for _, pair := range os.Environ() {
			name, value, _ := strings.Cut(pair, "=")
			env[name] = value
		}
		answer["env"] = env
		answer["dir"], _ = os.Getwd()
	}
	if e.AnswerMB > 0 {
		answer["large"] = strings.Repeat("y", e.AnswerMB<<20)
	}
	if e.Fork {
		child := exec.Command("/bin/sleep", "1000")
		child.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
		if err := child.Start(); err != nil {
			answer["forkError"] = err.Error()
		} else {
			answer["child"] = child.Process.Pid
		}
	}
	if e.Look != "" {
		entries, err := os.ReadDir(e.Look)
		names := []string{}
		for _, entry := range entries {
			names = append(names, entry.Name())
		}
		answer["names"] = names
		if err != nil {
			answer["lookError"] = err.Error()
		}
	}
	if e.Identity {
		answer["uid"] = os.Getuid()
		status, _ := os.ReadFile("/proc/self/status")
		answer["status"] = string(status)
	}
	if e.TouchCode {
		if err := os.WriteFile(filepath.Join(os.Getenv("LAMBDA_TASK_ROOT"), "new"), nil, 0o644); err != nil {
			answer["touchError"] = err.Error()
		}
	}
	if e.Get != "" {
		response, err := http.Get(e.Get)
		if err != nil {
			answer["getError"] = err.Error()
		} else {
			answer["getStatus"] = response.StatusCode
			response.Body.Close()
		}
	}
	return answer
}

func post(url, body, errorType string) {
	request, _ := http.NewRequest(http.MethodPost, url, bytes.NewReader([]byte(body)))
	if errorType != "" {
		request.Header.Set("Lambda-Runtime-Function-Error-Type", errorType)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return
	}
	_, _ = io.Copy(io.Discard, response.Body)
	response.Body.Close()
}
