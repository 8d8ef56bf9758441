package plan_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"partita/planner/diag"
	"partita/planner/plan"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func sample(t testing.TB) *plan.Plan {
	t.Helper()
	architecture := []byte(`{"class_name":"Sequential","config":{"layers":[],"name":"tiny <&> ü"}}`)
	packed, err := plan.PackArchitecture("keras-json", architecture)
	if err != nil {
		t.Fatal(err)
	}
	return &plan.Plan{
		Format: plan.Format,
		Model: plan.Model{Name: "tiny <&> ü", Source: "keras-json", Digest: plan.Digest(architecture), Layers: 5, Parameters: 1234, WeightBytes: 4936,
			MACs: 99_000, Preprocess: "none", Architecture: packed},
		Platform:  "local",
		PriceBook: plan.PriceBook{Date: "2026-11-23", Hash: "sha256:00"},
		Request: plan.Request{Objective: "cost", SLOUs: 2_000_000, Scenario: "cold-overlapped", MinStages: 2, MaxStages: 4, MemoryMB: []int64{512, 1024},
			Batch: 1, Transport: "auto", Packaging: "zip", Quantization: "none", GatewayMemoryMB: 512},
		Status: plan.Optimal,
		Times:  "predicted",
		Stages: []plan.Stage{
			{Index: 1, FirstLayer: 1, LastLayer: 3, Layers: "image .. conv", MemoryMB: 512, MemoryNeededMB: 70, WeightBytes: 4000, PackageBytes: 51_000_000,
				InputBytes: 3072, OutputBytes: 4096, TransportIn: "inline", TransportOut: "inline", Packaging: "zip", InitUs: 50_000, InputUs: 10, ComputeUs: 300,
				OutputUs: 12, BilledUs: 51_000, Invocations: 1, FeesPicoUSD: 200_000, CostPicoUSD: 625_000},
			{Index: 2, FirstLayer: 4, LastLayer: 5, Layers: "dense .. dense_1", MemoryMB: 1024, MemoryNeededMB: 70, WeightBytes: 936, PackageBytes: 51_000_000,
				InputBytes: 4096, OutputBytes: 40, TransportIn: "inline", TransportOut: "inline", Packaging: "zip", InitUs: 50_000, InputUs: 12, ComputeUs: 30,
				OutputUs: 3, BilledUs: 52_000, Invocations: 2, FeesPicoUSD: 400_000, CostPicoUSD: 1_266_668},
		},
		Gateway:     plan.Gateway{MemoryMB: 512, StartUs: 80_000, DispatchUs: 2000, BilledUs: 133_000, FeesPicoUSD: 200_000, CostPicoUSD: 1_308_289},
		LatencyUs:   132_367,
		CostPicoUSD: 3_199_957,
		Frontier: []plan.Point{{LatencyUs: 132_367, CostPicoUSD: 3_199_957, Stages: []plan.Choice{
			{LastLayer: 3, MemoryMB: 512}, {LastLayer: 5, MemoryMB: 1024}}}},
		Baselines: []plan.Baseline{{Name: "one function", Status: "infeasible", Stages: []plan.Choice{}}},
	}
}

func mustEncode(t testing.TB, p *plan.Plan) []byte {
	t.Helper()
	data, err := p.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// The canonical form is a promise to everyone who stored a hash.
func TestGoldenCanonicalForm(t *testing.T) {
	p := sample(t)
	// What DEFLATE makes of the architecture may change with the compiler's library; the promise is about the rest.
	p.Model.Architecture.Deflate = "q1ZKzkksLo7PS8xNVbJSCk4tLM1MzUtOVdJRSs7PS8tMB8kkVuYXlSgpWcVWKygoAQA="
	got := mustEncode(t, p)
	path := filepath.Join("testdata", "canonical.json")
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("the canonical form changed; run with -update and read the difference\ngot  %s\nwant %s", got, want)
	}
}

