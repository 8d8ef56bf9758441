package split

import (
	"testing"

	"partita/internal/models"
	"partita/planner/cost"
	"partita/planner/plan"
	"partita/planner/platform"
	"partita/planner/precision"
	"partita/planner/rewrite"
	"partita/planner/solve"
	"partita/runtime/wire"
)

// What a plan says of a stage's weights, package and fetches is what its packages then are: in every precision, whole and in
// parts. Folding makes packages a little smaller than planned, never larger.
func TestSizesArePlanned(t *testing.T) {
	p, err := platform.Get("aws-lambda-x86_64")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name  string
		split []rewrite.Split
	}{{"MobileNetV2", nil}, {"ResNet50", nil}, {"DenseNet121", nil}, {"VGG16", []rewrite.Split{{Layer: "fc1", Parts: 3}}}} {
		m := models.Zoo(t, c.name)
		g, err := rewrite.Apply(m.Graph, c.split)
		if err != nil {
			t.Fatal(err)
		}
		var variants []cost.Variant
		for _, w := range precision.All {
			variants = append(variants, cost.Variant{Packaging: plan.PackagingZip, Precision: w}, cost.Variant{Packaging: plan.PackagingS3, Precision: w})
		}
		table, err := cost.NewTable(g, p, cost.Settings{Scenario: solve.ColdSequential, MinStages: 1, MaxStages: 4, Batch: 1, GatewayMemoryMB: 512, Variants: variants, Transport: cost.S3})
		if err != nil {
			t.Fatal(err)
		}
		nodes := table.Problem().Nodes
		at := []int{0, len(nodes) / 3, 2 * len(nodes) / 3, len(nodes) - 1}
		for v, variant := range variants {
			if variant.Packaging == plan.PackagingS3 {
				continue
			}
			stages, err := Stages(g, []int{nodes[at[1]].Cut, nodes[at[2]].Cut}, "test", variant.Precision, variant.Precision, variant.Precision)
			if err != nil {
				t.Fatal(err)
			}
			for k, s := range stages {
				planned := table.StageAs(v, at[k], at[k+1], 10240)
				fetched := table.StageAs(v+1, at[k], at[k+1], 10240)
				if got, want := s.WeightBytes(), planned.WeightBytes; got > want || got < want-want/20-1<<16 {
					t.Errorf("%s, %s, stage %d: %d bytes of weights, planned %d", c.name, variant.Precision, k+1, got, want)
				}
				inside := planned.PackageBytes - p.LibraryBytes - p.BootstrapBytes
				if got := s.WeightsFileBytes(); got > inside || got < inside-inside/20-4<<20 {
					t.Errorf("%s, %s, stage %d: a file of %d bytes, planned %d", c.name, variant.Precision, k+1, got, inside)
				}
				ranges := (fetched.FeesPicoUSD - planned.FeesPicoUSD) / p.ObjectGetPicoUSD
				part := wire.WeightsPartBytes(s.WeightsFileBytes())
				if got := (s.WeightsFileBytes() + part - 1) / part; got != ranges && got != ranges-1 {
					t.Errorf("%s, %s, stage %d: fetched in %d ranges, planned %d", c.name, variant.Precision, k+1, got, ranges)
				}
			}
		}
	}
	if wire.MaxWeightsParts != cost.MaxFetchParts || wire.MinWeightsPart != cost.MinFetchPartSize {
		t.Error("functions fetch in other parts than plans count")
	}
}
