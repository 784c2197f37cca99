package ingress

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
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

// begin asks for one of the URLs, rate times a second; check sees each answer.
func (w *world) begin(rate int, urls []string, check func(url string, status int, body string, err error)) *load {
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{w: w, stop: cancel}
	ticker := time.NewTicker(time.Second / time.Duration(rate))
	l.running.Go(func() {
		defer ticker.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
				l.asked.Add(1)
				l.running.Go(func() { l.ask(urls[mathrand.IntN(len(urls))], check) })
			}
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

func TestAnAddressThatChangesHandsNeverAnswersForAnother(t *testing.T) {
	w := newWorld(t)
	w.create(api.CreateParams{Name: w.name("keeper"), Network: w.name("net"), Command: []string{"wait"}})
	names := []string{w.name("bb"), w.name("aa")}
	last := w.create(api.CreateParams{Name: names[1], Network: w.name("net")})
	l := w.begin(200, []string{"http://" + names[0] + "." + base + "/id", "http://" + names[1] + "." + base + "/id"}, func(url string, status int, body string, err error) {
		host, _, _ := strings.Cut(strings.TrimPrefix(url, "http://"), ".")
		switch {
		case err != nil:
			t.Errorf("%s: %v", url, err)
		case status == http.StatusOK && body != host:
			t.Errorf("%s was answered by %s", url, body)
		}
	})
	defer l.end()
	reused, n := 0, times(t, 30)
	for i := range n {
		address := w.addressOf(last.ID)
		w.remove(last.Name)
		last = w.create(api.CreateParams{Name: names[i%2], Network: w.name("net")})
		if w.addressOf(last.ID) == address {
			reused++
		}
		before := l.answered.Load()
		w.until("it answers", func() bool { return l.answered.Load() > before+5 })
	}
	l.end()
	t.Logf("%d of %d times the address was that of the one before; %d of %d requests were answered", reused, n, l.answered.Load(), l.asked.Load())
	if reused == 0 || l.answered.Load() == 0 {
		t.Error("nothing was tried")
	}
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

func TestScalingUpAndDownFailsNoRequest(t *testing.T) {
	w := newWorld(t)
	w.create(api.CreateParams{Name: w.name("web-1"), Domain: shared})
	w.until("it is served", func() bool { return w.stateOf(shared, w.name("web-1")) == api.PoolServing })
	l := w.begin(200, []string{"http://" + shared + "/id", "http://" + shared + "/slow/100ms"}, mustNotFail(t))
	defer l.end()
	for i := range 4 {
		w.create(api.CreateParams{Name: w.name(fmt.Sprintf("web-%d", i+2)), Domain: shared, Command: []string{"serve", "-delay", "200ms"}})
	}
	w.until("all serve", func() bool {
		serving := 0
		for _, m := range w.Pool(shared) {
			if m.State == api.PoolServing {
				serving++
			}
		}
		return serving == 5
	})
	if _, err := w.engine.Restart(t.Context(), w.name("web-2"), nil); err != nil {
		t.Error(err)
	}
	if _, err := w.engine.Stop(t.Context(), w.name("web-3"), nil); err != nil {
		t.Error(err)
	}
	for _, name := range []string{"web-1", "web-2", "web-3", "web-4"} {
		w.remove(w.name(name))
	}
	l.end()
	t.Logf("%d requests", l.asked.Load())
	if members := w.Pool(shared); len(members) != 1 || members[0].Name != w.name("web-5") {
		t.Errorf("the pool is %+v", members)
	}
}

func TestAContainerThatDiesFailsNoRequestThatCanBeRepeated(t *testing.T) {
	w := newWorld(t)
	w.create(api.CreateParams{Name: w.name("web-1"), Domain: shared})
	dies := w.create(api.CreateParams{Name: w.name("web-2"), Domain: shared})
	w.until("both serve", func() bool {
		return w.stateOf(shared, w.name("web-1")) == api.PoolServing && w.stateOf(shared, w.name("web-2")) == api.PoolServing
	})
	l := w.begin(200, []string{"http://" + shared + "/id", "http://" + shared + "/slow/30ms"}, mustNotFail(t))
	defer l.end()
	for range times(t, 3) {
		if err := enginetest.Client(t).ContainerKill(t.Context(), dies.ID, "KILL"); err != nil {
			t.Fatal(err)
		}
		w.until("it is out", func() bool { return w.stateOf(shared, w.name("web-2")) == api.PoolOut })
		if _, err := w.engine.Start(t.Context(), w.name("web-2")); err != nil {
			t.Fatal(err)
		}
		w.until("it serves again", func() bool { return w.stateOf(shared, w.name("web-2")) == api.PoolServing })
	}
}

func TestStoppingWaitsForWhatIsBeingAnswered(t *testing.T) {
	w := newWorld(t)
	c := w.create(api.CreateParams{Name: w.name("web")})
	w.until("it serves", func() bool { return w.stateOf(c.Domain, c.Name) == api.PoolServing })
	ws, err := w.dialWebSocket(c.Domain + "/ws")
	if err != nil {
		t.Fatal(err)
	}
	echo(t, ws, "hello")
	answered := make(chan int, 1)
	go func() {
		status, _ := w.get("http://" + c.Domain + "/slow/1s")
		answered <- status
	}()
	w.until("the request is there", func() bool {
		w.mu.Lock()
		defer w.mu.Unlock()
		_, n := w.containers[c.ID].backend.status()
		return n == 2
	})
	if _, err := w.engine.Stop(t.Context(), w.name("web"), nil); err != nil {
		t.Fatal(err)
	}
	if status := <-answered; status != 200 {
		t.Errorf("the request was answered with %d", status)
	}
	w.want("http://"+c.Domain+"/id", 503, "is not running")
	if _, err := w.engine.Start(t.Context(), w.name("web")); err != nil {
		t.Fatal(err)
	}
	w.want("http://"+c.Domain+"/id", 200, c.Name)
}

func TestAHealthCheckDecidesWhoIsInThePool(t *testing.T) {
	w := newWorld(t)
	checked := w.image + "-checked"
	w.imports(checked, `HEALTHCHECK --interval=10s --start-period=10m --retries=1 CMD ["/probe", "exit", "/health"]`)
	t.Cleanup(w.removeAll) // before the image goes
	always := w.create(api.CreateParams{Name: w.name("always"), Domain: shared}).Name
	c := w.create(api.CreateParams{Image: checked, Name: w.name("checked"), Domain: shared})
	w.until("both have started", func() bool {
		return w.stateOf(shared, always) == api.PoolServing && w.memberOf(shared, c.Name).Reason == "has not passed its health check yet"
	})
	w.answeredBy(shared, always)
	w.want("http://"+c.Name+"."+base+"/id", 200, c.Name) // nobody else could answer
	for _, step := range []struct{ exit, state string }{{"0", api.PoolServing}, {"1", api.PoolOut}, {"0", api.PoolServing}} {
		enginetest.Put(t, c.ID, "/health", step.exit)
		w.until("its check exits with "+step.exit, func() bool { return w.stateOf(shared, c.Name) == step.state })
		if step.state == api.PoolServing {
			w.answeredBy(shared, always, c.Name)
			continue
		}
		w.answeredBy(shared, always)
		w.want("http://"+c.Name+"."+base+"/id", 503, "is unhealthy")
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
