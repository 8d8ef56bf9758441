package platform_test

import (
	"math/big"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"partita/planner/diag"
	"partita/planner/platform"
)

func mustGet(t testing.TB, name string) *platform.Platform {
	t.Helper()
	p, err := platform.Get(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestNamesAndIdentity(t *testing.T) {
	got := strings.Join(platform.Names(), " ")
	if got != "aws-lambda-x86_64 aws-lambda-arm64 aws-lambda-2020 local gcp-cloud-run-functions azure-functions-flex" {
		t.Errorf("platforms: %s", got)
	}
	id := platform.PriceBook()
	if id.Date != "2026-11-23" || !strings.HasPrefix(id.Hash, "sha256:") || len(id.Hash) != 71 {
		t.Errorf("price book %+v", id)
	}
}

func TestUnknownPlatformListsTheKnown(t *testing.T) {
	_, err := platform.Get("azure")
	if diag.CodeOf(err) != "platform.unknown" || diag.ExitCode(err) != 2 {
		t.Fatalf("error %v", err)
	}
	for _, name := range platform.Names() {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%q does not name %s", err, name)
		}
	}
}

// A region differs from its platform in name, label and prices alone.
func TestRegions(t *testing.T) {
	base := mustGet(t, "aws-lambda-x86_64")
	regions := platform.Regions(base.Name)
	if len(regions) < 8 || len(platform.Regions("local")) != 0 {
		t.Fatalf("regions %v, of the local cloud %v", regions, platform.Regions("local"))
	}
	for _, region := range regions {
		p := *mustGet(t, base.Name+"@"+region)
		if p.Name != base.Name+"@"+region || !strings.HasSuffix(p.Label, ", "+region) || p.PicoUSDPerGBs < base.PicoUSDPerGBs {
			t.Errorf("%s: %q, %d pico-USD per GB-s", p.Name, p.Label, p.PicoUSDPerGBs)
		}
		p.Name, p.Label, p.Figures, p.PicoUSDPerGBs = base.Name, base.Label, base.Figures, base.PicoUSDPerGBs
		p.RequestPicoUSD, p.ObjectPutPicoUSD, p.ObjectGetPicoUSD = base.RequestPicoUSD, base.ObjectPutPicoUSD, base.ObjectGetPicoUSD
		if !reflect.DeepEqual(&p, base) {
			t.Errorf("%s differs in more than its prices", region)
		}
	}
	if p := mustGet(t, "aws-lambda-x86_64@af-south-1"); p.PicoUSDPerGBs != 22_100_000 {
		t.Errorf("af-south-1: %d pico-USD per GB-s", p.PicoUSDPerGBs)
	}
	for _, name := range []string{"aws-lambda-x86_64@mars", "local@eu-west-1", "aws-lambda-x86_64@"} {
		if _, err := platform.Get(name); diag.CodeOf(err) != "platform.unknown-region" || diag.ExitCode(err) != 2 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestEveryFigureHasASource(t *testing.T) {
	for _, name := range platform.Names() {
		p := mustGet(t, name)
		if len(p.Figures) < 40 {
			t.Errorf("%s: %d figures", name, len(p.Figures))
		}
		for _, f := range p.Figures {
			if f.Source == "" || f.Unit == "" || f.Confidence == "" {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
}

func TestExactFigures(t *testing.T) {
	x86, arm, old, local := mustGet(t, "aws-lambda-x86_64"), mustGet(t, "aws-lambda-arm64"), mustGet(t, "aws-lambda-2020"), mustGet(t, "local")
	for _, c := range []struct {
		what      string
		got, want int64
	}{
		{"x86 price", x86.PicoUSDPerGBs, 16_666_700},
		{"arm price", arm.PicoUSDPerGBs, 13_333_400},
		{"2020 price", old.PicoUSDPerGBs, 16_666_700},
		{"local price", local.PicoUSDPerGBs, 16_666_700},
		{"request fee", x86.RequestPicoUSD, 200_000},
		{"put fee", x86.ObjectPutPicoUSD, 5_000_000},
		{"get fee", x86.ObjectGetPicoUSD, 400_000},
		{"x86 granularity", x86.GranularityUs, 1_000},
		{"2020 granularity", old.GranularityUs, 100_000},
		{"timeout", x86.TimeoutUs, 900_000_000},
		{"init timeout", x86.InitTimeoutUs, 10_000_000},
		{"sizes in 2020", int64(len(old.Grid(0))), 46},
		{"all sizes today", int64(len(x86.Grid(1))), 10_113},
		{"sizes planned today", int64(len(x86.Grid(0))), 159},
		{"local package limit", local.PackageLimitBytes, 262_144_000},
		{"full speed locally", local.FullSpeedMB(), 3_538},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.what, c.got, c.want)
		}
	}
	if !x86.InitBilled || !x86.Sells(1769) || x86.Sells(127) || x86.Sells(10241) || old.Sells(1769) || !old.Sells(1792) {
		t.Error("init billing or sizes on sale")
	}
	if old.NearestMemory(1769) != 1792 || old.NearestMemory(1) != 128 || old.NearestMemory(9999) != 3008 {
		t.Error("nearest sizes in 2020")
	}
}

// The AMPS-Inf slides (ICPP 2021) give four MobileNet runs with their costs; the law reproduces them, cut to 5 decimals.
func TestPublishedCosts(t *testing.T) {
	old := mustGet(t, "aws-lambda-2020")
	for _, c := range []struct{ memoryMB, us, want int64 }{
		{512, 22_030_000, 18}, {1024, 10_650_000, 17}, {1536, 7_520_000, 19}, {2048, 6_380_000, 21},
	} {
		cost := old.ComputePicoUSD(old.BilledUs(c.us), c.memoryMB) + old.RequestPicoUSD
		if got := cost / 10_000_000; got != c.want {
			t.Errorf("%d MB, %d us: %d x 1e-5 USD (%d pico-USD), want %d", c.memoryMB, c.us, got, cost, c.want)
		}
	}
}

func TestComputeCostIsExact(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, name := range platform.Names() {
		p := mustGet(t, name)
		for range 2000 {
			billedUs := p.BilledUs(rng.Int64N(p.TimeoutUs))
			grid := p.Grid(1)
			memoryMB := grid[rng.IntN(len(grid))]
			exact := new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(billedUs), big.NewInt(memoryMB*p.PicoUSDPerGBs)), big.NewInt(1024*1000*1000))
			if p.PicoUSDPerVCPUs > 0 {
				exact.Add(exact, new(big.Rat).SetFrac(new(big.Int).Mul(big.NewInt(billedUs), big.NewInt(p.MilliVCPU(memoryMB)*p.PicoUSDPerVCPUs)), big.NewInt(1000*1000*1000)))
			}
			exact.Add(exact, big.NewRat(1, 2))
			want := new(big.Int).Quo(exact.Num(), exact.Denom())
			if got := p.ComputePicoUSD(billedUs, memoryMB); got != want.Int64() {
				t.Fatalf("%s: %d us at %d MB: %d, want %s", name, billedUs, memoryMB, got, want)
			}
		}
		if got := p.BilledUs(0); got != p.MinBilledUs {
			t.Errorf("%s: nothing is billed as %d us", name, got)
		}
	}
}

func TestSlowdown(t *testing.T) {
	one := int64(1) << platform.SlowdownBits
	for _, name := range platform.Names() {
		p := mustGet(t, name)
		if got := p.Slowdown(p.MBPerVCPU); !p.Listed() && got != one {
			t.Errorf("%s: slowdown on one vCPU is %d", name, got)
		}
		previous := int64(1) << 40
		for m := p.MinMemoryMB; m <= p.MaxMemoryMB; m++ {
			s := p.Slowdown(m)
			if s > previous {
				t.Fatalf("%s: %d MB is slower than %d MB", name, m, m-1)
			}
			if m > p.FullSpeedMB() && s != previous {
				t.Fatalf("%s: %d MB is faster than the vCPU limit allows", name, m)
			}
			previous = s
		}
	}
	// Half a vCPU doubles the time; two vCPUs with nine tenths parallel leave 0.1 + 0.45 of it.
	p := mustGet(t, "aws-lambda-2020")
	if got := p.Slowdown(896); got != 2*one {
		t.Errorf("896 MB: %d", got)
	}
	local := mustGet(t, "local")
	if got, want := local.Slowdown(2*1769), (one*55+99)/100; got != want {
		t.Errorf("two vCPUs: %d, want %d", got, want)
	}
}

func TestDecimal(t *testing.T) {
	for _, c := range []struct {
		text   string
		digits int
		want   int64
	}{
		{"0.0000166667", 12, 16_666_700}, {"1", 0, 1}, {"1.50", 3, 1500}, {".5", 1, 5}, {"900", 6, 900_000_000},
	} {
		got, err := platform.ParseDecimal(c.text, c.digits)
		if err != nil || got != c.want {
			t.Errorf("%q: %d, %v", c.text, got, err)
		}
	}
	for _, bad := range []string{"", ".", "1.", "-1", "1e3", "0x1", "1 ", "99999999999999999999", "0.0000000000001", "١"} {
		if v, err := platform.ParseDecimal(bad, 12); err == nil {
			t.Errorf("%q is read as %d", bad, v)
		}
	}
	for _, c := range []struct {
		v    int64
		want string
	}{{0, "0"}, {200_000, "0.0000002"}, {1_000_000_000_000, "1"}, {-1_500_000_000_000, "-1.5"}} {
		if got := platform.FormatDecimal(c.v, 12); got != c.want {
			t.Errorf("%d prints as %q, want %q", c.v, got, c.want)
		}
	}
}

func FuzzDecimal(f *testing.F) {
	f.Add("0.0000002")
	f.Add("17.25")
	f.Fuzz(func(t *testing.T, s string) {
		v, err := platform.ParseDecimal(s, 12)
		if err != nil {
			return
		}
		again, err := platform.ParseDecimal(platform.FormatDecimal(v, 12), 12)
		if err != nil || again != v {
			t.Fatalf("%q reads as %d, then as %d, %v", s, v, again, err)
		}
	})
}
