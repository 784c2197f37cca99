package browsertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

// openConsole opens the console as the printed link does, and waits until it
// knows the containers.
func openConsole(t testing.TB, d *daemon) *page {
	t.Helper()
	p := startBrowser(t, chromedp.WindowSize(1280, 860)).open(t, d.url()+"#token="+d.token)
	// A container that comes or goes is a change of the network to Chromium, which
	// then gives up what it loads.
	p.tolerate(`net::ERR_NETWORK_CHANGED`)
	const there = `document.querySelector("main .head, main .empty h1")`
	for tries := 0; p.look(there, 5*time.Second) != "" && tries < 5; tries++ {
		p.do(chromedp.Reload())
	}
	p.await(there)
	return p
}

// await waits until an expression is true in the page.
func (p *page) await(expression string) {
	p.t.Helper()
	if text := p.look(expression, patience); text != "" {
		p.shot("failed")
		p.t.Fatalf("%s does not come true in the page, which shows:\n%s\nwrong: %q", expression, text, p.wrong())
	}
}

// look waits for an expression to be true, for a while. It gives what the page
// shows if it does not come true.
func (p *page) look(expression string, limit time.Duration) (shown string) {
	p.t.Helper()
	return eval[string](p, fmt.Sprintf(`new Promise((resolve) => {
		const over = Date.now() + %d;
		const holds = () => { try { return %s; } catch { return false; } }; // what it looks at may not be there yet
		(function look() { if (holds()) resolve(""); else if (Date.now() > over) resolve(document.body.innerText.slice(0, 3000) || "nothing"); else setTimeout(look, 50); })();
	})`, limit.Milliseconds(), expression))
}

// shows waits until an element's text has a text in it.
func (p *page) shows(selector, text string) {
	p.t.Helper()
	p.await(fmt.Sprintf(`document.querySelector(%s)?.textContent.includes(%s)`, quote(selector), quote(text)))
}

func (p *page) click(selector string) {
	p.t.Helper()
	p.do(chromedp.Click(chromedp.CSS(selector)))
}

// fill types a text in place of what a field holds.
func (p *page) fill(selector, text string) {
	p.t.Helper()
	p.do(chromedp.WaitVisible(chromedp.CSS(selector)))
	eval[bool](p, `((field) => { field.focus(); field.select(); return true; })(document.querySelector(`+quote(selector)+`))`)
	p.do(chromedp.KeyEvent(text))
}

// shot keeps a screenshot, as an artifact.
func (p *page) shot(name string) {
	p.t.Helper()
	dir := filepath.Join(checkout, ".cache", "screenshots")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), ask(p, chromedp.CaptureScreenshot()), 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// scheme makes the page light or dark.
func (p *page) scheme(value string) {
	p.t.Helper()
	p.do(command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: value}}}))
}

// accessible checks what is shown with axe-core, and fails for what is serious.
func (p *page) accessible(view string) {
	p.t.Helper()
	axe, err := os.ReadFile(filepath.Join(checkout, ".cache", "lib", "node_modules", "axe-core", "axe.min.js"))
	if err != nil {
		p.t.Fatalf("the tests need axe-core, which make tools installs: %v", err)
	}
	if !eval[bool](p, `Boolean(globalThis.axe)`) {
		eval[bool](p, string(axe)+"; true")
	}
	const run = `axe.run(document, { resultTypes: ["violations"] }).then(({ violations }) => violations
		.filter(({ impact }) => impact === "serious" || impact === "critical")
		.map(({ id, nodes }) => id + ": " + nodes.slice(0, 3).map(({ html, failureSummary }) => html.slice(0, 200) + " " + failureSummary).join(" | ")))`
	for _, violation := range eval[[]string](p, run) {
		p.t.Errorf("%s is not accessible: %s", view, violation)
	}
}

// everywhere keeps screenshots of a view, light, dark and on a phone, and checks
// that it is accessible.
func (p *page) everywhere(view string) {
	p.t.Helper()
	p.shot(view + "-light")
	p.accessible(view + ", light")
	p.scheme("dark")
	p.shot(view + "-dark")
	p.accessible(view + ", dark")
	p.do(chromedp.EmulateViewport(375, 740, chromedp.EmulateMobile))
	p.scheme("light")
	p.await(`matchMedia("(max-width: 699px)").matches`)
	if wide := eval[int](p, `document.documentElement.scrollWidth`); wide > 375 {
		p.t.Errorf("%s is %d pixels wide on a phone of 375", view, wide)
	}
	p.shot(view + "-phone")
	p.do(chromedp.EmulateViewport(1280, 860))
	p.await(`innerWidth === 1280`)
}

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

