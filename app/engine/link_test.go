package engine

import (
	"encoding/json"
	"maps"
	"os"
	"strings"
	"testing"

	"partita/app/state"
	"partita/planner"
	"partita/planner/diag"
	"partita/planner/plan"
)

func TestLinksOpenToTheSamePlan(t *testing.T) {
	file := shared(t, "model.h5", "models", "trained_mobilenet_v2", "model.h5")
	r := planner.DefaultRequest()
	r.Scenario, r.MinStages, r.SLOUs, r.MemoryMB = "warm", 2, 900_000, []int64{512, 1024}
	free := r
	free.GatewayMemoryMB, free.PicturePixels = planner.AutoGateway, 2_500_000
	for k, o := range []*state.Opening{state.OpenFiles([]state.File{file}), state.OpenBuiltIn("MobileNetV3Small"), state.OpenBuiltIn("MobileNetV3Small")} {
		e := &Engine{}
		if k == 2 {
			r = free
		}
		v := asked(t, e, o, r)
		document, err := e.Document(t.Context(), o, r)
		if err != nil {
			t.Fatal(err)
		}
		p, err := plan.Decode(document)
		if err != nil {
			t.Fatal(err)
		}
		fragment := state.EncodeLink(o, v.Model, r.Query(), p)
		if strings.ContainsAny(fragment, " #\"<>\\^`{|}") {
			t.Errorf("a fragment cannot hold %q", fragment)
		}
		link, err := DecodeLink("#" + fragment)
		if err != nil {
			t.Fatal(err)
		}
		asked, err := parse(link.Request)
		if err != nil || asked.Query() != r.Query() || !link.Shown.SameBook(p) || link.Shown.CostPicoUSD != p.CostPicoUSD || link.Shown.LatencyUs != p.LatencyUs || link.Shown.Hash != state.ShortHash(p.Hash) {
			t.Errorf("read back as %+v", link)
		}
		again, err := (&Engine{}).Document(t.Context(), link.Opening, asked)
		if err != nil {
			t.Fatal(err)
		}
		var was, is struct{ Hash string }
		if json.Unmarshal(document, &was) != nil || json.Unmarshal(again, &is) != nil || was != is {
			t.Errorf("%s opens to the plan %s, want %s", o.Label(), is.Hash, was.Hash)
		}
		// A link of version 1 is the plan itself.
		whole, err := p.EncodeLink()
		if err != nil {
			t.Fatal(err)
		}
		first, err := DecodeLink("plan=" + whole)
		if err != nil {
			t.Fatal(err)
		}
		if asked, err = parse(first.Request); err != nil || asked.GatewayMemoryMB != r.GatewayMemoryMB || asked.PicturePixels != r.PicturePixels {
			t.Errorf("%s: a link of version 1 asks %+v, %v", o.Label(), asked, err)
		}
	}
}

// TestEarlierLinks opens links that earlier versions made: they must stay readable for ever.
func TestEarlierLinks(t *testing.T) {
	for _, name := range []string{"testdata/link-1.txt", "testdata/link-2.txt"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		link, err := DecodeLink(strings.TrimSpace(string(text)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		e := &Engine{}
		r, err := parse(link.Request)
		if err != nil {
			t.Fatal(err)
		}
		v := asked(t, e, link.Opening, r)
		if r.Scenario != "warm" || r.MinStages != 2 || v.Model.Inspect.Name != "tiny_residual" || v.Model.Inspect.Layers != 18 || link.Shown.CostPicoUSD == 0 || len(v.Answer.Plan.Stages) != 2 {
			t.Errorf("%s opens to %+v, %+v", name, v.Model.Inspect, link.Request)
		}
	}
}

func TestBrokenLinks(t *testing.T) {
	for fragment, code := range map[string]string{
		"nonsense":                     "link.broken",
		"v=2":                          "link.broken",
		"v=3&model=zoo:VGG16":          "link.unknown-version",
		"v=x&model=zoo:VGG16":          "link.broken",
		"v=2&model=keras-json.":        "link.broken",
		"v=2&model=zoo:V%2":            "link.broken",
		"v=2&model=zoo:V&v=2":          "link.broken",
		"v=2&model=zoo:V&start=hot":    "link.broken",
		"v=2&model=zoo:V&cost=-1":      "link.broken",
		"v=2&model=zoo:V&new=1":        "link.broken",
		"plan=1.AAAA":                  "plan.bad-link",
		"plan=9.AAAA":                  "plan.unknown-version",
		strings.Repeat("a", maxLink+1): "link.broken",
	} {
		if _, err := DecodeLink(fragment); diag.CodeOf(err) != code {
			t.Errorf("%.40s: got %v, want code %s", fragment, err, code)
		}
	}
}

func TestEscaping(t *testing.T) {
	for _, text := range []string{"", "a b&c=d%#+/é", "zoo:ResNet50", "model_1"} {
		if got, err := state.Unescape(state.Escape(text)); err != nil || got != text {
			t.Errorf("%q comes back as %q, %v", text, got, err)
		}
	}
	if got := state.FromURL(state.ToURL("ab+/cQ==")); got != "ab+/cQ==" {
		t.Errorf("base64 comes back as %q", got)
	}
}

func FuzzDecodeLink(f *testing.F) {
	f.Add("v=2&model=zoo:VGG16&start=warm&us=1&cost=2")
	f.Add("v=2&model=keras-json.q1YqLU4tAgA&name=a%20b&slo=2s")
	f.Add("plan=1.AAAA")
	f.Fuzz(func(t *testing.T, fragment string) {
		link, err := DecodeLink(fragment)
		if err != nil {
			if diag.As(err) == nil {
				t.Fatalf("not a diagnostic for the user: %v", err)
			}
			return
		}
		if link.Opening.Linked != nil {
			if _, err := linkedModel(link.Opening.Linked); err != nil && diag.As(err) == nil {
				t.Fatalf("not a diagnostic for the user: %v", err)
			}
			return
		}
		r, err := parse(link.Request)
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeLink(state.EncodeLink(link.Opening, nil, r.Query(), nil))
		if err != nil || again.Opening.BuiltIn != link.Opening.BuiltIn || !maps.Equal(again.Request, link.Request) {
			t.Fatalf("%q comes back as %+v, %v", fragment, again, err)
		}
	})
}
