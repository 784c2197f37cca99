package ingress

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine"
)

// patience is how long a test waits for what should come.
const patience = 60 * time.Second

// front is an ingress that is served on loopback.
type front struct {
	*Ingress
	t       testing.TB
	address string
	client  *http.Client // dials the ingress, whatever the URL
}

func newFront(t testing.TB, options Options) *front {
	t.Helper()
	in := New(options)
	ln := listen(t)
	served := make(chan error, 1)
	go func() { served <- in.Serve(ln, nil) }()
	transport := &http.Transport{MaxIdleConnsPerHost: 1000, DialContext: dialer(ln.Addr().String())}
	f := &front{Ingress: in, t: t, address: ln.Addr().String(), client: &http.Client{Transport: transport, Timeout: patience}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		in.Shutdown(t.Context())
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
	return f
}

func listen(t testing.TB) net.Listener {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return ln
}

// app is a program of the test's that stands for a container.
type app struct {
	*httptest.Server
	mu   sync.Mutex
	seen []*http.Request
}

// newApp serves what handle does; nil answers with the app's name.
func newApp(t testing.TB, name string, handle http.HandlerFunc) *app {
	t.Helper()
	a := &app{}
	a.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		a.seen = append(a.seen, r)
		a.mu.Unlock()
		if handle != nil {
			handle(w, r)
			return
		}
		io.Copy(io.Discard, r.Body)
		io.WriteString(w, name)
	}))
	t.Cleanup(a.Close)
	return a
}

func (a *app) requests() []*http.Request {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append([]*http.Request(nil), a.seen...)
}

// route gives the route to what listens at an address, as of a container.
func route(name, domain, address string) engine.Route {
	host := name + ".localhost"
	if domain == "" {
		domain = host
	}
	return engine.Route{
		Name: name, ID: "id-" + name, Host: host, Domain: domain, Address: netip.MustParseAddrPort(address),
		State: api.StateRunning, Health: api.HealthNone, Started: api.Time{Time: time.Now()},
	}
}

// serve routes NAME.localhost, and the domain, to an app, and waits until it is
// served.
func (f *front) serve(name, domain string, a *app) engine.Route {
	f.t.Helper()
	r := route(name, domain, a.Listener.Addr().String())
	f.Route(r)
	f.until(name+" is served", func() bool { return f.stateOf(r.Host, name) == api.PoolServing })
	return r
}

func (f *front) stateOf(domain, name string) string { return f.memberOf(domain, name).State }

// memberOf gives what a pool says of a container.
func (f *front) memberOf(domain, name string) api.PoolMember {
	for _, m := range f.Pool(domain) {
		if m.Name == name {
			return m
		}
	}
	return api.PoolMember{}
}

// until waits for something of the ingress to be so.
func (f *front) until(what string, ok func() bool) {
	f.t.Helper()
	late := time.After(patience)
	for {
		changed := f.changed.wait()
		if ok() {
			return
		}
		select {
		case <-changed:
		case <-time.After(20 * time.Millisecond): // not everything rings
		case <-late:
			f.t.Fatalf("%s: not within %v", what, patience)
		}
	}
}

// get asks for a URL and gives the status and the body, or 0 and why there is
// none.
func (f *front) get(url string) (int, string) {
	f.t.Helper()
	resp, err := f.client.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, err.Error()
	}
	return resp.StatusCode, string(body)
}

// want fails the test unless a URL is answered so.
func (f *front) want(url string, status int, text string) {
	f.t.Helper()
	if got, body := f.get(url); got != status || !strings.Contains(body, text) {
		f.t.Errorf("%s answers %d %q, want %d with %q in it", url, got, body, status, text)
	}
}

// raw sends bytes to the ingress and gives the answers that come.
func (f *front) raw(text string) []*http.Response {
	f.t.Helper()
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		f.t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, text); err != nil {
		f.t.Fatal(err)
	}
	var answers []*http.Response
	wait := 2 * time.Second
	for reader := bufio.NewReader(conn); ; wait = 100 * time.Millisecond { // an answer too many would come at once
		conn.SetReadDeadline(time.Now().Add(wait))
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			return answers
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body = io.NopCloser(strings.NewReader(string(body)))
		answers = append(answers, resp)
	}
}

func statuses(answers []*http.Response) string {
	var all []string
	for _, answer := range answers {
		all = append(all, fmt.Sprint(answer.StatusCode))
	}
	return strings.Join(all, " ")
}

// dialer dials one address, whatever it is asked for.
func dialer(address string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}
}
