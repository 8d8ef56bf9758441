package state

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
)

// VisitFormat is the format of Visit. What an earlier page wrote is read as long as its format is this one; another is left alone.
const VisitFormat = "partita.visit/1"

// Visit is what a browser keeps of a session, so that a reload or a closed tab loses nothing: which models were opened and what was
// asked about them, step by step, what is being typed, and the deployment. Answers are not kept: they are made anew.
type Visit struct {
	Format     string         `json:"format"`
	Label      string         `json:"label"` // for people who choose among visits
	Link       string         `json:"link"`  // of what was on the screen
	Openings   []SavedOpening `json:"openings"`
	Steps      []SavedStep    `json:"steps"`          // oldest first
	At         int            `json:"at"`             // the step on the screen
	Kept       *SavedStep     `json:"kept,omitempty"` // to compare with
	Typed      Typed          `json:"typed,omitempty"`
	Deployment *Deployment    `json:"deployment,omitempty"`
	Pending    *Pending       `json:"pending,omitempty"`
}

// Typed is text in fields that the planner has not taken, by the fields' names.
type Typed map[string]string

// SavedStep is one state of a session.
type SavedStep struct {
	Opening int     `json:"opening"` // its place among the openings
	Request Request `json:"request,omitempty"`
}

// Pending is what had been begun and is no step of the session yet. It changes with every key that is typed, so it is small and can be
// kept by itself, in place of what the visit says of it.
type Pending struct {
	Typed     Typed         `json:"typed,omitempty"`
	Name      string        `json:"name,omitempty"`      // of the deployment, being typed
	Asked     *Request      `json:"asked,omitempty"`     // of the model on the screen, and not answered; nil: nothing
	Opening   *SavedOpening `json:"opening,omitempty"`   // being read; nil: nothing
	Request   Request       `json:"request,omitempty"`   // to plan it with
	Link      string        `json:"link,omitempty"`      // being opened
	Addresses string        `json:"addresses,omitempty"` // being asked for a model
	Undo      bool          `json:"undo,omitempty"`      // the step before was being made anew, to go back to it
	Redo      bool          `json:"redo,omitempty"`      // and the step after
}

// Opens tells whether something was being opened.
func (p *Pending) Opens() bool {
	return p != nil && (p.Opening != nil || p.Link != "" || p.Addresses != "")
}

// SavedOpening is an opening without the bytes of its files. Linked is its architecture, for when the files are not at hand.
type SavedOpening struct {
	BuiltIn string           `json:"builtIn,omitempty"`
	Files   []FileID         `json:"files,omitempty"`
	Weights *FileID          `json:"weights,omitempty"`
	Shards  []FileID         `json:"shards,omitempty"`
	Linked  *Linked          `json:"linked,omitempty"`
	Dims    map[string]int64 `json:"dims,omitempty"`
}

// FileID tells a file from others without its bytes.
type FileID struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
	Key  string `json:"key"` // the same for the same file in another visit
}

func idOf(f File) FileID { return FileID{f.Name(), f.Size(), f.Key()} }

// maxSavedSteps bounds the history that is kept; what is farther from the screen is left out.
const maxSavedSteps = 60

// Visit gives what to keep of a session, nil being one that has not begun.
func (s *Session) Visit() *Visit {
	v := &Visit{Format: VisitFormat}
	if s == nil {
		return v
	}
	views := slices.Concat(s.before, []View{s.View}, reversed(s.after))
	at := len(s.before)
	first := max(0, min(at-maxSavedSteps/2, len(views)-maxSavedSteps))
	last := min(len(views), first+maxSavedSteps)
	places := map[*Opening]int{}
	save := func(view *View) SavedStep {
		place, there := places[view.Opening]
		if !there {
			place = len(v.Openings)
			places[view.Opening] = place
			v.Openings = append(v.Openings, view.Opening.Saved(view.Model))
		}
		step := SavedStep{Opening: place}
		if len(view.Request) > 0 {
			step.Request = view.Request
		}
		return step
	}
	for i := range views[first:last] {
		v.Steps = append(v.Steps, save(&views[first+i]))
	}
	if s.Kept != nil {
		kept := save(s.Kept)
		v.Kept = &kept
	}
	v.At = at - first
	if s.Model != nil && s.Model.Inspect != nil {
		v.Label = s.Model.Inspect.Name
	}
	return v
}

func reversed(views []View) []View {
	views = slices.Clone(views)
	slices.Reverse(views)
	return views
}

