package browser

import (
	"context"
	"syscall/js"

	"partita/app/state"
)

// Host is the browser around the page.
type Host struct{ Server }

// OnDrop calls back when files are dropped anywhere on the window, and when they are dragged over it and away. The
// callbacks run inside the browser's event and must not wait.
func (Host) OnDrop(drop func([]state.File), over func(bool)) {
	window := js.Global()
	dragging := false
	report := func(now bool) {
		if now != dragging {
			dragging = now
			over(now)
		}
	}
	listen := func(event string, handle func(event js.Value)) {
		window.Call("addEventListener", event, js.FuncOf(func(_ js.Value, args []js.Value) any {
			args[0].Call("preventDefault") // or the browser opens the file itself
			handle(args[0])
			return nil
		}))
	}
	listen("dragover", func(js.Value) { report(true) })
	listen("dragleave", func(event js.Value) {
		if event.Get("relatedTarget").IsNull() {
			report(false)
		}
	})
	listen("drop", func(event js.Value) {
		report(false)
		drop(stateFiles(event.Get("dataTransfer").Get("files")))
	})
}

// Chosen gives the files chosen in a file input, and empties it so that the same file can be chosen again.
func (Host) Chosen(elementID string) []state.File {
	input := js.Global().Get("document").Call("getElementById", elementID)
	if input.IsNull() {
		return nil
	}
	files := stateFiles(input.Get("files"))
	input.Set("value", "")
	return files
}

func stateFiles(list js.Value) []state.File {
	var files []state.File
	for _, f := range Files(list) {
		files = append(files, f)
	}
	return files
}

// SetValue sets the value property of an input.
func (Host) SetValue(elementID, value string) {
	if input := js.Global().Get("document").Call("getElementById", elementID); !input.IsNull() {
		input.Set("value", value)
	}
}

// ReadFile reads a whole file.
func (Host) ReadFile(ctx context.Context, file state.File) ([]byte, error) {
	f, ok := file.(*File)
	if !ok {
		return nil, &state.Problem{Code: "file.not-chosen", Found: "only a file chosen in this browser can be read"}
	}
	buffer, err := await(ctx, f.blob.Call("arrayBuffer"))
	if err != nil {
		return nil, err
	}
	return bytesOf(buffer), nil
}
