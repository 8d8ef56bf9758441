package main

import (
	"context"
	"encoding/json"
	"syscall/js"
	"time"

	"partita/app/browser"
	"partita/app/engine"
	"partita/app/remote"
	"partita/app/state"
)

// tellInterval is how often a worker says how far the reading of files is.
const tellInterval = 100 * time.Millisecond

// serve does what the page asks of its planner, for as long as the worker lives. Tasks come as messages {id, task,
// files}, and {id, cancel}; answers go as {id, text}, {id, problem}, and before them {id, read} and {id, piece}.
func serve(p *engine.Engine) {
	scope := js.Global()
	cancels := map[int]context.CancelFunc{}
	receive := js.FuncOf(func(_ js.Value, args []js.Value) any {
		message := args[0].Get("data")
		id := message.Get("id").Int()
		if message.Get("cancel").Truthy() {
			if cancel := cancels[id]; cancel != nil {
				cancel()
			}
			return nil
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancels[id] = cancel
		files := browser.Files(message.Get("files"))
		text := message.Get("task").String()
		go func() {
			post := func(field string, value any) { scope.Call("postMessage", map[string]any{"id": id, field: value}) }
			var task state.Task
			answer, err := []byte(nil), json.Unmarshal([]byte(text), &task)
			switch {
			case err != nil:
			case task.Op == state.OpAsk:
				var found *remote.Found
				if found, err = browser.Ask(ctx, task.Link); err == nil {
					answer, err = json.Marshal(found)
				}
			case task.Op == state.OpFetch:
				found := &remote.Found{}
				if err = json.Unmarshal([]byte(task.Link), found); err == nil {
					err = browser.Whole(ctx, found, func(piece js.Value) { post("piece", piece) })
				}
			default:
				var told time.Time
				answer, err = p.Run(ctx, &task, files, func(bytes int64) {
					if now := time.Now(); now.Sub(told) > tellInterval {
						told = now
						post("read", float64(bytes))
					}
				}, func(piece []byte) error {
					post("piece", browser.NewBlob(piece))
					return nil
				})
				err = browser.Failed(files, err)
			}
			cancel()
			delete(cancels, id)
			if err == nil {
				post("text", string(answer))
			} else if problem, bad := json.Marshal(engine.ProblemOf(err)); bad == nil {
				post("problem", string(problem))
			}
		}()
		return nil
	})
	// What came while this program was being loaded is kept by the script that loaded it.
	early := scope.Get("early")
	scope.Set("onmessage", receive)
	for i := range early.Length() {
		scope.Call("onmessage", early.Index(i))
	}
	select {}
}
