package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/dockwire/dockwire/client/api"
)

// stubborn does not end when it is asked to, so a call that stops it takes as
// long as its timeout says.
var stubborn = files{"Dockerfile": base + "CMD trap : TERM; while :; do sleep 1; done\n"}

// raw is a connection whose frames are written and read as text.
type raw struct {
	t testing.TB
	*websocket.Conn
}

func (d *daemon) raw(t testing.TB, query string) raw {
	t.Helper()
	conn, resp, err := websocket.DefaultDialer.Dial(d.url+query, http.Header{"Authorization": {"Bearer " + d.token}})
	if err != nil {
		t.Fatalf("%v (%v)", err, resp)
	}
	t.Cleanup(func() { conn.Close() })
	conn.SetReadDeadline(time.Now().Add(patience))
	return raw{t, conn}
}

func (r raw) send(text string) {
	r.t.Helper()
	if err := r.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
		r.t.Fatal(err)
	}
}

// receive reads frames until one that is an answer, or answers to a batch.
func (r raw) receive() []frame {
	r.t.Helper()
	for {
		_, data, err := r.ReadMessage()
		if err != nil {
			r.t.Fatal(err)
		}
		var answers []frame
		if data[0] != '[' {
			data = fmt.Appendf(nil, "[%s]", data)
		}
		if err := json.Unmarshal(data, &answers); err != nil {
			r.t.Fatalf("%v: %.200s", err, data)
		}
		if answers[0].Method == "" {
			return answers
		}
	}
}

// limited wants one answer, which says that a limit was reached.
func (r raw) limited(code api.Code, limit string) {
	r.t.Helper()
	answers := r.receive()
	if e := answers[0].Error; len(answers) != 1 || e == nil || e.Code != code || limit != "" && (e.Data == nil || e.Data.Limit != limit) {
		r.t.Errorf("got %d answers, the first with the error %v, want %d for the limit %q", len(answers), e, code, limit)
	}
}

// closed reads until the daemon closes the connection with the code.
func (r raw) closed(code int) {
	r.t.Helper()
	for {
		_, _, err := r.ReadMessage()
		if websocket.IsCloseError(err, code) {
			return
		}
		if err != nil {
			r.t.Fatalf("the connection ended with %v, want the code %d", err, code)
		}
	}
}

func TestTheLimitsAreThoseOfTheFlags(t *testing.T) {
	d := startDaemon(t, "--max-message", "4KiB", "--max-answer", "2KiB", "--max-batch", "5", "--max-depth", "8", "--max-calls", "2", "--max-streams", "2")
	w := d.connect(t)
	ask[api.Build](w, "build", []any{"stubborn", repository(t, stubborn)})
	ask[api.Container](w, "create", map[string]any{"image": "stubborn", "name": "stubborn", "port": 0})
	const list = `{"jsonrpc":"2.0","id":1,"method":"list"}`
	stop := `{"jsonrpc":"2.0","id":%d,"method":"stubborn/stop","params":{"timeout":1}}`

	t.Run("a message", func(t *testing.T) {
		r := d.raw(t, "")
		r.send(list + strings.Repeat(" ", 4<<10-len(list)))
		if e := r.receive()[0].Error; e != nil {
			t.Errorf("one of the largest size: %v", e)
		}
		r.send(list + strings.Repeat(" ", 4<<10-len(list)+1))
		r.closed(websocket.CloseMessageTooBig)
	})
	t.Run("an answer", func(t *testing.T) {
		r := d.raw(t, "")
		r.send(`{"jsonrpc":"2.0","id":1,"method":"stubborn/inspect"}`)
		r.limited(api.CodeTooBusy, "answer")
	})
	t.Run("a batch", func(t *testing.T) {
		r := d.raw(t, "")
		r.send("[" + strings.Repeat(list+",", 4) + list + "]")
		if answers := r.receive(); len(answers) != 5 || answers[0].Error != nil {
			t.Errorf("a batch of the largest size was answered with %v", answers)
		}
		r.send("[" + strings.Repeat(list+",", 5) + list + "]")
		r.limited(api.CodeTooBusy, "batch")
	})
	t.Run("depth", func(t *testing.T) {
		r := d.raw(t, "")
		for depth, code := range map[int]api.Code{7: api.CodeInvalidParams, 8: api.CodeParseError} {
			r.send(`{"jsonrpc":"2.0","id":1,"method":"list","params":` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + "}")
			r.limited(code, "")
		}
	})
	t.Run("calls in flight", func(t *testing.T) {
		r := d.raw(t, "")
		for id := range 2 {
			r.send(fmt.Sprintf(stop, id))
		}
		r.send(list)
		r.limited(api.CodeTooBusy, "calls")
		for range 2 {
			if e := r.receive()[0].Error; e != nil {
				t.Errorf("a call within the limit: %v", e)
			}
		}
		r.send("[" + strings.Repeat(list+",", 4) + list + "]") // members of a batch wait for one another
		if answers := r.receive(); len(answers) != 5 {
			t.Errorf("a batch of five was answered with %d", len(answers))
		}
	})
	t.Run("streams", func(t *testing.T) {
		r := d.raw(t, "")
		for range 3 {
			r.send(`{"jsonrpc":"2.0","id":1,"method":"list","params":{"follow":true}}`)
		}
		r.limited(api.CodeTooBusy, "streams")
		r.send(list)
		if e := r.receive()[0].Error; e != nil {
			t.Errorf("a call beside the streams: %v", e)
		}
	})
}

