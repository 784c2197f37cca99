package browsertest

import (
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/dockwire/dockwire/engine/git/gittest"
)

func TestAContainerIsCreatedWithAllThatTheFormOffers(t *testing.T) {
	d := startDaemon(t)
	repo := repository(t, gittest.NewServer(t), "shop", "EXPOSE 8080", "USER 1000") // strict containers do not run as root
	p := openConsole(t, d)
	p.do(chromedp.KeyEvent("c"))
	p.shows("main h1", "There is no image yet")
	p.everywhere("create-without-image")
	p.built("shop", repo)
	p.do(chromedp.KeyEvent("gi"))
	p.click(`.images a.button[href="#/create/shop"]`)
	p.await(`document.querySelector("#image").value === "shop" && document.querySelector("#name").value === "shop"`)
	for name, says := range map[string]string{"-web": "neither begins", "We b": "Only a–z", "w": "at least 2", "rpc": "reserved", strings.Repeat("w", 64): "at most 63"} {
		p.fill("#name", name)
		p.shows("#name-says.wrong", says)
		p.await(`document.querySelector(".form .primary").disabled`)
	}
	p.fill("#name", "web")
	p.shows("#name-says:not(.wrong)", "web")
	p.fill(`[aria-label="Variable 1"]`, "GREETING")
	p.fill(`[aria-label="Value 1"]`, "hello = world")
	p.fill(`[aria-label="Variable 2"]`, "WRONG")
	p.click(`[aria-label="Remove variable 2"]`)
	p.click(".form summary")
	p.fill("#memory", "lots")
	p.click(".form .primary")
	p.await(`document.querySelector("#memory").validationMessage.includes("512m")`)
	for field, value := range map[string]string{"memory": "64m", "cpus": "0.5", "pids": "100", "port": "9000", "domain": "shop.example.com", "network": "backend"} {
		p.fill("#"+field, value)
	}
	p.choose("#restart", "no")
	p.choose("#profile", "strict")
	p.everywhere("create")
	p.click(".form .primary")
	p.shows(".head .badge", "running")
	p.click(`.tabs a[href="#/c/web/inspect"]`)
	for _, says := range []string{"64.0 MiB", "100", "9000", "strict", "GREETING", "hello = world", "backend"} {
		p.shows(".cards", says)
	}
	inspect := eval[string](p, `import("/app/store.js").then(async ({ dw }) => {
		const { configuration, limits, port, domain } = await dw.call("web/inspect");
		return [configuration.restart, configuration.profile, configuration.environment.GREETING, limits.memory, limits.cpus, limits.pids, port, domain].join();
	})`)
	if inspect != "no,strict,hello = world,67108864,0.5,100,9000,shop.example.com" {
		t.Errorf("created: %s", inspect)
	}
}

