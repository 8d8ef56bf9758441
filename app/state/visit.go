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
}

// Typed is text in fields that the planner has not taken, by the fields' names.
type Typed map[string]string

// SavedStep is one state of a session.
type SavedStep struct {
	Opening int     `json:"opening"` // its place among the openings
	Request Request `json:"request,omitempty"`
}

// SavedOpening is an opening without the bytes of its files. Linked is its architecture, for when the files are not at hand.
type SavedOpening struct {
	BuiltIn string           `json:"builtIn,omitempty"`
	Files   []FileID         `json:"files,omitempty"`
	Weights *FileID          `json:"weights,omitempty"`
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

// Visit gives what to keep of a session.
func (s *Session) Visit() *Visit {
	v := &Visit{Format: VisitFormat}
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
			v.Openings = append(v.Openings, view.saved())
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

func (v *View) saved() SavedOpening {
	o := v.Opening
	saved := SavedOpening{BuiltIn: o.BuiltIn, Linked: o.Linked, Dims: o.Dims}
	for _, f := range o.Files {
		saved.Files = append(saved.Files, idOf(f))
	}
	if o.Weights != nil {
		id := idOf(o.Weights)
		saved.Weights = &id
	}
	if l := o.Lost; l != nil {
		saved.Files, saved.Weights = append(saved.Files, l.Files...), cmp.Or(saved.Weights, l.Weights)
	}
	if len(o.Files) > 0 {
		saved.Linked = o.Earlier
	}
	if len(o.Files) > 0 && v.Model != nil {
		saved.Linked = &Linked{Name: v.Model.Inspect.Name, Source: v.Model.Inspect.Source, Format: v.Model.Format, Packed: v.Model.Packed}
	}
	return saved
}

// Files lists the files of all openings of a session, each once.
func (s *Session) Files() []File {
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
func ReadVisit(text []byte) (*Visit, error) {
	if len(text) > maxVisitBytes {
		return nil, fmt.Errorf("it has %d bytes", len(text))
	}
	v := &Visit{}
	if err := json.Unmarshal(text, v); err != nil {
		return nil, err
	}
	if v.Format != VisitFormat {
		return nil, fmt.Errorf("it is of format %.40q", v.Format)
	}
	if v.At < 0 || v.At >= len(v.Steps) {
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

// Session gives the session of a visit. Its views have no models and no answers: each is made when it is shown. files has what the
// browser kept, by key; an opening that lacks one is opened by its architecture alone.
func (v *Visit) Session(files map[string]File) *Session {
	openings := make([]*Opening, len(v.Openings))
	for i := range v.Openings {
		openings[i] = v.Openings[i].opening(files)
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

func (s *SavedOpening) opening(files map[string]File) *Opening {
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
		if f := files[s.Weights.Key]; f != nil {
			o.Weights = f
		} else {
			lost.Weights = s.Weights
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
}

// All lists the files.
func (l *Lost) All() []FileID {
	all := slices.Clone(l.Files)
	if l.Weights != nil {
		all = append(all, *l.Weights)
	}
	return all
}

// Found gives the opening with the files that it has lost, when these are they by name and size.
func (o *Opening) Found(files []File) (*Opening, bool) {
	if o.Lost == nil || len(files) != len(o.Lost.All()) {
		return nil, false
	}
	find := func(id FileID) File {
		if at := slices.IndexFunc(files, func(f File) bool { return f.Name() == id.Name && f.Size() == id.Size }); at >= 0 {
			return files[at]
		}
		return nil
	}
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
	return found.with(func(*Opening) {}), true
}

// Kept is a visit as a browser has kept it.
type Kept struct {
	ID    string
	Own   bool // it is of this tab, before a reload
	AtMs  int64
	Text  []byte // see ReadVisit
	Label string
	Link  string
	Files map[string]File
}
