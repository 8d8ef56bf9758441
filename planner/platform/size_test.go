package platform_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"partita/planner/platform"
)

// Bills of the two platforms that are no AWS Lambda, worked out by hand from their published prices.
func TestBillsOfOtherClouds(t *testing.T) {
	for _, c := range []struct {
		platform     string
		us, memoryMB int64
		billedUs     int64
		picoUSD      int64
	}{
		// Cloud Run functions: 450 ms become 500; 2 GiB have 1 vCPU: 0.5 x 24 + 0.5 x 2 x 2.5 = 14.5 micro-dollars.
		{"gcp-cloud-run-functions", 450_000, 2048, 500_000, 14_500_000},
		// 1 s at 512 MB has a third of a vCPU: 0.333 x 24 + 0.5 x 2.5 = 9.242.
		{"gcp-cloud-run-functions", 1_000_000, 512, 1_000_000, 9_242_000},
		// 1 us is 100 ms; 128 MB have 0.083 vCPU: 0.1 x (0.083 x 24 + 0.125 x 2.5) = 0.23045.
		{"gcp-cloud-run-functions", 1, 128, 100_000, 230_450},
		// An hour of the largest: 3,600 x (8 x 24 + 32 x 2.5) micro-dollars are 97.92 cents.
		{"gcp-cloud-run-functions", 3_600_000_000, 32768, 3_600_000_000, 979_200_000_000},
		// 4 and 8 GiB have two vCPUs each by default and differ in memory: 2 x 24 + 4 x 2.5 and 2 x 24 + 8 x 2.5.
		{"gcp-cloud-run-functions", 1_000_000, 4096, 1_000_000, 58_000_000},
		{"gcp-cloud-run-functions", 1_000_000, 8192, 1_000_000, 68_000_000},
		// Flex Consumption: 40 ms are billed as 1 s; 512 MB x 26 micro-dollars a GB-s are 13.
		{"azure-functions-flex", 40_000, 512, 1_000_000, 13_000_000},
		{"azure-functions-flex", 1_000_000, 512, 1_000_000, 13_000_000},
		// 1.001 s becomes 1.1 s: 1.1 x 2 x 26 = 57.2, and 1.1 x 4 x 26 = 114.4.
		{"azure-functions-flex", 1_001_000, 2048, 1_100_000, 57_200_000},
		{"azure-functions-flex", 1_001_000, 4096, 1_100_000, 114_400_000},
		// AWS Lambda: 40.2 ms are 41 ms: 0.041 x 1,769/1,024 x 16.6667 = 1.18048739 micro-dollars, rounded half up.
		{"aws-lambda-x86_64", 40_200, 1769, 41_000, 1_180_487},
	} {
		p := mustGet(t, c.platform)
		billed := p.BilledUs(c.us)
		if got := p.ComputePicoUSD(billed, c.memoryMB); billed != c.billedUs || got != c.picoUSD {
			t.Errorf("%s: %d us at %d MB: billed %d us for %d pico-USD, want %d for %d", c.platform, c.us, c.memoryMB, billed, got, c.billedUs, c.picoUSD)
		}
	}
}

