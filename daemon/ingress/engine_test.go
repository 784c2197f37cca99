package ingress

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

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
