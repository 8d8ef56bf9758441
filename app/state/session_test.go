package state

import (
	"strconv"
	"testing"
)

// at makes a view that can be told by its SLO.
func at(sloUs int64) View { return View{Request: Request{"slo": strconv.FormatInt(sloUs, 10)}} }

// What is kept stays while the user goes back and forth, and changes places with what is on the screen.
func TestKeptState(t *testing.T) {
	s := NewSession(at(1))
	s.Exchange() // does nothing
	s.Keep()
	s.Move(at(2), "")
	s.Move(at(3), "")
	s.Undo()
	if s.Kept == nil || s.Kept.Request["slo"] != "1" || s.Request["slo"] != "2" {
		t.Fatalf("kept is %+v beside %v", s.Kept, s.Request)
	}
	s.Exchange()
	if s.Kept.Request["slo"] != "2" || s.Request["slo"] != "1" || s.CanRedo() {
		t.Errorf("exchanged, kept is %v beside %v", s.Kept.Request, s.Request)
	}
	if s.Undo(); s.Request["slo"] != "2" || s.Kept.Request["slo"] != "2" {
		t.Errorf("after undo, kept is %v beside %v", s.Kept.Request, s.Request)
	}
}

func TestUndoAndRedo(t *testing.T) {
	s := NewSession(at(0))
	if s.CanUndo() || s.CanRedo() {
		t.Error("there is nothing to undo yet")
	}
	s.Undo() // does nothing
	s.Move(at(1), "")
	for slo := int64(2); slo <= 5; slo++ { // one gesture
		s.Move(at(slo), "slo")
	}
	s.EndGesture()
	s.Move(at(6), "slo") // another gesture
	check := func(what string, want int64, undo, redo bool) {
		t.Helper()
		if s.Request["slo"] != strconv.FormatInt(want, 10) || s.CanUndo() != undo || s.CanRedo() != redo {
			t.Errorf("%s: at %s, undo %v, redo %v; want %d, %v, %v", what, s.Request["slo"], s.CanUndo(), s.CanRedo(), want, undo, redo)
		}
	}
	check("at first", 6, true, false)
	s.Undo()
	check("one back", 5, true, true)
	s.Undo()
	check("two back", 1, true, true)
	s.Undo()
	check("at the beginning", 0, false, true)
	s.Redo()
	s.Redo()
	check("forward", 5, true, true)
	s.Move(at(7), "slo") // a move after undo forgets what was undone, and is a step even within a gesture
	check("elsewhere", 7, true, false)
	s.Undo()
	check("back", 5, true, true)
	for slo := range int64(3 * maxSteps) {
		s.Move(at(slo), "")
	}
	back := 0
	for ; s.CanUndo(); back++ {
		s.Undo()
	}
	if back != maxSteps {
		t.Errorf("%d steps lead back, want %d", back, maxSteps)
	}
}
