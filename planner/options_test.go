package planner

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"partita/planner/diag"
)

func TestDefaultsPrintAsTheTableSays(t *testing.T) {
	r := DefaultRequest()
	names, keys := map[string]bool{}, map[string]bool{}
	for _, o := range Options() {
		if got := o.Print(r); got != o.Default {
			t.Errorf("%s: the default prints as %q, the table says %q", o.Name, got, o.Default)
		}
		if names[o.Name] || keys[o.Key] || o.Help == "" || strings.HasSuffix(o.Help, ".") {
			t.Errorf("%s: name, key %q or help %q", o.Name, o.Key, o.Help)
		}
		names[o.Name], keys[o.Key] = true, true
	}
	if r.Query() != "" {
		t.Errorf("the default request has the query %q", r.Query())
	}
	if _, err := r.check(); err != nil {
		t.Errorf("the default request: %v", err)
	}
}

func TestOptionsParse(t *testing.T) {
	for _, c := range []struct{ option, text, printed string }{
		{"slo", "2s", "2s"}, {"slo", "500ms", "500ms"}, {"slo", "1m30s", "90s"}, {"slo", "1500ms", "1.5s"}, {"slo", "750us", "750us"},
		{"slo", "none", "none"}, {"slo", " 1.25s ", "1.25s"}, {"slo", "1.234567s", "1.234567s"},
		{"budget", "0.0001", "0.0001"}, {"budget", "$1", "1"}, {"budget", "none", "none"}, {"budget", "0.000000000001", "0.000000000001"},
		{"memory", "512,1024", "512,1024"}, {"memory", "1024, 512,512", "512,1024"}, {"memory", "128-3008/64", "128-3008/64"},
		{"memory", "128-320/64,512", "128-320/64,512"}, {"memory", "128,192,256,320", "128-320/64"}, {"memory", "grid", "grid"}, {"memory", "128-129/1", "128,129"},
		{"min-stages", "3", "3"}, {"max-stages", "1000", "1000"}, {"batch", "16", "16"}, {"batch", "auto", "auto"}, {"inputs", "100", "100"}, {"inputs", "1", "1"}, {"pipelines", "5", "5"}, {"pipelines", "auto", "auto"}, {"layer-cap", "even", "even"}, {"platform", "local", "local"}, {"region", "eu-south-1", "eu-south-1"}, {"region", "default", "default"},
		{"scenario", "warm", "warm"}, {"objective", "latency", "latency"}, {"transport", "s3", "s3"}, {"transport", "auto", "auto"},
		{"rate", "2.5/s", "2.5/s"}, {"rate", "100/h", "100/h"}, {"rate", "30/m", "1800/h"}, {"rate", "2/m", "120/h"}, {"rate", "none", "none"}, {"rate", "0.5/d", "0.020833/h"},
		{"idle", "10m", "600s"}, {"idle", "default", "default"}, {"cut", "3, conv2/relu,3", "3,conv2/relu"}, {"cut", "none", "none"},
		{"no-cut", "10,20..30", "10,20..30"}, {"stage-memory", "1..52=1024,fc1=2048", "1..52=1024,fc1=2048"}, {"stage-memory", "a=b..c=512", "a=b..c=512"},
		{"stage-memory", "a b&c=d%+#=512", "a b&c=d%+#=512"}, {"cut", "größe", "größe"}, {"layer-cap", "7", "7"}, {"layer-cap", "none", "none"},
		{"stage-precision", "fc1=int8, 1..52=float16", "fc1=int8,1..52=float16"}, {"stage-precision", "3=float32", "3=float32"}, {"stage-precision", "none", "none"},
		{"gateway-memory", "256", "256"}, {"gateway-memory", "auto", "auto"}, {"picture", "12", "12"}, {"picture", "0.30", "0.3"}, {"picture", "usual", "usual"}, {"gateway-memory", "default", "default"},
	} {
		r := request(t, c.option+"="+c.text)
		o, _ := OptionNamed(c.option)
		if got := o.Print(r); got != c.printed {
			t.Errorf("%s %q prints as %q, want %q", c.option, c.text, got, c.printed)
		}
		back, err := ParseQuery(r.Query())
		if err != nil || !reflect.DeepEqual(back, r) {
			t.Errorf("%s %q: the query %q reads as %+v, %v", c.option, c.text, r.Query(), back, err)
		}
	}
}

