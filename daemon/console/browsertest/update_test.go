package browsertest

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

// serving writes the Dockerfile of an image that answers, or of one that ends.
func serving(command ...string) map[string]string {
	return map[string]string{"Dockerfile": "FROM scratch\nCOPY probe /probe\nEXPOSE 8080\nENTRYPOINT [\"/probe\"]\nCMD " + list(command) + "\n"}
}

func TestAContainerIsUpdatedAndTakenBackWithProgress(t *testing.T) {
	d := startDaemon(t)
	r := gittest.NewServer(t).Repo("shop", nil)
	r.Write("probe", string(enginetest.Program(t)), 0o755)
	first := r.Commit(serving("serve"))
	p := openConsole(t, d)
	p.built("shop", r.URL)
	p.created("shop", "web")
	second := r.Commit(serving("serve", "-delay", "1ms"))
	p.built("shop", r.URL)

	p.shows(`tr[data-name=web] .badge`, "running")
	p.do(chromedp.KeyEvent("ju"))
	p.shows(".form .says", first[:7])
	p.shows("#image", second[:7])
	p.everywhere("update")
	p.choose("#environment", "new")
	p.fill(`[aria-label="Variable 1"]`, "MODE")
	p.fill(`[aria-label="Value 1"]`, "two")
	p.click(".form .primary")
	p.shows(".change .badge", "succeeded")
	p.await(`document.querySelector(".change dw-lines").count > 0 && document.querySelector(".change .elapsed").textContent.endsWith("s")`)
	p.shows("main > .facts", second[:7])
	p.everywhere("updated")
	if mode := eval[string](p, `import("/app/store.js").then(async ({ dw }) => (await dw.call("web/inspect")).configuration.environment.MODE)`); mode != "two" {
		t.Errorf("MODE is %q", mode)
	}

	p.shows(".form .actions button:first-child", "Go back to "+first[:7])
	p.click(".form .actions button:first-child")
	p.shows("main > .facts", first[:7])
	p.shows(".change .badge", "succeeded")
}

func TestAnUpdateThatFailsSaysWhyAndLeavesTheContainer(t *testing.T) {
	d := startDaemon(t)
	r := gittest.NewServer(t).Repo("shop", nil)
	r.Write("probe", string(enginetest.Program(t)), 0o755)
	first := r.Commit(serving("serve"))
	p := openConsole(t, d)
	p.built("shop", r.URL)
	p.created("shop", "shop")
	r.Commit(serving("nonsense")) // it says that it does not know that, and ends
	p.built("broken", r.URL)
	p.do(chromedp.Navigate(d.url() + "#/c/shop/update"))
	p.await(`document.querySelector("#image option[value=broken]")`)
	p.choose("#image", "broken")
	p.click(".form .primary")
	p.shows(".change .badge", "failed")
	p.shows(".change dw-lines .sheet", "unknown command nonsense")
	p.shows("main > .facts", first[:7])
	p.shows(".head .badge", "running")
	const marks = `[...document.querySelectorAll(".change .row.mark")].map(({ textContent }) => textContent)`
	p.do(chromedp.EmulateViewport(375, 740, chromedp.EmulateMobile)) // where the mark takes two rows
	p.await(marks + `.length > 1`)
	if shown := eval[string](p, marks+`.join("")`); shown != "What the new container wrote last:" {
		t.Errorf("the mark that is wrapped says %q", shown)
	}
	p.do(chromedp.EmulateViewport(1280, 860))
	p.everywhere("update-failed")
}