func TestListedSizes(t *testing.T) {
	one := int64(1) << platform.SlowdownBits
	gcp, azure := mustGet(t, "gcp-cloud-run-functions"), mustGet(t, "azure-functions-flex")
	for _, c := range []struct {
		what      string
		got, want int64
	}{
		{"sizes of Cloud Run functions", int64(len(sizesOf(gcp))), 9},
		{"whatever the step", int64(len(gcp.Grid(64))), 9},
		{"sizes of Flex Consumption", int64(len(sizesOf(azure))), 3},
		{"full speed on Google", gcp.FullSpeedMB(), 32768},
		{"full speed on Azure", azure.FullSpeedMB(), 4096},
		{"one vCPU on Google", gcp.Slowdown(2048), one},
		{"a quarter on Azure", azure.Slowdown(512), 4 * one},
		{"two vCPUs on Azure, nine tenths parallel", azure.Slowdown(4096), (one*55 + 99) / 100},
		{"8 GiB are no faster than 4", gcp.Slowdown(8192), gcp.Slowdown(4096)},
		{"nearest to 600", gcp.NearestMemory(600), 512},
		{"nearest to 768, halfway", gcp.NearestMemory(768), 1024},
		{"nearest to 1", azure.NearestMemory(1), 512},
		{"nearest to 9999", azure.NearestMemory(9999), 4096},
		{"nearest to 1280, halfway on Azure", azure.NearestMemory(1280), 2048},
		{"Google's timeout", gcp.TimeoutUs, 3_600_000_000},
		{"Azure's timeout over HTTP", azure.TimeoutUs, 230_000_000},
		{"Azure's payload", azure.PayloadLimitBytes, 104_857_600},
	} {
		if c.got != c.want {
			t.Errorf("%s: %d, want %d", c.what, c.got, c.want)
		}
	}
	if m, ok := azure.MemoryFrom(513); m != 2048 || !ok {
		t.Errorf("from 513 MB: %d, %t", m, ok)
	}
	if m, ok := azure.MemoryFrom(4097); m != 4096 || ok {
		t.Errorf("from 4097 MB: %d, %t", m, ok)
	}
	if azure.Sells(1024) || !azure.Sells(2048) || azure.Sells(0) || gcp.Sells(3008) {
		t.Error("sizes on sale")
	}
	if got := azure.Assortment(); got != "512, 2048 and 4096 MB" {
		t.Errorf("azure sells %s", got)
	}
	if got := mustGet(t, "aws-lambda-2020").Assortment(); got != "128 to 3008 MB in steps of 64 MB" {
		t.Errorf("Lambda of 2020 sold %s", got)
	}
	for _, name := range platform.Names() {
		if p := mustGet(t, name); p.PlanningOnly != (p == gcp || p == azure) {
			t.Errorf("%s: planning only is %t", name, p.PlanningOnly)
		}
	}
}

// sizesOf lists every size on sale, by rising memory.
func sizesOf(p *platform.Platform) []platform.Size {
	var sizes []platform.Size
	for _, m := range p.Grid(p.MemoryStepMB) {
		sizes = append(sizes, p.Size(m))
	}
	return sizes
}

// Every size on sale is sold, and both time and price are monotone in it: the law of cost and the optimiser build on that.
func TestSizesAreMonotone(t *testing.T) {
	for _, name := range platform.Names() {
		p := mustGet(t, name)
		sizes := sizesOf(p)
		for i, s := range sizes {
			if !p.Sells(s.MemoryMB) {
				t.Fatalf("%s: %+v", name, s)
			}
			if i == 0 {
				continue
			}
			if b := sizes[i-1]; s.MemoryMB <= b.MemoryMB || s.Slowdown > b.Slowdown || s.PicoUSDPer1024s <= b.PicoUSDPer1024s || s.MilliVCPU < b.MilliVCPU {
				t.Fatalf("%s: %+v follows %+v", name, s, b)
			}
		}
	}
}

// A book whose list of sizes makes no sense is refused.
func TestBrokenLists(t *testing.T) {
	data, err := os.ReadFile("pricebook.json")
	if err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(sizes map[string]any){
		"one size":       func(s map[string]any) { s["list"] = s["list"].([]any)[:1] },
		"falling memory": func(s map[string]any) { s["list"].([]any)[1].(map[string]any)["memoryMB"] = 512 },
		"falling share":  func(s map[string]any) { s["list"].([]any)[1].(map[string]any)["milliVCPU"] = 10 },
		"no source":      func(s map[string]any) { s["source"] = "hearsay" },
		"no confidence":  func(s map[string]any) { s["confidence"] = "" },
		"too slow":       func(s map[string]any) { s["list"].([]any)[0].(map[string]any)["milliVCPU"] = 20 },
	} {
		var book map[string]any
		if err := json.Unmarshal(data, &book); err != nil {
			t.Fatal(err)
		}
		platforms := book["platforms"].([]any)
		change(platforms[len(platforms)-1].(map[string]any)["sizes"].(map[string]any))
		broken, err := json.Marshal(book)
		if err != nil {
			t.Fatal(err)
		}
		if err := platform.CheckBook(broken); err == nil || !strings.Contains(err.Error(), "azure-functions-flex") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
