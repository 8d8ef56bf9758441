package endtoend

import (
	"os"
	"testing"
)

// TestPagePictures takes the pictures of the README; make screenshots runs it.
func TestPagePictures(t *testing.T) {
	if os.Getenv("PARTITA_SCREENSHOTS") == "" {
		t.Skip("no test, but what takes the README's pictures: make screenshots runs it")
	}
	b := browse(t, serve(t, t.TempDir()).url)
	b.wait("the gallery", "gallery")
	b.evaluate(`[...document.querySelectorAll("#gallery button")].find((e) => e.innerText === "ResNet50").click()`)
	b.answered()
	b.settled()
	b.set("min-stages", "3", "change")
	b.settled()
	b.set("slo", "300", "input")
	b.set("slo", "300", "change")
	b.settled()
	b.set("search", "conv4_block1_add", "input")
	b.until("what holds the plan back", `document.querySelector("#why[aria-busy=false]") !== null`)
	b.media("prefers-color-scheme", "light")
	b.screenshot("plan")
	b.media("prefers-color-scheme", "dark")
	b.screenshot("plan-dark")
	b.media("prefers-color-scheme", "light")
	b.size(390, 844)
	b.settled()
	b.screenshot("phone")
}
