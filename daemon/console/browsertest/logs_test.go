package browsertest

import (
	"fmt"
	"strings"
	"testing"

	chromium "github.com/chromedp/cdproto/browser"
	"github.com/chromedp/chromedp"

	"github.com/dockwire/dockwire/engine/git/gittest"
)

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

// view is the log that is shown.
const view = `document.querySelector("dw-lines")`

// texts are the texts of the lines that the page holds.
const texts = `(({ lines }) => Array.from({ length: lines.end - lines.first }, (_, i) => lines.at(lines.first + i).text))(` + view + `)`

func TestALogIsSearchedAndFiltered(t *testing.T) {
	d := startDaemon(t)
	repo := repository(t, gittest.NewServer(t), "chatty")
	p := openConsole(t, d)
	p.made("chatty", repo, "lines", "-n", "150000", "-stream", "both", "-then", "wait")
	p.do(chromedp.Navigate(d.url() + "#/c/chatty/logs"))
	p.await(`/line (149999|150000)/.test(document.querySelector("dw-lines .sheet")?.textContent)`)
	p.do(chromedp.KeyEvent("/"))
	p.await(`document.activeElement.type === "search"`)
	p.fill(".toolbar input", " 14999")
	p.do(chromedp.KeyEvent("\r"))
	p.shows("dw-lines .found mark", "14999")
	p.shows(".toolbar .found", " of ")
	p.everywhere("log")
	p.click(`.toolbar button[title^="Hide"]`)
	p.await(view + `.count === 10`)
	p.choose(".toolbar select", "stderr")
	p.await(view + `.count === 5 && !document.querySelector("dw-lines .row.stdout")`)
	p.choose(".toolbar select", "both")
	p.await(view + `.count === 10 && document.querySelector("dw-lines .row.stdout") && document.querySelector("dw-lines .row.stderr")`)
	p.click(`.toolbar button[title$="regular expression"]`)
	p.fill(".toolbar input", "14999[02]$")
	p.await(view + `.count === 2`)
	p.fill(".toolbar input", "(")
	p.shows(".toolbar .found", "no valid expression")
	p.fill(".toolbar input", "^nothing")
	p.await(view + `.count === 0`)
	p.do(chromedp.KeyEvent("\r"))
	p.shows(".toolbar .found", "nothing found")
}

func TestTheLinesShownAreCopiedAndDownloaded(t *testing.T) {
	d := startDaemon(t)
	repo := repository(t, gittest.NewServer(t), "paper")
	p := openConsole(t, d)
	downloads := p.downloads()
	p.made("paper", repo, "bytes", "stdout", fmt.Sprintf("%x", "plain\n\x1b[31mred\x1b[0m ü ✓\n"+strings.Repeat("long ", 100)+"\n"), "wait")
	p.do(chromedp.Navigate(d.url() + "#/c/paper/logs"))
	p.await(`document.querySelectorAll("dw-lines .row").length > 4`) // the long one takes several
	p.do(chromedp.KeyEvent("w"))
	p.await(`document.querySelectorAll("dw-lines .row").length === 3`)
	p.click(`.toolbar button[data-key=w]`)
	p.await(`document.querySelectorAll("dw-lines .row").length > 4`)
	p.await(`/^\d\d:\d\d:\d\d\.\d{3}$/.test(document.querySelector("dw-lines .row time").textContent)`)
	p.click(`.toolbar button[title^="Show when"]`)
	p.await(`!document.querySelector("dw-lines .row time")`)
	want := "plain\nred ü ✓\n" + strings.Repeat("long ", 100)
	p.click(`button[title^="Copy"]`)
	p.shows(`button[title^="Copy"]`, "Copied")
	p.do(command(chromium.SetPermission, chromium.SetPermissionParams{Permission: &chromium.PermissionDescriptor{Name: "clipboard-read"}, Setting: chromium.PermissionSettingGranted}))
	if got := eval[string](p, `navigator.clipboard.readText()`); got != want {
		t.Errorf("copied: %q", got)
	}
	p.click(`button[title^="Download"]`)
	if got := downloads("paper.log"); got != want+"\n" {
		t.Errorf("downloaded: %q", got)
	}
}

