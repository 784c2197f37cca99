package browsertest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	chromium "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// openConsole opens the console as the printed link does, and waits until it
// knows the containers.
func openConsole(t testing.TB, d *daemon) *page {
	t.Helper()
	p := startBrowser(t, chromedp.WindowSize(1280, 860)).open(t, d.url()+"#token="+d.token)
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

// click clicks on what has come to rest: what a frame moves, a click misses.
func (p *page) click(selector string) {
	p.t.Helper()
	p.do(chromedp.WaitVisible(chromedp.CSS(selector)))
	eval[bool](p, fmt.Sprintf(`new Promise((resolve) => (function look(before) {
		const box = JSON.stringify(document.querySelector(%s)?.getBoundingClientRect());
		if (box === before) resolve(true); else requestAnimationFrame(() => look(box));
	})())`, quote(selector)))
	p.do(chromedp.Click(chromedp.CSS(selector)))
}

// fill types a text in place of what a field holds.
func (p *page) fill(selector, text string) {
	p.t.Helper()
	p.do(chromedp.WaitVisible(chromedp.CSS(selector)))
	eval[bool](p, `((field) => { field.focus(); field.select(); return true; })(document.querySelector(`+quote(selector)+`))`)
	p.do(chromedp.KeyEvent(text))
}

// choose picks an option of a list, by its value.
func (p *page) choose(selector, value string) {
	p.t.Helper()
	p.do(chromedp.WaitVisible(chromedp.CSS(selector)))
	eval[bool](p, fmt.Sprintf(`((list) => { list.focus(); list.value = %s; return list.dispatchEvent(new Event("change", { bubbles: true })); })(document.querySelector(%s))`, quote(value), quote(selector)))
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
	if p.look(`document.documentElement.scrollWidth <= 375`, 5*time.Second) != "" { // what is drawn by a script follows
		p.t.Errorf("%s is %d pixels wide on a phone of 375", view, eval[int](p, `document.documentElement.scrollWidth`))
	}
	p.shot(view + "-phone")
	p.do(chromedp.EmulateViewport(1280, 860))
	p.await(`innerWidth === 1280`)
}

// built builds an image, by the page's own module.
func (p *page) built(name, repo string) {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf(`import("/app/store.js").then(({ dw }) => dw.call("build", [%s, %s])).then(() => true)`, quote(name), quote(repo)))
}

// created creates a container of an image, which does what the image says.
func (p *page) created(image, name string) {
	p.t.Helper()
	eval[bool](p, fmt.Sprintf(`import("/app/store.js").then(({ dw }) => dw.call("create", [%s, %s, { MODE: "one" }])).then(() => true)`, quote(image), quote(name)))
}

// made builds an image, and creates a container of it, by the page's own module.
func (p *page) made(name, repo string, command ...string) {
	p.t.Helper()
	p.built(name, repo)
	eval[bool](p, fmt.Sprintf(`import("/app/store.js").then(({ dw }) => dw.call("create", { image: %[1]s, name: %[1]s, command: %[2]s })).then(() => true)`, quote(name), list(command)))
}

func list(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = quote(text)
	}
	return "[" + strings.Join(quoted, ",") + "]"
}

// downloads has the browser keep what it downloads, and gives a function that
// waits for a file and gives what is in it.
func (p *page) downloads() func(name string) string {
	p.t.Helper()
	dir := p.t.TempDir()
	p.do(command(chromium.SetDownloadBehavior, chromium.SetDownloadBehaviorParams{Behavior: chromium.SetDownloadBehaviorBehaviorAllow, DownloadPath: dir}))
	return func(name string) string {
		p.t.Helper()
		for over := time.Now().Add(patience); ; {
			data, err := os.ReadFile(filepath.Join(dir, name)) // it gets its name when it is whole
			if err == nil {
				return string(data)
			}
			if time.Now().After(over) {
				p.t.Fatal(err)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
}
