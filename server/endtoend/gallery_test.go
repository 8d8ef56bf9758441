package endtoend

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"partita/internal/fixture"
)

// TestGallery tries an architecture that is in no file: made-up weights, a plan of two functions or more, a deployment, and
// an answer that is neither flat nor no number, and that depends on the image.
func TestGallery(t *testing.T) {
	p := serve(t, t.TempDir())
	weights := filepath.Join(t.TempDir(), "weights.h5")
	mustPartita(t, "weights", "--synthetic", "zoo:MobileNetV2", "--output", weights)
	again := filepath.Join(t.TempDir(), "again.h5")
	mustPartita(t, "weights", "--synthetic", "zoo:MobileNetV2", "--output", again)
	sameFiles(t, weights, again)

	file := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(file, []byte(mustPartita(t, "plan", "zoo:MobileNetV2", "--platform", "local", "--min-stages", "2", "--json")), 0o600); err != nil {
		t.Fatal(err)
	}
	mustPartita(t, "deploy", file, "--weights", weights, "--name", "gallery", "--server", p.url, "--yes")
	var answers [][]float64
	for _, image := range []string{"raccoon.png", "shapes.png"} {
		out := t.TempDir()
		reply := decode[invocation](t, mustPartita(t, "invoke", "gallery", fixture.Shared(t, "models", "images", image), "--output-dir", out, "--server", p.url, "--json"))
		if len(reply.Trace.Stages) < 2 || len(reply.Top) != 1 || len(reply.Top[0]) == 0 {
			t.Fatalf("%d stages, top classes %v", len(reply.Trace.Stages), reply.Top)
		}
		for _, c := range reply.Top[0] {
			if score := float64(c.Score); math.IsNaN(score) || score <= 0.001 || score > 1 {
				t.Errorf("%s: class %d has the score %g of 1000 classes", image, c.Index, score)
			}
		}
		array, err := readArray(t, filepath.Join(out, "predictions.npy")).Convert("float64")
		if err != nil {
			t.Fatal(err)
		}
		scores := array.Float64s()
		sum := 0.0
		for _, s := range scores {
			sum += s
		}
		if len(scores) != 1000 || math.Abs(sum-1) > 1e-3 {
			t.Errorf("%s: %d scores with the sum %g", image, len(scores), sum)
		}
		answers = append(answers, scores)
	}
	difference := 0.0
	for i := range answers[0] {
		difference += math.Abs(answers[0][i] - answers[1][i])
	}
	if difference < 0.01 {
		t.Errorf("the answers to two images differ by %g in all", difference)
	}
	mustPartita(t, "destroy", "gallery", "--server", p.url, "--yes")
	if left := listed(t, p); strings.Contains(left, "partita-") {
		t.Errorf("something is left after destroy: %s", left)
	}
}

func sameFiles(t *testing.T, a, b string) {
	t.Helper()
	x, err := os.ReadFile(a)
	if err != nil {
		t.Fatal(err)
	}
	y, err := os.ReadFile(b)
	if err != nil {
		t.Fatal(err)
	}
	if string(x) != string(y) {
		t.Errorf("%s and %s differ", a, b)
	}
}

// TestPageMakesWeights deploys an architecture of the gallery from the page alone.
func TestPageMakesWeights(t *testing.T) {
	p := serve(t, t.TempDir())
	b := browse(t, p.url)
	b.wait("the gallery", "gallery")
	b.evaluate(`[...document.querySelectorAll("#gallery button")].find(e => e.textContent === "MobileNetV2").click()`)
	b.answered()
	b.click("make-weights")
	b.wait("the way to deploy", "deploy-button")
	b.set("platform", "local", "change")
	b.until("the plan for the local cloud", `document.querySelector("main[aria-busy=false]") !== null && !document.getElementById("deploy").innerText.includes("made with the figures of")`)
	b.settled()
	b.click("deploy-button")
	b.wait("the deployment", "destroy-button")
	b.choose("input-file", fixture.Shared(t, "models", "images", "raccoon.png"))
	b.wait("the reply", "reply")
	if top := b.text("top"); !strings.Contains(top, "class ") {
		t.Errorf("no prediction: %q", top)
	}
	b.click("destroy-button")
	b.wait("the end of the deployment", "deploy-button")
	if left := listed(t, p); strings.Contains(left, "partita-") {
		t.Errorf("something is left after Destroy: %s", left)
	}
}

// TestPageGallery chooses an architecture on the empty page, and gives it weights afterwards.
func TestPageGallery(t *testing.T) {
	weights := filepath.Join(t.TempDir(), "weights.h5")
	mustPartita(t, "weights", "--synthetic", "zoo:MobileNetV3Small", "--output", weights)
	b := browse(t, serve(t, t.TempDir()).url)
	b.wait("the gallery", "gallery")
	b.screenshot("gallery")
	b.evaluate(`[...document.querySelectorAll("#gallery button")].find(e => e.textContent === "MobileNetV3Small").click()`)
	b.answered()
	about := b.text("model")
	for _, part := range []string{"MobileNetV3Small", "164 layers", "2.55 million parameters", "built in"} {
		if !strings.Contains(about, part) {
			t.Errorf("the page says %q of the model, without %q", about, part)
		}
	}
	if b.text("make-weights") == "undefined" {
		t.Error("where weights are missing the page does not offer to make some up")
	}
	b.screenshot("gallery-planned")
	b.choose("model-file", weights)
	b.wait("the way to deploy", "deploy-button")
	if about := b.text("model"); !strings.Contains(about, "MobileNetV3Small") || strings.Contains(about, "built in") {
		t.Errorf("with its weights the page says %q of the model", about)
	}
}
