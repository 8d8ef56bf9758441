package browser

import (
	"context"
	"encoding/json"
	"fmt"
	"syscall/js"
	"time"

	"partita/app/remote"
	"partita/app/state"
)

// Worker is the planner in a Web Worker. It is started at the first task, and again after it broke or did not end a task
// that was cancelled.
type Worker struct {
	worker   js.Value
	aside    *Worker // explains plans beside this one, because that takes long; it is ended at once when that is not wanted any more
	last     int
	waiting  map[int]*waiting
	answered bool // the worker's program has been loaded

	frontier *state.Frontier // the last that came
	from     js.Value        // the worker that it came from
}

// waiting is a task under way.
type waiting struct {
	ended chan outcome
	read  func(int64)
	piece func(js.Value)
}

type outcome struct {
	text  string
	err   error
	again bool // the worker was ended because of another task: this one is for the next worker
}

// cancelPatience is how long a worker may take to end a task that was cancelled, before it is ended itself.
const cancelPatience = 300 * time.Millisecond

// Start loads the worker, which takes a moment, before it is needed.
func (w *Worker) Start() {
	if !w.worker.IsUndefined() {
		return
	}
	if w.waiting == nil {
		w.waiting = map[int]*waiting{}
	}
	worker := js.Global().Get("Worker").New(workerAddress())
	w.worker, w.answered = worker, false
	worker.Set("onmessage", js.FuncOf(func(_ js.Value, args []js.Value) any {
		message := args[0].Get("data")
		if message.Get("ended").Truthy() {
			w.ended(worker, "the planner broke off")
			return nil
		}
		w.answered = true
		id := message.Get("id").Int()
		t := w.waiting[id]
		if t == nil {
			return nil
		}
		end := func(o outcome) {
			delete(w.waiting, id)
			t.ended <- o
		}
		switch {
		case !message.Get("read").IsUndefined():
			if t.read != nil {
				t.read(int64(message.Get("read").Float()))
			}
		case !message.Get("piece").IsUndefined():
			if t.piece != nil {
				t.piece(message.Get("piece"))
			}
		case !message.Get("problem").IsUndefined():
			problem := &state.Problem{}
			if err := json.Unmarshal([]byte(message.Get("problem").String()), problem); err != nil {
				problem = &state.Problem{Found: err.Error()}
			}
			end(outcome{err: problem})
		default:
			end(outcome{text: message.Get("text").String()})
		}
		return nil
	}))
	worker.Set("onerror", js.FuncOf(func(_ js.Value, args []js.Value) any {
		args[0].Call("preventDefault")
		w.ended(worker, "the planner broke off: "+text(args[0]))
		return nil
	}))
}

// workerAddress is that of the page's own version: another's planner may not understand it.
func workerAddress() string {
	return "/web/worker.js?v=" + js.Global().Call("goappGetenv", "GOAPP_VERSION").String()
}

// ended follows a worker that has ended by itself: because it could not go on, or because its version is not to be had any more.
func (w *Worker) ended(worker js.Value, found string) {
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), askPatience)
		defer cancel()
		response, err := await(ctx, js.Global().Call("fetch", workerAddress(), map[string]any{"method": "HEAD", "cache": "no-store"}))
		if err == nil && response.Get("status").Int() == statusGone && !w.answered {
			w.stop(worker, outcome{err: &state.Problem{Code: "planner.other-version", Found: "the server has a newer version of Partita, and this page's planner is not to be had any more", Fix: "Reload the page; nothing that you did is lost"}})
			return
		}
		w.broke(worker, found)
	}()
}

const (
	statusGone  = 410             // of what belongs to another version of the page
	askPatience = 2 * time.Second // with a server that says nothing
)

// broke ends a worker that is of no use any more; what it was asked fails.
func (w *Worker) broke(worker js.Value, found string) {
	w.stop(worker, outcome{err: &state.Problem{Code: "planner.broke", Found: found, Fix: "Try again; if it happens again, the model may be too large for the memory of this browser"}})
}

// stop ends the worker; what it was asked and has not answered ends as told.
func (w *Worker) stop(worker js.Value, end outcome) {
	if !w.worker.Equal(worker) {
		return
	}
	worker.Call("terminate")
	w.worker = js.Undefined()
	for id, t := range w.waiting {
		delete(w.waiting, id)
		if end.again && t.piece != nil { // what it has given cannot be taken back
			t.ended <- outcome{err: &state.Problem{Code: "planner.broke", Found: "what was being made or fetched was cut off by another task", Fix: "Try again"}}
			continue
		}
		t.ended <- end
	}
}

// run has a task done. One whose worker was ended for being busy with a task that was cancelled goes to the next worker.
func (w *Worker) run(ctx context.Context, task state.Task, o *state.Opening, t *waiting) (string, error) {
	for {
		end, err := w.runOnce(ctx, task, o, t)
		if err != nil || !end.again {
			return end.text, err
		}
		task.Have = 0 // the next worker has made no frontier yet
	}
}

