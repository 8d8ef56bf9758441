package cost_test

import (
	"math/rand/v2"
	"testing"

	"partita/planner/cost"
	"partita/planner/plan"
	"partita/planner/precision"
	"partita/planner/solve"
)

var everyVariant = []cost.Variant{
	cost.Plain, {Packaging: plan.PackagingS3, Precision: precision.Float32},
	{Packaging: plan.PackagingZip, Precision: precision.Float16}, {Packaging: plan.PackagingS3, Precision: precision.Float16},
	{Packaging: plan.PackagingZip, Precision: precision.Int8}, {Packaging: plan.PackagingS3, Precision: precision.Int8},
	{Packaging: plan.PackagingImage, Precision: precision.Float32}, {Packaging: plan.PackagingImage, Precision: precision.Float16},
	{Packaging: plan.PackagingImage, Precision: precision.Int8},
}

// Every stage that the problem states, in any variant, is accounted for to the pico-dollar; and what it leaves out is impossible
// or no better than a variant that it has.
func TestVariantsAgreeWithStage(t *testing.T) {
	rng := rand.New(rand.NewPCG(21, 22))
	seen := map[cost.Variant]int{}
	for round := range 60 {
		g := randomGraph(rng)
		p := mustPlatform(t, []string{"aws-lambda-x86_64", "aws-lambda-arm64", "aws-lambda-2020", "local"}[round%4])
		var variants []cost.Variant
		for _, v := range everyVariant {
			if rng.IntN(2) == 0 || v == everyVariant[round%len(everyVariant)] {
				variants = append(variants, v)
			}
		}
		settings := cost.Settings{Scenario: scenarios[round/4%3], Batch: 1 + rng.Int64N(8), MinStages: 1, MaxStages: 4, Variants: variants, MemoryMB: []int64{128, 256, 320, 512, 1024, 1792, 3008}}
		if round%5 == 0 {
			settings.Arrivals = &cost.Arrivals{ColdPpm: rng.Int64N(1_000_001)}
		}
		table := mustTable(t, g, p, settings)
		problem := table.Problem()
		type pair struct{ i, j int }
		listed := map[pair][]solve.Option{}
		for k := range problem.Stages {
			s := &problem.Stages[k]
			seen[variants[s.Variant]]++
			for size := int(s.Low); size < int(s.High); size++ {
				got := problem.Option(k, size)
				account := table.StageAs(int(s.Variant), int(s.I), int(s.J), got.MemoryMB)
				if account.Option() != got || account.Variant != variants[s.Variant] {
					t.Fatalf("round %d: nodes %d-%d, %+v at %d MB: the problem has %+v, the account %+v", round, s.I, s.J, variants[s.Variant], got.MemoryMB, got, account)
				}
				listed[pair{int(s.I), int(s.J)}] = append(listed[pair{int(s.I), int(s.J)}], got)
			}
		}
		for i := range problem.Nodes {
			for j := i + 1; j < len(problem.Nodes); j++ {
				if problem.Nodes[i].Cut == problem.Nodes[j].Cut {
					continue
				}
				for v, variant := range variants {
					if variant.Packaging == plan.PackagingImage && p.ImageLimitBytes == 0 {
						continue
					}
					for _, m := range settings.MemoryMB {
						a := table.StageAs(v, i, j, m)
						if variant.Packaging == plan.PackagingS3 && a.WeightBytes > p.TemporaryMB<<20-32<<20 || !fits(p, a) {
							continue
						}
						o := a.Option()
						if settings.Scenario == solve.Warm {
							o.InitUs = 0
						}
						found := false
						for _, b := range listed[pair{i, j}] {
							found = found || b.InitUs <= o.InitUs && b.RunUs <= o.RunUs && b.CostPicoUSD <= o.CostPicoUSD
						}
						if !found {
							t.Fatalf("round %d: nodes %d-%d, %+v at %d MB fits and is left out: %+v", round, i, j, variant, m, o)
						}
					}
				}
			}
		}
	}
	for _, v := range everyVariant {
		if seen[v] == 0 {
			t.Errorf("%+v was never worth considering", v)
		}
	}
}

