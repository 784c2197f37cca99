package browsertest

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

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
	path := eval[string](p, `location.hash`)
	eval[bool](p, `Boolean(location.hash = "#token=`+d.token+`")`) // the link is opened once more
	p.shows("main h1", "Nothing here yet")
	eval[bool](p, `Boolean(location.hash = `+quote(path)+`)`)
	p.await(lines + `?.end > 30 && !document.querySelector(".head .badge.failed")`)
	p.click(`.head button.danger`)
	p.await(`document.querySelector(".badge.cancelled")`)
	p.do(chromedp.Navigate(d.url() + "#/build"))
	p.shows(".builds .badge", "cancelled")
	p.everywhere("builds")
}

func TestAFailedStepIsShownWithWhatToDo(t *testing.T) {
	d := startDaemon(t)
	repo := repository(t, gittest.NewServer(t), "failing-queue", `RUN ["/probe", "exit", "7"]`)
	p := openConsole(t, d)
	p.do(chromedp.Navigate(d.url() + "#/build"))
	p.fill("#url", repo)
	eval[bool](p, `globalThis.badges = new Set(), setInterval(() => badges.add(document.querySelector(".head .badge")?.textContent), 5), true`)
	p.click(`.form button.primary`)
	p.shows(".badge.failed", "failed")
	if badges := eval[string](p, `[...badges].join()`); strings.Contains(badges, "Queued") {
		t.Errorf("a build that did not wait for others said that it was %s", badges)
	}
	p.shows(".trouble", "7")
	p.everywhere("build-failed")
}

// begins begins a build as somebody else, who waits for it until the test ends.
func (d *daemon) begins(name, url string) {
	d.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	c := d.client()
	first, ended := make(chan struct{}), make(chan struct{})
	told := sync.OnceFunc(func() { close(first) })
	go func() {
		defer close(ended)
		c.Build(ctx, api.BuildParams{Name: name, URL: url}, func(api.Output) { told() })
	}()
	d.t.Cleanup(func() {
		cancel()
		<-ended
		c.Close()
	})
	select {
	case <-first:
	case <-time.After(patience):
		d.t.Fatalf("the build of %s does not begin", name)
	}
}

func TestABuildThatAnotherBeganIsOpenedAndFollowed(t *testing.T) {
	d := startDaemon(t, "--builds", "1")
	repo := repository(t, gittest.NewServer(t), "slow", `RUN ["/probe", "lines", "-every", "50ms"]`)
	p := openConsole(t, d)
	p.click(`header a[href="#/build"]`)
	p.shows("main h1", "Build an image")
	d.begins("theirs", repo)
	d.begins("next", repo)
	p.shows(".builds tbody tr:nth-child(1)", "next")
	p.shows(".builds tbody tr:nth-child(1) .badge", "queued, number 1")
	p.shows(".builds tbody tr:nth-child(2) .badge", "running")
	p.click(`.builds tr:nth-child(2) th a`)
	const lines = `document.querySelector("dw-lines")?.lines`
	p.await(lines + `.end > 30 && ` + lines + `.at(0).stream === "git"`)
	p.await(`document.querySelector("dw-lines .row:not(.git)")`)
	p.await(`Number.parseInt(document.querySelector(".elapsed").textContent) > 1`)
	p.click(`.head nav a`)
	p.click(`.builds tr:nth-child(1) th a`)
	p.shows(".head .badge", "queued, number 1")
	p.shows("dw-lines .sheet", "position 1 in the queue")
	p.everywhere("build-queued")
	p.click(`.head nav a`)
	p.click(`.builds tr:nth-child(2) th a`)
	p.click(`.head button.danger`)
	p.shows(".head .badge", "cancelled")
	p.click(`.head nav a`)
	p.click(`.builds tr:nth-child(1) th a`)
	p.await(lines + `.end > 30`)
	p.click(`.head button.danger`)
	p.shows(".head .badge", "cancelled")
	p.click(`.head a.primary`)
	p.await(`document.querySelector("#name").value === "next" && document.querySelector("#url").value === ` + quote(repo))
}

func TestAllThatABuildTakesIsGivenInTheForm(t *testing.T) {
	d := startDaemon(t)
	r := gittest.NewServer(t).Repo("monorepo", nil)
	r.Write("app/probe", string(enginetest.Program(t)), 0o755)
	r.Commit(map[string]string{"app/Containerfile": "FROM scratch AS first\nARG COLOUR\nCOPY probe /probe\nRUN [\"/probe\", \"show\", \"/proc/self/environ\"]\nFROM first AS second\nRUN [\"/probe\", \"exit\", \"1\"]\n"})
	r.Git("branch", "release")
	r.Commit(map[string]string{"app/Containerfile": "FROM nothing"})
	p := openConsole(t, d)
	p.do(chromedp.KeyEvent("n"))
	p.fill("#url", r.URL)
	p.click(".form summary")
	for field, text := range map[string]string{"ref": "release", "dir": "app", "dockerfile": "Containerfile", "target": "first", "args": "COLOUR=teal"} {
		p.fill("#"+field, text)
	}
	for _, tick := range []string{"noCache", "pull", "submodules"} {
		p.click(`.tick [name=` + tick + `]`)
	}
	p.everywhere("build-form")
	p.click(`.form button.primary`)
	p.shows(".head .badge", "succeeded")
	p.await(`document.querySelector("dw-lines .row.step") && document.querySelector("dw-lines .row.git")`)
	p.shows("dw-lines .sheet", "teal")
	p.shows(".facts", "#release")
}