func (w *Worker) runOnce(ctx context.Context, task state.Task, o *state.Opening, t *waiting) (outcome, error) {
	w.Start()
	raw, err := json.Marshal(task)
	if err != nil {
		return outcome{}, err
	}
	files := js.Global().Get("Array").New()
	var all []state.File
	if o != nil {
		all = o.AllFiles()
	}
	for _, f := range all {
		switch own := f.(type) {
		case *File:
			files.Call("push", own.blob)
		case *remote.File:
			files.Call("push", own.Key())
		default:
			return outcome{}, fmt.Errorf("%s is no file of this browser", f.Name())
		}
	}
	w.last++
	id, worker := w.last, w.worker
	t.ended = make(chan outcome, 1)
	w.waiting[id] = t
	worker.Call("postMessage", map[string]any{"id": id, "task": string(raw), "files": files})
	select {
	case end := <-t.ended:
		return end, end.err
	case <-ctx.Done():
	}
	if task.Op == state.OpExplain {
		delete(w.waiting, id)
		w.stop(worker, outcome{again: true})
	} else if w.worker.Equal(worker) {
		worker.Call("postMessage", map[string]any{"id": id, "cancel": true})
		go func() {
			select {
			case <-t.ended:
			case <-time.After(cancelPatience):
				delete(w.waiting, id)
				w.stop(worker, outcome{again: true})
			}
		}()
	}
	return outcome{}, ctx.Err()
}

func answer[T any](text string, err error) (*T, error) {
	if err != nil {
		return nil, err
	}
	reply := new(T)
	return reply, json.Unmarshal([]byte(text), reply)
}

// About implements state.Planner.
func (w *Worker) About(ctx context.Context) (*state.About, error) {
	return answer[state.About](w.run(ctx, state.Task{Op: state.OpAbout}, nil, &waiting{}))
}

// Link implements state.Planner.
func (w *Worker) Link(ctx context.Context, fragment string) (*state.Link, error) {
	link, err := answer[state.Link](w.run(ctx, state.Task{Op: state.OpLink, Link: fragment}, nil, &waiting{}))
	if err == nil {
		link.Opening = link.Opening.Renewed()
	}
	return link, err
}

// Open implements state.Planner.
func (w *Worker) Open(ctx context.Context, o *state.Opening, read func(int64)) (*state.Model, error) {
	text, err := w.run(ctx, state.NewTask(state.OpOpen, o, nil), o, &waiting{read: read})
	if err != nil {
		return nil, err
	}
	return state.DecodeModel(text, func() { time.Sleep(time.Millisecond) }) // which goes through the browser's own loop
}

// Plan implements state.Planner.
func (w *Worker) Plan(ctx context.Context, o *state.Opening, r state.Request) (*state.Answer, error) {
	w.Start()
	task, worker := state.NewTask(state.OpPlan, o, r), w.worker
	if w.frontier != nil && w.from.Equal(worker) {
		task.Have = w.frontier.ID
	}
	have := w.frontier
	a, err := answer[state.Answer](w.run(ctx, task, o, &waiting{}))
	if err != nil {
		return nil, err
	}
	if a.Frontier == nil {
		a.Frontier = have
	}
	w.frontier, w.from = a.Frontier, worker
	return a, nil
}

// Explain implements state.Planner. Its worker opens the model for itself, and is ended when its answer is not wanted any more.
func (w *Worker) Explain(ctx context.Context, o *state.Opening, r state.Request) (*state.Explained, error) {
	if w.aside == nil {
		w.aside = &Worker{}
	}
	return answer[state.Explained](w.aside.run(ctx, state.NewTask(state.OpExplain, o, r), o, &waiting{}))
}

// Outlook implements state.Planner.
func (w *Worker) Outlook(ctx context.Context, o *state.Opening, r state.Request) (*state.Outlook, error) {
	return answer[state.Outlook](w.run(ctx, state.NewTask(state.OpOutlook, o, r), o, &waiting{}))
}

// Export implements state.Planner.
func (w *Worker) Export(ctx context.Context, o *state.Opening, r state.Request, form string) (*state.Exported, error) {
	task := state.NewTask(state.OpExport, o, r)
	task.Form = form
	return answer[state.Exported](w.run(ctx, task, o, &waiting{}))
}

// Bundle implements state.Planner.
func (w *Worker) Bundle(ctx context.Context, o *state.Opening) (*state.Bundle, error) {
	return answer[state.Bundle](w.run(ctx, state.NewTask(state.OpBundle, o, nil), o, &waiting{}))
}

// Document implements state.Planner.
func (w *Worker) Document(ctx context.Context, o *state.Opening, r state.Request) ([]byte, error) {
	text, err := w.run(ctx, state.NewTask(state.OpDocument, o, r), o, &waiting{})
	return []byte(text), err
}

// MakeWeights makes up weights for a model, as a file that the browser holds.
func (w *Worker) MakeWeights(ctx context.Context, o *state.Opening, name string, made func(bytes int64)) (state.File, error) {
	return w.pieces(ctx, state.NewTask(state.OpWeights, o, nil), o, name, made)
}

// pieces does a task that gives a file piece by piece, which the browser holds.
func (w *Worker) pieces(ctx context.Context, task state.Task, o *state.Opening, name string, made func(bytes int64)) (state.File, error) {
	parts, size := js.Global().Get("Array").New(), int64(0)
	_, err := w.run(ctx, task, o, &waiting{piece: func(piece js.Value) {
		parts.Call("push", piece)
		size += int64(piece.Get("size").Float())
		made(size)
	}})
	if err != nil {
		return nil, err
	}
	return newFile(js.Global().Get("File").New(parts, name)), nil
}
