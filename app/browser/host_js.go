package browser

import (
	"context"
	"strconv"
	"strings"
	"syscall/js"

	"partita/app/state"
)

// Host is the browser around the page.
type Host struct {
	Server
	Worker
	journal
}

// Ready marks that the page takes what the user does: a measure from the start of the navigation.
func (*Host) Ready() {
	js.Global().Get("performance").Call("measure", "interactive")
}

// Chosen gives the files chosen in a file input, and empties it so that the same file can be chosen again.
func (*Host) Chosen(elementID string) []state.File {
	input := js.Global().Get("document").Call("getElementById", elementID)
	if input.IsNull() {
		return nil
	}
	files := Files(input.Get("files"))
	input.Set("value", "")
	return files
}

// SetValue sets the value property of an input.
func (*Host) SetValue(elementID, value string) {
	if input := js.Global().Get("document").Call("getElementById", elementID); !input.IsNull() {
		input.Set("value", value)
	}
}

// Extent gives where an element begins in the window and how wide it is, in pixels.
func (*Host) Extent(elementID string) (left, top, width float64) {
	element := js.Global().Get("document").Call("getElementById", elementID)
	if element.IsNull() {
		return 0, 0, 0
	}
	box := element.Call("getBoundingClientRect")
	return box.Get("left").Float(), box.Get("top").Float(), box.Get("width").Float()
}

// OnResize calls back when the window has another size.
func (*Host) OnResize(resized func()) {
	js.Global().Call("addEventListener", "resize", js.FuncOf(func(js.Value, []js.Value) any {
		resized()
		return nil
	}))
}

// Focus puts the keyboard into an element.
func (*Host) Focus(elementID string) {
	if element := js.Global().Get("document").Call("getElementById", elementID); !element.IsNull() {
		element.Call("focus")
	}
}

// Draw fills an element with markup.
func (*Host) Draw(elementID, markup string) {
	if element := js.Global().Get("document").Call("getElementById", elementID); !element.IsNull() {
		element.Set("innerHTML", markup)
	}
}

// ScrollTo scrolls an element sideways until a share of its content's width is in the middle.
func (*Host) ScrollTo(elementID string, share float64) {
	element := js.Global().Get("document").Call("getElementById", elementID)
	if !element.IsNull() {
		element.Set("scrollLeft", share*element.Get("scrollWidth").Float()-element.Get("clientWidth").Float()/2)
	}
}

// Stretch draws an element, which an other scrolls, so many times as wide, with a share of it so many pixels from that other's left.
func (*Host) Stretch(scrollerID, elementID string, factor, share, at float64) {
	document := js.Global().Get("document")
	scroller, element := document.Call("getElementById", scrollerID), document.Call("getElementById", elementID)
	if scroller.IsNull() || element.IsNull() {
		return
	}
	transform := ""
	if factor != 1 {
		transform = "scaleX(" + strconv.FormatFloat(factor, 'f', 4, 64) + ")"
	}
	element.Get("style").Set("transform", transform)
	scroller.Set("scrollLeft", share*factor*element.Get("offsetWidth").Float()-at)
}

// ScrollBy scrolls an element sideways by pixels.
func (*Host) ScrollBy(elementID string, pixels float64) {
	if element := js.Global().Get("document").Call("getElementById", elementID); !element.IsNull() {
		element.Set("scrollLeft", element.Get("scrollLeft").Float()+pixels)
	}
}