// Saved gives what to keep of an opening; m is its model, nil where it is not known.
func (o *Opening) Saved(m *Model) SavedOpening {
	saved := SavedOpening{BuiltIn: o.BuiltIn, Linked: o.Linked, Dims: o.Dims}
	for _, f := range o.Files {
		saved.Files = append(saved.Files, idOf(f))
	}
	if o.Weights != nil {
		id := idOf(o.Weights)
		saved.Weights = &id
	}
	for _, f := range o.Shards {
		saved.Shards = append(saved.Shards, idOf(f))
	}
	if l := o.Lost; l != nil {
		saved.Files, saved.Shards, saved.Weights = append(saved.Files, l.Files...), append(saved.Shards, l.Shards...), cmp.Or(saved.Weights, l.Weights)
	}
	if len(o.Files) > 0 {
		saved.Linked = o.Earlier
	}
	if len(o.Files) > 0 && m != nil {
		saved.Linked = &Linked{Name: m.Inspect.Name, Source: m.Inspect.Source, Format: m.Format, Packed: m.Packed}
	}
	return saved
}

// Files lists the files of all openings of a session, each once.
func (s *Session) Files() []File {
	if s == nil {
		return nil
	}
	var files []File
	seen := map[string]bool{}
	views := slices.Concat(s.before, []View{s.View}, s.after)
	if s.Kept != nil {
		views = append(views, *s.Kept)
	}
	for _, view := range views {
		for _, f := range view.Opening.AllFiles() {
			if !seen[f.Key()] {
				seen[f.Key()] = true
				files = append(files, f)
			}
		}
	}
	return files
}

// maxVisitBytes bounds the text of a visit that is read.
const maxVisitBytes = 64 << 20

// ReadVisit reads what a browser has kept.
func ReadVisit(text []byte) (*Visit, error) { return readVisit(text, nil) }

// readVisit reads it with what replaces its part about what had been begun; nil: nothing does.
func readVisit(text []byte, pending *Pending) (*Visit, error) {
	if len(text) > maxVisitBytes {
		return nil, fmt.Errorf("it has %d bytes", len(text))
	}
	v := &Visit{}
	if err := json.Unmarshal(text, v); err != nil {
		return nil, err
	}
	if pending != nil {
		v.Pending, v.Typed = pending, pending.Typed
	}
	if v.Format != VisitFormat {
		return nil, fmt.Errorf("it is of format %.40q", v.Format)
	}
	begun := len(v.Steps) > 0 || v.Kept != nil || !v.Pending.Opens()
	if begun && (v.At < 0 || v.At >= len(v.Steps)) || !begun && v.At != 0 {
		return nil, fmt.Errorf("step %d of %d is on the screen", v.At, len(v.Steps))
	}
	steps := v.Steps
	if v.Kept != nil {
		steps = append(slices.Clone(steps), *v.Kept)
	}
	for _, s := range steps {
		if s.Opening < 0 || s.Opening >= len(v.Openings) {
			return nil, fmt.Errorf("a step is of opening %d of %d", s.Opening, len(v.Openings))
		}
	}
	return v, nil
}

// FileKeys lists the keys of the files of a visit, each once.
func (v *Visit) FileKeys() []string {
	var keys []string
	add := func(s *SavedOpening) {
		ids := slices.Concat(s.Files, s.Shards)
		if s.Weights != nil {
			ids = append(ids, *s.Weights)
		}
		for _, id := range ids {
			if !slices.Contains(keys, id.Key) {
				keys = append(keys, id.Key)
			}
		}
	}
	for i := range v.Openings {
		add(&v.Openings[i])
	}
	if v.Pending != nil && v.Pending.Opening != nil {
		add(v.Pending.Opening)
	}
	return keys
}

// Session gives the session of a visit; nil where none had begun. Its views have no models and no answers: each is made when it is
// shown. files has what the browser kept, by key; an opening that lacks one is opened by its architecture alone.
func (v *Visit) Session(files map[string]File) *Session {
	if len(v.Steps) == 0 {
		return nil
	}
	openings := make([]*Opening, len(v.Openings))
	for i := range v.Openings {
		openings[i] = v.Openings[i].Restored(files)
	}
	view := func(s *SavedStep) View {
		request := s.Request
		if request == nil {
			request = Request{}
		}
		return View{Opening: openings[s.Opening], Request: request}
	}
	views := make([]View, len(v.Steps))
	for i := range v.Steps {
		views[i] = view(&v.Steps[i])
	}
	session := &Session{View: views[v.At], before: slices.Clone(views[:v.At]), after: reversed(views[v.At+1:])}
	if v.Kept != nil {
		kept := view(v.Kept)
		session.Kept = &kept
	}
	return session
}

