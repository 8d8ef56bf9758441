package endtoend

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"partita/internal/fixture"
)

// TestPageOpensEarlierLinks opens a link of each version that has been given out, as it was given out.
func TestPageOpensEarlierLinks(t *testing.T) {
	p := serve(t, t.TempDir())
	for _, name := range []string{"link-1.txt", "link-2.txt"} {
		link, err := os.ReadFile(filepath.Join(fixture.Root(), "app", "engine", "testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		b := browse(t, p.url+"/#"+strings.TrimPrefix(strings.TrimSpace(string(link)), "#"))
		b.answered()
		if about := b.text("model"); !strings.Contains(about, "layers") || !strings.Contains(about, "from the link") && !strings.Contains(about, "built in") {
			t.Errorf("%s: the page says %q of the model", name, about)
		}
		if b.evaluate(`document.querySelectorAll("#stages tbody tr").length`) == "0" {
			t.Errorf("%s: there is no plan", name)
		}
		if href := b.evaluate(`location.hash.slice(0, 5)`); href != "#v=2&" {
			t.Errorf("%s: the page's own link begins with %s", name, href)
		}
	}
}

// TestPageDeploysOnlyWhatCanBe plans for a platform that nothing is deployed to.
func TestPageDeploysOnlyWhatCanBe(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.choose("model-file", readCase(t, "k3_tiny_cnn").path(t, "model.h5", ""))
	b.answered()
	apart := 0
	for _, platform := range strings.Fields(b.evaluate(`[...document.getElementById("platform").options].map((o) => o.value).join(" ")`)) {
		b.set("platform", platform, "change")
		b.settled()
		here := strings.HasPrefix(platform, "aws-lambda") || platform == "local"
		if offered := b.evaluate(`document.getElementById("deploy-button") !== null`) == "true"; offered != here {
			t.Errorf("%s: Deploy is offered: %v", platform, offered)
		}
		if why := b.text("not-deployable"); !here && !strings.Contains(why, "Partita deploys to AWS Lambda") {
			t.Errorf("%s: the page says %q", platform, why)
		} else if !here {
			apart++
			b.screenshot("not-deployable")
		}
	}
	if apart == 0 {
		t.Error("there is no such platform")
	}
}

// TestPageAndFullDisk deploys from the page to a server without room: the page says that it is the disk, that nothing is left, and
// goes on when there is room.
func TestPageAndFullDisk(t *testing.T) {
	executable(t)
	data, resize := fixture.SmallDisk(t, "6m")
	p := serve(t, data)
	b := browse(t, p.url)
	b.choose("model-file", readCase(t, "trained_mobilenet_v2").path(t, "model.h5", "")) // of 11 MB
	b.answered()
	b.set("platform", "local", "change")
	b.settled()
	b.set("deployment-name", "no-room", "input")
	refused := func(code string) {
		t.Helper()
		b.click("deploy-button")
		b.until("the deployment", `document.getElementById("deploy-button") === null`) // and not what was wrong the last time
		b.until("what is wrong", `document.getElementById("deploy-failure") !== null && document.getElementById("deploy-button") !== null`)
		if text := b.text("deploy"); !strings.Contains(text, code) || !strings.Contains(text, "Nothing is left behind") {
			t.Errorf("the page says %q, without %s", text, code)
		}
		if name := b.evaluate(`document.getElementById("deployment-name").value`); name != "no-room" {
			t.Errorf("the name is %q now", name)
		}
	}
	refused("full")
	b.screenshot("server-full")
	resize("30m")
	refused("deploy.no-room")
	resize("1g")
	b.click("deploy-button")
	b.wait("the deployment", "destroy-button")
	b.click("destroy-button")
	b.wait("the end of the deployment", "deploy-button")
	if left := listed(t, p); strings.Contains(left, "no-room") {
		t.Errorf("something is left: %s", left)
	}
}
