package e2e

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"testing"

	"github.com/dockwire/dockwire/engine/git/gittest"
)

// files are the files of a repository, by path. Each gets what every example
// needs besides: busybox, and a file that is different each time, without which
// the engine would have the steps after it in its cache.
type files map[string]string

// base begins a Dockerfile: a file system with a shell, made of one binary.
const base = `FROM scratch
COPY busybox /bin/busybox
RUN ["/bin/busybox", "--install", "-s", "/bin"]
COPY nonce /
`

// game is a small web app: it is compiled, reads its environment, and serves a
// page.
var game = files{
	"Dockerfile": base + `WORKDIR /srv
COPY index.html .
RUN echo compiled the game
EXPOSE 8080
CMD echo "level $LEVEL"; exec httpd -f -p 8080 -h /srv
`,
	"index.html": "a page of the game\n",
}

// ticker writes a numbered line twenty times a second, and serves its root.
var ticker = files{"Dockerfile": base + `RUN echo a page >/index.html
EXPOSE 8080
CMD httpd -p 8080 -h /; n=0; while :; do n=$((n+1)); echo "tick $n ."; sleep 0.05; done
`}

// chatter writes as many numbered lines of 100 bytes as it is told, as fast as
// it can, and stays.
var chatter = files{"Dockerfile": base + `CMD awk -v n=$LINES 'BEGIN { for (; i++ < n;) printf "line %08d %085d\n", i, 0 }'; exec sleep 100000
`}

// slowBuild has a step that takes two seconds between its lines.
var slowBuild = files{"Dockerfile": base + "RUN echo first; sleep 2; echo second\n"}

// brokenBuild has a step that fails.
var brokenBuild = files{"Dockerfile": base + "RUN echo about to fail; exit 7\n"}

// repository serves a repository of the files until the test ends, and gives
// its URL.
func repository(t testing.TB, f files) string {
	t.Helper()
	return newRepository(t, f).URL
}

// newRepository is one that a test can change.
func newRepository(t testing.TB, f files) *gittest.Repo {
	t.Helper()
	return serveRepository(t, gittest.NewServer(t), f)
}

// privateRepository is a repository that is given to who knows the login only.
func privateRepository(t testing.TB, f files, username, password string) (server *gittest.Server, url string) {
	t.Helper()
	server = gittest.NewServer(t)
	url = serveRepository(t, server, f).URL
	server.Require(username, password)
	return server, url
}

func serveRepository(t testing.TB, server *gittest.Server, f files) *gittest.Repo {
	t.Helper()
	shell, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatalf("the examples need busybox, which make tools installs: %v", err)
	}
	binary, err := os.ReadFile(shell)
	if err != nil {
		t.Fatal(err)
	}
	repo := server.Repo("game", nil)
	repo.Write("busybox", string(binary), 0o755)
	repo.Commit(files{"nonce": rand.Text()})
	repo.Commit(f)
	return repo
}

// number gives the number in the line of a ticker.
func number(t testing.TB, text string) int {
	t.Helper()
	var n int
	if _, err := fmt.Sscanf(text, "tick %d", &n); err != nil {
		t.Fatalf("%q is no line of a ticker", text)
	}
	return n
}
