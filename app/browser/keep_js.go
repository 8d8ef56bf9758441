package browser

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"syscall/js"
	"time"

	"partita/app/state"
)

// Visits are kept in the browser's own database: the text of each in one store by its name, the files in another by their keys. Writing
// there takes the browser a while; what has just been done is in the journal until then, see journal_js.go.
const (
	database     = "partita"
	visitsStore  = "visits"
	filesStore   = "files"
	keptVisits   = 6
	keptFileSize = 160 << 20 // the browser copies what it keeps: larger files are asked for again
)

// Keep keeps a visit, and the files it needs as far as they are not too large. An error says what was not kept.
func (h *Host) Keep(ctx context.Context, visit state.Kept) (err error) {
	defer func() {
		if refused := refusal(recover()); refused != nil {
			err = h.notKept(ctx, refused)
		}
	}()
	db, err := openDatabase(ctx)
	if err != nil {
		return h.notKept(ctx, err)
	}
	defer db.Call("close")
	put := func(withFiles bool) error {
		tx := db.Call("transaction", []any{visitsStore, filesStore}, "readwrite")
		ended := committed(tx)
		visits, files := tx.Call("objectStore", visitsStore), tx.Call("objectStore", filesStore)
		if visit.Text == nil {
			visits.Call("delete", visit.ID)
			return ended(ctx)
		}
		visits.Call("put", map[string]any{
			"id": visit.ID, "at": float64(time.Now().UnixMilli()), "text": string(visit.Text), "label": visit.Label, "link": visit.Link, "files": texts(keptKeys(&visit)),
		})
		if withFiles {
			// In the same transaction, so that no other tab removes in between what is there.
			keys, err := requested(ctx, files.Call("getAllKeys"))
			if err != nil {
				return err
			}
			there := stringsOf(keys)
			for _, key := range keptKeys(&visit) {
				if !slices.Contains(there, key) {
					files.Call("put", visit.Files[key].(*File).blob, key)
				}
			}
		}
		return ended(ctx)
	}
	if err = put(true); err != nil && ctx.Err() == nil {
		first := err
		if err = put(false); err == nil {
			err = &state.Problem{Code: "page.storage-full", Found: "the files could not be kept by the browser (" + first.Error() + ")",
				Fix: "After a reload the page will ask for them again. Free some disk space, or clear other sites' data, to have them kept"}
			h.written(visit.ID, visit.Mark)
			return err
		}
	}
	if err != nil {
		return h.notKept(ctx, err)
	}
	h.written(visit.ID, visit.Mark)
	return h.tidy(ctx, db)
}

// notKept says what follows from it that the database keeps nothing.
func (h *Host) notKept(ctx context.Context, err error) error {
	code := "page.storage-full"
	switch {
	case ctx.Err() != nil:
		code, err = "page.storage-slow", errors.New("it has not answered")
	case errors.Is(err, errNoDatabase):
		code = "page.no-storage"
	}
	if h.journaled {
		return &state.Problem{Code: code, Found: "this browser's database does not keep what you do here (" + err.Error() + ")",
			Fix: "A reload of this tab loses nothing but the bytes of files, which it will ask for again; a closed tab is gone, so copy the link or save the plan. In a private window this is as it should be; otherwise free some disk space, or let this site keep data"}
	}
	return &state.Problem{Code: code, Found: "what you do here cannot be kept for a reload (" + err.Error() + ")",
		Fix: "Copy the link or save the plan to keep it. In a private window this is as it should be; otherwise free some disk space, or let this site keep data"}
}