// The law of weights that are fetched and of those stored in less, worked out by hand.
func TestVariantsByHand(t *testing.T) {
	b := newBuilder(256, 8)
	b.conv("conv", "conv/kernel", 256) // 256 x 256 x 3 x 3 float32
	b.dense("dense", 100)              // 16,384 x 100 float32, more than precision.MatMulMinimum elements
	g := b.done()
	p := mustPlatform(t, "aws-lambda-x86_64")
	table := mustTable(t, g, p, cost.Settings{Scenario: solve.ColdSequential, Variants: everyVariant})
	const conv, dense = 256 * 256 * 9, 16384 * 100
	const library = 35_164_376 + 16_000_000
	page := func(n int64) int64 { return (n + 4095) / 4096 * 4096 }
	up := func(n, by int64) int64 { return (n + by - 1) / by }
	for v, c := range []struct {
		weights, apart, loaded, widened, copies int64
	}{
		{4 * (conv + dense), page(4*conv) + page(4*dense), 4 * (conv + dense), 0, 2 * 4 * (conv + dense)},
		{},
		{2 * (conv + dense), page(2*conv) + page(2*dense), 4 * (conv + dense), 4 * (conv + dense), 3 * 4 * (conv + dense)},
		{},
		{conv + 4*256 + dense + 4*100, page(conv) + page(4*256) + page(dense) + page(4*100), 4 * conv, 4 * conv, 3*4*conv + up(dense*1200, 1000)},
		{},
	} {
		if v%2 == 1 {
			continue
		}
		image := table.StageAs(6+v/2, 0, len(mustInstance(t, table).Nodes)-1, 1024)
		zip, fetched := table.StageAs(v, 0, len(mustInstance(t, table).Nodes)-1, 1024), table.StageAs(v+1, 0, len(mustInstance(t, table).Nodes)-1, 1024)
		if zip.WeightBytes != c.weights || fetched.WeightBytes != c.weights {
			t.Errorf("%+v: %d bytes of weights, fetched %d, want %d", everyVariant[v], zip.WeightBytes, fetched.WeightBytes, c.weights)
		}
		if zip.PackageBytes != c.apart+library || fetched.PackageBytes != library {
			t.Errorf("%+v: packages of %d and %d bytes, want %d and %d", everyVariant[v], zip.PackageBytes, fetched.PackageBytes, c.apart+library, library)
		}
		// 111 ms, 18,200 ps/B of the package, 850 ps/B of what is widened; and where it is fetched one or two ranges of at
		// least 8 MiB at 90 MB/s each behind 27 ms, and 1,660 ps/B of what is loaded.
		init := 111_000 + up((c.apart+library)*18_200, 1e6) + up(c.widened*850, 1e6)
		if zip.InitUs != init {
			t.Errorf("%+v starts in %d us, want %d", everyVariant[v], zip.InitUs, init)
		}
		// An image: 361 ms and 2,800 ps/B of the same bytes, no fee, and no more memory.
		if init := 361_000 + up((c.apart+library)*2800, 1e6) + up(c.widened*850, 1e6); image.InitUs != init {
			t.Errorf("%+v starts in %d us, want %d", everyVariant[6+v/2], image.InitUs, init)
		}
		if image.PackageBytes != zip.PackageBytes || image.FeesPicoUSD != zip.FeesPicoUSD || image.MemoryNeededMB != zip.MemoryNeededMB || image.WeightBytes != c.weights {
			t.Errorf("%+v: %+v, and as a zip %+v", everyVariant[6+v/2], image, zip)
		}
		ranges := up(c.apart, 8<<20)
		init = 111_000 + up(library*18_200, 1e6) + 27_000 + up(c.apart*1e6, ranges*90_000_000) + up(c.loaded*1660+c.widened*850, 1e6)
		if fetched.InitUs != init {
			t.Errorf("%+v, fetched, starts in %d us, want %d", everyVariant[v], fetched.InitUs, init)
		}
		if fees := fetched.FeesPicoUSD - zip.FeesPicoUSD; fees != ranges*p.ObjectGetPicoUSD {
			t.Errorf("%+v: fetching costs %d pico-USD, want %d ranges", everyVariant[v], fees, ranges)
		}
		if zip.MemoryNeededMB != fetched.MemoryNeededMB || zip.MemoryNeededMB < 64+c.copies>>20 || zip.MemoryNeededMB > 66+c.copies>>20 {
			t.Errorf("%+v needs %d and %d MB, want about %d", everyVariant[v], zip.MemoryNeededMB, fetched.MemoryNeededMB, 64+c.copies>>20)
		}
	}
}

// Weights that no package holds can be fetched, and those that no temporary folder holds, or none that is included in the price,
// cannot.
func TestFetchedWeightsLiftThePackageLimit(t *testing.T) {
	for _, c := range []struct {
		units    int64
		included bool
		zip      bool
		s3       bool
	}{{500, true, true, true}, {1500, true, false, true}, {2000, true, false, false}, {2000, false, false, true}, {40_000, false, false, false}} {
		b := newBuilder(3, 64)
		b.conv("conv", "conv/kernel", 16)
		b.dense("dense", c.units) // 65,536 x units float32
		g := b.done()
		for k, variants := range [][]cost.Variant{{cost.Plain}, {{Packaging: plan.PackagingS3, Precision: precision.Float32}}} {
			table := mustTable(t, g, mustPlatform(t, "aws-lambda-x86_64"), cost.Settings{Variants: append(variants[:0:0], variants...), IncludedTemporary: c.included})
			if got, want := len(table.Obstacles()) == 0, []bool{c.zip, c.s3}[k]; got != want {
				t.Errorf("%d units in %s: %v", c.units, variants[0].Packaging, table.Obstacles())
			}
		}
		both := mustTable(t, g, mustPlatform(t, "aws-lambda-x86_64"), cost.Settings{Variants: everyVariant[:2], IncludedTemporary: c.included})
		if got, want := len(both.Obstacles()) == 0, c.zip || c.s3; got != want {
			t.Errorf("%d units: %v", c.units, both.Obstacles())
		}
	}
}

// An image holds what neither a zip nor the temporary storage does, on platforms that take images.
func TestImagesLiftThePackageLimit(t *testing.T) {
	b := newBuilder(3, 64)
	b.conv("conv", "conv/kernel", 16)
	b.dense("dense", 2500) // 65,536 x 2,500 float32: 655 MB
	g := b.done()
	images := []cost.Variant{{Packaging: plan.PackagingImage, Precision: precision.Float32}}
	for name, want := range map[string]bool{"aws-lambda-x86_64": true, "aws-lambda-arm64": true, "local": true, "aws-lambda-2020": false, "azure-functions-flex": false} {
		table := mustTable(t, g, mustPlatform(t, name), cost.Settings{Variants: images})
		if o := table.Obstacles(); (len(o) == 0) != want {
			t.Errorf("%s: %v", name, o)
		}
		if !want {
			if o := table.Obstacles()[0]; o.Limit != cost.PackageLimit || o.Allowed != 0 {
				t.Errorf("%s: %+v", name, o)
			}
			if p := table.Problem(); len(p.Stages) > 0 {
				t.Errorf("%s has %d stages in images", name, len(p.Stages))
			}
		}
		if !table.Reaches(cost.PackageLimit) != want {
			t.Errorf("%s: the limit is reached: %v", name, want)
		}
	}
}
