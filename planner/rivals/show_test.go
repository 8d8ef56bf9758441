package rivals_test

import (
	"strings"
	"testing"

	"partita/internal/models"
	"partita/planner"
	"partita/planner/describe"
	"partita/planner/rivals"
)

// A comparison of ResNet50 shows the slides' four rows as printed beside ours, each marked by its status and its note; other models have
// none.
func TestComparisonShowsTheSlides(t *testing.T) {
	show := func(name string) (*rivals.Comparison, string) {
		m := models.Zoo(t, name)
		r := planner.DefaultRequest()
		r.MemoryMB, r.MaxStages = []int64{1024, 2048}, 4
		p, err := planner.Make(m, r)
		if err != nil {
			t.Fatal(err)
		}
		c, err := rivals.Compare(p, 100_000_000)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		if err := describe.Comparison(&text, c); err != nil {
			t.Fatal(err)
		}
		return c, text.String()
	}
	c, text := show("ResNet50")
	printed := map[[2]int64]bool{{47_078_000, 1_700_000_000}: true, {21_799_000, 1_100_000_000}: true, {33_346_000, 14_000_000_000}: true, {484_509_000, 56_000_000_000}: true}
	ours := false
	for _, r := range c.Rivals {
		if r.Name == rivals.Published && r.Status == "feasible" {
			ours = true
		}
		if r.Status == "published" {
			if !printed[[2]int64{r.LatencyUs, r.CostPicoUSD}] || !strings.Contains(r.Basis, "does not follow") || r.BreakEvenMicroRequestsPH != 0 {
				t.Errorf("%+v", r)
			}
			delete(printed, [2]int64{r.LatencyUs, r.CostPicoUSD})
		}
	}
	if len(printed) != 0 || !ours {
		t.Errorf("not shown: %v; ours: %v", printed, ours)
	}
	if !strings.Contains(text, "does not follow from the prices of the time") || strings.Count(text, "slides: ") != 4 {
		t.Errorf("the text does not mark them:\n%s", text)
	}
	if c, _ := show("MobileNet"); c.Rivals[len(c.Rivals)-1].Status == "published" {
		t.Errorf("%+v", c.Rivals)
	}
}
