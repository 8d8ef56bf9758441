package browser

import (
	"context"
	"errors"
	"path"
	"slices"
	"strings"
	"syscall/js"

	"partita/app/state"
)

// OnDrop calls back when files are dropped anywhere on the window, and when they are dragged over it and away. A folder stands for the files
// in it that may be of a model. The callbacks run inside the browser's event and must not wait.
func (*Host) OnDrop(drop func([]state.File, error), over func(bool)) {
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
		transfer := event.Get("dataTransfer")
		files := Files(transfer.Get("files"))
		folders := foldersOf(transfer.Get("items")) // both are empty once the event is over
		if len(folders) == 0 {
			drop(files, nil)
			return
		}
		names := make([]string, len(folders))
		for i, folder := range folders {
			names[i] = folder.Get("name").String()
		}
		files = slices.DeleteFunc(files, func(f state.File) bool { return slices.Contains(names, f.Name()) })
		go func() {
			for i, folder := range folders {
				in, err := filesIn(context.Background(), folder)
				if err != nil {
					drop(nil, &state.Problem{Code: "file.unreadable-folder", Found: "opening the folder " + names[i] + ": " + err.Error(), Fix: "Drop the model's files themselves"})
					return
				}
				files = append(files, in...)
			}
			drop(files, nil)
		}()
	})
}

// mostInFolder bounds how many files of a folder are taken; a model in more is no model.
const mostInFolder = 2000

// modelFiles are the endings of the files that a model may be in; see the page's file input.
var modelFiles = []string{".h5", ".hdf5", ".keras", ".onnx", ".json", ".yaml", ".yml", ".bin", ".zip", ".data"}

// foldersOf lists the folders among what is dropped.
func foldersOf(items js.Value) []js.Value {
	var folders []js.Value
	for i := range items.Length() {
		item := items.Index(i)
		if item.Get("webkitGetAsEntry").Type() != js.TypeFunction {
			return nil
		}
		if entry := item.Call("webkitGetAsEntry"); entry.Truthy() && entry.Get("isDirectory").Truthy() {
			folders = append(folders, entry)
		}
	}
	return folders
}

// filesIn lists the files of a folder, without those in folders of its own, that a model may be in.
func filesIn(ctx context.Context, folder js.Value) ([]state.File, error) {
	var files []state.File
	reader := folder.Call("createReader")
	for {
		some, err := calledBack(ctx, reader, "readEntries") // which gives them piece by piece, and none at the end
		if err != nil {
			return nil, err
		}
		if some.Length() == 0 {
			break
		}
		for i := range some.Length() {
			entry := some.Index(i)
			if !entry.Get("isFile").Truthy() || !slices.Contains(modelFiles, strings.ToLower(path.Ext(entry.Get("name").String()))) {
				continue
			}
			if len(files) == mostInFolder {
				return nil, errors.New("there are too many files in it")
			}
			blob, err := calledBack(ctx, entry, "file")
			if err != nil {
				return nil, err
			}
			files = append(files, newFile(blob))
		}
	}
	if len(files) == 0 {
		return nil, errors.New("there is no model in it: no file that ends in " + strings.Join(modelFiles, ", "))
	}
	return files, nil
}

// calledBack calls a method that takes what to call when it is done, and when it failed.
func calledBack(ctx context.Context, target js.Value, method string) (js.Value, error) {
	var outer js.Func
	outer = js.FuncOf(func(_ js.Value, args []js.Value) any {
		target.Call(method, args[0], args[1])
		outer.Release()
		return nil
	})
	return await(ctx, js.Global().Get("Promise").New(outer))
}