func TestALogIsPausedAndGoesOnWithoutALineLost(t *testing.T) {
	d := startDaemon(t)
	repo := repository(t, gittest.NewServer(t), "steady")
	p := openConsole(t, d)
	p.made("steady", repo, "lines", "-every", "5ms")
	p.do(chromedp.Navigate(d.url() + "#/c/steady/logs"))
	p.await(view + `.count > 20`)
	p.do(chromedp.KeyEvent("p"))
	p.shows(`button[data-key=p]`, "Paused")
	held := eval[int](p, view+`.lines.end`)
	eval[bool](p, fmt.Sprintf(`import("/app/store.js").then(async ({ dw }) => {
		for (;;) if (Number((await dw.call("steady/logs", { tail: 1 })).lines[0].text.slice(5)) > %d) return true;
	})`, held+400))
	if later := eval[int](p, view+`.lines.end`); later > held+100 { // one event may have been on its way
		t.Errorf("while it is paused %d lines become %d", held, later)
	}
	p.shot("log-paused-light")
	p.click(`button[data-key=p]`)
	p.await(fmt.Sprintf(view+`.lines.end > %d`, held+300))
	p.numbered(false)
	p.do(chromedp.KeyEvent("f"))
	p.await(`document.querySelector("[data-key=f]").ariaPressed === "false"`)
	p.click(`[data-key=f]`)
	p.await(`document.querySelector("[data-key=f]").ariaPressed === "true"`)
}

// numbered checks that the numbered lines that the page holds go up by one, but,
// where the engine may throw lines away before they are read, over a mark.
func (p *page) numbered(marks bool) {
	p.t.Helper()
	if !marks && eval[bool](p, texts+`.some((text) => text.startsWith("Lines are missing"))`) {
		p.t.Error("lines are missing, says a mark")
	}
	const wrong = texts + `.map((text) => Number(/^line (\d+)/.exec(text)?.[1])).map((n, i, all) => i && n > 0 && all[i - 1] > 0 && n !== all[i - 1] + 1 ? all[i - 1] + " then " + n : "").filter(Boolean).slice(0, 5)`
	if wrong := eval[[]string](p, wrong); len(wrong) > 0 {
		p.t.Errorf("lines are missing or came twice: %q", wrong)
	}
}

// again has the container write its lines once more, and waits for the last one.
func (p *page) again(name string, total int) {
	p.t.Helper()
	before := eval[int](p, view+`.lines.end`)
	eval[bool](p, fmt.Sprintf(`import("/app/store.js").then(({ dw }) => dw.call(%q, { timeout: 0 })).then(() => true)`, name+"/restart"))
	p.await(fmt.Sprintf(view+`.lines.end >= %d && `+last+` === %d`, before+total, total))
}

func TestWhatIsReadBackGoesBeforeWhatIsKeptHoweverMuchCameMeanwhile(t *testing.T) {
	d := startDaemon(t)
	repo := repository(t, gittest.NewServer(t), "twice")
	p := openConsole(t, d)
	const total = 60_000
	p.made("twice", repo, "lines", "-n", fmt.Sprint(total), "-then", "wait")
	// The second page of the log comes when the page is full already.
	eval[bool](p, `import("/app/store.js").then(({ dw }) => {
		const call = dw.call.bind(dw);
		let pages = 0;
		globalThis.held = new Promise((resolve) => globalThis.let = resolve);
		dw.call = async (method, ...rest) => {
			const answer = await call(method, ...rest);
			if (method === "twice/logs" && ++pages === 2) await held;
			return answer;
		};
		return true;
	})`)
	p.do(chromedp.Navigate(d.url() + "#/c/twice/logs"))
	p.await(last + fmt.Sprint(` === `, total))
	p.again("twice", total)
	p.again("twice", total)
	eval[bool](p, `globalThis.let(), true`)
	p.again("twice", total)
	if eval[bool](p, `document.querySelector(".newest") !== null || !`+view+`.follow`) {
		t.Error("the newest lines are left out, though one looks at them")
	}
	// What went to make room for newer lines is read again.
	for range 4 {
		before := eval[int](p, view+`.lines.first`)
		eval[bool](p, `document.querySelector(".scroller").scrollTop = 0, true`)
		p.await(fmt.Sprintf(view+`.lines.first < %d`, before))
	}
	const wrong = texts + `.filter((text) => text.startsWith("line")).map((text) => Number(text.slice(5))).map((n, i, all) => i && n !== all[i - 1] % 60_000 + 1 ? all[i - 1] + " then " + n : "").filter(Boolean).slice(0, 5)`
	if wrong := eval[[]string](p, wrong); len(wrong) > 0 {
		t.Errorf("lines are missing or came twice: %q", wrong)
	}
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
	p.numbered(false)
	if first := eval[string](p, texts+`[0]`); first != "line 000001" {
		t.Errorf("the log begins with %q", first)
	}
}