func TestAWrongTokenIsRefusedWithWhatToDo(t *testing.T) {
	d := startDaemon(t)
	p := startBrowser(t).open(t, d.url())
	p.tolerate(`WebSocket|401`)
	p.fill("#token", "wrong")
	p.click(".sign-in .primary")
	p.shows(".trouble", "dockwire token")
	p.fill("#token", d.token)
	p.click(".sign-in .primary")
	p.shows("main h1", "Nothing here yet")
}

// made builds an image, and creates a container of it, by the page's own module.
func (p *page) made(name, repo string, command ...string) {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf(`import("/app/store.js").then(async ({ dw }) => {
		await dw.call("build", [%[1]s, %[2]s]);
		await dw.call("create", { image: %[1]s, name: %[1]s, command: %[3]s });
		return true;
	})`, quote(name), quote(repo), list(command)))
}

func list(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = quote(text)
	}
	return "[" + strings.Join(quoted, ",") + "]"
}

func TestHostileOutputIsShownAsText(t *testing.T) {
	d := startDaemon(t)
	repo := repository(t, gittest.NewServer(t), "evil")
	p := openConsole(t, d)
	evil := "<script>alert(1)</script><img src=x onerror=alert(2)>\n" +
		"\x1b[1;31mred\x1b[0m \x1b[48;5;22;97mgreen\x1b[0m \x1b]0;title\x07 \x1b[2J\n" + "right\u202eleft\u2066 \x00 \tafter\n"
	p.made("evil", repo, "bytes", "stdout", fmt.Sprintf("%x", evil), "stderr", "656e64*349525,0a", "wait")
	p.do(chromedp.Navigate(d.url() + "#/c/evil/logs"))
	p.await(`document.querySelectorAll("dw-lines .row").length > 5`)
	eval[bool](p, `document.querySelector("dw-lines").setFollow(false), document.querySelector(".scroller").scrollTop = 0, true`)
	p.shows("dw-lines .sheet", "<script>alert(1)</script><img src=x onerror=alert(2)>")
	p.shows("dw-lines .sheet", "<U+202E>left<U+2066>")
	if text := eval[string](p, `document.querySelector("dw-lines .bold").textContent`); text != "red" {
		t.Errorf("what is bold and red says %q", text)
	}
	if n := eval[int](p, `document.querySelectorAll("dw-lines script, dw-lines img").length`); n != 0 {
		t.Errorf("%d elements were made of text", n)
	}
	p.everywhere("hostile")
}

func TestALogIsSearchedFilteredAndPaused(t *testing.T) {
	d := startDaemon(t)
	repo := repository(t, gittest.NewServer(t), "chatty")
	p := openConsole(t, d)
	p.made("chatty", repo, "lines", "-n", "150000", "-stream", "both", "-then", "wait")
	eval[bool](p, `globalThis.longest = 0, new PerformanceObserver((list) => {
		for (const { duration } of list.getEntries()) longest = Math.max(longest, duration);
	}).observe({ type: "longtask" }), true`)
	p.do(chromedp.Navigate(d.url() + "#/c/chatty/logs"))
	p.await(`/line (149999|150000)/.test(document.querySelector("dw-lines .sheet")?.textContent)`)
	if longest := eval[int](p, `Math.round(longest)`); longest > 200 {
		t.Errorf("while the lines came the page did not respond for %d ms", longest)
	}
	if kept := eval[int](p, `(({ lines }) => lines.end - lines.first)(document.querySelector("dw-lines"))`); kept > 100_000 {
		t.Errorf("%d lines are kept", kept)
	}
	if rows := eval[int](p, `document.querySelectorAll("dw-lines .row").length`); rows > 120 {
		t.Errorf("%d rows are in the document", rows)
	}
	p.fill(".toolbar input", " 14999")
	p.do(chromedp.KeyEvent("\r"))
	p.shows("dw-lines .found mark", "14999")
	p.everywhere("log")
	p.click(`.toolbar button[title^="Hide"]`)
	p.await(`document.querySelector("dw-lines").count === 10`)
	p.click(`button[title^="Copy"]`)
	p.shows(`button[title^="Copy"]`, "Copied")
	p.click(`button[data-key=p]`)
	p.shows(`button[data-key=p]`, "Paused")
	p.shot("log-paused-light")
}

