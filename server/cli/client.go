package cli

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"partita/planner/diag"
	"partita/server/api"
	"partita/server/deploy"
)

const defaultServer = "http://127.0.0.1:8080"

// client talks to a server's HTTP interface.
type client struct {
	base  string
	token string
	http  *http.Client
}

func newClient(a *arguments, env *environment) (*client, error) {
	base := a.text("server")
	if base == "" {
		base = env.getenv("PARTITA_SERVER")
	}
	if base == "" {
		base = defaultServer
	}
	u, err := url.Parse(base)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, diag.New(diag.Usage, "usage.bad-value", "reading --server", "it is "+base, "give an address as "+defaultServer)
	}
	token := a.text("token")
	if token == "" {
		token = env.getenv("PARTITA_TOKEN")
	}
	return &client{base: strings.TrimRight(base, "/"), token: token, http: &http.Client{}}, nil
}

// maxAnswer bounds a JSON answer: the outputs of a large batch in base64.
const maxAnswer = 2 << 30

// do sends a request and decodes the answer into reply (nil: ignored). size is that of the body; -1 when unknown.
func (c *client) do(ctx context.Context, doing, method, path, contentType string, body io.Reader, size int64, reply any) error {
	answer, err := c.send(ctx, doing, method, path, contentType, body, size)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if reply == nil {
		io.Copy(io.Discard, io.LimitReader(answer.Body, 1<<20))
		return nil
	}
	if err := json.NewDecoder(io.LimitReader(answer.Body, maxAnswer)).Decode(reply); err != nil {
		return c.broken(ctx, doing, err)
	}
	return nil
}

func (c *client) json(ctx context.Context, doing, method, path string, request, reply any) error {
	if request == nil {
		return c.do(ctx, doing, method, path, "", nil, 0, reply)
	}
	data, err := json.Marshal(request)
	if err != nil {
		return err
	}
	return c.do(ctx, doing, method, path, "application/json", bytes.NewReader(data), int64(len(data)), reply)
}

func (c *client) send(ctx context.Context, doing, method, path, contentType string, body io.Reader, size int64) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, body)
	if err != nil {
		return nil, err
	}
	if size >= 0 && body != nil {
		request.ContentLength = size
	}
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if c.token != "" {
		request.Header.Set("Authorization", "Bearer "+c.token)
	}
	answer, err := c.http.Do(request)
	if err != nil {
		return nil, c.broken(ctx, doing, err)
	}
	if answer.StatusCode >= 400 {
		defer answer.Body.Close()
		return nil, c.problem(doing, answer)
	}
	return answer, nil
}

// broken explains an answer that did not come or not to its end.
func (c *client) broken(ctx context.Context, doing string, err error) error {
	if ctx.Err() != nil {
		return diag.New(diag.Interrupted, "interrupted", doing, "interrupted", "")
	}
	var u *url.Error
	if errors.As(err, &u) {
		err = u.Err
	}
	return diag.New(diag.Unavailable, "server.unreachable", doing, "the server at "+c.base+" does not answer", "start it with partita serve, or name another with --server").Because(err)
}

// problem turns a problem document back into the diagnostic it was made from.
func (c *client) problem(doing string, answer *http.Response) error {
	var p api.Problem
	data, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(data, &p)
	}
	if err != nil || p.Code == "" {
		return diag.New(diag.Unavailable, "server.other", doing, fmt.Sprintf("the server at %s answers with status %d, and not as Partita's does", c.base, answer.StatusCode), "check --server")
	}
	return diagnosticOf(&p, doing)
}

func diagnosticOf(p *api.Problem, doing string) *diag.Error {
	if p.Doing != "" {
		doing = p.Doing
	}
	return diag.New(diag.ParseKind(p.Kind), p.Code, doing, p.Detail, p.Fix).With(p.Details...)
}

func deploymentPath(name string) string { return "/api/v1/deployments/" + url.PathEscape(name) }

// upload sends a file.
func (c *client) upload(ctx context.Context, name string, body io.Reader, size int64) (*deploy.Upload, error) {
	u := &deploy.Upload{}
	err := c.do(ctx, "uploading "+name, http.MethodPost, "/api/v1/uploads?name="+url.QueryEscape(baseName(name)), "application/octet-stream", body, size, u)
	return u, err
}

func (c *client) dropUpload(ctx context.Context, id string) {
	// What is left is removed by the server after a day.
	_ = c.json(ctx, "removing the upload", http.MethodDelete, "/api/v1/uploads/"+url.PathEscape(id), nil, nil)
}

// watch reports a deployment's steps until it has ended, and gives the error it ended with.
func (c *client) watch(ctx context.Context, name string, step func(*deploy.Step)) error {
	doing := "watching " + name
	answer, err := c.send(ctx, doing, http.MethodGet, deploymentPath(name)+"/events", "", nil, 0)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	event := ""
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "event":
			event = value
		case "data":
			switch event {
			case "step":
				s := &deploy.Step{}
				if err := json.Unmarshal([]byte(value), s); err != nil {
					return c.broken(ctx, doing, err)
				}
				step(s)
			case "done":
				return nil
			case "failed":
				p := &api.Problem{}
				if err := json.Unmarshal([]byte(value), p); err != nil {
					return c.broken(ctx, doing, err)
				}
				return diagnosticOf(p, doing)
			}
		}
	}
	if err := lines.Err(); err != nil {
		return c.broken(ctx, doing, err)
	}
	return c.broken(ctx, doing, io.ErrUnexpectedEOF)
}
