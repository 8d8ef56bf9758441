package endtoend

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"partita/planner/hdf5write"
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

	// The browser keeps no copy of so large a file: after a reload it is asked for again, and another is not taken for it.
	b.set("scenario", "warm", "change")
	b.settled()
	before := b.shown()
	b.do("reload", chromedp.Reload())
	b.wait("what is not at hand", "lost")
	b.settled()
	if text := b.text("lost"); !strings.Contains(text, "vgg16.weights.h5 (553 MB)") {
		t.Errorf("the page says %q", text)
	}
	if now := b.shown(); now != before {
		t.Errorf("after a reload the page shows %s, want %s", now, before)
	}
	b.screenshot("lost-big")
	b.choose("model-file", big)
	b.until("the weights", `document.getElementById("lost") === null && document.getElementById("bytes-read").innerText.startsWith("read ")`)
	b.settled()
	checkLittleWasRead(t, b.text("bytes-read"))
	if now := b.shown(); now != before {
		t.Errorf("with the file again the page shows %s, want %s", now, before)
	}
	if b.evaluate(`document.getElementById("deploy-button").disabled`) != "false" {
		t.Error("the model cannot be deployed")
	}
}

// TestPageDeploysWeightsInSeveralFiles opens weights that Keras cut into several files and a list of them, beside an architecture that is open,
// and deploys them.
func TestPageDeploysWeightsInSeveralFiles(t *testing.T) {
	folder := t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	write := func(name string, data []byte) {
		if err := os.WriteFile(in(name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	part := func(name string, tensors map[string][]int64) {
		root := hdf5write.NewGroup()
		for path, shape := range tensors {
			if err := root.Dataset(path, shape, func(numbers []float32, _ int64) error {
				for i := range numbers {
					numbers[i] = 0.5
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		}
		var data bytes.Buffer
		if err := root.Write(&data); err != nil {
			t.Fatal(err)
		}
		write(name, data.Bytes())
	}
	write("config.json", []byte(`{"class_name": "Sequential", "keras_version": "3.10.0", "config": {"name": "parts", "layers": [
		{"class_name": "InputLayer", "config": {"batch_shape": [null, 2], "name": "x"}},
		{"class_name": "Dense", "config": {"name": "a", "units": 3}}, {"class_name": "Dense", "config": {"name": "b", "units": 4, "use_bias": false}}]}}`))
	write("m.weights.json", []byte(`{"weight_map": {"/layers/dense/vars": ["m_00000.weights.h5", "m_00001.weights.h5"], "/layers/dense_1/vars": "m_00001.weights.h5"}}`))
	part("m_00000.weights.h5", map[string][]int64{"layers/dense/vars/0": {2, 3}})
	part("m_00001.weights.h5", map[string][]int64{"layers/dense/vars/1": {3}, "layers/dense_1/vars/0": {3, 4}})
	write("input.json", []byte(`[[1, 1]]`))

	p := serve(t, t.TempDir())
	b := browse(t, p.url)
	b.choose("model-file", in("config.json"))
	b.answered()
	together := func(names ...string) {
		t.Helper()
		var paths []string
		for _, name := range names {
			paths = append(paths, in(name))
		}
		b.do("choose weights", chromedp.SetUploadFiles(chromedp.CSS("#model-file"), paths))
	}
	together("m.weights.json", "m_00000.weights.h5")
	b.until("the explanation", `document.getElementById("problem").innerText.includes("[weights.missing-shards]")`)
	b.screenshot("missing-shards")
	if text := b.text("problem"); !strings.Contains(text, "m_00001.weights.h5") || strings.Contains(text, "m_00000.weights.h5") {
		t.Errorf("of a file that is missing the page says %q", text)
	}
	together("m_00001.weights.h5", "m.weights.json", "m_00000.weights.h5")
	b.wait("the way to deploy", "deploy-button")
	b.settled()
	b.onceKept("m_00001.weights.h5")
	b.do("reload", chromedp.Reload())
	b.wait("the way to deploy", "deploy-button")
	b.set("platform", "local", "change")
	b.settled()
	b.click("deploy-button")
	b.wait("the deployment", "destroy-button")
	b.choose("input-file", in("input.json"))
	b.wait("the reply", "reply")
	if text := b.text("reply"); !strings.Contains(text, "2.25") { // (2·0.5 + 0.5)·0.5·3
		t.Errorf("the reply is %q", text)
	}
	b.click("destroy-button")
	b.wait("the end of the deployment", "deploy-button")
}