// keptKeys lists the files of a visit that are not too large to be kept.
func keptKeys(visit *state.Kept) []string {
	var keys []string
	for key, f := range visit.Files {
		if own, ok := f.(*File); ok && own.size <= keptFileSize {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	return keys
}

// Kept lists the visits that this browser has kept and that are not open in another tab, the latest first. It gives none where the browser
// keeps nothing.
func (h *Host) Kept(ctx context.Context) (list []state.Kept) {
	defer func() { _ = refusal(recover()) }() // then there is what was found so far
	open := h.openElsewhere(ctx)
	left := leftBehind()
	all := map[string]state.Kept{}
	for i := range left {
		if one, _ := left[i].kept(); one != nil {
			all[one.ID] = *one
		}
	}
	db, err := openDatabase(ctx)
	if err == nil {
		defer db.Call("close")
		var rows js.Value
		if rows, err = requested(ctx, reading(db, visitsStore).Call("getAll")); err == nil {
			for i := range rows.Length() {
				row := rows.Index(i)
				one := state.Kept{ID: row.Get("id").String(), AtMs: int64(row.Get("at").Float()), Text: []byte(row.Get("text").String()), Label: row.Get("label").String(), Link: row.Get("link").String()}
				if one.AtMs >= all[one.ID].AtMs {
					all[one.ID] = one
				}
			}
		}
	}
	own := h.own()
	for id, one := range all {
		if !slices.Contains(open, id) {
			one.Own = id == own
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b state.Kept) int { return cmp.Or(cmp.Compare(b.AtMs, a.AtMs), cmp.Compare(a.ID, b.ID)) })
	if err == nil {
		for i := range left {
			if n := &left[i]; !slices.Contains(open, n.ID) && n.ID != own {
				n.settle(ctx, db)
			}
		}
	}
	return list
}

// settle moves what a tab left behind in its last moment into the database.
func (n *note) settle(ctx context.Context, db js.Value) {
	one, visit := n.kept()
	if one == nil {
		return // for the version of the page that wrote it
	}
	text, err := json.Marshal(visit)
	if err != nil {
		return
	}
	tx := db.Call("transaction", visitsStore, "readwrite")
	ended, visits := committed(tx), tx.Call("objectStore", visitsStore)
	row, err := requested(ctx, visits.Call("get", n.ID))
	if err != nil {
		return
	}
	if !row.Truthy() || int64(row.Get("at").Float()) < n.AtMs {
		visits.Call("put", map[string]any{"id": n.ID, "at": float64(n.AtMs), "text": string(text), "label": one.Label, "link": one.Link, "files": texts(visit.FileKeys())})
	}
	if ended(ctx) == nil {
		n.forget()
	}
}

// Files gives those of some files that the browser has kept, by key, and those at web addresses, of which a key says all.
func (h *Host) Files(ctx context.Context, keys []string) (files map[string]state.File) {
	defer func() { _ = refusal(recover()) }() // then there are those that were found so far
	files = map[string]state.File{}
	keys = slices.DeleteFunc(slices.Clone(keys), func(key string) bool {
		r := newRemote(key)
		if r != nil {
			files[key] = r
		}
		return r != nil
	})
	if len(keys) == 0 {
		return files
	}
	db, err := openDatabase(ctx)
	if err != nil {
		return files
	}
	defer db.Call("close")
	for _, key := range keys {
		blob, err := requested(ctx, reading(db, filesStore).Call("get", key))
		if err == nil && blob.Truthy() {
			files[key] = newFile(blob)
		}
	}
	return files
}

// tidy removes all but the latest visits and those that are open in a tab, and files that none of them has.
func (h *Host) tidy(ctx context.Context, db js.Value) error {
	open := append(h.openElsewhere(ctx), h.own())
	tx := db.Call("transaction", []any{visitsStore, filesStore}, "readwrite") // of one piece: other tabs write too
	ended := committed(tx)
	visits, files := tx.Call("objectStore", visitsStore), tx.Call("objectStore", filesStore)
	rows, err := requested(ctx, visits.Call("getAll"))
	if err != nil {
		return err
	}
	keys, err := requested(ctx, files.Call("getAllKeys"))
	if err != nil {
		return err
	}
	var all []js.Value
	for i := range rows.Length() {
		all = append(all, rows.Index(i))
	}
	slices.SortFunc(all, func(a, b js.Value) int { return cmp.Compare(b.Get("at").Float(), a.Get("at").Float()) })
	used := map[string]bool{}
	for i, row := range all {
		if i >= keptVisits && !slices.Contains(open, row.Get("id").String()) {
			visits.Call("delete", row.Get("id"))
			continue
		}
		for _, key := range stringsOf(row.Get("files")) {
			used[key] = true
		}
	}
	for _, key := range stringsOf(keys) {
		if !used[key] {
			files.Call("delete", key)
		}
	}
	return ended(ctx)
}

func stringsOf(list js.Value) []string {
	all := make([]string, list.Length())
	for i := range all {
		all[i] = list.Index(i).String()
	}
	return all
}

func texts(list []string) []any {
	all := make([]any, len(list))
	for i, one := range list {
		all[i] = one
	}
	return all
}

func reading(db js.Value, store string) js.Value {
	return db.Call("transaction", store, "readonly").Call("objectStore", store)
}

// refusal gives what the database has thrown, as where it is damaged or made by another program, of what was recovered from. It goes on
// with panics of any other kind.
func refusal(recovered any) error {
	if recovered == nil {
		return nil
	}
	thrown, ok := recovered.(js.Error)
	if !ok {
		panic(recovered)
	}
	return thrown
}

var errNoDatabase = errors.New("there is none")

// openDatabase opens the browser's database, and makes it at the first time.
func openDatabase(ctx context.Context) (db js.Value, err error) {
	var request js.Value
	refused := true
	guarded(func() {
		if all := refusable("indexedDB"); all.Truthy() {
			request = all.Call("open", database, 1)
			refused = false
		}
	})
	if refused {
		return js.Undefined(), errNoDatabase
	}
	upgrade := js.FuncOf(func(js.Value, []js.Value) any {
		made := request.Get("result")
		made.Call("createObjectStore", visitsStore, map[string]any{"keyPath": "id"})
		made.Call("createObjectStore", filesStore)
		return nil
	})
	defer upgrade.Release()
	request.Set("onupgradeneeded", upgrade)
	return requested(ctx, request)
}

// requested waits for a request of the database. Like await it must not be called inside a JavaScript callback.
func requested(ctx context.Context, request js.Value) (js.Value, error) {
	_, err := settledBy(request, "onsuccess", "onerror")(ctx)
	if err != nil {
		return js.Undefined(), err
	}
	return request.Get("result"), nil
}

// committed gives what waits for a transaction, which may end before it is waited for.
func committed(tx js.Value) func(context.Context) error {
	wait := settledBy(tx, "oncomplete", "onabort")
	return func(ctx context.Context) error {
		_, err := wait(ctx)
		return err
	}
}

// settledBy gives what waits for one of two events of a target, of which the second is its failure.
func settledBy(target js.Value, good, bad string) func(context.Context) (js.Value, error) {
	promise := js.Global().Get("Promise").New(promised(target, good, bad))
	return func(ctx context.Context) (js.Value, error) { return await(ctx, promise) }
}

func promised(target js.Value, good, bad string) js.Func {
	var outer, succeed, fail js.Func
	outer = js.FuncOf(func(_ js.Value, args []js.Value) any {
		kept, broken := args[0], args[1]
		release := func() { succeed.Release(); fail.Release(); outer.Release() }
		succeed = js.FuncOf(func(js.Value, []js.Value) any { kept.Invoke(); release(); return nil })
		fail = js.FuncOf(func(js.Value, []js.Value) any { broken.Invoke(target.Get("error")); release(); return nil })
		target.Set(good, succeed)
		target.Set(bad, fail)
		return nil
	})
	return outer
}
