package browsertest

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/dockwire/dockwire/engine/git/gittest"
)

func TestOneBuildsCreatesWatchesAndRemovesInTheConsole(t *testing.T) {
	d := startDaemon(t)
	server := gittest.NewServer(t)
	repo := repository(t, server, "shop", `RUN ["/probe", "lines", "-n", "300"]`, "EXPOSE 8080")
	p := openConsole(t, d)
	if hash := eval[string](p, `location.href`); strings.Contains(hash, "token") {
		t.Errorf("the token stays in the address bar: %s", hash)
	}
	p.shows("main h1", "Nothing here yet")
	p.everywhere("empty")

	p.click(`.empty a[href="#/build"]`)
	p.fill("#url", repo)
	p.await(`document.querySelector("#name").value !== ""`)
	p.fill("#name", "Shop")
	p.shows("#name-says", "Lower-case")
	p.fill("#name", "shop")
	p.shot("build-form-light")
	p.accessible("the form of a build")
	p.click(`.form button.primary`)
	p.await(`document.querySelector(".badge.succeeded")`)
	p.await(`document.querySelectorAll("dw-lines .row").length > 5`)
	p.everywhere("build")

	p.do(chromedp.Reload())
	p.await(`document.querySelector(".badge.succeeded") && document.querySelectorAll("dw-lines .row").length > 5`)
	p.click(`a[href="#/create/shop"]`)
	p.await(`document.querySelector("#name")?.value === "shop"`)
	p.fill("#name", "-Web")
	p.shows("#name-says", "Only a–z")
	p.fill("#name", "web")
	p.fill(`.pair:nth-of-type(1) input`, "GREETING")
	p.shot("create-light")
	p.accessible("the form of a container")
	p.click(`.form button.primary`)
	p.shows(".head .badge", "running")

	p.do(chromedp.Navigate(d.url() + "#/"))
	p.shows(`tr[data-name=web] .badge`, "running")
	p.await(`document.querySelector("tr[data-name=web] .spark polyline")?.points.length > 1`)
	if link := eval[string](p, `document.querySelector("tr[data-name=web] .domain").href`); !strings.HasPrefix(link, "http://web.localhost:") {
		t.Errorf("the domain leads to %s", link)
	}
	p.everywhere("containers")
	p.click(`tr[data-name=web] .name`)
	for _, tab := range []string{"usage", "inspect", "diff"} {
		p.click(`.tabs a[href="#/c/web/` + tab + `"]`)
		p.await(`document.querySelector(".card, .changes") || document.querySelector("dw-usage canvas") && document.querySelector("dw-usage").current.samples.length > 4`)
		p.everywhere(tab)
	}
	p.do(chromedp.KeyEvent("?"))
	p.await(`document.querySelector("dialog[open]")`)
	p.shot("help-light")
	p.accessible("the help")
	p.click("dialog .primary")

	p.click(`button[aria-label="Stop web"]`)
	p.await(`document.querySelector('button[aria-label="Start web"]:not(:disabled)')`)
	p.click(`button[aria-label="Start web"]`)
	p.await(`document.querySelector('button[aria-label="Stop web"]:not(:disabled)')`)
	p.click(`button[aria-label="Restart web"]`)
	p.await(`document.querySelector('button[aria-label="Stop web"]:not(:disabled)')`)
	// The button is off until the restart is done.
	p.await(`document.querySelector("dialog[open]") || document.querySelector('button[aria-label="Remove web"]:not(:disabled)')?.click()`)
	p.shot("remove-light")
	p.click("dialog .danger")
	p.shows("main h1", "No container web")
	p.do(chromedp.Navigate(d.url() + "#/images"))
	p.shows("main h1", "Images")
	p.everywhere("images")
	p.click(`header .plain`)
	p.await(`document.querySelector("#token")`)
	p.everywhere("sign-in")
}
