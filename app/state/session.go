package state

import "slices"

// View is one state of a visit, to which undo and redo lead back: a model, what was asked about it, and the answer.
type View struct {
	Opening *Opening
	Model   *Model
	Request Request
	Answer  *Answer
}

// maxSteps bounds how far undo leads back.
const maxSteps = 200

// Session is one visit. It is not safe for concurrent use: the page changes it on its user-interface goroutine only.
type Session struct {
	View
	Kept          *View // a plan to hold the others against; nil: none is. Undo leaves it as it is
	before, after []View
	coalescing    string
}

// NewSession begins a visit with its first model.
func NewSession(first View) *Session { return &Session{View: first} }

// Move goes on to another state, which undo leads back from. Moves of one gesture, such as the dragging of a slider, that
// follow each other are one step; "" is a step by itself.
func (s *Session) Move(next View, gesture string) {
	s.after = nil
	if gesture == "" || gesture != s.coalescing {
		s.before = append(s.before, s.View)
		if len(s.before) > maxSteps {
			s.before = slices.Delete(s.before, 0, 1)
		}
	}
	s.coalescing, s.View = gesture, next
}

// EndGesture makes the next move a step by itself.
func (s *Session) EndGesture() { s.coalescing = "" }

// CanUndo tells whether there is a state to go back to.
func (s *Session) CanUndo() bool { return len(s.before) > 0 }

// CanRedo tells whether there is a state that was gone back from.
func (s *Session) CanRedo() bool { return len(s.after) > 0 }

// Undo goes back to the state before.
func (s *Session) Undo() { s.swap(&s.before, &s.after) }

// Redo goes forward again.
func (s *Session) Redo() { s.swap(&s.after, &s.before) }

// Back and Forward give the state to which Undo and Redo would lead; nil when there is none. After a reload it may have no answer,
// which it is given by Show.
func (s *Session) Back() *View    { return last(s.before) }
func (s *Session) Forward() *View { return last(s.after) }

func last(views []View) *View {
	if len(views) == 0 {
		return nil
	}
	return &views[len(views)-1]
}

// Show fills in what the state on the screen is: its opening, where files were found for it or were not there, its model and its
// answer. Other states of the same opening change with it.
func (s *Session) Show(view View) {
	before := s.Opening
	for _, views := range [][]View{s.before, s.after} {
		for i := range views {
			if views[i].Opening == before {
				views[i].Opening, views[i].Model = view.Opening, view.Model
			}
		}
	}
	s.View = view
}

func (s *Session) swap(from, to *[]View) {
	if len(*from) == 0 {
		return
	}
	*to = append(*to, s.View)
	s.View = (*from)[len(*from)-1]
	*from = (*from)[:len(*from)-1]
	s.coalescing = ""
}

// Keep remembers the state on the screen to hold others against.
func (s *Session) Keep() {
	now := s.View
	s.Kept = &now
}

// Exchange goes on to the state kept, and keeps the one that was on the screen.
func (s *Session) Exchange() {
	if s.Kept == nil {
		return
	}
	kept := *s.Kept
	s.Keep()
	s.Move(kept, "")
}

// Weights lists the files that hold the model's weights; none when only an architecture was opened.
func (s *View) Weights() []File { return s.Model.Weights(s.Opening) }

// WeightsSize gives the bytes of the files that hold the weights.
func (s *View) WeightsSize() int64 {
	var size int64
	for _, f := range s.Weights() {
		size += f.Size()
	}
	return size
}

// ReadNote says how much of the opened files was read to show them, sizes printed by bytes.
func (s *View) ReadNote(bytes func(int64) string) string {
	files := s.Opening.AllFiles()
	switch {
	case len(files) > 0:
		var size int64
		for _, f := range files {
			size += f.Size()
		}
		return "read " + bytes(s.Model.BytesRead) + " of " + bytes(size)
	case s.Opening.Linked != nil:
		return "from the link"
	}
	return "built in"
}