// Restored gives the opening with what there is of its files, by key.
func (s *SavedOpening) Restored(files map[string]File) *Opening {
	o, lost := Opening{BuiltIn: s.BuiltIn, Dims: s.Dims}, &Lost{}
	for _, id := range s.Files {
		if f := files[id.Key]; f != nil {
			o.Files = append(o.Files, f)
		}
	}
	if len(o.Files) < len(s.Files) {
		o.Files, lost.Files = nil, s.Files
	}
	if len(o.Files) == 0 {
		o.Linked = s.Linked
	} else {
		o.Earlier = s.Linked
	}
	if s.Weights != nil {
		o.Weights = files[s.Weights.Key]
		for _, id := range s.Shards {
			if f := files[id.Key]; f != nil {
				o.Shards = append(o.Shards, f)
			}
		}
		if o.Weights == nil || len(o.Shards) < len(s.Shards) { // a list without all that it names is of no use
			o.Weights, o.Shards, lost.Weights, lost.Shards = nil, nil, s.Weights, s.Shards
		}
	}
	if lost.Files != nil || lost.Weights != nil {
		o.Lost = lost
	}
	return o.with(func(*Opening) {})
}

// Lost is what an opening had in files that are not at hand after a reload, until the user chooses them again.
type Lost struct {
	Files   []FileID // in whose place there is the architecture alone
	Weights *FileID
	Shards  []FileID // that the weights list
}

// All lists the files.
func (l *Lost) All() []FileID {
	all := slices.Clone(l.Files)
	if l.Weights != nil {
		all = append(append(all, *l.Weights), l.Shards...)
	}
	return all
}

// Found gives the opening with the files that it has lost, when these are they by name and size.
func (o *Opening) Found(files []File) (*Opening, bool) {
	if o.Lost == nil || len(files) != len(o.Lost.All()) {
		return nil, false
	}
	return o.found(func(id FileID) File {
		if at := slices.IndexFunc(files, func(f File) bool { return f.Name() == id.Name && f.Size() == id.Size }); at >= 0 {
			return files[at]
		}
		return nil
	})
}

// FoundByKey gives the opening with the files that it has lost, when they are all among files, by key.
func (o *Opening) FoundByKey(files map[string]File) (*Opening, bool) {
	if o.Lost == nil {
		return nil, false
	}
	return o.found(func(id FileID) File { return files[id.Key] })
}

func (o *Opening) found(find func(FileID) File) (*Opening, bool) {
	found := *o
	found.Lost = nil
	for _, id := range o.Lost.Files {
		f := find(id)
		if f == nil {
			return nil, false
		}
		found.Files, found.Linked = append(slices.Clone(found.Files), f), nil
	}
	if id := o.Lost.Weights; id != nil {
		if found.Weights = find(*id); found.Weights == nil {
			return nil, false
		}
	}
	for _, id := range o.Lost.Shards {
		f := find(id)
		if f == nil {
			return nil, false
		}
		found.Shards = append(slices.Clone(found.Shards), f)
	}
	return found.with(func(*Opening) {}), true
}

// Find puts files, by key, into the openings that have lost them. States that change are planned anew when they are shown; for the one
// on the screen it gives the opening to show instead, nil where that stays as it is.
func (s *Session) Find(files map[string]File) *Opening {
	made := map[*Opening]*Opening{}
	find := func(o *Opening) *Opening {
		if o.Lost == nil {
			return nil
		}
		if found, known := made[o]; known {
			return found
		}
		found, all := o.FoundByKey(files)
		if !all {
			found = nil
		}
		made[o] = found
		return found
	}
	here := find(s.Opening)
	for _, views := range [][]View{s.before, s.after} {
		for i := range views {
			if found := find(views[i].Opening); found != nil && views[i].Opening != s.Opening { // Show changes those
				views[i] = View{Opening: found, Request: views[i].Request}
			}
		}
	}
	if s.Kept != nil {
		if found := find(s.Kept.Opening); found != nil {
			s.Kept = &View{Opening: found, Request: s.Kept.Request}
		}
	}
	return here
}