func TestMoreConnectionsThanAllowedAreRefused(t *testing.T) {
	d := startDaemon(t, "--max-connections", "2")
	first, second := d.raw(t, ""), d.raw(t, "")
	_, resp, err := websocket.DefaultDialer.Dial(d.url, http.Header{"Authorization": {"Bearer " + d.token}})
	if err == nil || resp == nil || resp.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("the third connection: %v (%v), want 503", err, resp)
	}
	first.Close()
	second.Close()
	d.awaitNoConnection(t)
	d.raw(t, "").Close()
	d.awaitNoConnection(t)
}

// Who asks and asks and never reads is cut off, at the bound of what may wait
// for a connection.
func TestACallerThatNeverReadsIsCutOff(t *testing.T) {
	d := startDaemon(t, "--max-queue", "64KiB", "--max-answer", "64KiB", "--write-timeout", "1s")
	before := d.memory(t, "VmRSS")
	d.resetPeak(t)
	r, healthy := d.raw(t, ""), d.connect(t)
	var sent int
	for r.WriteMessage(websocket.TextMessage, []byte(`"no request"`)) == nil {
		if sent++; sent%1000 == 0 {
			ask[[]api.Container](healthy, "list", nil)
		}
	}
	grown := d.memory(t, "VmHWM") - before
	t.Logf("cut off after %d messages; the daemon's memory grew by %.1f MiB", sent, mib(grown))
	if grown > 64<<20 {
		t.Errorf("the daemon's memory grew by %d bytes", grown)
	}
	ask[[]api.Container](healthy, "list", nil)
}

func TestAConnectionIsClosedWhenItIsIdle(t *testing.T) {
	d := startDaemon(t)
	w := d.connect(t)
	ask[api.Build](w, "build", []any{"ticker", repository(t, ticker)})
	ask[api.Container](w, "create", []any{"ticker", "ticker"})
	r := d.raw(t, "/?close=idle")
	r.send(`{"jsonrpc":"2.0","id":1,"method":"ticker/logs","params":{"follow":true}}`)
	r.send(`{"jsonrpc":"2.0","id":2,"method":"ticker/top"}`)
	if answer := r.receive()[0]; string(answer.ID) != "2" || answer.Error != nil {
		t.Errorf("top was answered with %s %v", answer.ID, answer.Error)
	}
	ask[api.Container](w, "remove", []any{"ticker"}) // ends the stream, and so the last call
	if answer := r.receive()[0]; string(answer.ID) != "1" || answer.Error != nil {
		t.Errorf("the log ended with %s %v", answer.ID, answer.Error)
	}
	r.closed(websocket.CloseNormalClosure)
}

func TestPingsFindOutWhoIsGone(t *testing.T) {
	d := startDaemon(t, "--ping-interval", "100ms")
	r, silent := d.raw(t, ""), d.raw(t, "")
	silent.SetPingHandler(func(string) error { return nil }) // answers none
	var pings int
	answer := r.PingHandler()
	r.SetPingHandler(func(data string) error {
		if pings++; pings == 10 {
			r.send(`{"jsonrpc":"2.0","id":1,"method":"list"}`)
		}
		return answer(data)
	})
	r.receive()
	if pings < 10 {
		t.Errorf("there were %d pings", pings)
	}
	for {
		if _, _, err := silent.ReadMessage(); err != nil {
			break
		}
	}
	d.awaitHungUp(t, silent.LocalAddr())
}