// ReadFile reads a whole file.
func (*Host) ReadFile(ctx context.Context, file state.File) ([]byte, error) {
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

// OnShortcut calls back when the user types the keys for "undo", "redo" or "find" outside a text field, which has its own.
func (*Host) OnShortcut(do func(what string)) {
	js.Global().Call("addEventListener", "keydown", js.FuncOf(func(_ js.Value, args []js.Value) any {
		event := args[0]
		control := event.Get("ctrlKey").Bool() || event.Get("metaKey").Bool()
		if event.Get("altKey").Bool() || typing(event.Get("target")) {
			return nil
		}
		switch key := event.Get("key").String(); {
		case key == "/" && !control:
			do("find")
		case !control:
			return nil
		case key == "z" && !event.Get("shiftKey").Bool():
			do("undo")
		case key == "y", key == "z", key == "Z":
			do("redo")
		default:
			return nil
		}
		event.Call("preventDefault")
		return nil
	}))
}

// typing tells whether an element takes text.
func typing(element js.Value) bool {
	if element.Get("tagName").IsUndefined() || element.Get("tagName").String() != "INPUT" {
		return false
	}
	switch element.Get("type").String() {
	case "range", "file", "checkbox", "button":
		return false
	}
	return true
}

// Where the page keeps its link for a reload when it is too long for the address.
const (
	keptLink    = "partita-link"
	longestHash = 64 << 10
)

// Remember keeps the link of what is on the screen: in the address, so that it can be bookmarked and survives a reload.
func (*Host) Remember(fragment string) {
	address := "/" // not that of a short link
	if len(fragment) <= longestHash {
		setItem(session, keptLink, "")
		address += "#" + fragment
	} else {
		setItem(session, keptLink, fragment)
	}
	history := js.Global().Get("history")
	history.Call("replaceState", history.Get("state"), "", address)
}

// Remembered gives the link that the page was opened with, or that was on the screen before a reload.
func (*Host) Remembered() string {
	fragment := js.Global().Get("location").Get("hash").String()
	if fragment == "" && js.Global().Get("location").Get("pathname").String() == "/" {
		fragment = item(session, keptLink)
	}
	return strings.TrimPrefix(fragment, "#")
}

// guarded does what a browser may refuse, as it does with storage where cookies are off.
func guarded(f func()) {
	defer func() {
		if e := recover(); e != nil {
			if _, refused := e.(js.Error); !refused {
				panic(e)
			}
		}
	}()
	f()
}

// OnLink calls back when another link is put into the address of the open page.
func (*Host) OnLink(opened func(fragment string)) {
	js.Global().Call("addEventListener", "hashchange", js.FuncOf(func(js.Value, []js.Value) any {
		opened(strings.TrimPrefix(js.Global().Get("location").Get("hash").String(), "#"))
		return nil
	}))
}

// Address gives the whole address of a fragment.
func (*Host) Address(fragment string) string {
	location := js.Global().Get("location")
	return location.Get("origin").String() + "/#" + fragment
}

// shortPath begins the address of a short link.
const shortPath = "/s/"

// OpenedShort gives the name of the short link that the page was opened with; "" when it was not.
func (*Host) OpenedShort() string {
	id, _ := strings.CutPrefix(js.Global().Get("location").Get("pathname").String(), shortPath)
	if strings.Contains(id, "/") {
		return ""
	}
	return id
}

// ShortAddress gives the whole address of a short link.
func (*Host) ShortAddress(id string) string {
	return js.Global().Get("location").Get("origin").String() + shortPath + id
}

// keptTheme is where the theme is kept; theme.js reads it too.
const keptTheme = "partita-theme"

// Theme gives the name of the page's colours; "": the system's.
func (*Host) Theme() string {
	theme := js.Global().Get("document").Get("documentElement").Get("dataset").Get("theme")
	if theme.IsUndefined() {
		return ""
	}
	return theme.String()
}

// SetTheme changes the page's colours, for this visit and for others.
func (*Host) SetTheme(name string) {
	js.Global().Get("document").Get("documentElement").Get("dataset").Set("theme", name)
	guarded(func() { js.Global().Get("localStorage").Call("setItem", keptTheme, name) })
}

// Reload opens the page anew.
func (*Host) Reload() { js.Global().Get("location").Call("reload") }

// OnLaunch calls back when the installed page is opened with files, as by a double click on a model.
func (*Host) OnLaunch(open func([]state.File)) {
	queue := js.Global().Get("launchQueue")
	if !queue.Truthy() {
		return
	}
	queue.Call("setConsumer", js.FuncOf(func(_ js.Value, args []js.Value) any {
		handles := args[0].Get("files")
		if !handles.Truthy() || handles.Length() == 0 {
			return nil
		}
		go func() {
			var files []state.File
			for i := range handles.Length() {
				blob, err := await(context.Background(), handles.Index(i).Call("getFile"))
				if err != nil {
					return
				}
				files = append(files, newFile(blob))
			}
			open(files)
		}()
		return nil
	}))
}

// Copy puts text on the clipboard.
func (*Host) Copy(ctx context.Context, text string) error {
	clipboard := js.Global().Get("navigator").Get("clipboard")
	if clipboard.IsUndefined() {
		return &state.Problem{Code: "page.no-clipboard", Found: "this browser gives no access to the clipboard", Fix: "Copy the address of the page"}
	}
	_, err := await(ctx, clipboard.Call("writeText", text))
	return err
}

// SavePicture offers an SVG drawing as a PNG download, of twice its size.
func (h *Host) SavePicture(ctx context.Context, name, svg string) error {
	document, url := js.Global().Get("document"), js.Global().Get("URL")
	blob := js.Global().Get("Blob").New([]any{svg}, map[string]any{"type": "image/svg+xml"})
	address := url.Call("createObjectURL", blob)
	defer url.Call("revokeObjectURL", address)
	picture := js.Global().Get("Image").New()
	picture.Set("src", address)
	if _, err := await(ctx, picture.Call("decode")); err != nil {
		return &state.Problem{Code: "page.no-picture", Found: "this browser cannot draw the picture: " + err.Error(), Fix: "Save it as SVG instead"}
	}
	const scale = 2
	canvas := document.Call("createElement", "canvas")
	canvas.Set("width", scale*picture.Get("width").Int())
	canvas.Set("height", scale*picture.Get("height").Int())
	canvas.Call("getContext", "2d").Call("drawImage", picture, 0, 0, canvas.Get("width"), canvas.Get("height"))
	made := make(chan js.Value, 1)
	callback := js.FuncOf(func(_ js.Value, args []js.Value) any {
		made <- args[0]
		return nil
	})
	defer callback.Release()
	canvas.Call("toBlob", callback, "image/png")
	png := <-made
	if png.IsNull() {
		return &state.Problem{Code: "page.no-picture", Found: "the picture is too large for this browser", Fix: "Save it as SVG instead"}
	}
	download(name, png)
	return nil
}

// Save offers bytes as a download.
func (*Host) Save(name string, raw []byte) { download(name, NewBlob(raw)) }

func download(name string, blob js.Value) {
	document, url := js.Global().Get("document"), js.Global().Get("URL")
	address := url.Call("createObjectURL", blob)
	link := document.Call("createElement", "a")
	link.Set("href", address)
	link.Set("download", name)
	link.Call("click")
	// The download has begun with the click's end.
	js.Global().Call("setTimeout", url.Get("revokeObjectURL").Call("bind", url), 10_000, address)
}
