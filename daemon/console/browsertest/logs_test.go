package browsertest

import (
	"fmt"
	"testing"

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
