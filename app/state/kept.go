package state

import "encoding/json"

// Kept is a visit as a browser has kept it.
type Kept struct {
	ID      string // "" is one to go on with under another name: the tab that has this one is still open
	Own     bool   // it is of this tab, before a reload
	AtMs    int64
	Text    []byte // see ReadVisit; nil: of the visit nothing is left to keep, or where it was kept is not known yet
	Pending []byte // what replaces Visit.Pending; nil: nothing does
	Label   string
	Link    string
	Mark    int             // see Jot of the page's host
	Files   map[string]File // to keep; FileKeys of the visit tells which to ask for when it is read
}

// Visit reads the visit.
func (k *Kept) Visit() (*Visit, error) {
	pending := &Pending{}
	if k.Pending == nil || json.Unmarshal(k.Pending, pending) != nil {
		pending = nil // it is by itself: the rest is good without
	}
	return readVisit(k.Text, pending)
}
