package browser

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"syscall/js"
	"time"

	"partita/app/remote"
	"partita/app/state"
)

// Files at web addresses are asked for by the planner's worker, whose policy allows that; the page's own does not.

// newRemote makes a file of its key; nil: it is of none at an address.
func newRemote(key string) *remote.File {
	i, there := remote.ParseKey(key)
	if !there {
		return nil
	}
	return remote.New(i, ranges(context.Background(), i.Address))
}

// request asks an address for something, without cookies and without what a browser has kept: parts of two versions would not fit.
func request(ctx context.Context, address, method string, headers map[string]any) (js.Value, error) {
	controller := js.Global().Get("AbortController").New()
	stop := context.AfterFunc(ctx, func() { controller.Call("abort") })
	answer, err := await(ctx, js.Global().Call("fetch", address, map[string]any{
		"method": method, "headers": headers, "signal": controller.Get("signal"),
		"mode": "cors", "credentials": "omit", "referrerPolicy": "no-referrer", "cache": "no-store",
	}))
	if err != nil {
		stop()
	}
	return answer, err // what is left of it ends with ctx
}

// ranges asks for ranges of the file at an address.
func ranges(ctx context.Context, address string) remote.Fetch {
	return func(first, last int64) (*remote.Answer, error) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel() // a whole file in place of a range is not waited for
		bytes := "bytes=" + strconv.FormatInt(first, 10) + "-" + strconv.FormatInt(last, 10)
		response, err := request(ctx, address, "GET", map[string]any{"Range": bytes})
		if err != nil {
			return nil, err
		}
		a := answerOf(response)
		if a.Status == 206 {
			buffer, err := await(ctx, response.Call("arrayBuffer"))
			if err != nil {
				return nil, err
			}
			a.Body = bytesOf(buffer)
		}
		return a, nil
	}
}

// answerOf reads the headers of an answer, as far as the server lets pages read them.
func answerOf(response js.Value) *remote.Answer {
	header := func(name string) string {
		if value := response.Get("headers").Call("get", name); value.Type() == js.TypeString {
			return value.String()
		}
		return ""
	}
	a := &remote.Answer{Status: response.Get("status").Int(), Total: -1, Mark: header("ETag")}
	if a.Mark == "" {
		a.Mark = header("Last-Modified")
	}
	size := header("Content-Length")
	if a.Status == 206 {
		_, size, _ = strings.Cut(header("Content-Range"), "/")
	}
	if total, err := strconv.ParseInt(size, 10, 64); err == nil && total >= 0 {
		a.Total = total
	}
	kind, _, _ := strings.Cut(header("Content-Type"), ";")
	a.Page = strings.EqualFold(strings.TrimSpace(kind), "text/html")
	return a
}

// Ask finds out in the worker what is at an address.
func Ask(ctx context.Context, address string) (*remote.Found, error) {
	return remote.Ask(address, func(address string) remote.Fetch { return ranges(ctx, address) }, func(address string) int64 {
		response, err := request(ctx, address, "HEAD", map[string]any{})
		if err != nil || response.Get("status").Int() != 200 {
			return -1
		}
		return answerOf(response).Total
	})
}

// Whole fetches in the worker a file from its beginning to its end, piece by piece.
func Whole(ctx context.Context, f *remote.Found, piece func(js.Value)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	headers := map[string]any{}
	if f.Ranges {
		headers["Range"] = "bytes=0-"
	}
	response, err := request(ctx, f.Address, "GET", headers)
	if err != nil {
		return remote.Lost(f, 0, err)
	}
	if err := f.Whole(answerOf(response)); err != nil {
		return err
	}
	stream, came := response.Get("body").Call("getReader"), int64(0)
	chunks, size, told := js.Global().Get("Array").New(), int64(0), time.Now()
	flush := func() {
		if size > 0 {
			piece(js.Global().Get("Blob").New(chunks))
			chunks, size, told = js.Global().Get("Array").New(), 0, time.Now()
		}
	}
	for {
		next, err := await(ctx, stream.Call("read"))
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			return remote.Lost(f, came, err)
		}
		if next.Get("done").Truthy() {
			break
		}
		chunk := next.Get("value")
		n := int64(chunk.Get("length").Int())
		chunks.Call("push", chunk)
		if came, size = came+n, size+n; came > remote.MostWhole {
			return remote.TooLarge(f, came)
		}
		if size >= mostPiece || time.Since(told) > pieceInterval {
			flush()
		}
	}
	flush()
	return f.Ended(came)
}

// How much of a file is collected before it goes to the page, and for how long.
const (
	mostPiece     = 4 << 20
	pieceInterval = 200 * time.Millisecond
)

// Failed gives why reading files at addresses has failed, in place of what follows from it; without, the error itself.
func Failed(files []state.File, err error) error {
	for _, f := range files {
		if r, ok := f.(*remote.File); ok && err != nil && r.Failure() != nil {
			return r.Failure()
		}
	}
	return err
}

// At gives the file at an address. What cannot be read in parts is fetched: progress is told of it.
func (w *Worker) At(ctx context.Context, address string, read func(int64)) (state.File, error) {
	found, err := answer[remote.Found](w.run(ctx, state.Task{Op: state.OpAsk, Link: address}, nil, &waiting{}))
	if err != nil {
		return nil, err
	}
	if found.Ranges {
		return newRemote(found.Key()), nil
	}
	return w.whole(ctx, found, read)
}

// Local gives a file whose bytes the browser has: one at an address is fetched.
func (w *Worker) Local(ctx context.Context, file state.File, read func(int64)) (state.File, error) {
	r, away := file.(*remote.File)
	if !away {
		return file, nil
	}
	return w.whole(ctx, &remote.Found{Identity: r.Identity, Name: r.Name(), Ranges: true}, read)
}

func (w *Worker) whole(ctx context.Context, found *remote.Found, read func(int64)) (state.File, error) {
	text, err := json.Marshal(found)
	if err != nil {
		return nil, err
	}
	return w.pieces(ctx, state.Task{Op: state.OpFetch, Link: string(text)}, nil, found.Name, read)
}

// OnAddress calls back when a link is dropped on the window, or the text of one pasted outside a field.
func (*Host) OnAddress(open func(text string)) {
	listen := func(event, source string, kinds ...string) {
		js.Global().Call("addEventListener", event, js.FuncOf(func(_ js.Value, args []js.Value) any {
			data := args[0].Get(source)
			if !data.Truthy() || data.Get("files").Length() > 0 || typing(args[0].Get("target")) {
				return nil
			}
			for _, kind := range kinds {
				if text := addresses(data.Call("getData", kind).String()); text != "" {
					args[0].Call("preventDefault")
					open(text)
					break
				}
			}
			return nil
		}))
	}
	listen("drop", "dataTransfer", "text/uri-list", "text/plain")
	listen("paste", "clipboardData", "text/plain")
}

// addresses gives the addresses in a text that holds nothing else but a list's comments; "" otherwise.
func addresses(text string) string {
	var all []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
		case strings.HasPrefix(line, "https://") || strings.HasPrefix(line, "http://"):
			all = append(all, line)
		default:
			return ""
		}
	}
	return strings.Join(all, "\n")
}
