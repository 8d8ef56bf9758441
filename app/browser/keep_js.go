package browser

import (
	"context"
	"slices"
	"strconv"
	"syscall/js"
	"time"

	"partita/app/state"
)

// Visits are kept in the browser's own database: the text of each in one store by its name, the files in another by their keys.
// Which visit a tab has is in its session storage, which a reload keeps, and a lock of the visit's name tells other tabs that it is open.
const (
	database     = "partita"
	visitsStore  = "visits"
	filesStore   = "files"
	ownVisit     = "partita-visit"
	lockPrefix   = "partita-visit-"
	keptVisits   = 6
	keptFileSize = 160 << 20 // the browser copies what it keeps: larger files are asked for again
)

// Keep keeps a visit, and the files it needs as far as they are not too large. An error says what was not kept.
func (h *Host) Keep(ctx context.Context, visit state.Kept) error {
	db, err := openDatabase(ctx)
	if err != nil {
		return nil // this browser keeps nothing, as in some private windows: the address still has the link
	}
	defer db.Call("close")
	id := h.visit()
	keys, err := requested(ctx, reading(db, filesStore).Call("getAllKeys"))
	if err != nil {
		return err
	}
	var there, wanted []string
	for i := range keys.Length() {
		there = append(there, keys.Index(i).String())
	}
	put := func(withFiles bool) error {
		tx := db.Call("transaction", []any{visitsStore, filesStore}, "readwrite")
		ended := committed(tx)
		wanted = nil
		for key, f := range visit.Files {
			own, ok := f.(*File)
			if !ok || own.size > keptFileSize {
				continue
			}
			wanted = append(wanted, key)
			if withFiles && !slices.Contains(there, key) {
				tx.Call("objectStore", filesStore).Call("put", own.blob, key)
			}
		}
		tx.Call("objectStore", visitsStore).Call("put", map[string]any{
			"id": id, "at": float64(time.Now().UnixMilli()), "text": string(visit.Text), "label": visit.Label, "link": visit.Link, "files": texts(wanted),
		})
		return ended(ctx)
	}
	if err = put(true); err != nil {
		first := err
		if err = put(false); err == nil {
			err = &state.Problem{Code: "page.storage-full", Found: "the files could not be kept by the browser (" + first.Error() + ")",
				Fix: "After a reload the page will ask for them again. Free some disk space, or clear other sites' data, to have them kept"}
		} else {
			err = &state.Problem{Code: "page.storage-full", Found: "what you do here cannot be kept for a reload (" + err.Error() + ")",
				Fix: "Copy the link or save the plan to keep it. Free some disk space, or clear other sites' data"}
		}
	}
	if tidied := tidy(ctx, db); err == nil {
		err = tidied
	}
	return err
}

// Kept lists the visits that this browser has kept and that are not open in another tab, the latest first. It gives none where the browser
// keeps nothing.
func (h *Host) Kept(ctx context.Context) []state.Kept {
	db, err := openDatabase(ctx)
	if err != nil {
		return nil
	}
	defer db.Call("close")
	own := sessionItem(ownVisit)
	open := openVisits(ctx)
	if slices.Contains(open, own) { // this tab was duplicated
		own = ""
		setSessionItem(ownVisit, "")
	}
	rows, err := requested(ctx, reading(db, visitsStore).Call("getAll"))
	if err != nil {
		return nil
	}
	var all []state.Kept
	for i := range rows.Length() {
		row := rows.Index(i)
		one := state.Kept{ID: row.Get("id").String(), AtMs: int64(row.Get("at").Float()), Text: []byte(row.Get("text").String()), Label: row.Get("label").String(), Link: row.Get("link").String(), Files: map[string]state.File{}}
		if one.Own = one.ID == own; slices.Contains(open, one.ID) {
			continue
		}
		keys := row.Get("files")
		for k := range keys.Length() {
			key := keys.Index(k).String()
			blob, err := requested(ctx, reading(db, filesStore).Call("get", key))
			if err == nil && blob.Truthy() {
				one.Files[key] = newFile(blob)
			}
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b state.Kept) int { return int(b.AtMs - a.AtMs) })
	if own != "" {
		h.hold(own)
	}
	return all
}

