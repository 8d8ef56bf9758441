package endtoend

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestPageDeploysModelsOfSeveralFiles takes a TensorFlow.js model, whose weights are in a file of their own, through the
// page to a deployment.
func TestPageDeploysModelsOfSeveralFiles(t *testing.T) {
	c := readCase(t, "tfjs_seq")
	p := serve(t, t.TempDir())
	b := browse(t, p.url)
	b.do("choose the model's files", chromedp.SetUploadFiles(chromedp.CSS("#model-file"), []string{filepath.Join(c.folder, "model.json"), filepath.Join(c.folder, "weights.bin")}))
	b.answered()
	b.set("platform", "local", "change")
	b.settled()
	b.click("deploy-button")
	b.wait("the deployment", "destroy-button")
	b.choose("input-file", filepath.Join(c.folder, c.Inputs[0].File))
	b.wait("the reply", "reply")
	if top := b.text("top"); !strings.Contains(top, "class ") {
		t.Errorf("no prediction: %q", top)
	}
	b.click("destroy-button")
	b.wait("the end of the deployment", "deploy-button")
}

// TestPageOpensONNX opens an ONNX model on the page.
func TestPageOpensONNX(t *testing.T) {
	c := readCase(t, "onnx_ch_ppocr_mobile_v2_0_cls_infer")
	b := browse(t, serve(t, t.TempDir()).url)
	b.choose("model-file", c.path(t, "model.onnx", ""))
	b.answered()
	if stages := b.evaluate(`document.querySelectorAll("#stages tbody tr").length`); stages == "0" {
		t.Error("there are no stages")
	}
}

// TestPageReadsLittleOfBigFiles opens a built-in architecture and its weights file of over 500 MB on the page.
func TestPageReadsLittleOfBigFiles(t *testing.T) {
	big := filepath.Join(t.TempDir(), "vgg16.weights.h5")
	mustPartita(t, "weights", "--synthetic", "zoo:VGG16", "--output", big)
	b := browse(t, serve(t, t.TempDir()).url)
	b.wait("the gallery", "gallery")
	b.evaluate(`[...document.querySelectorAll("#gallery button")].find(b => b.textContent === "VGG16").click()`)
	b.until("the built-in model", `(document.getElementById("model")?.innerText ?? "").includes("23 layers")`)
	b.choose("model-file", big)
	b.until("the weights", `(document.getElementById("bytes-read")?.innerText ?? "").startsWith("read ")`)
	read := b.text("bytes-read")
	checkLittleWasRead(t, read)
	t.Log(read)
	if heap := b.evaluate("performance.memory.usedJSHeapSize"); len(heap) > len(fmt.Sprint(300_000_000)) {
		t.Errorf("the page holds %s bytes", heap)
	}
}