func TestDecodeGivesBackWhatWasEncoded(t *testing.T) {
	p := sample(t)
	data := mustEncode(t, p)
	q, err := plan.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(p, q) {
		t.Errorf("decoded %+v\nencoded %+v", q, p)
	}
	format, architecture, err := q.Architecture()
	if err != nil || format != "keras-json" || !strings.Contains(string(architecture), "tiny <&> ü") {
		t.Errorf("architecture %q, %q, %v", format, architecture, err)
	}
	// Layout and order of members do not matter to the hash.
	var indented bytes.Buffer
	if err := json.Indent(&indented, data, "", "\t"); err != nil {
		t.Fatal(err)
	}
	if _, err := plan.Decode(indented.Bytes()); err != nil {
		t.Errorf("the same document, indented: %v", err)
	}
	plain, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(plain, data) {
		t.Fatal("the plain form is in canonical order: this test shows nothing")
	}
	if _, err := plan.Decode(plain); err != nil {
		t.Errorf("the same document in the order of the struct: %v", err)
	}
}

func TestListsAreNeverNull(t *testing.T) {
	p := sample(t)
	p.Status, p.Reason, p.Stages, p.Frontier, p.Baselines = plan.Infeasible, "the SLO is too short", nil, nil, nil
	data := mustEncode(t, p)
	if bytes.Contains(data, []byte("null")) {
		t.Errorf("null in %s", data)
	}
	if q, err := plan.Decode(data); err != nil || q.Status != plan.Infeasible {
		t.Errorf("%v, %v", q, err)
	}
}

func TestEncodeIsStable(t *testing.T) {
	p := sample(t)
	first := mustEncode(t, p)
	if again := mustEncode(t, p); !bytes.Equal(first, again) {
		t.Error("encoding twice gives two forms")
	}
	hash := p.Hash
	p.CostPicoUSD++
	mustEncode(t, p)
	if p.Hash == hash {
		t.Error("another cost, the same hash")
	}
}

func TestRefusals(t *testing.T) {
	good := string(mustEncode(t, sample(t)))
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the sample has no %s", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	seal := func(change func(p *plan.Plan)) string {
		p := sample(t)
		change(p)
		return string(mustEncode(t, p))
	}
	for _, c := range []struct{ name, text, code string }{
		{"empty", "", "plan.not-a-plan"},
		{"not JSON", "hello", "plan.not-a-plan"},
		{"an array", "[1]", "plan.not-a-plan"},
		{"other JSON", `{"a":1}`, "plan.not-a-plan"},
		{"an instance", `{"format":"partita.instance/1"}`, "plan.not-a-plan"},
		{"newer", replace(`"partita.plan/1"`, `"partita.plan/2"`), "plan.unknown-version"},
		{"newer field", replace(`"platform":`, `"colour":"blue","platform":`), "plan.unknown-version"},
		{"changed cost", replace(`"costPicoUSD":3199957`, `"costPicoUSD":3199958`), "plan.hash-mismatch"},
		{"no hash", replace(`"hash":"`+sampleHash(t)+`",`, ``), "plan.hash-mismatch"},
		{"wrong type", replace(`"latencyUs":132367`, `"latencyUs":"soon"`), "plan.invalid"},
		{"fraction", replace(`"latencyUs":132367`, `"latencyUs":1.5`), "plan.invalid"},
		{"text after it", good + "{}", "plan.not-a-plan"},
		{"stages apart", seal(func(p *plan.Plan) { p.Stages[1].FirstLayer = 5 }), "plan.invalid"},
		{"stages backwards", seal(func(p *plan.Plan) { p.Stages[1].LastLayer = 3 }), "plan.invalid"},
		{"no stages", seal(func(p *plan.Plan) { p.Stages = nil }), "plan.invalid"},
		{"memory of zero", seal(func(p *plan.Plan) { p.Stages[0].MemoryMB = 0 }), "plan.invalid"},
		{"unknown status", seal(func(p *plan.Plan) { p.Status = "fine" }), "plan.invalid"},
		{"infeasible without reason", seal(func(p *plan.Plan) { p.Status, p.Stages = plan.Infeasible, nil }), "plan.invalid"},
		{"another architecture", seal(func(p *plan.Plan) { p.Model.Digest = plan.Digest(nil) }), "plan.bad-architecture"},
		{"architecture cut off", seal(func(p *plan.Plan) { p.Model.Architecture.Deflate = p.Model.Architecture.Deflate[:16] }), "plan.bad-architecture"},
	} {
		_, err := plan.Decode([]byte(c.text))
		if got := diag.CodeOf(err); got != c.code {
			t.Errorf("%s: %v, want code %s", c.name, err, c.code)
		}
		if e := diag.As(err); e == nil || e.Fix == "" || e.Found == "" {
			t.Errorf("%s: %v does not say what was found and what to do", c.name, err)
		}
	}
}