// Adopt makes a visit that was kept the one of this tab.
func (h *Host) Adopt(id string) {
	setSessionItem(ownVisit, id)
	h.hold(id)
}

// visit gives the name of this tab's visit, and makes one where there is none.
func (h *Host) visit() string {
	id := sessionItem(ownVisit)
	if id == "" {
		id = h.own
	}
	if id == "" {
		id = strconv.FormatInt(time.Now().UnixMilli(), 36) + "-" + strconv.FormatInt(int64(js.Global().Get("Math").Call("random").Float()*1e9), 36)
	}
	h.own = id
	setSessionItem(ownVisit, id)
	h.hold(id)
	return id
}

// hold takes the lock that tells other tabs that a visit is open; it is held as long as the page lives.
func (h *Host) hold(id string) {
	locks := js.Global().Get("navigator").Get("locks")
	if h.held == id || !locks.Truthy() {
		return
	}
	h.held = id
	forever := js.Global().Get("Promise").New(js.FuncOf(func(js.Value, []js.Value) any { return nil }))
	locks.Call("request", lockPrefix+id, map[string]any{"ifAvailable": true}, js.FuncOf(func(js.Value, []js.Value) any { return forever }))
}

// openVisits lists the visits that other tabs have open.
func openVisits(ctx context.Context) []string {
	locks := js.Global().Get("navigator").Get("locks")
	if !locks.Truthy() {
		return nil
	}
	now, err := await(ctx, locks.Call("query"))
	if err != nil {
		return nil
	}
	var ids []string
	held := now.Get("held")
	for i := range held.Length() {
		if name := held.Index(i).Get("name").String(); len(name) > len(lockPrefix) && name[:len(lockPrefix)] == lockPrefix {
			ids = append(ids, name[len(lockPrefix):])
		}
	}
	return ids
}

// tidy removes all but the latest visits, and files that none of them has.
func tidy(ctx context.Context, db js.Value) error {
	rows, err := requested(ctx, reading(db, visitsStore).Call("getAll"))
	if err != nil {
		return err
	}
	keys, err := requested(ctx, reading(db, filesStore).Call("getAllKeys"))
	if err != nil {
		return err
	}
	var all []js.Value
	for i := range rows.Length() {
		all = append(all, rows.Index(i))
	}
	slices.SortFunc(all, func(a, b js.Value) int { return int(b.Get("at").Float() - a.Get("at").Float()) })
	used := map[string]bool{}
	for _, row := range all[:min(len(all), keptVisits)] {
		for i := range row.Get("files").Length() {
			used[row.Get("files").Index(i).String()] = true
		}
	}
	tx := db.Call("transaction", []any{visitsStore, filesStore}, "readwrite")
	ended := committed(tx)
	for _, row := range all[min(len(all), keptVisits):] {
		tx.Call("objectStore", visitsStore).Call("delete", row.Get("id"))
	}
	for i := range keys.Length() {
		if key := keys.Index(i); !used[key.String()] {
			tx.Call("objectStore", filesStore).Call("delete", key)
		}
	}
	return ended(ctx)
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

// openDatabase opens the browser's database, and makes it at the first time.
func openDatabase(ctx context.Context) (db js.Value, err error) {
	var request js.Value
	refused := true
	guarded(func() {
		request = js.Global().Get("indexedDB").Call("open", database, 1)
		refused = false
	})
	if refused {
		return js.Undefined(), &state.Problem{Code: "page.no-storage", Found: "this browser keeps nothing"}
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

func sessionItem(name string) (text string) {
	guarded(func() {
		if kept := js.Global().Get("sessionStorage").Call("getItem", name); kept.Type() == js.TypeString {
			text = kept.String()
		}
	})
	return text
}

func setSessionItem(name, text string) {
	guarded(func() {
		if text == "" {
			js.Global().Get("sessionStorage").Call("removeItem", name)
		} else {
			js.Global().Get("sessionStorage").Call("setItem", name, text)
		}
	})
}
