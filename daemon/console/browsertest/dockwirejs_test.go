package browsertest

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/dockwire/dockwire/engine/git/gittest"
)

// stage is a daemon behind a network that can break, and a site whose pages
// call it.
type stage struct {
	daemon *daemon
	site   *httptest.Server // its pages are in testdata
}

func newStage(t *testing.T, d *daemon) *stage {
	t.Helper()
	network := newProxy(t, d.address)
	git, unique := gittest.NewServer(t), strings.ToLower(rand.Text()[:6])
	repo := func(name string, run ...string) string {
		return repository(t, git, name, append([]string{"ENV STAGE=" + unique}, run...)...) // so that no step is shared with others
	}
	config := map[string]any{
		"url": strings.Replace(d.wsURL(), d.address, network.address, 1), "token": d.token,
		"module": strings.Replace(d.url(), d.address, network.address, 1) + "dockwire.js", "unique": unique,
		"repos": map[string]string{
			"app":     repo("app"),
			"steps":   repo("steps", `RUN ["/probe", "lines", "-n", "1500", "-every", "1ms"]`),
			"slow":    repo("slow", `RUN ["/probe", "lines", "-every", "100ms"]`),
			"failing": repo("failing", `RUN ["/probe", "exit", "7"]`),
		},
	}
	mux := http.NewServeMux()
	mux.Handle("GET /", http.FileServer(http.Dir("testdata")))
	mux.HandleFunc("GET /copy.js", func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, "../dockwire.js") })
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("GET /config.json", func(w http.ResponseWriter, _ *http.Request) { json.NewEncoder(w).Encode(config) })
	mux.HandleFunc("POST /network/{action}", func(w http.ResponseWriter, r *http.Request) {
		switch r.PathValue("action") {
		case "cut":
			network.cut()
		case "refuse":
			network.refuse()
		case "silence":
			network.silence()
		case "restore":
			if err := network.restore(); err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		}
	})
	s := &stage{d, httptest.NewServer(mux)}
	t.Cleanup(s.site.Close)
	return s
}

// at gives the URL of a page of the site, under a name that leads to it.
func (s *stage) at(host, path string) string {
	return strings.Replace(s.site.URL, "127.0.0.1", host, 1) + path
}

func TestTheModuleWorksInNode(t *testing.T) {
	t.Parallel()
	newStage(t, startDaemon(t)).node(t, "")
}

// node plays in Node the scenarios that the expression matches.
func (s *stage) node(t *testing.T, scenarios string, env ...string) {
	t.Helper()
	source, err := os.ReadFile("../dockwire.js")
	if err != nil {
		t.Fatal(err)
	}
	module := filepath.Join(t.TempDir(), "dockwire.mjs") // Node tells a module by the end of its name
	if err := os.WriteFile(module, source, 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "--test", "testdata/node.mjs")
	cmd.Env = append(append(os.Environ(), "CONTROL="+s.site.URL, "MODULE="+module, "NODE_PATH="+nodePath(t), "SCENARIOS="+scenarios), env...)
	out, err := cmd.CombinedOutput()
	t.Logf("%s", out)
	if err != nil {
		t.Errorf("node: %v", err)
	}
}

// nodePath is where the packages lie that make tools installs.
func nodePath(t *testing.T) string {
	t.Helper()
	ours, err := filepath.Abs(checkout + "/.cache/lib/node_modules")
	if err != nil {
		t.Fatal(err)
	}
	return ours + ":/usr/share/nodejs"
}

func TestTheModuleWorksInAPageOfAnAllowedOrigin(t *testing.T) {
	t.Parallel()
	s := newStage(t, startDaemon(t))
	p := startBrowser(t).open(t, s.at("localhost", "/page.html"))
	p.tolerate(`WebSocket|net::ERR_(CONNECTION|EMPTY_RESPONSE|SOCKET|NETWORK_CHANGED)`) // broken networks are the test's own doing
	p.tolerate(`requests?: .* for .*/healthz`)
	p.do(chromedp.WaitReady(chromedp.CSS(`[data-ready]`)))
	for _, name := range eval[[]string](p, `names`) {
		t.Run(name, func(t *testing.T) {
			if failure := eval[string](p, "run("+quote(name)+")"); failure != "" {
				t.Error(failure)
			}
		})
	}
}

func TestAPageOfAnotherOriginIsRefused(t *testing.T) {
	t.Parallel()
	s := newStage(t, startDaemon(t))
	p := startBrowser(t).open(t, s.at("evil.localhost", "/blank.html"))
	p.tolerate(`CORS|WebSocket|net::ERR_FAILED`)
	const imports = `import("http://" + ADDRESS + "/dockwire.js").then(() => "imported", (error) => error.name)`
	if got := eval[string](p, strings.ReplaceAll(imports, "ADDRESS", quote(s.daemon.address))); got != "TypeError" {
		t.Errorf("the module: %s", got)
	}
	const connects = `import("/copy.js").then(({ connect }) => connect("ws://" + ADDRESS, { token: TOKEN }).call("list"))
		.then(JSON.stringify, (error) => error.code)`
	call := strings.NewReplacer("ADDRESS", quote(s.daemon.address), "TOKEN", quote(s.daemon.token)).Replace(connects)
	if got := eval[string](p, call); got != "refused" {
		t.Errorf("a copy of the module, with the right token: %s", got)
	}
}

func TestTheConsolesOwnPagesCallAndRunNothingForeign(t *testing.T) {
	t.Parallel()
	s := newStage(t, startDaemon(t))
	p := startBrowser(t).open(t, s.daemon.url())
	const call = `import("/dockwire.js").then(async ({ connect }) => {
		const dw = connect(undefined, { token: TOKEN });
		const list = await dw.call("list");
		dw.close();
		return JSON.stringify(list);
	})`
	if got := eval[string](p, strings.ReplaceAll(call, "TOKEN", quote(s.daemon.token))); got != "[]" {
		t.Errorf("list: %s", got)
	}
	for _, trouble := range p.wrong() {
		t.Errorf("before there was anything foreign: %s", trouble)
	}
	for what, foreign := range map[string]string{
		"script-src":  "import(" + quote(s.at("localhost", "/copy.js")) + ").then(() => 'done', () => 'refused')",
		"connect-src": "fetch(" + quote(s.at("localhost", "/config.json")) + ").then(() => 'done', () => 'refused')",
		"trusted":     "Promise.resolve().then(() => { document.body.innerHTML = '<img>'; return 'done' }).catch(() => 'refused')",
	} {
		if got := eval[string](p, foreign); got != "refused" {
			t.Errorf("%s: %s", what, got)
		}
		if !strings.Contains(strings.Join(p.wrong(), "\n"), what) {
			t.Errorf("%s is not among what went wrong: %q", what, p.wrong())
		}
	}
	p.tolerate(`CSP|Content Security Policy|security|Trusted|net::ERR|csp`)
}

func quote(text string) string {
	data, _ := json.Marshal(text)
	return string(data)
}
