package local

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// ownCloud is the helper process of the tests below: it serves a cloud until it is killed.
func ownCloud(dir string) {
	server := httptest.NewUnstartedServer(nil)
	cloud, err := New(Options{Dir: dir, EndpointURL: "http://" + server.Listener.Addr().String()})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	server.Config.Handler = cloud.Handler()
	server.Start()
	fmt.Println(server.URL)
	select {}
}

// startOwner starts a helper process and gives a harness whose clients talk to it.
func startOwner(t *testing.T, dir string) (*harness, *exec.Cmd) {
	t.Helper()
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), "PARTITA_TEST_OWNER="+dir)
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = owner.Process.Kill()
		_ = owner.Wait()
	})
	line := make([]byte, 256)
	n, err := out.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	h := &harness{t: t, dir: dir, url: strings.TrimSpace(string(line[:n]))}
	if !strings.HasPrefix(h.url, "http://") {
		t.Fatalf("the helper process says %q", h.url)
	}
	h.clients()
	return h, owner
}

func alive(pid int) bool {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	text := string(raw)
	if !strings.HasPrefix(text[strings.LastIndexByte(text, ')')+1:], " Z") {
		return true
	}
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid)) // the first is done before the others, which may still hold connections
	return err == nil && len(threads) > 1
}

func waitUntil(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		if ok() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still not so after 20 s: %s", what)
		}
	}
}

func TestKilledServerLeavesNothing(t *testing.T) {
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("what a killed server leaves is tested on Linux only, by its /proc: run the tests there")
	}
	testPackage(t)
	dir := t.TempDir()
	h, owner := startOwner(t, dir)
	h.create("victim", nil)
	_, answer := h.invoke("victim", event{"fork": true})
	pid, child := int(answer["pid"].(float64)), int(answer["child"].(float64))
	if !alive(pid) || !alive(child) {
		t.Fatalf("the environment does not live: %v", answer)
	}
	go func() { // at work when the server is killed
		_, _ = h.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: ptr("victim"), Payload: []byte(`{"sleepMs":60000}`)})
	}()
	var groups []string
	notes, _ := filepath.Glob(filepath.Join(dir, "environments", "*", "environment.json"))
	if len(notes) == 0 {
		t.Fatal("environments leave no note")
	}
	for _, note := range notes {
		raw, err := os.ReadFile(note)
		if err != nil {
			t.Fatal(err)
		}
		var l struct{ Groups []string }
		if err := json.Unmarshal(raw, &l); err != nil {
			t.Fatal(err)
		}
		groups = append(groups, l.Groups...)
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	waitUntil(t, "the environment's process ends with its server", func() bool { return !alive(pid) })

	// A later server on the same folder finds the function, and removes what is left.
	again := open(t, Options{Dir: dir, Logger: testOptions(t).Logger})
	if alive(child) && len(groups) > 0 {
		t.Error("a process that the function left behind is still there")
	}
	for _, group := range groups {
		if _, err := os.Stat(group); err == nil {
			t.Errorf("control group %s is still there", group)
		}
	}
	if left, _ := os.ReadDir(filepath.Join(dir, "environments")); len(left) > 0 {
		t.Errorf("left in the environments' folder: %v", left)
	}
	if _, answer := again.invoke("victim", event{"echo": 1}); answer["echo"] != 1.0 {
		t.Errorf("after the restart: %v", answer)
	}
	if alive(child) { // without control groups
		_ = exec.Command("kill", "-9", fmt.Sprint(child)).Run()
	}
}

func ptr[T any](v T) *T { return &v }

func TestFolderInUse(t *testing.T) {
	o := testOptions(t)
	h := open(t, o)
	if _, err := New(o); err == nil || !strings.Contains(err.Error(), "[local.folder-in-use]") {
		t.Errorf("second server on the folder: %v", err)
	}
	h.stop()
	second, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := second.Close(); err != nil {
		t.Error(err)
	}
}

func TestCloseEndsEnvironments(t *testing.T) {
	h := open(t, testOptions(t))
	h.create("busy", nil)
	_, answer := h.invoke("busy", event{"fork": true})
	pid, child := int(answer["pid"].(float64)), int(answer["child"].(float64))
	done := make(chan error, 1)
	go func() {
		_, err := h.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: ptr("busy"), Payload: []byte(`{"sleepMs":60000}`)})
		done <- err
	}()
	waitUntil(t, "the invocation is under way", func() bool { _, idle := h.Environments("busy"); return idle == 0 })
	h.stop()
	<-done
	if alive(pid) {
		t.Error("the environment outlived the cloud")
	}
	if alive(child) && h.Limits()[0].Enforced {
		t.Error("what the function had left behind outlived the cloud")
	}
	if alive(child) {
		_ = exec.Command("kill", "-9", fmt.Sprint(child)).Run()
	}
	if left, _ := os.ReadDir(filepath.Join(h.dir, "environments")); len(left) > 0 {
		t.Errorf("left in the environments' folder: %v", left)
	}
	if response, err := http.Get(h.url + "/2015-03-31/functions"); err == nil {
		response.Body.Close()
		t.Error("the test server still answers")
	}
}