func TestOptionsRefuse(t *testing.T) {
	for _, c := range []struct{ option, text, says string }{
		{"slo", "-2s", "negative"}, {"slo", "2", "no duration"}, {"slo", "", "no duration"}, {"slo", "1ns", "less than a microsecond"},
		{"slo", "0s", "less than a microsecond"}, {"slo", "25h", "more than a day"},
		{"budget", "-1", "not a decimal"}, {"budget", "0", "nothing is free"}, {"budget", "0.0000000000001", "12 decimals"},
		{"memory", "512,", "no whole number"}, {"memory", "big", "no whole number"}, {"memory", "1024-512/64", "FROM-TO/STEP"}, {"memory", "128-512", "FROM-TO/STEP"},
		{"memory", "0", "between 1"}, {"memory", "99999999", "between 1"}, {"memory", strings.Repeat("1-32768/1,", 2) + "1", "more than"},
		{"min-stages", "0", "between 1"}, {"max-stages", "1001", "between 1"}, {"batch", "x", "no whole number"}, {"batch", "0", "between 1"}, {"inputs", "0", "between 1"}, {"inputs", "5000", "between 1"}, {"pipelines", "1000", "between 1"},
		{"platform", "moon", "aws-lambda-2020"}, {"platform", "aws-lambda-x86_64@eu-west-1", "region eu-west-1"}, {"region", "mars", "af-south-1"}, {"scenario", "hot", "cold-overlapped"}, {"objective", "fun", "latency"}, {"transport", "", "inline"},
		{"gateway-memory", "-1", "between 1"}, {"picture", "0", "a pixel at least"}, {"picture", "300", "no picture of more than"}, {"picture", "large", "not a decimal"},
		{"rate", "5", "no unit"}, {"rate", "-1/s", "not a decimal"}, {"rate", "0/h", "it is nothing"}, {"idle", "-1s", "negative"}, {"idle", "soon", "no duration"},
		{"cut", "a,,b", "no name"}, {"cut", "", "no name"}, {"cut", strings.Repeat("a", 70000), "too long"}, {"no-cut", strings.Repeat("a", 70000), "too long"},
		{"stage-memory", "1..52", "LAYER=MB"}, {"stage-memory", "=512", "LAYER=MB"}, {"stage-memory", "..5=512", "FROM..TO"}, {"stage-memory", "fc1=much", "no whole number"},
		{"stage-memory", "fc1=0", "between 1"}, {"stage-precision", "fc1", "LAYER=PRECISION"}, {"stage-precision", "fc1=int4", "float32, float16 and int8"}, {"stage-precision", "fc1=", "float32, float16 and int8"},
		{"layer-cap", "0", "between 1"}, {"layer-cap", "few", "no whole number"},
	} {
		before := DefaultRequest()
		r := before
		o, _ := OptionNamed(c.option)
		err := o.Parse(&r, c.text)
		if e := diag.As(err); e == nil || e.Kind != diag.Usage || e.Fix == "" || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s %q: %v, want a usage error saying %q", c.option, c.text, err, c.says)
		}
		if !reflect.DeepEqual(r, before) {
			t.Errorf("%s %q: the request changed although it was refused", c.option, c.text)
		}
	}
}

func TestQuery(t *testing.T) {
	r := request(t, "slo=500ms", "platform=local", "memory=512,1024", "max-stages=8")
	if got := r.Query(); got != "slo=500ms&on=local&max=8&mb=512,1024" {
		t.Errorf("query %q", got)
	}
	back, err := ParseQuery("?slo=500ms&on=local&max=8&mb=512%2C1024")
	if err != nil || !reflect.DeepEqual(back, r) {
		t.Errorf("percent-encoded: %+v, %v", back, err)
	}
	for _, bad := range []string{"speed=1", "slo=%zz", "slo=%2", "slo=-1s", "=", strings.Repeat("slo=1s&", 20000)} {
		if _, err := ParseQuery(bad); diag.ExitCode(err) != 2 {
			t.Errorf("%.40q: %v", bad, err)
		}
	}
}

// Whatever request can be made by options survives its query.
func TestQueryRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 1))
	for range 300 {
		r := DefaultRequest()
		r.SLOUs = rng.Int64N(1 << rng.IntN(36))
		r.BudgetPicoUSD = rng.Int64N(1 << rng.IntN(40))
		r.MinStages = 1 + rng.IntN(5)
		r.MaxStages = r.MinStages + rng.IntN(5)
		for m := int64(100); rng.IntN(10) > 0; m += 1 + rng.Int64N(3) {
			r.MemoryMB = append(r.MemoryMB, m)
		}
		back, err := ParseQuery(r.Query())
		if err != nil || !reflect.DeepEqual(back, r) {
			t.Fatalf("%+v\nquery %s\nreads as %+v, %v", r, r.Query(), back, err)
		}
	}
}

func FuzzParseQuery(f *testing.F) {
	f.Add("slo=2s&on=local&mb=128-3008/64,3008")
	f.Add("slo=%32s&budget=0.5&via=s3")
	f.Fuzz(func(t *testing.T, query string) {
		r, err := ParseQuery(query)
		if err != nil {
			if diag.As(err) == nil {
				t.Fatalf("an error without a code: %v", err)
			}
			return
		}
		back, err := ParseQuery(r.Query())
		if err != nil || !reflect.DeepEqual(back, r) {
			t.Fatalf("%q reads as %+v, its query %q as %+v, %v", query, r, r.Query(), back, err)
		}
	})
}

func TestParseRate(t *testing.T) {
	for text, want := range map[string]int64{"100/h": 100_000_000, "2.5/s": 9_000_000_000, "30/m": 1_800_000_000, "1000/d": 41_666_666, "1000000/s": MaxMicroRequestsPH} {
		if got, err := ParseRate(text); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "5", "/h", "0/h", "-1/h", "1/y", "0.0000001/h", "1000001/s", "999999999999999/s", "9999999999999999999999/h"} {
		if _, err := ParseRate(text); diag.CodeOf(err) != "planner.bad-rate" {
			t.Errorf("%q: %v", text, err)
		}
	}
}
