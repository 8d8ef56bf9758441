package rivals

import (
	"strings"
	"testing"

	"partita/internal/models"
	"partita/planner"
	"partita/planner/plan"
)

// A hundred images and MobileNet, as the slides of AMPS-Inf have them: ten batches, one after another. Hosts that are metered get
// the passes that the plan has. One function sends its inputs in the way that is best for it.
func TestComparisonOfSeveralInputs(t *testing.T) {
	m := models.Zoo(t, "MobileNet")
	one, err := PublishedPlan(m.Graph, 10, 10)
	if err != nil {
		t.Fatal(err)
	}
	hundred, err := PublishedPlan(m.Graph, 10, 100)
	if err != nil || hundred.Status != plan.Feasible || len(hundred.Stages) == 0 {
		t.Fatalf("%+v, %v", hundred, err)
	}
	// Ten inputs go one by one, so they cost ten times one; a hundred go in tens, which take less than ten times ten singles.
	single, err := PublishedPlan(m.Graph, 10, 1)
	if err != nil || one.CostPicoUSD != 10*single.CostPicoUSD || one.LatencyUs != 10*single.LatencyUs {
		t.Errorf("ten cost %d, one %d", one.CostPicoUSD, single.CostPicoUSD)
	}
	if hundred.CostPicoUSD <= one.CostPicoUSD || hundred.CostPicoUSD >= 100*single.CostPicoUSD {
		t.Errorf("a hundred cost %d, ten %d, one %d", hundred.CostPicoUSD, one.CostPicoUSD, single.CostPicoUSD)
	}
	r := planner.DefaultRequest()
	r.Inputs, r.Scenario = 100, "cold-sequential"
	p, err := planner.Make(m, r)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Compare(p, 1_000_000)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]Rival{}
	for _, x := range c.Rivals {
		seen[x.Name] = x
	}
	if x := seen[Published]; !strings.HasSuffix(x.Basis, "; inputs in ten batches, one after another") || x.CostPicoUSD != hundred.CostPicoUSD || x.CostPicoUSD <= p.CostPicoUSD {
		t.Errorf("AMPS-Inf costs %d for a hundred, the plan %d", x.CostPicoUSD, p.CostPicoUSD)
	}
	if x := seen[planner.OneFunction]; x.Status != plan.Feasible || x.CostPicoUSD < p.CostPicoUSD {
		t.Errorf("one function costs %d, the plan %d", x.CostPicoUSD, p.CostPicoUSD)
	}
	t.Logf("a hundred images: plan %d in %+v, AMPS-Inf %d in %d us against %d", p.CostPicoUSD, p.Batching, hundred.CostPicoUSD, hundred.LatencyUs, p.LatencyUs)
}
