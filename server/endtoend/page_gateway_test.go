package endtoend

import (
	"strings"
	"testing"
)

// TestPageGateway leaves the gateway's size to the planner by one click on what a plan says that this would save, and looks for it where the
// page tells of it: the control, the address, what the plan uses, the table of trade-offs. A size typed by hand takes it back.
func TestPageGateway(t *testing.T) {
	b := browse(t, serve(t, t.TempDir()).url)
	b.choose("model-file", readCase(t, mainCase).path(t, "model.h5", ""))
	b.answered()
	const apply = `[...document.querySelectorAll("#why button")].find(b => b.ariaLabel?.includes("let the planner choose the gateway's size"))`
	b.until("the advice on the gateway", apply+" !== undefined")
	if words := b.evaluate(apply + ".ariaLabel"); !strings.Contains(words, "which is then 192 MB") || !strings.Contains(words, "large photos") {
		t.Errorf("the advice is %q", words)
	}
	before := b.evaluate(`document.getElementById("cost").innerText`)
	b.evaluate(apply + ".click()")
	b.settled()
	b.until("the chosen size among what the plan uses", `document.getElementById("uses")?.innerText.includes("The gateway has 192 MB, not 512")`)
	if after := b.evaluate(`document.getElementById("cost").innerText`); after == before {
		t.Errorf("the cost is still %s", after)
	}
	if value := b.evaluate(`document.getElementById("gateway-memory").value`); value != "auto" {
		t.Errorf("the control says %q", value)
	}
	if list := b.evaluate(`[...document.getElementById("gateway-memory-list").options].map(o => o.value).join()`); !strings.Contains(list, "auto") {
		t.Errorf("the control offers %s", list)
	}
	if help := b.evaluate(`document.getElementById("gateway-memory-help").textContent`); !strings.Contains(help, "room for what is sent") {
		t.Errorf("the control's explanation is %q", help)
	}
	if head := b.evaluate(`document.querySelector("#trade-offs thead").textContent`); !strings.Contains(head, "gateway") {
		t.Errorf("the table of trade-offs has the columns %s", head)
	}
	if b.evaluate(apply+" !== undefined") != "false" {
		t.Error("the advice is still there")
	}
	b.set("picture-size", "24", "change")
	b.settled()
	b.until("a larger gateway", `document.getElementById("uses")?.innerText.includes("320 MB, not 512")`)
	b.set("gateway-memory", "1024", "change")
	b.settled()
	b.until("the advice again", apply+" !== undefined")
	if head := b.evaluate(`document.querySelector("#trade-offs thead").textContent`); strings.Contains(head, "gateway") {
		t.Errorf("the table of trade-offs has the columns %s", head)
	}
	b.set("gateway-memory", "auto", "change")
	b.settled()
	b.axe("a plan with its gateway's size chosen")
}
