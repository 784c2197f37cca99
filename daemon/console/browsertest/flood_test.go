package browsertest

import (
	"fmt"
	"testing"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/dockwire/dockwire/engine/git/gittest"
)

const (
	maxLines = 100_000 // that the page holds
	maxRows  = 120     // that are in the document
)

// watchTasks has the page note its long tasks from now on.
func (p *page) watchTasks() {
	p.t.Helper()
	eval[bool](p, `globalThis.longest = 0, globalThis.tasks = 0, new PerformanceObserver((list) => {
		for (const { duration } of list.getEntries()) longest = Math.max(longest, duration), tasks++;
	}).observe({ type: "longtask" }), true`)
}

// bounded checks how much of a log the page holds, and says what that costs it.
func (p *page) bounded(when string) {
	p.t.Helper()
	got := eval[struct{ Lines, Rows, Tasks, Longest int }](p, `(({ lines }) => ({ lines: lines.end - lines.first,
		rows: document.querySelectorAll("dw-lines .row").length, tasks, longest: Math.round(longest) }))(`+view+`)`)
	heap := ask(p, result(runtime.GetHeapUsage, cdp.Empty{}))
	p.t.Logf("%s: %d lines held, %d rows, a heap of %.1f MiB; %d tasks took over 50 ms, the longest %d ms",
		when, got.Lines, got.Rows, heap.UsedSize/(1<<20), got.Tasks, got.Longest)
	if got.Lines > maxLines || got.Rows > maxRows {
		p.t.Errorf("%s: %d lines are held, and %d rows", when, got.Lines, got.Rows)
	}
}

// last gives an expression for the number of the newest line that is held.
const last = `Number(((lines) => lines.at(lines.end - 1))(` + view + `.lines).text.slice(5, 11))`

func TestTwentyThousandLinesASecondAreFollowedInBoundedMemory(t *testing.T) {
	d := startDaemon(t)
	repo := repository(t, gittest.NewServer(t), "flood")
	p := openConsole(t, d)
	p.made("flood", repo, "lines", "-rate", "20000", "-size", "100")
	p.watchTasks()
	p.do(chromedp.Navigate(d.url() + "#/c/flood/logs"))
	for _, lines := range []int{50_000, 150_000, 250_000} {
		p.await(fmt.Sprintf(last+` > %d`, lines))
		p.bounded(fmt.Sprintf("after %d lines", lines))
	}
	p.numbered(true)
	p.shot("flood-light")
	// Whoever reads does not lose what is read: what there is no room for is left out.
	p.do(chromedp.KeyEvent("f"))
	p.await(`document.querySelector(".newest")`)
	p.bounded("while one reads")
	p.shot("flood-behind-light")
	p.click(".newest")
	p.await(`!document.querySelector(".newest") && ` + view + `.follow && ` + view + `.count > 10_000`)
	p.bounded("at the newest again")
}

func TestALogIsReadBackToItsFirstLine(t *testing.T) {
	d := startDaemon(t)
	repo := repository(t, gittest.NewServer(t), "tall")
	p := openConsole(t, d)
	const total = 110_000
	p.made("tall", repo, "lines", "-n", fmt.Sprint(total), "-stream", "both", "-then", "wait")
	p.do(chromedp.Navigate(d.url() + "#/c/tall/logs"))
	p.await(fmt.Sprintf(`[%d, %d].includes(`+last+`)`, total, total-1))
	p.await(view + `.count >= 20_000`)
	p.watchTasks()
	for first := ""; first != "line 000001" && first != "line 000002"; {
		before := eval[int](p, view+`.lines.first`)
		eval[bool](p, `document.querySelector(".scroller").scrollTop = 0, true`)
		p.await(fmt.Sprintf(view+`.lines.first < %d`, before))
		first = eval[string](p, `((lines) => lines.at(lines.first).text)(`+view+`.lines)`)
	}
	p.bounded("at the first line")
	p.wholeOnEachStream()
	if visible := eval[string](p, `document.querySelector("dw-lines .row .text").textContent`); visible >= "line 040000" {
		t.Errorf("one reads at %q", visible)
	}
	p.shot("read-back-light")
	p.click(".newest")
	p.await(fmt.Sprintf(`[%d, %d].includes(`+last+`)`, total, total-1))
}

// wholeOnEachStream checks the numbered lines of stdout, the odd ones, and of
// stderr: the engine tells no order between the two.
func (p *page) wholeOnEachStream() {
	p.t.Helper()
	const wrong = `(({ lines }) => {
		const before = {}, wrong = [];
		for (let i = lines.first; i < lines.end; i++) {
			const { stream, text } = lines.at(i), n = Number(text.slice(5));
			if (before[stream] && n !== before[stream] + 2) wrong.push(stream + ": " + before[stream] + " then " + n);
			before[stream] = n;
		}
		return wrong.slice(0, 5);
	})(` + view + `)`
	if wrong := eval[[]string](p, wrong); len(wrong) > 0 {
		p.t.Errorf("lines are missing or came twice: %q", wrong)
	}
}
