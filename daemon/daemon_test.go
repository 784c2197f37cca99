package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client/api"
)

// The mutations of one name run in the order in which they were sent, though
// nobody waits for an answer, and though some of them come in a batch.
func TestPipelinedMutationsOfANameRunInOrder(t *testing.T) {
	w := runDaemon(t).dial()
	r := repo(t, "dapp")
	built := w.call("build", []any{"dapp", r.URL})
	created := w.call("create", map[string]any{"image": "dapp", "name": "done", "start": false})
	w.send(`[{"jsonrpc":"2.0","id":"a","method":"done/start"},` +
		`{"jsonrpc":"2.0","id":"b","method":"done/stop","params":[5]},` +
		`{"jsonrpc":"2.0","id":"c","method":"done/start"},` +
		`{"jsonrpc":"2.0","method":"done/restart"},` +
		`{"jsonrpc":"2.0","id":"d","method":"remove","params":["done"]},` +
		`{"jsonrpc":"2.0","id":"e","method":"done/start"}]`)

	for _, id := range []int{built, created} {
		if f := w.answer(id, nil); f.Error != nil {
			t.Fatal(f.Error)
		}
	}
	var batch []frame
	if err := json.Unmarshal(w.read(), &batch); err != nil {
		t.Fatal(err)
	}
	states := map[string]string{}
	for _, f := range batch {
		var c api.Container
		if f.Error != nil {
			states[string(f.ID)] = fmt.Sprint(int(f.Error.Code))
		} else if err := json.Unmarshal(f.Result, &c); err != nil {
			t.Fatal(err)
		} else {
			states[string(f.ID)] = c.State
		}
	}
	want := map[string]string{`"a"`: "running", `"b"`: "exited", `"c"`: "running", `"d"`: "removed", `"e"`: "-32601"}
	if fmt.Sprint(states) != fmt.Sprint(want) {
		t.Errorf("states %v, want %v", states, want)
	}
	w.do("removeImage", []any{"dapp"}, nil)
}

func TestAQueuedMutationThatIsCancelledIsNotDone(t *testing.T) {
	w := runDaemon(t).dial()
	r := repo(t, "dapp")
	w.do("build", []any{"dapp", r.URL}, nil)
	w.do("create", []any{"dapp", "done"}, nil)
	stop := w.call("done/stop", nil)
	remove := w.call("remove", []any{"done"})
	w.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":[%d]}`, remove))
	if f := w.answer(remove, nil); !errors.Is(f.Error, api.CodeCancelled) {
		t.Fatalf("remove answered %s, %v", f.Result, f.Error)
	}
	if f := w.answer(stop, nil); f.Error != nil {
		t.Fatal(f.Error)
	}
	w.do("done/start", nil, nil)
	w.do("remove", []any{"done"}, nil)
	w.do("removeImage", []any{"dapp"}, nil)
}

func TestAListThatIsFollowedTellsEveryChange(t *testing.T) {
	d := runDaemon(t)
	w, watcher := d.dial(), d.dial()
	r := repo(t, "dapp")
	w.do("build", []any{"dapp", r.URL}, nil)

	follow := watcher.call("list", map[string]any{"follow": true})
	var seq int64
	seen := func() []api.Container {
		f := watcher.next()
		var out api.ListOutput
		if err := json.Unmarshal(f.Params, &out); err != nil || f.Method != api.EventList {
			t.Fatalf("%s %s: %v", f.Method, f.Params, err)
		}
		seq += int64(len(out.Containers))
		if out.Seq != seq {
			t.Errorf("seq %d after %d containers", out.Seq, seq)
		}
		return out.Containers
	}
	if first := seen(); len(first) != 0 {
		t.Errorf("at first there are %v", first)
	}
	until := func(state string) {
		t.Helper()
		for {
			for _, c := range seen() {
				if c.Name != "done" {
					t.Fatalf("a container %q", c.Name)
				}
				if c.State == state {
					return
				}
			}
		}
	}
	w.do("create", []any{"dapp", "done"}, nil)
	until(api.StateRunning)
	w.do("done/stop", nil, nil)
	until(api.StateExited)
	w.do("remove", []any{"done"}, nil)
	until(api.StateRemoved)
	w.do("removeImage", []any{"dapp"}, nil)

	watcher.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":%d}}`, follow))
	f := watcher.answer(follow, nil)
	if !errors.Is(f.Error, api.CodeCancelled) || f.Error.Data == nil || f.Error.Data.Seq == nil || *f.Error.Data.Seq != seq {
		t.Errorf("the end is %v, %+v; seq was %d", f.Error, f.Error.Data, seq)
	}
}

func TestFollowIsRefusedInABatchAndIgnoredInANotification(t *testing.T) {
	w := runDaemon(t).dial()
	w.send(`[{"jsonrpc":"2.0","id":1,"method":"list","params":[true]}]`)
	var batch []frame
	if err := json.Unmarshal(w.read(), &batch); err != nil || len(batch) != 1 || !errors.Is(batch[0].Error, api.CodeInvalidParams) {
		t.Fatalf("%+v, %v", batch, err)
	}
	w.send(`{"jsonrpc":"2.0","method":"list","params":[true]}`)
	w.do("list", nil, nil) // the next frame is this answer
}

