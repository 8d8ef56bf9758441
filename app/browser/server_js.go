package browser

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"syscall/js"
	"time"

	"partita/app/state"
)

// Server is the server that the page came from.
type Server struct{}

// problem is the error document of the server's interface.
type problem struct {
	Detail string `json:"detail"`
	Title  string `json:"title"`
	Code   string `json:"code"`
	Fix    string `json:"fix"`
}

func (p problem) err(status int) error {
	message := p.Detail
	if message == "" {
		message = p.Title
	}
	if message == "" {
		return fmt.Errorf("the server answers with status %d", status)
	}
	return &state.Problem{Code: p.Code, Found: message, Fix: p.Fix}
}

// call sends a request and decodes the JSON answer into reply (nil: ignored). body is a string, a Blob or undefined.
func (Server) call(ctx context.Context, method, path, contentType string, body js.Value, reply any) error {
	options := map[string]any{"method": method}
	if !body.IsUndefined() {
		options["body"] = body
		options["headers"] = map[string]any{"Content-Type": contentType}
	}
	controller := js.Global().Get("AbortController").New()
	options["signal"] = controller.Get("signal")
	stop := context.AfterFunc(ctx, func() { controller.Call("abort") })
	defer stop()

	answer, err := await(ctx, js.Global().Call("fetch", path, options))
	if err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return unreachable(": " + err.Error())
	}
	buffer, err := await(ctx, answer.Call("arrayBuffer"))
	if err != nil {
		return err
	}
	raw := bytesOf(buffer)
	if status := answer.Get("status").Int(); status >= 400 {
		var p problem
		// A body that is no problem document leaves p empty; err falls back to the status.
		_ = json.Unmarshal(raw, &p)
		return p.err(status)
	}
	if reply == nil {
		return nil
	}
	return json.Unmarshal(raw, reply)
}

func (s Server) callJSON(ctx context.Context, method, path string, request, reply any) error {
	raw, err := json.Marshal(request)
	if err != nil {
		return err
	}
	return s.call(ctx, method, path, "application/json", js.ValueOf(string(raw)), reply)
}

// Upload sends files and bytes as one stream; the browser reads the files as it sends them. fetch does not tell how far it is, so this
// is the older way to ask.
func (s Server) Upload(ctx context.Context, what *state.Upload, sent func(int64)) (string, error) {
	parts := js.Global().Get("Array").New()
	for _, part := range what.Parts {
		if part.File == nil {
			raw := js.Global().Get("Uint8Array").New(len(part.Bytes))
			js.CopyBytesToJS(raw, part.Bytes)
			parts.Call("push", raw)
			continue
		}
		f, ok := part.File.(*File)
		if !ok {
			return "", errors.New("only files chosen in this browser can be uploaded")
		}
		parts.Call("push", f.blob)
	}
	request := js.Global().Get("XMLHttpRequest").New()
	request.Call("open", "POST", "/api/v1/uploads?name="+url.QueryEscape(what.Name))
	request.Call("setRequestHeader", "Content-Type", "application/octet-stream")
	var told time.Time
	progress := js.FuncOf(func(_ js.Value, args []js.Value) any {
		if now := time.Now(); now.Sub(told) > uploadInterval {
			told = now
			sent(int64(args[0].Get("loaded").Float()))
		}
		return nil
	})
	defer progress.Release()
	request.Get("upload").Set("onprogress", progress)
	ended := settledBy(request, "onload", "onerror")
	request.Call("send", js.Global().Get("Blob").New(parts))
	stop := context.AfterFunc(ctx, func() { request.Call("abort") })
	defer stop()
	if _, err := ended(ctx); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", unreachable("")
	}
	raw := []byte(request.Get("responseText").String())
	if status := request.Get("status").Int(); status >= 400 {
		var p problem
		// As in call.
		_ = json.Unmarshal(raw, &p)
		return "", p.err(status)
	}
	var reply struct{ Upload string }
	err := json.Unmarshal(raw, &reply)
	return reply.Upload, err
}

// uploadInterval is how often the page says how far an upload is.
const uploadInterval = 200 * time.Millisecond

func unreachable(why string) error {
	return &state.Problem{Code: state.CodeUnreachable, Found: "the server does not answer" + why, Fix: "Make sure that partita serve is still running, then try again"}
}

