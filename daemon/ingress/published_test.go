package ingress

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// relay is a published port as an engine serves it: it accepts any connection,
// and closes those that the container does not accept.
type relay struct {
	net.Listener
	target atomic.Value // where the container listens; empty while it does not
}

func newRelay(t *testing.T) *relay {
	t.Helper()
	r := &relay{Listener: listen(t)}
	r.target.Store("")
	t.Cleanup(func() { r.Close() })
	go func() {
		for {
			conn, err := r.Accept()
			if err != nil {
				return
			}
			go r.carry(conn)
		}
	}()
	return r
}

func (r *relay) carry(conn net.Conn) {
	defer conn.Close()
	container, err := net.Dial("tcp", r.target.Load().(string))
	if err != nil {
		return
	}
	defer container.Close()
	go func() {
		defer container.Close()
		io.Copy(container, conn)
	}()
	io.Copy(conn, container)
}

// publishedRoute gives the route to what is published at an address.
func publishedRoute(name, domain, address string) engine.Route {
	r := route(name, domain, address)
	r.Published, r.Port = true, 8080
	return r
}

// leads says that every route leads to its container.
func leads(context.Context, engine.Route) error { return nil }

func TestAContainerBehindAPublishedPortServesOnceItAcceptsConnectionsItself(t *testing.T) {
	f := newFront(t, Options{Leads: leads})
	port, app := newRelay(t), newApp(t, "app", nil)
	f.Route(publishedRoute("app", "", port.Addr().String()))
	answered := make(chan string, 1)
	go func() {
		resp, err := f.client.Post("http://app.localhost/", "text/plain", strings.NewReader("once"))
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		answered <- resp.Status
	}()
	f.until("the request waits", func() bool {
		return f.memberOf("app.localhost", "app").Reason == "does not accept connections yet"
	})
	port.target.Store(app.Listener.Addr().String())
	if got := <-answered; got != "200 OK" {
		t.Errorf("it answers %s", got)
	}
}

func TestAContainerThatStopsListeningBehindItsPublishedPortLeavesThePool(t *testing.T) {
	f := newFront(t, Options{Leads: leads})
	port, app := newRelay(t), newApp(t, "app", nil)
	port.target.Store(app.Listener.Addr().String())
	f.serve("other", "shop.example", newApp(t, "other", nil))
	f.Route(publishedRoute("app", "shop.example", port.Addr().String()))
	serves := func() bool { return f.stateOf("shop.example", "app") == api.PoolServing }
	f.until("it serves", serves)
	port.target.Store("")
	app.CloseClientConnections()
	for serves() {
		f.want("http://shop.example/", 200, "") // one that fails is tried once more elsewhere
	}
	f.want("http://shop.example/", 200, "other")
	port.target.Store(app.Listener.Addr().String())
	f.until("it serves again", serves)
}

func TestAPublishedPortIsUsedOnlyWhileItLeadsToItsContainer(t *testing.T) {
	var moved atomic.Bool
	f := newFront(t, Options{Leads: func(_ context.Context, r engine.Route) error {
		if moved.Load() {
			return errors.New(r.Name + " has ended")
		}
		return nil
	}})
	a := newApp(t, "whoever listens there", nil)
	f.Route(publishedRoute("app", "", a.Listener.Addr().String()))
	f.until("it serves", func() bool { return f.stateOf("app.localhost", "app") == api.PoolServing })
	f.want("http://app.localhost/", 200, "whoever listens there")
	moved.Store(true)
	a.CloseClientConnections() // as the container's end does
	before := len(a.requests())
	f.want("http://app.localhost/", 502, "does not answer on port 8080")
	if after := len(a.requests()); after != before {
		t.Errorf("%d requests reached it", after-before)
	}
}

// publishing has the engine publish ports.
func publishing(cfg *engine.Config) { cfg.Reach = engine.ReachPublished }

