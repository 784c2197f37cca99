package ingress

import (
	"io"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

// blocking gives an app whose answers wait.
func blocking(t *testing.T, name string) (a *app, proceed chan struct{}) {
	proceed = make(chan struct{})
	return newApp(t, name, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-proceed:
		case <-r.Context().Done():
		}
		io.WriteString(w, name)
	}), proceed
}

func TestRequestsGoWhereTheFewestAreOutstanding(t *testing.T) {
	f := newFront(t, Options{})
	apps, proceeds := map[string]*app{}, map[string]chan struct{}{}
	for _, name := range []string{"one", "two", "three"} {
		apps[name], proceeds[name] = blocking(t, name)
		f.serve(name, "shop.example", apps[name])
	}
	var clients sync.WaitGroup
	ask := func() {
		clients.Go(func() { f.want("http://shop.example/", 200, "") })
	}
	outstanding := func() (total int) {
		for _, a := range apps {
			total += len(a.requests())
		}
		return total
	}
	for i := range 9 {
		ask()
		f.until("the request is there", func() bool { return outstanding() == i+1 })
	}
	for name, a := range apps {
		if n := len(a.requests()); n != 3 {
			t.Errorf("%s has %d of 9 requests", name, n)
		}
	}
	for range 3 {
		proceeds["two"] <- struct{}{}
	}
	f.until("two is idle", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		_, n := f.containers["id-two"].backend.status()
		return n == 0
	})
	for i := range 3 {
		ask()
		f.until("the request is there", func() bool { return outstanding() == 10+i })
	}
	if n := len(apps["two"].requests()); n != 6 {
		t.Errorf("the idle one has got %d requests in all, want 6", n)
	}
	for _, proceed := range proceeds {
		close(proceed)
	}
	clients.Wait()
}

func TestTheNameOfAContainerIsItsAlone(t *testing.T) {
	f := newFront(t, Options{})
	for _, name := range []string{"one", "two"} {
		f.serve(name, "shop.example", newApp(t, name, nil))
	}
	for range 10 {
		f.want("http://one.localhost/", 200, "one")
		f.want("http://two.localhost/", 200, "two")
	}
}

