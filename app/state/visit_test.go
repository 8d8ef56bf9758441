package state

import (
	"encoding/json"
	"errors"
	"io"
	"reflect"
	"strings"
	"testing"

	"partita/planner/report"
)

// named is a file without content.
type named struct{ name string }

func (f named) Name() string                      { return f.name }
func (f named) Size() int64                       { return int64(len(f.name)) }
func (f named) BytesRead() int64                  { return 0 }
func (f named) Key() string                       { return "key of " + f.name }
func (f named) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }

// visited is a session over three models, with steps behind and before it.
func visited() *Session {
	zoo, file := OpenBuiltIn("VGG16"), OpenFiles([]File{named{"net.h5"}})
	model := &Model{Inspect: &report.Inspect{Name: "net", Source: "keras-h5"}, Format: "keras-json", Packed: "eJw"}
	s := NewSession(View{Opening: zoo, Request: Request{}})
	s.Move(View{Opening: zoo.WithWeights(named{"vgg.h5"}), Request: Request{"slo": "1s"}}, "")
	s.Move(View{Opening: file, Model: model, Request: Request{"rate": "1/s"}}, "")
	s.Move(View{Opening: file, Model: model, Request: Request{"rate": "2/s"}}, "")
	s.Move(View{Opening: file, Model: model, Request: Request{"rate": "3/s"}}, "")
	s.Undo()
	return s
}

// roundTrip writes a visit and reads it again.
func roundTrip(t *testing.T, v *Visit) *Visit {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	read, err := ReadVisit(text)
	if err != nil || !reflect.DeepEqual(read, v) {
		t.Fatalf("%s is read as %+v, %v", text, read, err)
	}
	return read
}

func TestVisitKeepsTheWay(t *testing.T) {
	s := visited()
	v := roundTrip(t, s.Visit())
	if len(v.Openings) != 3 || len(v.Steps) != 5 || v.At != 3 || v.Label != "net" {
		t.Fatalf("kept as %+v", v)
	}
	files := map[string]File{}
	for _, f := range s.Files() {
		files[f.Key()] = f
	}
	again := v.Session(files)
	if again.Request["rate"] != "2/s" || len(again.Opening.Files) != 1 || again.Opening.Lost != nil || again.Opening.Linked != nil || again.Answer != nil {
		t.Errorf("at %+v of %+v", again.Request, again.Opening)
	}
	if again.Forward().Request["rate"] != "3/s" || again.Forward().Opening != again.Opening {
		t.Errorf("before it is %+v", again.Forward())
	}
	again.Show(View{Opening: again.Opening, Model: &Model{Inspect: &report.Inspect{Name: "net", Source: "keras-h5"}, Format: "keras-json", Packed: "eJw"}, Request: again.Request, Answer: &Answer{}})
	if again.Forward().Model == nil || again.Forward().Answer != nil || again.Back().Model == nil {
		t.Error("the model is not shared by the steps of its opening")
	}
	again.Undo()
	again.Undo()
	if again.Request["slo"] != "1s" || again.Opening.BuiltIn != "VGG16" || again.Opening.Weights != files["key of vgg.h5"] || again.Model != nil {
		t.Errorf("two back is %+v of %+v", again.Request, again.Opening)
	}
	again.Undo()
	if again.CanUndo() || again.Opening.Weights != nil {
		t.Errorf("three back is %+v", again.Opening)
	}
	if kept := roundTrip(t, again.Visit()); !reflect.DeepEqual(kept.Steps, v.Steps) || !reflect.DeepEqual(kept.Openings, v.Openings) {
		t.Errorf("kept again it is %+v, want %+v", kept, v)
	}
	// Also what was never shown since.
	if kept := roundTrip(t, v.Session(files).Visit()); !reflect.DeepEqual(kept.Openings, v.Openings) {
		t.Errorf("kept without having been shown it is %+v", kept)
	}
}

