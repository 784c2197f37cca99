package whole

import (
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/cmd/dockwire/bench/beside"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/git/gittest"
)

// BenchmarkColdBuild builds a repository of 5,000 files that was never seen
// before, with nothing from the engine's cache.
func BenchmarkColdBuild(b *testing.B) {
	d, server := startDaemon(b), gittest.NewServer(b)
	round := 0
	fresh := func() string {
		round++
		return server.Repo(fmt.Sprintf("cold-%d", round), manyFiles(5000)).URL
	}
	beside.Contest{Work: "build of 5,000 files, cold", Unit: "s", Less: true}.Run(b,
		beside.Contender{Name: "dockwire", Turn: func() float64 {
			url := fresh()
			return seconds(func() { d.call("build", map[string]any{"name": "cold", "url": url, "noCache": true}) })
		}},
		beside.Contender{Name: "git clone, docker build", Turn: func() float64 {
			url := fresh()
			return seconds(func() { d.cloneAndBuild(url, "cold-docker", "--no-cache") })
		}, AtLeast: 1})
}

// BenchmarkBuildChanged builds a commit in which one file of 5,000 is another.
func BenchmarkBuildChanged(b *testing.B) {
	d, server := startDaemon(b), gittest.NewServer(b)
	repo := server.Repo("changed", manyFiles(5000))
	change := func() { repo.Commit(map[string]string{"version": rand.Text()}) }
	beside.Contest{Work: "build again, one file changed", Unit: "s", Less: true, Warm: true}.Run(b,
		beside.Contender{Name: "dockwire", Turn: func() float64 {
			change()
			return seconds(func() { d.call("build", []any{"changed", repo.URL}) })
		}},
		beside.Contender{Name: "git clone, docker build", Turn: func() float64 {
			change()
			return seconds(func() { d.cloneAndBuild(repo.URL, "changed-docker") })
		}})
}

// BenchmarkBuildAgain builds the same commit again.
func BenchmarkBuildAgain(b *testing.B) {
	d, server := startDaemon(b), gittest.NewServer(b)
	url := server.Repo("again", manyFiles(5000)).URL
	beside.Contest{Work: "build again, nothing changed", Unit: "s", Less: true, Warm: true}.Run(b,
		beside.Contender{Name: "dockwire", Turn: func() float64 {
			return seconds(func() { d.call("build", []any{"again", url}) })
		}},
		beside.Contender{Name: "git clone, docker build", Turn: func() float64 {
			return seconds(func() { d.cloneAndBuild(url, "again-docker") })
		}, AtLeast: 20})
}

// BenchmarkFirstAnswer goes from a git URL to the first answer of the app, with
// a commit that is new each time.
func BenchmarkFirstAnswer(b *testing.B) {
	d, server := startDaemon(b), gittest.NewServer(b)
	repo := server.Repo("web", nil)
	repo.Write("probe", string(enginetest.Program(b)), 0o755)
	repo.Commit(map[string]string{"Dockerfile": "FROM scratch\nCOPY . /\nEXPOSE 8080\nRUN [\"/probe\", \"exit\", \"0\"]\nENTRYPOINT [\"/probe\"]\nCMD [\"serve\"]\n"})
	change := func() { repo.Commit(map[string]string{"version": rand.Text()}) }
	beside.Contest{Work: "from the git URL to the first 200", Unit: "s", Less: true, Warm: true}.Run(b,
		beside.Contender{Name: "dockwire", Turn: func() float64 {
			change()
			defer d.call("remove", []any{"web"})
			return seconds(func() {
				d.calls(request{"build", []any{"web", repo.URL}}, request{"create", []any{"web", "web"}})
				awaitOK(b, "http://"+d.ingress+"/id", "web.localhost")
			})
		}},
		beside.Contender{Name: "git clone, docker build, docker run, a poll", Turn: func() float64 {
			change()
			return d.byHand(repo.URL, func() string { return "bridge" })
		}, AtLeast: 1.1},
		beside.Contender{Name: "the same on a network of its own", Turn: func() float64 {
			change()
			network := d.instance + "-by-hand"
			defer func() { docker(b, "network", "rm", network) }()
			return d.byHand(repo.URL, func() string { return docker(b, "network", "create", network) })
		}})
}

// byHand goes from a git URL to the first answer with git and docker, on the
// network that there is then.
func (d *daemon) byHand(url string, network func() string) float64 {
	d.b.Helper()
	defer docker(d.b, "rm", "--force", "web-docker")
	port := freePort(d.b)
	return seconds(func() {
		d.cloneAndBuild(url, "web-docker")
		docker(d.b, "run", "--detach", "--name", "web-docker", "--network", network(), "--publish", "127.0.0.1:"+port+":8080", "web-docker")
		awaitOK(d.b, "http://127.0.0.1:"+port+"/id", "web-docker")
	})
}

// manyFiles are n small files in some directories, and a Dockerfile that copies
// them.
func manyFiles(n int) map[string]string {
	files := map[string]string{"Dockerfile": "FROM scratch\nCOPY . /\n"}
	for i := range n {
		files[fmt.Sprintf("src/%02d/file-%d.txt", i%50, i)] = strings.Repeat(rand.Text()+"\n", 40)
	}
	return files
}

// benchLabel is on the images that docker makes here.
const benchLabel = "io.dockwire.bench=1"

// cloneAndBuild does with git and docker what build does. The images are removed
// when the benchmark ends.
func (d *daemon) cloneAndBuild(url, tag string, options ...string) {
	d.b.Helper()
	dir := filepath.Join(d.b.TempDir(), "clone")
	enginetest.ByHand(d.b, "git", "clone", "--quiet", "--depth", "1", url, dir)
	defer os.RemoveAll(dir)
	d.b.Cleanup(func() { docker(d.b, "image", "prune", "--all", "--force", "--filter", "label="+benchLabel) })
	enginetest.ByHand(d.b, "docker", append(append([]string{"build", "--quiet", "--label", benchLabel, "--tag", tag}, options...), dir)...)
}

// awaitOK polls until a URL answers 200.
func awaitOK(b *testing.B, url, host string) {
	b.Helper()
	request, err := http.NewRequest(http.MethodGet, url, nil)
	must(b, err)
	request.Host = host
	for late := time.Now().Add(time.Minute); time.Now().Before(late); time.Sleep(5 * time.Millisecond) {
		resp, err := http.DefaultClient.Do(request)
		if err != nil {
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode == http.StatusOK {
			return
		}
	}
	b.Fatalf("%s does not answer", url)
}

func seconds(do func()) float64 {
	begin := time.Now()
	do()
	return time.Since(begin).Seconds()
}
