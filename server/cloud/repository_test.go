package cloud

import (
	"context"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"partita/internal/fixture"
	"partita/planner/diag"
)

// TestRepositories makes, finds and removes a repository in an implementation of ECR that is not ours.
func TestRepositories(t *testing.T) {
	program := fixture.Tool(t, "moto_server", "repositories in a service that is not ours", "pip install 'moto[server]'")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close() // moto takes no listener; nobody else is given the port so soon
	_, port, _ := net.SplitHostPort(address)
	ctx, cancel := context.WithCancel(t.Context())
	server := exec.CommandContext(ctx, program, "-H", "127.0.0.1", "-p", port)
	server.Env = append(os.Environ(), "PYTHONUNBUFFERED=1")
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { cancel(); _ = server.Wait() }()
	for range 200 {
		if answer, err := http.Get("http://" + address + "/moto-api/"); err == nil {
			answer.Body.Close()
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	c := open(t, "http://"+address)
	if _, err := c.Repository(t.Context(), "partita-demo"); !IsNotFound(err) {
		t.Fatalf("absent: %v", err)
	}
	made, err := c.CreateRepository(t.Context(), "partita-demo", map[string]string{"partita:deployment": "demo", "partita:plan": "sha256:1"})
	if err != nil || !strings.HasSuffix(made.Address, "/partita-demo") {
		t.Fatalf("%+v %v", made, err)
	}
	if _, err := c.CreateRepository(t.Context(), "partita-demo", nil); diag.CodeOf(err) != CodeConflict {
		t.Errorf("twice: %v", err)
	}
	found, err := c.Repository(t.Context(), "partita-demo")
	if err != nil || found.Address != made.Address || found.Tags["partita:deployment"] != "demo" || found.Tags["partita:plan"] != "sha256:1" {
		t.Errorf("%+v %v", found, err)
	}
	if user, password, err := c.RegistryLogin(t.Context()); err != nil || user != "AWS" || password == "" {
		t.Errorf("%s %v", user, err)
	}
	for range 2 { // one that is absent is no error
		if err := c.DeleteRepository(t.Context(), "partita-demo"); err != nil {
			t.Error(err)
		}
	}
	if _, err := c.Repository(t.Context(), "partita-demo"); !IsNotFound(err) {
		t.Errorf("deleted: %v", err)
	}
}

// TestRepositoryErrors says which right is missing.
func TestRepositoryErrors(t *testing.T) {
	c := lambdaAnswering(t, 400, "AccessDeniedException", "not authorized to perform: ecr:CreateRepository")
	if _, err := c.CreateRepository(t.Context(), "partita-demo", nil); diag.CodeOf(err) != CodeDenied || !strings.Contains(err.Error(), "ecr:CreateRepository") {
		t.Errorf("%v", err)
	}
	c = lambdaAnswering(t, 400, "LimitExceededException", "too many repositories")
	if _, err := c.CreateRepository(t.Context(), "partita-demo", nil); diag.CodeOf(err) != "cloud.limit-exceeded" {
		t.Errorf("%v", err)
	}
	if _, _, err := c.RegistryLogin(t.Context()); diag.CodeOf(err) != "cloud.limit-exceeded" {
		t.Errorf("%v", err)
	}
}
