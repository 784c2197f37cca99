package browsertest

import (
	"testing"

	"github.com/dockwire/dockwire/engine/git/gittest"
)

func TestTheReplicasOfAContainerAreShown(t *testing.T) {
	d := startDaemon(t)
	p := openConsole(t, d)
	p.made("web", repository(t, gittest.NewServer(t), "web", "EXPOSE 8080"), "serve")
	eval[bool](p, `import("/app/store.js").then(({ dw }) => dw.call("web/scale", { replicas: 2 })).then(() => true)`)
	p.shows(`tr[data-name=web] [data-label=State]`, "2/2")
	p.shows(`tr[data-name="web-2"] .badge`, "running")
	p.await(`!document.querySelector('tr[data-name="web-2"] [data-key=u]')`)
	p.click(`tr[data-name="web-2"] .name`)
	p.shows(".facts", "a replica of web")
	p.await(`!document.querySelector(".tabs a[href$=update]")`)
	p.click(`.facts a[href="#/c/web/logs"]`)
	p.shows(".facts", "the logs of all 2 replicas")
	p.click(`.facts a[href="#/logs/web,web-2/merged"]`)
	p.shows(".head h1", "Logs")
}
