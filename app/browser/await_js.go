package browser

import (
	"context"
	"errors"
	"syscall/js"
)

// await waits for a promise. It must run in a goroutine of its own, never inside a JavaScript callback: the event loop
// has to go on for the promise to be kept.
func await(ctx context.Context, promise js.Value) (js.Value, error) {
	type outcome struct {
		value js.Value
		err   error
	}
	done := make(chan outcome, 1)
	kept := js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- outcome{value: first(args)}
		return nil
	})
	broken := js.FuncOf(func(_ js.Value, args []js.Value) any {
		done <- outcome{err: errors.New(text(first(args)))}
		return nil
	})
	promise.Call("then", kept, broken)
	select {
	case o := <-done:
		kept.Release()
		broken.Release()
		return o.value, o.err
	case <-ctx.Done():
		// The promise may still be settled later and needs its callbacks until then.
		go func() {
			<-done
			kept.Release()
			broken.Release()
		}()
		return js.Undefined(), ctx.Err()
	}
}

func first(args []js.Value) js.Value {
	if len(args) == 0 {
		return js.Undefined()
	}
	return args[0]
}

// text gives the message of a JavaScript error, or the value as text.
func text(v js.Value) string {
	if v.Type() == js.TypeObject && v.Get("message").Type() == js.TypeString {
		return v.Get("message").String()
	}
	return js.Global().Call("String", v).String()
}

// bytesOf copies an ArrayBuffer.
func bytesOf(buffer js.Value) []byte {
	view := js.Global().Get("Uint8Array").New(buffer)
	raw := make([]byte, view.Get("length").Int())
	js.CopyBytesToGo(raw, view)
	return raw
}
