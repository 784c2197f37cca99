package e2e

import (
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client/api"
)

// The engine fetches what a Dockerfile ADDs from the host's own network, where
// the daemon's listeners are.
func TestADockerfileReadsNothingFromTheDaemonsOwnHTTP(t *testing.T) {
	d := startDaemon(t)
	w := d.connect(t)
	ask[api.Build](w, "build", []any{"hidden", repository(t, ticker)})
	ask[api.Container](w, "create", []any{"hidden", "hidden-app"})
	address := "http" + strings.TrimPrefix(d.url, "ws")
	for _, url := range []string{address + "/", address + "/rpc", address + "/healthz", address + "/metrics", address + "/containers/json", "http://" + d.ingress + "/"} {
		dockerfile := base + "ADD " + url + " /fetched\nRUN echo fetched: ; cat /fetched\n"
		build := w.start("build", map[string]any{"name": "fetcher", "url": repository(t, files{"Dockerfile": dockerfile}), "noCache": true})
		var said strings.Builder
		for _, line := range build.lines() {
			said.WriteString(line.Text + "\n")
		}
		if text := said.String(); strings.Contains(text, d.token) || strings.Contains(text, "hidden-app") || strings.Contains(text, d.instance) {
			t.Errorf("%s gave a Dockerfile:\n%s", url, text)
		}
		if answer := build.end(); answer.Error == nil && !strings.Contains(said.String(), "fetched:") {
			t.Errorf("%s was not tried:\n%s", url, &said)
		}
	}
}