func TestAContainerIsReachedAtItsPublishedPortOverStopsAndStarts(t *testing.T) {
	w := newWorld(t, publishing)
	c := w.create(api.CreateParams{Name: w.name("web"), Command: []string{"serve", "-delay", "500ms"}})
	url, addresses := "http://"+c.Domain+"/id", map[string]bool{}
	do := func(what string, change func() (api.Container, error)) {
		t.Helper()
		if _, err := change(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		resp, err := w.client.Post(url, "text/plain", strings.NewReader("once")) // it waits, and is not sent in vain
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("after the %s it answers %s", what, resp.Status)
		}
		addresses[w.addressOf(c.ID)] = true
	}
	name := c.Name
	do("create", func() (api.Container, error) { return c, nil })
	do("restart", func() (api.Container, error) { return w.engine.Restart(t.Context(), name, nil) })
	if _, err := w.engine.Stop(t.Context(), name, nil); err != nil {
		t.Fatal(err)
	}
	w.want(url, 503, "is not running")
	do("start", func() (api.Container, error) { return w.engine.Start(t.Context(), name) })
	for address := range addresses {
		if !strings.HasPrefix(address, "127.0.0.1:") {
			t.Errorf("it was reached at %s", address)
		}
	}
	if len(addresses) != 3 {
		t.Errorf("three starts were reached at %v", addresses)
	}
	ws, err := w.dialWebSocket(c.Domain + "/ws")
	if err != nil {
		t.Fatal(err)
	}
	echo(t, ws, "hello")
}

func TestScalingBehindPublishedPortsFailsNoRequest(t *testing.T) {
	w := newWorld(t, publishing)
	names := []string{w.name("web-1"), w.name("web-2"), w.name("web-3")}
	serves := func(name string) func() bool {
		return func() bool { return w.stateOf(shared, name) == api.PoolServing }
	}
	w.create(api.CreateParams{Name: names[0], Domain: shared})
	w.until("it serves", serves(names[0]))
	l := w.begin(100, []string{"http://" + shared + "/id", "http://" + shared + "/slow/100ms"}, mustNotFail(t))
	defer l.end()
	for _, name := range names[1:] {
		w.create(api.CreateParams{Name: name, Domain: shared, Command: []string{"serve", "-delay", "200ms"}})
		w.until("it serves", serves(name))
	}
	if _, err := w.engine.Restart(t.Context(), names[1], nil); err != nil {
		t.Error(err)
	}
	w.until("it serves again", serves(names[1]))
	w.remove(names[0])
	w.remove(names[2])
	l.end()
	t.Logf("%d requests", l.asked.Load())
}

// While the engine is away, nobody tells that a container has ended: its port is
// free, and whoever takes it could answer for it.
func TestAPublishedPortThatChangesHandsNeverAnswersForAnother(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	w := newWorld(t, publishing, func(cfg *engine.Config) { cfg.Host = proxy.Socket() })
	t.Cleanup(proxy.Restore)
	c := w.create(api.CreateParams{Name: w.name("web")})
	url := "http://" + c.Domain + "/id"
	w.want(url, 200, c.Name)
	address := w.addressOf(c.ID)
	proxy.Refuse()
	w.until("the engine is away", func() bool { return !w.engine.Up() })
	if err := enginetest.Client(t).ContainerKill(t.Context(), c.ID, "KILL"); err != nil {
		t.Fatal(err)
	}
	impostor := w.takeOver(address)
	for range 50 {
		if status, body := w.get(url); status != http.StatusBadGateway {
			t.Fatalf("it answers %d %s", status, body)
		}
	}
	proxy.Restore()
	w.until("it is known", func() bool { return w.memberOf(c.Domain, c.Name).Reason == "is not running" })
	w.want(url, 503, "is not running")
	if _, err := w.engine.Start(t.Context(), c.Name); err != nil {
		t.Fatal(err)
	}
	w.want(url, 200, c.Name)
	if n := impostor.Load(); n != 0 {
		t.Errorf("%d requests were answered by what listens at its old port", n)
	}
}

// takeOver listens at an address once it is free, and counts the requests that
// come there.
func (w *world) takeOver(address string) *atomic.Int64 {
	w.t.Helper()
	var ln net.Listener
	w.until("the port is free", func() (ok bool) {
		var err error
		ln, err = net.Listen("tcp", address)
		return err == nil
	})
	var requests atomic.Int64
	server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { requests.Add(1) })}
	go server.Serve(ln)
	w.t.Cleanup(func() { server.Close() })
	return &requests
}