func sampleHash(t *testing.T) string {
	p := sample(t)
	mustEncode(t, p)
	return p.Hash
}

func TestBombsAreRefused(t *testing.T) {
	packed, err := plan.PackArchitecture("keras-json", make([]byte, plan.MaxArchitectureBytes))
	if err != nil {
		t.Fatal(err)
	}
	if len(packed.Deflate) > 1<<20 {
		t.Fatalf("a bomb of %d bytes is none", len(packed.Deflate))
	}
	if _, err := plan.PackArchitecture("keras-json", make([]byte, plan.MaxArchitectureBytes+1)); diag.CodeOf(err) != "plan.architecture-too-large" {
		t.Errorf("too large an architecture: %v", err)
	}
	if _, err := plan.Decode(make([]byte, plan.MaxDocumentBytes+1)); diag.CodeOf(err) != "plan.too-large" {
		t.Errorf("too large a document: %v", err)
	}
	if _, err := plan.DecodeLink(strings.Repeat("1", plan.MaxLinkBytes+1)); diag.CodeOf(err) != "plan.link-too-long" {
		t.Errorf("too long a link: %v", err)
	}
	deep := strings.Repeat(`{"format":`, 20000)
	if _, err := plan.Decode([]byte(deep)); diag.CodeOf(err) != "plan.not-a-plan" {
		t.Errorf("a deep document: %v", err)
	}
}

func TestLink(t *testing.T) {
	p := sample(t)
	link, err := p.EncodeLink()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(link, "1.") || strings.ContainsAny(link, "+/=& #?") {
		t.Errorf("link %q", link)
	}
	q, err := plan.DecodeLink(link)
	if err != nil || q.Hash != p.Hash || q.Hash == "" {
		t.Fatalf("the link opens to %v, %v", q, err)
	}
	for _, c := range []struct{ name, link, code string }{
		{"empty", "", "plan.bad-link"},
		{"no version", link[1:], "plan.bad-link"},
		{"newer", "2" + link[1:], "plan.unknown-version"},
		{"cut off", link[:len(link)-9], "plan.bad-link"},
		{"padded", link + "=", "plan.bad-link"},
		{"other text", "hello.world", "plan.bad-link"},
		{"no plan inside", "1.AwA", "plan.not-a-plan"},
	} {
		if _, err := plan.DecodeLink(c.link); diag.CodeOf(err) != c.code {
			t.Errorf("%s: %v, want code %s", c.name, err, c.code)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(mustEncode(f, sample(f)))
	f.Add([]byte(`{"format":"partita.plan/1"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := plan.Decode(data)
		if err != nil {
			if diag.As(err) == nil {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		hash := p.Hash
		if _, err := p.Encode(); err != nil || p.Hash != hash {
			t.Fatalf("hash %s becomes %s, %v", hash, p.Hash, err)
		}
	})
}

func FuzzDecodeLink(f *testing.F) {
	link, err := sample(f).EncodeLink()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(link)
	f.Add("1.AwA")
	f.Fuzz(func(t *testing.T, link string) {
		p, err := plan.DecodeLink(link)
		if err != nil {
			if diag.As(err) == nil {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		again, err := p.EncodeLink()
		if err != nil {
			t.Fatal(err)
		}
		q, err := plan.DecodeLink(again)
		if err != nil || q.Hash != p.Hash {
			t.Fatalf("hash %s becomes %v, %v", p.Hash, q, err)
		}
	})
}
