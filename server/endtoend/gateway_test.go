package endtoend

import (
	"fmt"
	"image"
	"image/jpeg"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"partita/planner/platform"
)

// largePhoto writes a JPEG of a size.
func largePhoto(t *testing.T, width, height int) string {
	t.Helper()
	picture := image.NewYCbCr(image.Rect(0, 0, width, height), image.YCbCrSubsampleRatio420)
	for y := range height {
		for x := range width {
			picture.Y[picture.YOffset(x, y)] = uint8(x*7 ^ y*5)
		}
	}
	file := filepath.Join(t.TempDir(), "photo.jpg")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	if err := jpeg.Encode(out, picture, nil); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestGateways deploys plans whose gateway has the size that the planner has chosen: the function has it, in the cloud and in what is
// exported, the answers are Keras's, the bill is that of its size, and there is room for the pictures that were announced, and no more.
func TestGateways(t *testing.T) {
	c := readCase(t, mainCase)
	j := c.jobs(t)[0]
	p := serve(t, t.TempDir())
	on, err := platform.Get("local")
	if err != nil {
		t.Fatal(err)
	}
	for _, asked := range []struct {
		megapixels string
		memoryMB   int64
	}{{"usual", 192}, {"0.3", 128}} {
		file, document := planFor(t, j.model, 2, "--gateway-memory", "auto", "--picture", asked.megapixels, "--scenario", "warm", "--batch", "3") // the case has three inputs
		if document.Gateway.MemoryMB != asked.memoryMB || document.Request.GatewayMemoryMB != 0 {
			t.Fatalf("pictures of %s: %+v", asked.megapixels, document.Gateway)
		}
		mustPartita(t, "deploy", file, "--weights", j.weights, "--name", "front", "--server", p.url, "--yes", "--json")
		if got := strings.TrimSpace(aws(t, p, "lambda", "get-function-configuration", "--function-name", "partita-front-gateway", "--query", "MemorySize", "--output", "text")); got != fmt.Sprint(asked.memoryMB) {
			t.Errorf("the gateway has %s MB", got)
		}
		if template := mustPartita(t, "export", file, "--format", "cloudformation", "--name", "front"); !strings.Contains(template, fmt.Sprintf("MemorySize: %d", asked.memoryMB)) && !strings.Contains(template, fmt.Sprintf(`"MemorySize": %d`, asked.memoryMB)) {
			t.Errorf("the template has no function of %d MB", asked.memoryMB)
		}
		traceOf(t, p, c, "front") // finds the functions cold
		trace := traceOf(t, p, c, "front")
		gateway := trace.CostPicoUSD
		for _, s := range trace.Stages {
			gateway -= s.CostPicoUSD
		}
		if want := trace.GatewayBilledMs*on.PicoUSDPerMs(asked.memoryMB) + document.Gateway.FeesPicoUSD; gateway != want {
			t.Errorf("%d ms of a gateway of %d MB cost %d, want %d", trace.GatewayBilledMs, asked.memoryMB, gateway, want)
		}
		t.Logf("%d MB: planned %d us and %d pUSD, measured %d us and %d pUSD", asked.memoryMB, document.LatencyUs, document.CostPicoUSD, trace.LatencyUs, trace.CostPicoUSD)
		twelve := largePhoto(t, 3000, 4000)
		r := partita(t, "invoke", "front", twelve, "--server", p.url, "--json")
		switch {
		case asked.memoryMB == 128 && (r.code != 4 || !strings.Contains(r.stdout+r.stderr, "gateway.image-too-large")):
			t.Errorf("a picture of twelve megapixels in 128 MB: %d %s %s", r.code, r.stdout, r.stderr)
		case asked.memoryMB == 192 && r.code != 0:
			t.Errorf("a picture of twelve megapixels in 192 MB: %d %s", r.code, r.stderr)
		case asked.memoryMB == 192:
			trace := decode[invocation](t, r.stdout).Trace
			t.Logf("decoding twelve megapixels took %d us", trace.DecodeUs)
		}
		mustPartita(t, "destroy", "front", "--server", p.url, "--yes")
	}
}