func TestARequestThatCanBeRepeatedIsTriedElsewhere(t *testing.T) {
	f := newFront(t, Options{})
	cutting := newApp(t, "cutting", func(w http.ResponseWriter, r *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			conn.Close()
		}
	})
	working := newApp(t, "working", nil)
	f.serve("cutting", "shop.example", cutting)
	f.serve("working", "shop.example", working)
	for _, method := range []string{"GET", "HEAD", "OPTIONS", "PUT", "DELETE"} {
		for range 10 {
			req, err := http.NewRequest(method, "http://shop.example/", nil)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := f.client.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Errorf("%s answers %s", method, resp.Status)
			}
		}
	}
	if len(cutting.requests()) == 0 {
		t.Error("nothing was tried where it fails")
	}
	before, failed := len(working.requests()), 0
	for range 30 {
		resp, err := f.client.Post("http://shop.example/", "", strings.NewReader("once"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode == http.StatusBadGateway {
			failed++
		}
	}
	if worked := len(working.requests()) - before; worked+failed != 30 || failed == 0 {
		t.Errorf("of 30 POSTs %d worked and %d failed: some were repeated", worked, failed)
	}
}

func TestWhatWasNeverSentIsTriedElsewhereWhateverItIs(t *testing.T) {
	f := newFront(t, Options{})
	dead := newApp(t, "dead", nil)
	f.serve("dead", "shop.example", dead)
	f.serve("working", "shop.example", newApp(t, "working", nil))
	dead.CloseClientConnections()
	dead.Close()
	for range 20 {
		resp, err := f.client.Post("http://shop.example/", "", strings.NewReader("body"))
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 {
			t.Errorf("it answers %s", resp.Status)
		}
	}
	f.until("it is out of the pool", func() bool { return f.stateOf("shop.example", "dead") != api.PoolServing })
}

func TestARequestWaitsForAContainerThatWasJustStarted(t *testing.T) {
	f := newFront(t, Options{})
	ln := listen(t)
	address := ln.Addr().String()
	ln.Close()
	f.Route(route("app", "", address))
	if state := f.stateOf("app.localhost", "app"); state != api.PoolStarting {
		t.Errorf("it is %q", state)
	}
	answered := make(chan string, 1)
	go func() {
		_, body := f.get("http://app.localhost/")
		answered <- body
	}()
	late := newApp(t, "late", nil)
	time.AfterFunc(300*time.Millisecond, func() { f.Route(route("app", "", late.Listener.Addr().String())) })
	if body := <-answered; body != "late" {
		t.Errorf("it answers %q", body)
	}
}

// A container keeps its address when it is restarted, and that it had ended may
// never be told.
func TestAStartThatWasNotAnnouncedIsAnotherOne(t *testing.T) {
	f := newFront(t, Options{})
	a := newApp(t, "app", nil)
	r := f.serve("app", "", a)
	a.CloseClientConnections()
	a.Close()
	r.Started = api.Time{Time: r.Started.Add(time.Second)}
	f.Route(r)
	if state := f.stateOf("app.localhost", "app"); state != api.PoolStarting {
		t.Errorf("it is %q", state)
	}
}

func TestOneThatNeverListensIs502(t *testing.T) {
	f := newFront(t, Options{})
	ln := listen(t)
	ln.Close()
	r := route("app", "", ln.Addr().String())
	f.Route(r)
	f.mu.Lock()
	f.containers[r.ID].backend.born = time.Now().Add(-startTime) // as if it had been so for a while
	f.mu.Unlock()
	began := time.Now()
	f.want("http://app.localhost/", 502, "does not answer on port")
	if took := time.Since(began); took >= startTime {
		t.Errorf("it was waited for, for %v", took)
	}
}

func TestHealthDecidesWhoServes(t *testing.T) {
	f := newFront(t, Options{})
	one, two := newApp(t, "one", nil), newApp(t, "two", nil)
	a, b := f.serve("one", "shop.example", one), f.serve("two", "shop.example", two)
	health := func(first, second string) {
		a.Health, b.Health = first, second
		f.Route(a)
		f.Route(b)
	}
	for _, c := range []struct {
		first, second, answers string
		status                 int
	}{
		{api.HealthHealthy, api.HealthUnhealthy, "one", 200},
		{api.HealthStarting, api.HealthHealthy, "two", 200},
		{api.HealthStarting, api.HealthUnhealthy, "one", 200}, // nobody has said that it does not work
		{api.HealthUnhealthy, api.HealthUnhealthy, "unhealthy", 503},
		{api.HealthHealthy, api.HealthUnhealthy, "one", 200},
	} {
		health(c.first, c.second)
		for range 10 {
			f.want("http://shop.example/", c.status, c.answers)
		}
	}
	pool := f.Pool("shop.example")
	if len(pool) != 2 || pool[0] != (api.PoolMember{Name: "one", State: api.PoolServing}) || pool[1].State != api.PoolOut || pool[1].Reason != "is unhealthy" {
		t.Errorf("the pool is %+v", pool)
	}
}

func TestWhatDoesNotRunIs503AndWhatIsGone404(t *testing.T) {
	f := newFront(t, Options{})
	r := f.serve("app", "", newApp(t, "app", nil))
	r.State, r.Address = api.StateExited, netip.AddrPort{}
	f.Route(r)
	f.want("http://app.localhost/", 503, "is not running")
	r.State = api.StateRestarting
	f.Route(r)
	f.want("http://app.localhost/", 503, "is being started again")
	r.State = api.StateRemoved
	f.Route(r)
	f.want("http://app.localhost/", 404, "no container has the domain")
	worker := route("worker", "", "127.0.0.1:1")
	worker.Host, worker.Domain = "", ""
	f.Route(worker)
	f.want("http://worker.localhost/", 404, "no container has the domain")
}

func TestAConnectionIsNotUsedForWhatComesAfter(t *testing.T) {
	f := newFront(t, Options{})
	old := newApp(t, "old", nil)
	r := f.serve("app", "", old)
	f.want("http://app.localhost/", 200, "old")
	address := old.Listener.Addr().String()
	gone := r
	gone.State, gone.Address = api.StateExited, netip.AddrPort{}
	f.Route(gone) // the old process still listens, and its connection is open
	f.mu.Lock()
	b := f.containers[r.ID].backend
	f.mu.Unlock()
	if b != nil {
		t.Fatal("it is still served")
	}
	other := route("other", "", address)
	f.Route(other)
	f.until("it is served", func() bool { return f.stateOf("other.localhost", "other") == api.PoolServing })
	f.want("http://app.localhost/", 503, "is not running")
}

func TestUntilTheContainersAreKnownARequestWaits(t *testing.T) {
	known := make(chan struct{})
	f := newFront(t, Options{Ready: func() bool {
		select {
		case <-known:
			return true
		default:
			return false
		}
	}})
	a := newApp(t, "app", nil)
	answered := make(chan string, 1)
	go func() {
		_, body := f.get("http://app.localhost/")
		answered <- body
	}()
	f.serve("app", "", a)
	if body := <-answered; body != "app" {
		t.Errorf("it answers %q", body)
	}
	f.want("http://nobody.localhost/", 503, "not known at the moment")
	close(known)
	f.want("http://nobody.localhost/", 404, "no container has the domain")
}
