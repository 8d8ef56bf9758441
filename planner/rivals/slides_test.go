package rivals

import (
	"math"
	"strings"
	"testing"

	"partita/internal/models"
	"partita/planner/graph"
	"partita/planner/platform"
	"partita/planner/rewrite"
)

// fewest gives the least number of functions that hold a model by the limits of size, memory and time alone, without the limit
// of layers in each; 0 when none do.
func fewest(t *testing.T, g *graph.Graph) int {
	t.Helper()
	a, err := newPartition(g, 1, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := len(a.pieces)
	functions := make([]int, n+1)
	for j := 1; j <= n; j++ {
		functions[j] = math.MaxInt
		for i := range j {
			if functions[i] < math.MaxInt && a.lambda(i, j).picoUSD >= 0 {
				functions[j] = min(functions[j], functions[i]+1)
			}
		}
	}
	if functions[n] == math.MaxInt {
		return 0
	}
	return functions[n]
}

// With 169 MB of dependencies in each function of 250 MB, ResNet50, InceptionV3 and Xception need two, MobileNet one. VGG16's first
// dense layer of 392 MB fits none, nor do its 98 MB in 8 bits; in five parts of its output channels it does.
func TestPublishedPartitions(t *testing.T) {
	for name, want := range map[string]int{"ResNet50": 2, "InceptionV3": 2, "Xception": 2, "MobileNet": 1, "VGG16": 0} {
		if got := fewest(t, models.Zoo(t, name).Graph); got != want {
			t.Errorf("%s: %d functions, want %d", name, got, want)
		}
	}
	vgg := models.Zoo(t, "VGG16").Graph
	for parts, fits := range map[int]bool{4: false, 5: true, 8: true} {
		split, err := rewrite.Apply(vgg, []rewrite.Split{{Layer: "fc1", Parts: parts}})
		if err != nil {
			t.Fatal(err)
		}
		if got := fewest(t, split); (got > 0) != fits || fits && got < 7 {
			t.Errorf("VGG16 with fc1 in %d parts: %d functions", parts, got)
		}
	}
}

// The slides' deployment sizes, 267 MB for ResNet50 and 261 MB for InceptionV3, are 169 MB and the .h5 files that Keras gave out
// in 2021, rounded to megabytes of 2^20 bytes. Their weights are those of our graphs; the rest is the container's.
func TestPublishedSizes(t *testing.T) {
	for _, c := range []struct {
		model     string
		fileBytes int64 // as storage.googleapis.com/tensorflow/keras-applications sends it
		totalMB   int64
	}{{"ResNet50", 102_967_424, 267}, {"InceptionV3", 96_112_376, 261}} {
		weights := models.Zoo(t, c.model).Graph.WeightBytes()
		if rest := c.fileBytes - weights; rest < 0 || rest > c.fileBytes/100 {
			t.Errorf("%s: %d bytes of weights in a file of %d", c.model, weights, c.fileBytes)
		}
		if got := (c.fileBytes + kerasBytes + 1<<19) >> 20; got != c.totalMB {
			t.Errorf("%s: %d MB, the slides say %d", c.model, got, c.totalMB)
		}
		p, err := platform.Get(publishedPlatform)
		if err != nil {
			t.Fatal(err)
		}
		if c.totalMB<<20 <= p.PackageLimitBytes {
			t.Errorf("%s fits a function of %d bytes", c.model, p.PackageLimitBytes)
		}
	}
}

// The ResNet50 and SageMaker rows follow from no price of the time, by a quarter to thirty times: that is why they are shown as
// printed and nothing is fitted to them. Lambdas are priced as one after the other, instances by the second.
func TestSlidesFollowFromNoPrice(t *testing.T) {
	old, err := platform.Get(publishedPlatform)
	if err != nil {
		t.Fatal(err)
	}
	hourly := map[string]int64{}
	for _, h := range platform.Hosts() {
		hourly[h.Name] = h.PicoUSDPerHour
	}
	for _, s := range slides {
		var ours int64
		switch {
		case strings.Contains(s.Name, "512"):
			ours = old.ComputePicoUSD(old.BilledUs(s.LatencyUs), 512)
		case strings.Contains(s.Name, "1,024"):
			ours = old.ComputePicoUSD(old.BilledUs(s.LatencyUs), 1024)
		case strings.HasSuffix(s.Name, "hosting"):
			ours = divideUp(hourly["notebook-hosting"], s.LatencyUs, 3600*1_000_000)
		default:
			ours = divideUp(hourly["notebook"], s.LatencyUs, 3600*1_000_000)
		}
		if ours == 0 || s.CostPicoUSD < ours*5/4 {
			t.Errorf("%s: %d printed, %d by the prices: it follows after all", s.Name, s.CostPicoUSD, ours)
		}
		t.Logf("%s: %.2f times what the prices of the time give", s.Name, float64(s.CostPicoUSD)/float64(ours))
	}
}
