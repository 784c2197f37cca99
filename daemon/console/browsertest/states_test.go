package browsertest

import (
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

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

func TestWhatTheEngineDidNotAnswerIsAskedForAgain(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	d := startDaemon(t, "--docker-host", proxy.Socket())
	t.Cleanup(proxy.Restore)
	repo := repository(t, gittest.NewServer(t), "mute", "EXPOSE 8080")
	p := openConsole(t, d)
	p.made("mute", repo, "write", "/made", "by the container")
	p.shows(`tr[data-name=mute] .badge`, "running")
	proxy.Refuse()
	p.shows(".banner.bad", "its Docker engine does not answer")
	eval[bool](p, `Boolean(location.hash = "#/c/mute/diff")`)
	p.shows("main", "There was no answer.")
	proxy.Restore()
	p.await(`!document.querySelector(".banner")`)
	p.click("main p button")
	p.shows(".changes .added", "/made")
}

func TestTheConsoleSaysHowManyReplicasServe(t *testing.T) {
	d := newDaemon(t)
	m := enginetest.NewManager(t, d.instance, "1.51", 2, 3, "127.0.0.1:1")
	d.flags = []string{"--engine", "swarm", "--docker-host", m.Socket, "--registry", "registry.example.com:5000"}
	d.start()
	t.Cleanup(d.stop)
	p := openConsole(t, d)
	p.shows(`tr[data-name="app1"] [data-label="State"]`, "3/3")
	p.click(`tr[data-name="app1"] .name`)
	p.shows("main .head", "3/3")
}

func TestALinkThatLeadsNowhereLeadsToTheContainers(t *testing.T) {
	d := startDaemon(t)
	p := openConsole(t, d)
	for _, link := range []string{"#/%", "#/nowhere", "#/toString", "#/__proto__"} {
		p.do(chromedp.Navigate(d.url() + "#/images"))
		p.shows("main h1", "No images yet")
		p.do(chromedp.Navigate(d.url() + link))
		p.await(`document.querySelector('main .empty a[href="#/build"]')`)
	}
}