func TestSeveralLogsAreSeenSideBySideAndMerged(t *testing.T) {
	d := startDaemon(t)
	repo := repository(t, gittest.NewServer(t), "pair")
	p := openConsole(t, d)
	p.made("pair", repo, "lines", "-every", "200ms")
	eval[bool](p, `import("/app/store.js").then(({ dw }) => dw.call("create", { image: "pair", name: "other", command: ["lines", "-every", "300ms", "-stream", "stderr"] })).then(() => true)`)
	p.do(chromedp.Navigate(d.url() + "#/logs/pair,other"))
	p.await(`document.querySelectorAll(".beside dw-lines").length === 2 && [...document.querySelectorAll(".beside dw-lines")].every(({ count }) => count > 5)`)
	p.everywhere("side-by-side")
	p.click(`a[href="#/logs/pair,other/merged"]`)
	p.await(`new Set([...document.querySelectorAll("dw-lines .from")].map(({ textContent }) => textContent)).size === 2`)
	if !eval[bool](p, `(({ lines }) => Array.from({ length: 10 }, (_, i) => lines.at(i).time).every((time, i, all) => !i || all[i - 1] <= time))(document.querySelector("dw-lines"))`) {
		t.Error("the merged lines are not in order")
	}
	p.everywhere("merged")
}

func TestTheConsoleComesBackWithTheDaemonAndNoLineIsMissing(t *testing.T) {
	d := startDaemon(t)
	repo := repository(t, gittest.NewServer(t), "ticker")
	p := openConsole(t, d)
	p.tolerate(`WebSocket|net::ERR_(CONNECTION|EMPTY_RESPONSE|SOCKET)`)
	p.made("ticker", repo, "lines", "-every", "20ms")
	p.do(chromedp.Navigate(d.url() + "#/c/ticker/logs"))
	const lines = `document.querySelector("dw-lines")?.lines`
	p.await(lines + `.end > 20`)
	d.kill()
	p.shows(".banner", "The connection to the daemon is gone")
	p.shot("reconnecting-light")
	before := eval[int](p, lines+`.end`)
	d.start()
	p.await(`!document.querySelector(".banner")`)
	p.await(fmt.Sprintf(lines+`.end > %d`, before+50))
	const numbers = `(() => { const lines = ` + lines + `, wrong = [];
		for (let i = 0; i < lines.end; i++) if (Number(lines.at(i).text.slice(5)) !== i + 1) wrong.push(i + ": " + lines.at(i).text);
		return wrong.slice(0, 5); })()`
	if wrong := eval[[]string](p, numbers); len(wrong) > 0 {
		t.Errorf("lines are missing or came twice: %q", wrong)
	}
}

func TestARunningBuildIsThereAfterAReloadAndCanBeCancelled(t *testing.T) {
	d := startDaemon(t)
	repo := repository(t, gittest.NewServer(t), "slow", `RUN ["/probe", "lines", "-every", "50ms"]`)
	p := openConsole(t, d)
	p.do(chromedp.Navigate(d.url() + "#/build"))
	p.fill("#url", repo)
	p.click(`.form button.primary`)
	const lines = `document.querySelector("dw-lines")?.lines`
	p.await(lines + `.end > 30`)
	p.everywhere("building")
	first := eval[string](p, lines+`.at(0).text`)
	p.do(chromedp.Reload())
	p.await(lines + `?.end > 30`)
	if again := eval[string](p, lines+`.at(0).text`); again != first {
		t.Errorf("after the reload the output begins with %q, not with %q", again, first)
	}
	p.click(`.head button.danger`)
	p.await(`document.querySelector(".badge.cancelled")`)
	p.do(chromedp.Navigate(d.url() + "#/build"))
	p.shows(".builds .badge", "cancelled")
	p.everywhere("builds")
}

func TestTheConsoleSaysThatTheEngineIsAway(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	d := startDaemon(t, "--docker-host", proxy.Socket())
	p := openConsole(t, d)
	proxy.Refuse()
	p.shows(".banner.bad", "its Docker engine does not answer")
	p.everywhere("engine-down")
	proxy.Restore()
	p.await(`!document.querySelector(".banner")`)
}

func TestAFailedStepIsShownWithWhatToDo(t *testing.T) {
	d := startDaemon(t)
	repo := repository(t, gittest.NewServer(t), "failing", `RUN ["/probe", "exit", "7"]`)
	p := openConsole(t, d)
	p.do(chromedp.Navigate(d.url() + "#/build"))
	p.fill("#url", repo)
	p.click(`.form button.primary`)
	p.shows(".badge.failed", "failed")
	p.shows(".trouble", "7")
	p.everywhere("build-failed")
}
