package endtoend

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// drop drops files and folders on the page, as from a file manager.
func (b *browser) drop(paths ...string) {
	b.t.Helper()
	for _, kind := range []input.DispatchDragEventType{input.DispatchDragEventTypeDragEnter, input.DispatchDragEventTypeDragOver, input.DispatchDragEventTypeDrop} {
		b.do("drag", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, input.DispatchDragEvent, input.DispatchDragEventParams{Type: kind, X: 300, Y: 300, Data: &input.DragData{Items: []*input.DragDataItem{}, Files: paths, DragOperationsMask: 1}})
			return err
		}))
	}
}

// TestPageExplainsBrokenFiles chooses and drops on the page what is no model, or more than one. Each time the page says what it found and what to
// do, and what is on the screen stays there.
func TestPageExplainsBrokenFiles(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	c := readCase(t, "k3_tiny_cnn")
	model := c.path(t, "model.h5", "")
	whole, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	write := func(name string, content []byte) string {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	other := readCase(t, "k3_tiny_residual").path(t, "model.json", "")
	broken := []struct {
		paths     []string
		code, say string
	}{
		{[]string{write("notes.txt", []byte("no model at all"))}, "[model.unknown-format]", "notes.txt"},
		{[]string{write("truncated.h5", whole[:len(whole)/3])}, "[hdf5.truncated]", "truncated.h5"},
		{[]string{write("empty.h5", nil)}, "[model.empty]", "empty.h5"},
		{[]string{write("page.onnx", []byte("<!doctype html><title>404</title>"))}, "[onnx.malformed]", "page.onnx"},
		{[]string{write("nothing.json", []byte("{}"))}, "[model.not-a-model]", "nothing.json"},
		{[]string{write("cut.keras", []byte("PK\x03\x04 and no more"))}, "[model.damaged]", "cut.keras"},
		{[]string{model, other}, "[model.two-models]", "model.h5 and model.json"},
		{[]string{model, other, filepath.Join(folder, "notes.txt")}, "[model.too-many-files]", "3 files"},
	}
	check := func(where string) {
		t.Helper()
		for i, f := range broken {
			if i%2 == 0 {
				b.drop(f.paths...)
			} else {
				b.do("choose", chromedp.SetUploadFiles(chromedp.CSS("#model-file"), f.paths))
			}
			b.until("the explanation", fmt.Sprintf(`document.getElementById("reading").innerText === "" && document.getElementById("problem").textContent.includes(%q)`, f.say))
			if text := b.text("problem"); !strings.Contains(text, f.code) {
				t.Errorf("%s, %v: the page says %q", where, f.paths, text)
			}
		}
	}
	check("on the empty page")
	b.screenshot("broken")
	b.drop(model)
	b.answered()
	before := b.shown()
	check("with a model on the screen")
	b.screenshot("broken-beside")
	if now := b.shown(); now != before {
		t.Errorf("after what could not be opened the page shows %s, want %s", now, before)
	}
}

// TestPageTakesDroppedFolders drops the folder of a model, one that has none, and a folder of many files.
func TestPageTakesDroppedFolders(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	folder := t.TempDir()
	copied := func(into, from string) {
		t.Helper()
		content, err := os.ReadFile(from)
		if err == nil {
			err = os.MkdirAll(filepath.Join(folder, into), 0o700)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, into, filepath.Base(from)), content, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	tfjs := readCase(t, "tfjs_seq").folder
	copied("model", filepath.Join(tfjs, "model.json"))
	copied("model", filepath.Join(tfjs, "weights.bin"))
	copied("pictures", filepath.Join(tfjs, "..", "images", "raccoon.png"))
	b.drop(filepath.Join(folder, "pictures"))
	b.until("the explanation", `document.getElementById("problem").innerText.includes("[file.unreadable-folder]")`)
	if text := b.text("problem"); !strings.Contains(text, "pictures") || !strings.Contains(text, "no model in it") {
		t.Errorf("the page says %q", text)
	}
	b.screenshot("folder")
	b.drop(filepath.Join(folder, "model"))
	b.answered()
	b.wait("the way to deploy, for the weights are there", "deploy-button")
	if problem := b.text("problem"); problem != "" {
		t.Errorf("the page says %q", problem)
	}
}

// TestPageCancelsOpening cancels in the middle of an opening, with and without a model on the screen, and opens again.
func TestPageCancelsOpening(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.onLoad(slowPlanner)
	b.emptied()
	c := readCase(t, "k3_tiny_cnn")
	model, other := c.path(t, "model.h5", ""), readCase(t, "k3_tiny_residual").path(t, "model.json", "")
	cancel := func(path string) {
		t.Helper()
		b.evaluate(`plannerWaits("open")`)
		b.choose("model-file", path)
		b.until("the opening", `plannerHolds() > 0 && document.getElementById("stop-reading") !== null`)
		b.click("stop-reading")
		b.until("its end", `document.getElementById("reading").innerText === "" && document.getElementById("notice").innerText.includes("Cancelled: model")`)
		if problem := b.text("problem"); problem != "" {
			t.Errorf("of what the user has cancelled the page says %q", problem)
		}
		b.evaluate(`plannerWorks()`)
	}
	cancel(model)
	b.screenshot("cancelled-opening")
	b.leave("location.reload()")
	b.wait("the gallery", "gallery")
	if text := b.evaluate("document.body.innerText"); strings.Contains(text, "model.h5") {
		t.Errorf("what was cancelled is there after a reload: %s", text)
	}
	b.choose("model-file", model)
	b.answered()
	before := b.shown()
	cancel(other)
	b.settled()
	if now := b.shown(); now != before {
		t.Errorf("after a cancelled opening the page shows %s, want %s", now, before)
	}
	b.choose("model-file", other)
	b.until("the other model", `document.getElementById("model").innerText.includes("18 layers")`)
}