// Deploy asks the server to deploy a plan with uploaded weights; Follow tells how it goes on.
func (s Server) Deploy(ctx context.Context, name string, plan json.RawMessage, upload string) error {
	return s.callJSON(ctx, "POST", "/api/v1/deployments", map[string]any{"name": name, "plan": plan, "upload": upload}, nil)
}

// Destroy asks the server to remove a deployment; Follow tells how it goes on.
func (s Server) Destroy(ctx context.Context, name string) error {
	return s.call(ctx, "DELETE", "/api/v1/deployments/"+url.PathEscape(name), "", js.Undefined(), nil)
}

// Invoke sends one input through a deployment.
func (s Server) Invoke(ctx context.Context, name string, input state.Input) (*state.Reply, error) {
	reply := &state.Reply{}
	err := s.callJSON(ctx, "POST", "/api/v1/deployments/"+url.PathEscape(name)+"/invocations", map[string]any{"inputs": []state.Input{input}}, reply)
	return reply, err
}

// Cloud says where deployments go.
func (s Server) Cloud(ctx context.Context) (*state.Cloud, error) {
	var info struct{ Cloud state.Cloud }
	err := s.call(ctx, "GET", "/api/v1/info", "", js.Undefined(), &info)
	return &info.Cloud, err
}

// Look says what the server knows of a deployment.
func (s Server) Look(ctx context.Context, name string) (*state.Deployed, error) {
	found := &state.Deployed{}
	err := s.call(ctx, "GET", "/api/v1/deployments/"+url.PathEscape(name), "", js.Undefined(), found)
	return found, err
}

// Shorten keeps the fragment of a link on the server.
func (s Server) Shorten(ctx context.Context, fragment string) (*state.ShortLink, error) {
	link := &state.ShortLink{}
	return link, s.callJSON(ctx, "POST", "/api/v1/links", map[string]any{"fragment": fragment}, link)
}

// Lengthen gives the fragment of a short link.
func (s Server) Lengthen(ctx context.Context, id string) (string, error) {
	var link struct{ Fragment string }
	err := s.call(ctx, "GET", "/api/v1/links/"+url.PathEscape(id), "", js.Undefined(), &link)
	return link.Fragment, err
}

// ShortLinks lists the links that the server keeps.
func (s Server) ShortLinks(ctx context.Context) ([]state.ShortLink, error) {
	var list struct{ Links []state.ShortLink }
	err := s.call(ctx, "GET", "/api/v1/links", "", js.Undefined(), &list)
	return list.Links, err
}

// Revoke ends a short link.
func (s Server) Revoke(ctx context.Context, id string) error {
	return s.call(ctx, "DELETE", "/api/v1/links/"+url.PathEscape(id), "", js.Undefined(), nil)
}

// Follow reports the steps of the operation under way on a deployment until it has ended.
func (s Server) Follow(ctx context.Context, name string, step func(state.Step)) error {
	source := js.Global().Get("EventSource").New("/api/v1/deployments/" + url.PathEscape(name) + "/events")
	defer source.Call("close")
	ended := make(chan error, 1)
	end := func(err error) {
		select {
		case ended <- err:
		default:
		}
	}
	listen := func(event string, handle func(data []byte)) func() {
		listener := js.FuncOf(func(_ js.Value, args []js.Value) any {
			data := args[0].Get("data")
			if data.Type() == js.TypeString {
				handle([]byte(data.String()))
			} else {
				handle(nil)
			}
			return nil
		})
		source.Call("addEventListener", event, listener)
		return func() {
			source.Call("removeEventListener", event, listener)
			listener.Release()
		}
	}
	defer listen("step", func(data []byte) {
		var s state.Step
		if err := json.Unmarshal(data, &s); err != nil {
			end(fmt.Errorf("reading the server's progress: %w", err))
			return
		}
		step(s)
	})()
	defer listen("done", func([]byte) { end(nil) })()
	defer listen("failed", func(data []byte) {
		var p problem
		if err := json.Unmarshal(data, &p); err != nil {
			end(fmt.Errorf("reading the server's progress: %w", err))
			return
		}
		end(p.err(0))
	})()
	defer listen("error", func([]byte) {
		// The browser would connect again by itself and be told all steps once more; whoever follows finds out first what became of it.
		end(&state.Problem{Code: state.CodeUnreachable, Found: "the server stopped telling how the operation goes on", Fix: "Make sure that partita serve is still running"})
	})()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}
