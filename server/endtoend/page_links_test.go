package endtoend

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"
)

// TestShortLinks keeps a link from the page and one from the command line, opens both in other browsers, and revokes them.
func TestShortLinks(t *testing.T) {
	p := serve(t, t.TempDir())
	b := browse(t, p.url)
	b.choose("model-file", readCase(t, "trained_mobilenet_v2").path(t, "model.h5", ""))
	b.answered()
	b.set("min-stages", "2", "change")
	b.settled()
	before := b.shown()
	b.click("short")
	b.wait("the short links", "short-links")
	address := b.evaluate(`document.querySelector("#short-links a").href`)
	if notice := b.text("notice"); !strings.Contains(notice, address) || len(address) > len(p.url)+len("/s/")+20 {
		t.Errorf("the short link is %s, the page says %q", address, notice)
	}
	b.screenshot("short-links")
	b.axe("short links")

	other := browse(t, address)
	other.answered()
	if there := other.shown(); there != before {
		t.Errorf("the short link shows %s, want %s", there, before)
	}
	if href := other.evaluate("location.pathname + location.hash.slice(0, 5)"); href != "/#v=2&" {
		t.Errorf("the opened short link's address begins with %s", href)
	}

	other.do("open the short link", chromedp.Navigate(address))
	other.until("the page's own copy", `navigator.serviceWorker?.controller !== null`)
	other.answered()

	plan, _ := planFor(t, readCase(t, "k3_tiny_cnn").path(t, "model.h5", ""), 2)
	printed := strings.TrimSpace(mustPartita(t, "link", plan, "--server", p.url))
	tiny := browse(t, printed)
	tiny.answered()
	if about := tiny.text("model"); !strings.Contains(about, "layers") {
		t.Errorf("the command line's link opens as %q", about)
	}
	long := filepath.Join(t.TempDir(), "link.txt")
	if err := os.WriteFile(long, []byte(mustPartita(t, "link", plan, "--long", "--server", p.url)), 0o600); err != nil {
		t.Fatal(err)
	}
	if again := strings.TrimSpace(mustPartita(t, "link", long, "--server", p.url)); again != printed {
		t.Errorf("the long link is kept as %s, the plan as %s", again, printed)
	}
	if list := mustPartita(t, "link", "--list", "--server", p.url); !strings.Contains(list, printed) || !strings.Contains(list, address) {
		t.Errorf("the list is\n%s", list)
	}

	b.click(strings.Replace(address[strings.LastIndex(address, "/")+1:], "", "revoke-", 1))
	b.until("that it is revoked", `document.getElementById("notice").innerText.includes("is revoked")`)
	mustPartita(t, "link", "--revoke", printed, "--server", p.url)
	for _, gone := range []string{address, printed} {
		visitor := browse(t, gone)
		visitor.until("that it was revoked", `document.getElementById("problem").innerText.includes("[link.revoked]")`)
		visitor.screenshot("revoked")
	}
	stranger := browse(t, p.url+"/s/"+strings.Repeat("a", 20))
	stranger.until("that there is none", `document.getElementById("problem").innerText.includes("[link.unknown]")`)
	if r := partita(t, "link", "--revoke", "nothing", "--server", p.url); r.code != 1 || !strings.Contains(r.stderr, "[link.unknown]") {
		t.Errorf("revoking nothing ends with %d, %s", r.code, r.stderr)
	}

	// A page of another site cannot keep links here.
	request, err := http.NewRequest(http.MethodPost, p.url+"/api/v1/links", strings.NewReader(`{"fragment":"v=2&model=zoo:VGG16"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Sec-Fetch-Site", "cross-site")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("another site's link is answered with %s", answer.Status)
	}

	other.do("open the revoked link again", chromedp.Navigate("about:blank"))
	p.stop(t)
	other.do("open the short link without a server", chromedp.Navigate(address))
	other.until("why it does not open", `document.getElementById("problem")?.innerText.includes("Short links are kept by the server")`)
}
