package browser

import (
	"context"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"syscall/js"
	"time"

	"partita/app/state"
)

// The journal is what a reload finds at once, however slow or broken the browser's database is. It is in the tab's session storage, where
// it is written before anything else happens. Which visit a tab has is in the state of its entry in the browser's history too: an entry
// that another address was put into has none, and is a link to be opened. When the page ends before the database has all of it, the
// journal is left behind for other tabs in the storage that they share. A lock of the visit's name tells them that it is open.
const (
	ownVisit       = "partita-visit"
	journalText    = "partita-journal"
	journalPending = "partita-pending"
	leftPrefix     = "partita-left-"
	lockPrefix     = "partita-visit-"
)

// Storage of the browser, by what it is called.
const (
	session = "sessionStorage"
	shared  = "localStorage"
)

// journal is what the page notes of its visit.
type journal struct {
	id        string // of this tab's visit; "" until it has one
	held      string // the visit whose lock this page has
	release   js.Value
	notes     int        // made so far
	saved     int        // of them are in the database
	last      state.Kept // as it was noted
	journaled bool       // the session storage has all of it
}

// Note writes down at once where a visit is, and gives its ID. What it has begun goes by itself: see Jot.
func (j *journal) Note(visit state.Kept) string {
	id := j.visit()
	j.notes++
	j.last = visit
	j.journaled = setItem(session, journalText, string(visit.Text))
	if !j.journaled {
		setItem(session, journalText, "") // what is there is older
	}
	j.mark(ownVisit + id)
	return id
}

// Jot writes down at once what has been begun beyond the visit as it was noted. It gives the mark of a visit that has it.
func (j *journal) Jot(pending []byte) int {
	id := j.visit()
	j.notes++
	j.last.Pending = pending
	if !setItem(session, journalPending, string(pending)) {
		setItem(session, journalPending, "")
		j.journaled = false
	}
	j.mark(ownVisit + id)
	return j.notes
}

// mark marks the entry of the history as one that a visit goes on at; nil: as one of none.
func (j *journal) mark(with any) {
	guarded(func() {
		history := js.Global().Get("history")
		if !history.Get("state").Equal(js.ValueOf(with)) {
			history.Call("replaceState", with, "")
		}
	})
}

// Left gives the visit that this tab was left with by a reload or by going elsewhere and back; nil: it has none, or a link was opened
// in it. Where the journal could not be written its text is nil, and the database may have it.
func (j *journal) Left(ctx context.Context) *state.Kept {
	window := js.Global()
	window.Call("addEventListener", "pagehide", js.FuncOf(func(js.Value, []js.Value) any {
		j.leaveBehind()
		return nil
	}))
	own := item(session, ownVisit)
	last := state.Kept{Text: optional(item(session, journalText)), Pending: optional(item(session, journalPending))}
	id := ""
	if now := window.Get("history").Get("state"); now.Type() == js.TypeString {
		id, _ = strings.CutPrefix(now.String(), ownVisit)
	}
	reloaded := false
	if entries := window.Get("performance").Call("getEntriesByType", "navigation"); entries.Length() > 0 {
		reloaded = entries.Index(0).Get("type").String() == "reload"
	}
	if !reloaded && own != "" && slices.Contains(j.openElsewhere(ctx), own) { // this tab was duplicated: its visit goes on in two
		j.Adopt("")
		if id != own || last.Text == nil {
			return nil
		}
		return &last
	}
	j.id, j.last = own, last
	j.notes++ // not known to be in the database
	if id == "" || id != own {
		j.Adopt(id)
	} else {
		j.hold(id)
	}
	if id == "" {
		return nil
	}
	left := j.last
	left.ID, left.Own = id, true
	return &left
}

func optional(text string) []byte {
	if text == "" {
		return nil
	}
	return []byte(text)
}

// Adopt makes a visit that was kept the one of this tab; "" a new one. What the tab had before is left behind for others to go on with.
func (j *journal) Adopt(id string) {
	if id == j.id && id != "" {
		return
	}
	j.leaveBehind()
	j.id, j.last, j.saved, j.journaled = id, state.Kept{}, j.notes, false
	for _, name := range []string{ownVisit, journalText, journalPending} {
		setItem(session, name, "")
	}
	setItem(session, ownVisit, id)
	j.hold(id)
	if id == "" {
		j.mark(nil)
	} else {
		j.mark(ownVisit + id)
	}
}

func (j *journal) own() string { return j.id }

// visit gives the name of this tab's visit, and makes one where there is none.
func (j *journal) visit() string {
	if j.id == "" {
		j.id = strconv.FormatInt(time.Now().UnixMilli(), 36) + "-" + strconv.FormatInt(int64(js.Global().Get("Math").Call("random").Float()*1e9), 36)
		setItem(session, ownVisit, j.id)
		j.hold(j.id)
	}
	return j.id
}