func TestABuildIsJoinedTakenUpAndReadAgain(t *testing.T) {
	d := runDaemon(t)
	first, second := d.dial(), d.dial()
	r := repo(t, "dapp")
	one := first.call("build", []any{"dapp", r.URL})
	var event api.Output
	f := first.next()
	if err := json.Unmarshal(f.Params, &event); err != nil || f.Method != api.EventBuild {
		t.Fatalf("%+v, %v", f, err)
	}
	two := second.call("build", []any{"dapp", r.URL})
	texts := map[*wire][]string{}
	seqs := map[*wire]int64{first: event.Seq}
	collect := func(w *wire) func(string, json.RawMessage) {
		return func(_ string, params json.RawMessage) {
			var out api.Output
			if err := json.Unmarshal(params, &out); err != nil {
				t.Fatal(err)
			}
			if out.Seq != seqs[w]+int64(len(out.Lines)) || out.Build != event.Build {
				t.Errorf("seq %d after %d and %d lines of build %s", out.Seq, seqs[w], len(out.Lines), out.Build)
			}
			seqs[w] = out.Seq
			for _, line := range out.Lines {
				texts[w] = append(texts[w], line.Text)
			}
		}
	}
	for _, line := range event.Lines {
		texts[first] = append(texts[first], line.Text)
	}
	a, b := first.answer(one, collect(first)), second.answer(two, collect(second))
	if a.Error != nil || b.Error != nil || string(a.Result) != string(b.Result) {
		t.Fatalf("answers %s %v and %s %v", a.Result, a.Error, b.Result, b.Error)
	}
	if strings.Join(texts[first], "\n") != strings.Join(texts[second], "\n") {
		t.Errorf("the two saw\n%q\n%q", texts[first], texts[second])
	}
	third := d.dial()
	seqs[third] = event.Seq
	c := third.answer(third.call("build", map[string]any{"name": "dapp", "url": r.URL, "after": event.Cursor}), collect(third))
	if string(c.Result) != string(a.Result) {
		t.Errorf("taken up: %s, %v", c.Result, c.Error)
	}
	if got, want := texts[third], texts[first][event.Seq:]; strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("taken up: %q, want %q", got, want)
	}
	third.fails(api.CodeNotFound, "build", map[string]any{"name": "dapp", "url": r.URL, "after": "nothing-0"})
	third.do("removeImage", []any{"dapp"}, nil)
}

func TestOtherHTTPGetsNothingWorthReading(t *testing.T) {
	d := runDaemon(t)
	base := "http" + strings.TrimPrefix(d.URL, "ws")
	for path, want := range map[string]int{"/": 200, "/rpc": 401, "/metrics": 401, "/x": 404, "/healthz": 200} {
		resp, err := http.Get(base + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != want {
			t.Errorf("%s answers %d %s, %v", path, resp.StatusCode, body, err)
		}
	}
}

func TestAContainerIsReachedByItsDomainOnly(t *testing.T) {
	d := runDaemon(t)
	w := d.dial()
	r := repo(t, "dapp", `CMD ["serve"]`)
	w.do("build", []any{"dapp", r.URL}, nil)
	w.do("create", map[string]any{"image": "dapp", "name": "done", "port": 9000}, nil)
	get := func(host string) (int, string) {
		req, err := http.NewRequest("GET", d.Ingress+"/path", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		req.Header.Set("X-Forwarded-For", "6.6.6.6")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	waitForLine(t, w, "done", "serving on 9000")
	status, body := get("done.localhost:8420")
	if status != 200 || strings.Contains(body, "6.6.6.6") || !strings.Contains(body, "done.localhost") {
		t.Errorf("done.localhost answers %d %s", status, body)
	}
	for _, host := range []string{"two.localhost", "localhost", "done.localhost.evil.example", "127.0.0.1"} {
		if status, _ := get(host); status != 404 {
			t.Errorf("%s answers %d", host, status)
		}
	}
	w.do("done/stop", nil, nil)
	if status, body := get("done.localhost"); status != 503 || !strings.Contains(body, "not running") {
		t.Errorf("stopped, it answers %d %s", status, body)
	}
	w.do("remove", []any{"done"}, nil)
	if status, _ := get("done.localhost"); status != 404 {
		t.Errorf("removed, it answers %d", status)
	}
	w.do("removeImage", []any{"dapp"}, nil)
}

// waitForLine follows a log until a line has the text.
func waitForLine(t *testing.T, w *wire, name, text string) {
	t.Helper()
	id := w.call(name+"/logs", map[string]any{"follow": true})
	for found := false; !found; {
		f := w.next()
		var out api.Output
		if err := json.Unmarshal(f.Params, &out); err != nil {
			t.Fatalf("%+v: %v", f, err)
		}
		for _, line := range out.Lines {
			found = found || strings.Contains(line.Text, text)
		}
	}
	w.send(fmt.Sprintf(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":[%d]}`, id))
	w.answer(id, nil)
}
