package rivals

import (
	"testing"

	"partita/internal/models"
	"partita/planner"
	"partita/planner/cost"
	"partita/planner/plan"
	"partita/planner/report"
	"partita/planner/solve"
)

func problemOf(t testing.TB, model string, change func(*planner.Request)) (*planner.Problem, *plan.Plan) {
	t.Helper()
	m := models.Zoo(t, model)
	r := planner.DefaultRequest()
	change(&r)
	p, err := planner.New(m, r)
	if err != nil {
		t.Fatal(err)
	}
	document, err := p.Plan()
	if err != nil {
		t.Fatal(err)
	}
	return p, document
}

// A timeline of the plan's own start takes and costs what the plan says, whatever else is asked.
func TestTimelinesAgreeWithThePlan(t *testing.T) {
	for _, query := range []string{"", "min=3", "start=warm&min=3", "start=cold-sequential&min=2", "by=step-functions&min=2", "fork=all&max=6", "w=auto&pack=s3", "batch=8", "start=warm&by=step-functions&min=2",
		"start=cold-sequential&fork=all&w=auto", "gmb=512&via=s3&min=2", "n=20&min=2", "n=20&batch=4&start=warm", "n=20&batch=4&c=2", "pack=image&min=2"} {
		asked, err := planner.ParseQuery(query)
		if err != nil {
			t.Fatal(err)
		}
		p, document := problemOf(t, "InceptionV3", func(r *planner.Request) { *r = asked })
		if len(document.Stages) == 0 {
			t.Fatalf("%q: %s", query, document.Reason)
		}
		cold, warm := p.Timelines(document)
		own := cold
		if asked.Scenario == string(solve.Warm) {
			own = warm
		}
		if own.LatencyUs != document.LatencyUs || own.CostPicoUSD != document.CostPicoUSD {
			t.Errorf("%q: the timeline takes %d µs and %d, the plan %d and %d", query, own.LatencyUs, own.CostPicoUSD, document.LatencyUs, document.CostPicoUSD)
		}
		if cold.LatencyUs <= warm.LatencyUs || len(cold.Spans) != len(document.Stages) || len(warm.Spans) != len(document.Stages) {
			t.Errorf("%q: cold takes %d µs, warm %d", query, cold.LatencyUs, warm.LatencyUs)
		}
		for name, line := range map[string]report.Timeline{"cold": cold, "warm": warm} {
			for i := range line.Spans {
				if s := &line.Spans[i]; s.WakeUs > s.ReadyUs || s.ReadyUs > s.CallUs || s.EndUs() > line.LatencyUs {
					t.Errorf("%q, %s: function %d is at %+v of %d", query, name, i+1, s, line.LatencyUs)
				}
			}
		}
	}
}

// At the rate that a plan was made for, a month costs what the comparison at that rate says; hosts too.
func TestMonthsAgreeWithTheComparison(t *testing.T) {
	const rate = 20_000_000
	p, document := problemOf(t, "ResNet50", func(r *planner.Request) { r.MicroRequestsPH = rate })
	m, err := Months(p, document)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Compare(document, rate)
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]int64{"this plan": c.MonthMicroUSD}
	for _, r := range c.Rivals {
		known[r.Name] = r.MonthMicroUSD
	}
	if len(m.Ways) != 7 {
		t.Errorf("%d ways", len(m.Ways))
	}
	for w := range m.Ways {
		got, ok := m.At(w, rate)
		if want := known[m.Ways[w].Name]; !ok || got < want-want/5000 || got > want+want/5000 { // the plan's own cost is rounded in its parts
			t.Errorf("%s costs %d a month, %v; compared, %d", m.Ways[w].Name, got, ok, want)
		}
		if between, ok := m.At(w, rate+rate/8); !ok || between < got {
			t.Errorf("%s costs %d a month at a higher rate", m.Ways[w].Name, between)
		}
	}
	if _, ok := m.At(0, 1); ok {
		t.Error("a rate that is not covered has a cost")
	}
}

// Where lines cross, one way becomes cheaper than the plan and stays so up to the next crossing.
func TestCrossings(t *testing.T) {
	p, document := problemOf(t, "ResNet50", func(r *planner.Request) { r.MinStages = 2 })
	m, err := Months(p, document)
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Crossings) < 4 {
		t.Fatalf("crossings: %+v", m.Crossings)
	}
	cold, warm := p.Timelines(document)
	month := func(rate int64) int64 {
		a := cost.Arrivals{ColdPpm: cost.ColdPpm(rate, p.IdleUs())}
		return monthMicroUSD(a.Mix(cold.CostPicoUSD, warm.CostPicoUSD), rate)
	}
	for _, c := range m.Crossings {
		w := m.Ways[c.Way]
		for i, rate := range m.MicroRequestsPH {
			if rate != m.MicroRequestsPH[0] && rate >= c.MicroRequestsPH && m.MicroRequestsPH[i-1] < c.MicroRequestsPH {
				if got := w.MonthMicroUSD[i] < month(rate); got != c.Cheaper {
					t.Errorf("%s is cheaper at %d: %v, said to be %v from %d on", w.Name, rate, got, c.Cheaper, c.MicroRequestsPH)
				}
			}
		}
		if w.MonthMicroUSD[0] == w.MonthMicroUSD[1] { // paid by the hour: the rate itself can be checked
			if !(month(c.MicroRequestsPH) > w.MonthMicroUSD[0]) || month(c.MicroRequestsPH-1) > w.MonthMicroUSD[0] {
				t.Errorf("%s breaks even at %d: there %d, before %d, against %d", w.Name, c.MicroRequestsPH, month(c.MicroRequestsPH), month(c.MicroRequestsPH-1), w.MonthMicroUSD[0])
			}
		}
	}
}

func TestMonthsOfNoPlan(t *testing.T) {
	p, document := problemOf(t, "ResNet50", func(r *planner.Request) { r.SLOUs = 1 })
	m, err := Months(p, document)
	if err != nil || len(m.Ways) > 0 {
		t.Errorf("%+v, %v", m, err)
	}
}

func BenchmarkMonths(b *testing.B) {
	for _, model := range []string{"ResNet50", "NASNetLarge"} {
		p, document := problemOf(b, model, func(*planner.Request) {})
		b.Run(model, func(b *testing.B) {
			for b.Loop() {
				if _, err := Months(p, document); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