// Without its files a model is what its architecture says, until they are chosen again.
func TestVisitWithoutFiles(t *testing.T) {
	v := roundTrip(t, visited().Visit())
	s := v.Session(nil)
	if s.Opening.Linked == nil || s.Opening.Linked.Packed != "eJw" || len(s.Opening.Files) != 0 || s.Opening.Lost == nil || s.Opening.Lost.All()[0].Name != "net.h5" {
		t.Fatalf("opened as %+v", s.Opening)
	}
	if kept := roundTrip(t, s.Visit()); !reflect.DeepEqual(kept.Openings, v.Openings) {
		t.Errorf("kept again as %+v, want %+v", kept.Openings, v.Openings)
	}
	for _, wrong := range [][]File{nil, {named{"other.h5"}}, {named{"net.h5"}, named{"net.h5"}}} {
		if _, those := s.Opening.Found(wrong); those {
			t.Errorf("%v are taken for the files", wrong)
		}
	}
	found, those := s.Opening.Found([]File{named{"net.h5"}})
	if !those || len(found.Files) != 1 || found.Linked != nil || found.Lost != nil || found.Key == s.Opening.Key {
		t.Errorf("found as %+v", found)
	}
	s.Undo()
	s.Undo()
	if found, those = s.Opening.Found([]File{named{"vgg.h5"}}); !those || found.BuiltIn != "VGG16" || found.Weights == nil {
		t.Errorf("weights are found as %+v", found)
	}
	s.Undo()
	if s.Opening.Lost != nil {
		t.Errorf("an architecture of the gallery lacks %+v", s.Opening.Lost)
	}
}

func TestVisitIsBounded(t *testing.T) {
	s := NewSession(View{Opening: OpenBuiltIn("VGG16")})
	for i := range 3 * maxSavedSteps {
		s.Move(View{Opening: OpenBuiltIn("VGG16"), Request: Request{"rate": strings.Repeat("1", i)}}, "")
	}
	for _, back := range []int{0, maxSavedSteps / 3, maxSavedSteps, 3 * maxSavedSteps} {
		for range back {
			s.Undo()
		}
		v := roundTrip(t, s.Visit())
		if len(v.Steps) != maxSavedSteps || v.Steps[v.At].Request["rate"] != s.Request["rate"] {
			t.Errorf("%d back: %d steps, at %v", back, len(v.Steps), v.Steps[v.At].Request)
		}
	}
}

func TestBadVisits(t *testing.T) {
	for _, text := range []string{"", "{}", `{"format":"partita.visit/2"}`, `{"format":"partita.visit/1"}`, `{"format":"partita.visit/1","steps":[{}],"at":0}`,
		`{"format":"partita.visit/1","steps":[{"opening":-1}],"openings":[{}]}`, `{"format":"partita.visit/1","steps":[{}],"openings":[{}],"at":-1}`} {
		if _, err := ReadVisit([]byte(text)); err == nil {
			t.Errorf("%s is read", text)
		}
	}
	if v, err := ReadVisit([]byte(`{"format":"partita.visit/1","steps":[{}],"openings":[{}]}`)); err != nil || v.Session(nil).Opening == nil {
		t.Errorf("the least visit is not read: %v", err)
	}
}

