package browsertest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

// demo serves the repository of the demo, and gives its URL.
func demo(t testing.TB) string {
	t.Helper()
	version, err := enginetest.Client(t).ServerVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	hello := filepath.Join(t.TempDir(), "hello")
	build := exec.Command("go", "build", "-trimpath", "-ldflags", "-s -w", "-o", hello, "./examples/hello")
	build.Dir = checkout
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off", "GOOS=linux", "GOARCH="+version.Arch)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the demo: %v\n%s", err, out)
	}
	r := gittest.NewServer(t).Repo("hello", nil)
	r.Write("hello", read(t, hello), 0o755)
	r.Commit(map[string]string{"Dockerfile": read(t, checkout+"/examples/hello/Dockerfile")})
	return r.URL
}

func read(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// From the link that is printed to a page of one's own and back, as somebody
// does it who sees the console for the first time.
func TestOneComesFromThePrintedLinkToAPageOfOnesOwn(t *testing.T) {
	repo := demo(t)
	d, link := startDaemonAtTerminal(t)
	_, port, _ := strings.Cut(d.ingress, ":")
	p := startBrowser(t, chromedp.WindowSize(1280, 860)).open(t, link)
	p.shows("main h1", "Nothing here yet")
	p.everywhere("empty")
	if address := eval[string](p, `location.href`); strings.Contains(address, "token") {
		t.Errorf("the token stays in the address bar: %s", address)
	}

	p.click(`.empty a[href="#/build"]`)
	p.fill("#url", repo)
	p.await(`document.querySelector("#name").value === "hello"`)
	p.click(`.form button.primary`)
	p.shows(".head .badge", "succeeded")
	p.everywhere("build")

	p.click(`.head a.primary`)
	p.await(`document.querySelector("#image").value === "hello" && document.querySelector("#name").value === "hello"`)
	p.click(`.form button.primary`)
	p.shows(".head .badge", "running")
	p.shows("dw-lines .sheet", "listening on port 8080")

	p.click(`.head .domain`)
	p.opens("http://hello.localhost:"+port+"/", "Hello from dockwire")
	p.shows("dw-lines .sheet", "GET / for hello.localhost")
	p.shot("journey-log")

	p.click(`button[aria-label="Stop hello"]`)
	p.shows(".head .badge", "exited")
	p.shows("dw-lines .sheet", "terminated: bye")
	p.click(`button[aria-label="Remove hello"]`)
	p.click("dialog .danger")
	p.shows("main h1", "No container hello")
	p.click(`.empty .button`)
	p.shows("main h1", "Nothing here yet")
}