// written tells that the database has a visit as it was after so many notes.
func (j *journal) written(id string, notes int) {
	if id != j.id {
		return
	}
	if j.saved = max(j.saved, notes); j.saved == j.notes {
		setItem(shared, leftPrefix+id, "")
	}
}

// note is a visit that is left behind.
type note struct {
	ID      string `json:"id"`
	AtMs    int64  `json:"at"`
	Text    string `json:"text"`
	Pending string `json:"pending"`
}

// kept gives the visit; nil: it cannot be read, as where another version of the page wrote it.
func (n *note) kept() (*state.Kept, *state.Visit) {
	one := &state.Kept{ID: n.ID, AtMs: n.AtMs, Text: []byte(n.Text), Pending: optional(n.Pending)}
	visit, err := one.Visit()
	if err != nil {
		return nil, nil
	}
	one.Label, one.Link = visit.Label, visit.Link
	return one, visit
}

func (n *note) forget() { setItem(shared, leftPrefix+n.ID, "") }

// leaveBehind has other tabs find what the database does not have yet.
func (j *journal) leaveBehind() {
	if j.id == "" || j.notes == j.saved || j.last.Text == nil {
		return
	}
	n := note{ID: j.id, AtMs: time.Now().UnixMilli(), Text: string(j.last.Text), Pending: string(j.last.Pending)}
	if raw, err := json.Marshal(n); err == nil {
		setItem(shared, leftPrefix+j.id, string(raw))
	}
}

// leftBehind lists what tabs have left behind.
func leftBehind() []note {
	var all []note
	guarded(func() {
		storage := refusable(shared)
		if !storage.Truthy() {
			return
		}
		for i := range storage.Length() {
			name := storage.Call("key", i)
			if name.Type() != js.TypeString || !strings.HasPrefix(name.String(), leftPrefix) {
				continue
			}
			n := note{}
			if json.Unmarshal([]byte(storage.Call("getItem", name).String()), &n) == nil && leftPrefix+n.ID == name.String() {
				all = append(all, n)
			}
		}
	})
	return all
}

// hold takes the lock that tells other tabs that a visit is open, and gives that of the one before free.
func (j *journal) hold(id string) {
	locks := js.Global().Get("navigator").Get("locks")
	if j.held == id || !locks.Truthy() {
		return
	}
	if j.held != "" {
		j.release.Invoke()
	}
	if j.held = id; id == "" {
		return
	}
	var keeper js.Func
	keeper = js.FuncOf(func(_ js.Value, args []js.Value) any {
		j.release = args[0]
		keeper.Release()
		return nil
	})
	released := js.Global().Get("Promise").New(keeper)
	// The page before this one in the same tab may still have it: then this one is next.
	locks.Call("request", lockPrefix+id, js.FuncOf(func(js.Value, []js.Value) any { return released })).
		Call("catch", js.FuncOf(func(js.Value, []js.Value) any { return nil })) // refused: then nobody keeps anything that could be taken
}

// openElsewhere lists the visits that other tabs have open.
func (j *journal) openElsewhere(ctx context.Context) []string {
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
		if id, ours := strings.CutPrefix(held.Index(i).Get("name").String(), lockPrefix); ours && id != j.held {
			ids = append(ids, id)
		}
	}
	return ids
}

// refusable gives a property of the window that a browser may refuse. Its refusal is thrown, which only calls take.
func refusable(name string) js.Value {
	return js.Global().Get("Reflect").Call("get", js.Global(), name)
}

// ReplaceStorage puts an empty storage in place of the shared one where the browser refuses that: go-app reads it before anything else, and
// could not go on.
func ReplaceStorage() {
	there := false
	guarded(func() { there = refusable(shared).Truthy() })
	if there {
		return
	}
	nothing := func() js.Func { return js.FuncOf(func(js.Value, []js.Value) any { return nil }) }
	empty := map[string]any{"length": 0, "key": nothing(), "getItem": nothing(), "setItem": nothing(), "removeItem": nothing(), "clear": nothing()}
	guarded(func() {
		js.Global().Get("Object").Call("defineProperty", js.Global(), shared, map[string]any{"value": empty, "configurable": true})
	})
}

// item reads from a storage; "" where there is nothing or the browser keeps nothing.
func item(storage, name string) (text string) {
	guarded(func() {
		if all := refusable(storage); all.Truthy() {
			if kept := all.Call("getItem", name); kept.Type() == js.TypeString {
				text = kept.String()
			}
		}
	})
	return text
}

// setItem writes to a storage, "" to remove, and tells whether it is written.
func setItem(storage, name, text string) (written bool) {
	guarded(func() {
		switch all := refusable(storage); {
		case !all.Truthy():
			return
		case text == "":
			all.Call("removeItem", name)
		default:
			all.Call("setItem", name, text)
		}
		written = true
	})
	return written
}