func FuzzReadVisit(f *testing.F) {
	text, err := json.Marshal(visited().Visit())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add([]byte(`{"format":"partita.visit/1","steps":[{}],"openings":[{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		v, err := ReadVisit(text)
		if err != nil {
			return
		}
		s := v.Session(nil)
		if s == nil {
			if !v.Pending.Opens() {
				t.Fatalf("%s is of no session and opens nothing", text)
			}
			return
		}
		for ; s.CanUndo(); s.Undo() {
			s.Visit()
		}
	})
}

func TestPhaseAfter(t *testing.T) {
	ready, other, cut := &Deployed{State: "ready", Plan: "p"}, &Deployed{State: "ready", Plan: "q"}, &Deployed{State: "interrupted", Plan: "p"}
	for _, c := range []struct {
		was   Phase
		found *Deployed
		want  Phase
		says  string
	}{
		{Uploading, nil, Undeployed, "nothing was deployed"}, {Deploying, nil, Undeployed, "nothing of it is left"}, {Serving, nil, Undeployed, "not there any more"}, {Destroying, nil, Undeployed, "nothing is left"},
		{Uploading, other, Undeployed, "another deployment"}, {Uploading, ready, Serving, "serves now"}, {Deploying, ready, Serving, "serves now"}, {Serving, ready, Serving, "serves now"},
		{Deploying, &Deployed{State: "deploying", Plan: "p"}, Deploying, ""}, {Destroying, &Deployed{State: "destroying"}, Destroying, ""},
		{Deploying, cut, Interrupted, "Destroy removes it"}, {Destroying, cut, Interrupted, "Destroy removes it"},
	} {
		d := Deployment{Name: "d", Phase: c.was, Plan: "p"}
		if phase, note := d.PhaseAfter(c.found); phase != c.want || !strings.Contains(note, c.says) {
			t.Errorf("%s, found %+v: %q, %q", c.was, c.found, phase, note)
		}
	}
	if !Unreachable(errors.Join(&Problem{Code: CodeUnreachable})) || Unreachable(io.EOF) || Unreachable(nil) {
		t.Error("what is unreachable is not told")
	}
}

// What is kept to compare with outlives the page with its own model; a visit whose kept step is of no opening is refused.
func TestVisitKeepsWhatIsCompared(t *testing.T) {
	s := visited()
	s.Kept = &View{Opening: OpenFiles([]File{named{"other.onnx"}}), Model: s.Model, Request: Request{"batch": "4"}}
	v := roundTrip(t, s.Visit())
	files := map[string]File{}
	for _, f := range s.Files() {
		files[f.Key()] = f
	}
	if again := v.Session(files); again.Kept == nil || again.Kept.Request["batch"] != "4" || len(again.Kept.Opening.Files) != 1 || again.Kept.Opening.Files[0].Name() != "other.onnx" {
		t.Errorf("kept is %+v", again.Kept)
	}
	v.Kept.Opening = len(v.Openings)
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadVisit(text); err == nil {
		t.Error("a kept step of no opening is read")
	}
}

// What had been begun is kept beside the steps, also where there is no step yet, and replaced by what was noted of it later.
func TestVisitKeepsWhatWasBegun(t *testing.T) {
	model, weights := named{"big.weights.json"}, named{"big_0.weights.h5"}
	opening := OpenBuiltIn("VGG16").WithWeights(model, weights).Saved(nil)
	asked := Request{}
	var none *Session
	v := none.Visit()
	if v.Pending = (&Pending{Addresses: "https://example.org/a.h5"}); !v.Pending.Opens() {
		t.Error("an address that is being asked is not taken up after a reload")
	}
	if v.Pending = (&Pending{}); v.Pending.Opens() {
		t.Error("nothing opens something")
	}
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadVisit(text); err == nil {
		t.Error("a visit of nothing is read")
	}
	v.Pending = &Pending{Opening: &opening, Request: Request{"rate": "1/s"}}
	read := roundTrip(t, v)
	if read.Session(nil) != nil || !read.Pending.Opens() || len(read.FileKeys()) != 2 {
		t.Errorf("read as %+v", read)
	}
	if o := read.Pending.Opening.Restored(map[string]File{model.Key(): model}); o.Weights != nil || o.Shards != nil || len(o.Lost.All()) != 2 {
		t.Errorf("without a file that is listed it is %+v", o)
	}
	o := read.Pending.Opening.Restored(map[string]File{model.Key(): model, weights.Key(): weights})
	if o.Lost != nil || o.Weights != File(model) || len(o.Shards) != 1 || o.BuiltIn != "VGG16" {
		t.Errorf("with all it is %+v", o)
	}

	v = visited().Visit()
	v.Typed, v.Pending = Typed{"memory": "5"}, &Pending{Typed: Typed{"memory": "5"}}
	if text, err = json.Marshal(v); err != nil {
		t.Fatal(err)
	}
	later, err := json.Marshal(&Pending{Typed: Typed{"memory": "512"}, Name: "n", Asked: &asked})
	if err != nil {
		t.Fatal(err)
	}
	for pending, want := range map[string]string{string(later): "512", "": "5", "broken": "5"} {
		kept := &Kept{Text: text}
		if pending != "" {
			kept.Pending = []byte(pending)
		}
		got, err := kept.Visit()
		if err != nil || got.Typed["memory"] != want || (got.Pending.Asked != nil) != (want == "512") {
			t.Errorf("with %q beside it the visit is %+v, %v", pending, got, err)
		}
	}
}

// Files that come after the session has gone on without them are put in their places, in every step.
func TestFilesThatComeLate(t *testing.T) {
	files := map[string]File{}
	for _, name := range []string{"net.h5", "vgg.h5", "kept.h5"} {
		files["key of "+name] = named{name}
	}
	s := visited()
	s.Kept = &View{Opening: OpenFiles([]File{named{"kept.h5"}}), Model: s.Model}
	s = roundTrip(t, s.Visit()).Session(nil)
	if o := s.Find(map[string]File{}); o != nil || s.Opening.Lost == nil {
		t.Error("found where there is nothing")
	}
	here := s.Find(files)
	if here == nil || here.Lost != nil || len(here.Files) != 1 {
		t.Fatalf("on the screen is %+v", here)
	}
	if s.Kept.Opening.Lost != nil || s.Kept.Opening.Files[0].Name() != "kept.h5" || s.Kept.Answer != nil {
		t.Errorf("kept is %+v", s.Kept.Opening)
	}
	s.Show(View{Opening: here, Model: &Model{}, Request: s.Request})
	for s.CanUndo() {
		s.Undo()
		if s.Opening.Lost != nil {
			t.Errorf("a step lacks %+v", s.Opening.Lost)
		}
	}
}
