package browsertest

import (
	"testing"

	"github.com/dockwire/dockwire/engine/enginetest"
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