func TestEachViewOfAContainerIsReadable(t *testing.T) {
	d := startDaemon(t)
	repo := repository(t, gittest.NewServer(t), "web", "EXPOSE 8080")
	p := openConsole(t, d)
	p.made("web", repo, "write", "/made", "by the container")
	eval[bool](p, `import("/app/store.js").then(({ dw }) => dw.call("create", { image: "web", name: "busy", command: ["burn"] })).then(() => true)`)
	p.shows(`tr[data-name=busy] .badge`, "running")
	p.await(`document.querySelector("tr[data-name=busy] .spark polyline")?.points.length > 1`)
	p.await(`/^[\d.]+ %$/.test(document.querySelector("tr[data-name=busy] [data-label=CPU] span").textContent) && / .iB$/.test(document.querySelector("tr[data-name=busy] [data-label=Memory] span").textContent)`)
	p.everywhere("containers")
	p.do(chromedp.KeyEvent("/"))
	p.await(`document.activeElement.type === "search"`)
	p.fill("input[type=search]", "bus")
	p.await(`document.querySelectorAll("tbody tr").length === 1`)
	p.click(`header a[href="#/images"]`)
	p.shows("main h1", "Images")
	p.click(`header a[href="#/"]`)
	p.await(`document.querySelector("input[type=search]").value === "bus" && document.querySelectorAll("tbody tr").length === 1`)
	p.fill("input[type=search]", "nowhere")
	p.shows("main", "No container has “nowhere” in its name or image.")
	p.fill("input[type=search]", "bus")
	p.click(`tr[data-name=busy] .name`)
	p.click(`.tabs a[href="#/c/busy/usage"]`)
	p.await(`document.querySelectorAll("dw-usage canvas").length === 3 && document.querySelectorAll("dw-usage .u-axis").length === 6`)
	p.await(`document.querySelector("dw-usage").current.samples.length > 4`)
	const legend = `new Promise((resolve) => {
		const charts = document.querySelector("dw-usage");
		charts.usage = Object.create(charts.current); // and so they are drawn anew
		requestAnimationFrame(() => resolve(charts.querySelector(".u-legend").innerText));
	})`
	if says := eval[string](p, legend); strings.Contains(says, "--") {
		t.Errorf("charts that were drawn say %q, not the newest values", says)
	}
	p.everywhere("usage")
	p.click(`.tabs a[href="#/c/busy/inspect"]`)
	for _, card := range []string{"State", "Image", "Run", "Environment", "Limits", "Security", "Network", "Volumes"} {
		p.shows(".cards", card)
	}
	p.everywhere("inspect")
	p.click(".raw summary")
	p.shows(".raw pre", `"HostConfig"`)
	p.do(chromedp.Navigate(d.url() + "#/c/web/diff"))
	p.shows(".changes .added", "/made")
	p.await(`/[1-9] added, 0 modified, 0 deleted/.test(document.querySelectorAll(".facts")[1].textContent)`)
	p.click("main .facts button")
	p.await(`[...document.querySelectorAll(".changes .added")].some(({ textContent }) => textContent.includes("/made"))`)
	p.everywhere("diff")
}

func TestAContainerIsRunByKeysAndButtons(t *testing.T) {
	d := startDaemon(t)
	repo := repository(t, gittest.NewServer(t), "web", "EXPOSE 8080")
	p := openConsole(t, d)
	p.made("web", repo, "wait")
	p.do(chromedp.KeyEvent("?"))
	p.shows("dialog[open] h2", "Keys")
	p.shot("help-light")
	p.accessible("the help")
	p.click("dialog .primary")
	p.do(chromedp.KeyEvent("gb"))
	p.shows("main h1", "Build an image")
	p.do(chromedp.KeyEvent("gc"))
	p.shows(`tr[data-name=web] .badge`, "running")
	p.do(chromedp.KeyEvent("js"))
	p.shows(`tr[data-name=web] .badge`, "exited")
	p.do(chromedp.KeyEvent("s"))
	p.shows(`tr[data-name=web] .badge`, "running")
	p.await(`!document.querySelector("tr[data-name=web] button:disabled")`)
	p.do(chromedp.KeyEvent("l"))
	p.shows(".tabs [aria-current=page]", "Log")
	started := eval[string](p, `import("/app/store.js").then(({ state }) => (globalThis.web = () => state.containers.get("web"))().started)`)
	p.click(`button[aria-label="Restart web"]`)
	p.await(`web().started !== ` + quote(started) + ` && !document.querySelector(".does button:disabled") && document.querySelector(".head .badge").textContent === "running"`)
	p.click(`button[aria-label="Stop web"]`)
	p.shows(".head .badge", "exited")
	p.click(`button[aria-label="Start web"]`)
	p.shows(".head .badge", "running")
	p.do(chromedp.KeyEvent("gc"))
	p.shows(`tr[data-name=web] .badge`, "running")
	p.do(chromedp.KeyEvent("jx"))
	p.shows("dialog[open] h2", "Remove web?")
	p.shot("remove-light")
	p.accessible("the question")
	p.click("dialog button[value=no]")
	p.await(`!document.querySelector("dialog") && document.querySelector("tr[data-name=web]")`)
	p.do(chromedp.KeyEvent("jx"))
	p.click("dialog [name=tick]")
	p.click("dialog .danger")
	p.shows("main h1", "Nothing here yet")
	p.do(chromedp.KeyEvent("gi"))
	p.shows(".images tbody th", "web")
	p.everywhere("images")
	p.click(`button[aria-label="Remove image web"]`)
	p.click("dialog .danger")
	p.shows("main h1", "No images yet")
	p.click(`header .plain`)
	p.await(`document.querySelector("#token") && sessionStorage.length === 0`)
	p.everywhere("sign-in")
}
