package ingress

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// base is the domain of the containers of these tests.
const base = "test.localhost"

// world is an ingress in front of a real engine.
type world struct {
	*front
	engine *engine.Engine
	image  string
	suffix string
}

// name gives a name that no other test uses.
func (w *world) name(base string) string { return base + "-" + w.suffix }

// newWorld runs an engine of the test's own, whose router is the ingress.
func newWorld(t *testing.T, change ...func(*engine.Config)) *world {
	t.Helper()
	var random [4]byte
	rand.Read(random[:])
	id := hex.EncodeToString(random[:])
	w := &world{image: "ingress-" + id, suffix: id}
	w.front = newFront(t, Options{Leads: func(ctx context.Context, r engine.Route) error { return w.engine.Leads(ctx, r) }})
	t.Cleanup(func() { enginetest.NothingLeft(t, "test-"+id) })
	w.imports(w.image)
	cfg := engine.Config{Instance: "test-" + id, Base: base, AllowImages: []string{w.image + "*"}, Router: w.Ingress, Drain: DefaultDrain, Log: zap.NewNop()}
	for _, c := range change {
		c(&cfg)
	}
	e, err := engine.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	w.engine = e
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	t.Cleanup(func() {
		w.removeAll()
		cancel()
		<-ended
		e.Close()
	})
	return w
}

// imports makes an image of the probe under a name.
func (w *world) imports(name string, instructions ...string) {
	w.t.Helper()
	if err := enginetest.Client(w.t).ImageTag(w.t.Context(), enginetest.Probe(w.t, nil, instructions...), name+":latest"); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) removeAll() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	all, err := w.engine.Containers(ctx)
	if err != nil {
		w.t.Error(err)
	}
	for _, c := range all {
		if c.ReplicaOf != "" { // it goes with that one
			continue
		}
		if _, err := w.engine.Remove(ctx, c.Name, true); err != nil {
			w.t.Errorf("%s is left: %v", c.Name, err)
		}
	}
}

// create makes a container of the image that serves, unless p says otherwise.
func (w *world) create(p api.CreateParams) api.Container {
	w.t.Helper()
	if p.Command == nil {
		p.Command = []string{"serve"}
	}
	p.Image, p.Memory = cmp.Or(p.Image, w.image), 64<<20
	c, err := w.engine.Create(w.t.Context(), p, "tester")
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

func (w *world) remove(name string) {
	w.t.Helper()
	if _, err := w.engine.Remove(w.t.Context(), name, false); err != nil {
		w.t.Fatal(err)
	}
}

// addressOf gives where a container is reached.
func (w *world) addressOf(id string) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.containers[id].route.Address.String()
}

// load asks for URLs at a constant rate, whatever the answers do, until it is
// ended.
type load struct {
	w        *world
	asked    atomic.Int64
	answered atomic.Int64 // with 200
	stop     context.CancelFunc
	running  sync.WaitGroup
}

// mostAsked is how many requests of a load wait for their answers at most: far
// more than there are at a rate that the machine can do. At another they would
// only get more and more, until they ran out of time.
const mostAsked = 256

// begin asks for one of the URLs, rate times a second, or as often as the machine
// can; check sees each answer.
func (w *world) begin(rate int, urls []string, check func(url string, status int, body string, err error)) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{w: w, stop: cancel}
	places := make(chan struct{}, mostAsked)
	l.running.Go(func() {
		for due := time.Now(); ; due = due.Add(time.Second / time.Duration(rate)) {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Until(due)):
			}
			places <- struct{}{}
			l.asked.Add(1)
			l.running.Go(func() {
				defer func() { <-places }()
				l.ask(urls[mathrand.IntN(len(urls))], check)
			})
		}
	})
	return l
}

func (l *load) ask(url string, check func(string, int, string, error)) {
	resp, err := l.w.client.Get(url)
	if err != nil {
		check(url, 0, "", err)
		return
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if resp.StatusCode == http.StatusOK {
		l.answered.Add(1)
	}
	check(url, resp.StatusCode, string(body), err)
}

// end stops asking and waits for the last answers.
func (l *load) end() {
	l.stop()
	l.running.Wait()
}

// times is how often a test repeats what it does.
func times(t *testing.T, usual int) int {
	if n, err := strconv.Atoi(os.Getenv("DOCKWIRE_TEST_TIMES")); err == nil {
		return n
	}
	return usual
}

// shared is the domain of several containers.
const shared = "shop.example"

func mustNotFail(t *testing.T) func(string, int, string, error) {
	return func(url string, status int, body string, err error) {
		if err != nil || status != http.StatusOK {
			t.Errorf("%s: %d %s %v", url, status, body, err)
		}
	}
}

// answeredBy fails the test unless a host's requests are answered by all of
// these, and by nobody else.
func (w *world) answeredBy(host string, names ...string) {
	w.t.Helper()
	answered := map[string]bool{}
	for range 50 {
		status, body := w.get("http://" + host + "/id")
		if status != http.StatusOK || !slices.Contains(names, body) {
			w.t.Fatalf("%s is answered by %d %s, want %v", host, status, body, names)
		}
		answered[body] = true
	}
	if len(answered) != len(names) {
		w.t.Errorf("%s is answered by %v only, want %v", host, answered, names)
	}
}
