package e2e

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/dockwire/dockwire/client/api"
)

// attacker does its worst until ctx ends.
type attacker func(ctx context.Context, d *daemon, t testing.TB)

// hostile is an image whose containers and whose build do what they can.
var hostile = files{"Dockerfile": base + `RUN yes "a line of a flood" | head -n 300000
CMD true
`}

var attackers = map[string]attacker{
	"rubbish":             frames(`"no request"`),
	"nested rubbish":      frames(strings.Repeat("[", 500_000)),
	"large batches":       frames("[" + strings.Repeat(`{"jsonrpc":"2.0","method":"none"},`, 90) + `1]`),
	"strangers":           strangers,
	"headers without end": slowHeaders,
	"a fork bomb":         container("b() { b | b & }; b; sleep 100"),
	"a log without end":   unreadLog,
	"a build's flood":     floodedBuild,
}

// Whatever one caller, one container or one build does, another's list is
// answered, and the daemon stays small. How fast is measured: the aim is 100 ms.
func TestAnotherCallerIsServedUnderEachAttack(t *testing.T) {
	d := startDaemon(t, "--write-timeout", "2s")
	w := d.connect(t)
	ask[api.Build](w, "build", []any{"hostile", repository(t, hostile)})
	for name, attack := range attackers {
		t.Run(name, func(t *testing.T) {
			d.resetPeak(t)
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			var running sync.WaitGroup
			running.Go(func() { attack(ctx, d, t) })
			var took []time.Duration
			for ctx.Err() == nil {
				began := time.Now()
				ask[[]api.Container](w, "list", nil)
				took = append(took, time.Since(began))
			}
			running.Wait()
			slices.Sort(took)
			peak := d.memory(t, "VmHWM")
			t.Logf("%d lists: median %v, 99th percentile %v, worst %v (aim 100ms); resident memory at most %.0f MiB",
				len(took), took[len(took)/2], took[len(took)*99/100], took[len(took)-1], mib(peak))
			if peak > 256<<20 {
				t.Errorf("the daemon took %d bytes", peak)
			}
		})
	}
}

// frames sends the same frame again and again, on four connections that read.
func frames(text string) attacker {
	return func(ctx context.Context, d *daemon, t testing.TB) {
		var senders sync.WaitGroup
		for range 4 {
			senders.Go(func() {
				conn, _, err := websocket.DefaultDialer.DialContext(ctx, d.url, http.Header{"Authorization": {"Bearer " + d.token}})
				if err != nil {
					t.Error(err)
					return
				}
				defer conn.Close()
				context.AfterFunc(ctx, func() { conn.Close() })
				for conn.WriteMessage(websocket.TextMessage, []byte(text)) == nil {
					if _, _, err := conn.ReadMessage(); err != nil {
						return
					}
				}
			})
		}
		senders.Wait()
	}
}

// strangers ask for an upgrade without a token.
func strangers(ctx context.Context, d *daemon, t testing.TB) {
	for ctx.Err() == nil {
		_, resp, err := websocket.DefaultDialer.DialContext(ctx, d.url, nil)
		if err == nil || resp != nil && resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("a stranger got %v, %v", resp, err)
			return
		}
	}
}

// slowHeaders holds many connections whose headers do not end.
func slowHeaders(ctx context.Context, d *daemon, t testing.TB) {
	for range 500 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(d.url, "ws://"))
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nX-Slow: ")
	}
	<-ctx.Done()
}

// container runs a script in a container of its own.
func container(script string) attacker {
	return func(ctx context.Context, d *daemon, t testing.TB) {
		w := d.connect(t)
		ask[api.Container](w, "create", map[string]any{"image": "hostile", "name": "attacker", "port": 0, "restart": "no",
			"command": []string{"/bin/sh", "-c", script}})
		<-ctx.Done()
		ask[api.Container](w, "remove", []any{"attacker"})
	}
}

// unreadLog follows a log that is written as fast as can be, and does not read.
func unreadLog(ctx context.Context, d *daemon, t testing.TB) {
	stalled := d.connectStalled(t)
	attack := container("exec yes 'a line of a flood'")
	stalled.send("list", map[string]any{"follow": true})
	var attacking sync.WaitGroup
	attacking.Go(func() { attack(ctx, d, t) })
	for ctx.Err() == nil { // the container has to be there
		stalled.send("attacker/logs", map[string]any{"follow": true})
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
	attacking.Wait()
}

// floodedBuild builds what writes without end, and reads none of it.
func floodedBuild(ctx context.Context, d *daemon, t testing.TB) {
	url := repository(t, hostile)
	d.connectStalled(t).send("build", map[string]any{"name": "flood", "url": url, "noCache": true})
	<-ctx.Done()
	w := d.connect(t)
	for _, b := range ask[[]api.BuildInfo](w, "builds", nil) {
		if b.Name == "flood" {
			ask[api.BuildInfo](w, "cancelBuild", []any{b.ID})
		}
	}
}
