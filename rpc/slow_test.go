package rpc

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// dialSmall gives a peer over a Unix socket that holds little, so that one who
// does not read is noticed soon.
func (s *served) dialSmall(t testing.TB) *peer {
	t.Helper()
	listener, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	small := func(ctx context.Context, conn net.Conn) context.Context {
		_ = conn.(*net.UnixConn).SetWriteBuffer(64 * kib)
		return ctx
	}
	server := &http.Server{Handler: s.http.Config.Handler, ConnContext: small}
	go func() { _ = server.Serve(listener) }()
	return dialPeer(t, s.url, &websocket.Dialer{NetDial: func(string, string) (net.Conn, error) {
		return net.Dial("unix", listener.Addr().String())
	}})
}

// large is a method whose result has as many bytes as its param says.
func large(_ context.Context, call *Call) (any, error) {
	var p struct {
		N int `json:"n"`
	}
	if err := DecodeParams(call.Params(), &p); err != nil {
		return nil, err
	}
	return json.RawMessage(`"` + strings.Repeat("x", p.N-2) + `"`), nil
}

func TestReaderThatStopsCostsBoundedMemoryAndDisturbsNobody(t *testing.T) {
	opts := &Options{MaxQueue: 1 * mib, MaxCalls: 8, WriteTimeout: time.Second}
	s := serve(t, opts, table{"large": large, "echo": echo})
	stalled, healthy := s.dialSmall(t), s.dial(t)
	for i := range 8 {
		stalled.send(request(i, "large", []int{4 * mib}))
	}
	await(t, "its answers wait", func() bool { return s.Stats().Queued >= 4*mib })
	for i := range 100 {
		healthy.send(request(i, "echo", []int{i}))
		healthy.receive()
	}
	_ = stalled.WriteMessage(websocket.TextMessage, []byte(request(9, "echo", nil))) // its reader still runs, until it is cut: this one is refused
	if queued := s.Stats().Queued; queued > 8*(4*mib+kib) {
		t.Errorf("%d bytes are queued", queued)
	}
	await(t, "it is cut", func() bool { return s.Stats().Connections == 1 })
	await(t, "its memory is free", func() bool { return s.Stats().Queued == 0 && s.Stats().Calls == 0 })
	healthy.send(request(1, "echo", nil))
	healthy.receive()
}

func TestResponsesWaitAndNoneIsLost(t *testing.T) {
	s := serve(t, &Options{MaxQueue: 100 * kib}, table{"large": large})
	p := s.dialSmall(t)
	for i := range 64 {
		p.send(request(i, "large", []int{256 * kib}))
	}
	await(t, "answers wait", func() bool { return s.Stats().Queued > 1*mib })
	seen := make(map[int]bool)
	for range 64 {
		var answer struct {
			ID     int
			Result string
		}
		if err := json.Unmarshal([]byte(p.receive()), &answer); err != nil || len(answer.Result) != 256*kib-2 {
			t.Fatalf("answer %d: %v, %d bytes", answer.ID, err, len(answer.Result))
		}
		seen[answer.ID] = true
	}
	if len(seen) != 64 {
		t.Errorf("%d calls were answered", len(seen))
	}
}

// fits says whether n bytes of another connection could be queued now.
func (s *served) fits(n int64) bool {
	if !s.queue.TryAcquire(n) {
		return false
	}
	s.queue.Release(n)
	return true
}

// someHas says whether a connection has queued as much as that, and less than so
// much.
func (s *served) someHas(least, limit int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for session := range s.sessions {
		if used := session.out.budget.used.Load(); used >= least && used < limit {
			return true
		}
	}
	return false
}

func TestBytesOfAllConnectionsAreBoundedTogether(t *testing.T) {
	s := serve(t, &Options{MaxQueue: 4 * mib, MaxQueueTotal: 4 * mib}, table{"large": large, "echo": echo})
	first, second, third := s.dialSmall(t), s.dial(t), s.dial(t)
	for i := range 8 {
		first.send(request(i, "large", []int{2*mib - kib})) // two fit, and the kernel takes not even one
	}
	await(t, "nothing more fits", func() bool { return !s.fits(1 * mib) })
	second.send(request(1, "large", []int{1 * mib}))
	await(t, "the second waits", func() bool { return s.someHas(1*mib, 2*mib) })
	third.send(request(1, "echo", []int{1})) // what is small goes through all the same
	third.expect(`{"jsonrpc":"2.0","id":1,"result":[1]}`)
	for range 8 {
		first.receive()
	}
	if got := second.receive(); len(got) < 1*mib {
		t.Errorf("received %d bytes", len(got))
	}
}

// A large answer may take longer than the timeout, as long as it goes on.
func TestSlowReaderThatGoesOnIsNotCut(t *testing.T) {
	const timeout = time.Second // longer than a loaded machine keeps a reader waiting
	s := serve(t, &Options{WriteTimeout: timeout}, table{"large": large})
	p := s.dialSmall(t)
	p.send(request(1, "large", []int{12 * mib}))
	_ = p.SetReadDeadline(time.Now().Add(patience))
	_, r, err := p.NextReader()
	if err != nil {
		t.Fatal(err)
	}
	start, total, part := time.Now(), 0, make([]byte, 64*kib)
	for total < 12*mib {
		n, err := r.Read(part)
		if err != nil {
			t.Fatalf("after %d bytes: %v", total, err)
		}
		if total += n; time.Since(start) < 3*timeout/2 {
			time.Sleep(timeout / 100) // this is the slow reader
		}
	}
	if took := time.Since(start); took < timeout {
		t.Errorf("only took %v: nothing was tested", took)
	}
}

// A batch that is complete has its room, and must not wait for that of others: they
// may wait for what it holds.
func TestCompleteBatchAndAnswersThatWaitDoNotHoldEachOtherUp(t *testing.T) {
	finish := make(chan struct{})
	opts := &Options{MaxQueue: 256 * kib, MaxAnswer: 1 * mib, MaxQueueTotal: 512 * kib}
	s := serve(t, opts, table{"large": large, "slow": func(context.Context, *Call) (any, error) { <-finish; return nil, nil }})
	p := s.dial(t)
	p.send("[" + request(1, "large", []int{500 * kib}) + "," + request(2, "slow", nil) + "]")
	await(t, "the batch holds what all may have", func() bool { return s.Stats().Queued > 500*kib })
	p.send(request(3, "large", []int{200 * kib}))
	await(t, "another answer waits", func() bool { return s.Stats().Queued > 700*kib })
	close(finish)
	for _, begin := range []string{`[{"jsonrpc":"2.0","id":1,"result":"x`, `{"jsonrpc":"2.0","id":3,"result":"x`} {
		if got := p.receive(); !strings.HasPrefix(got, begin) {
			t.Errorf("received %.100s", got)
		}
	}
}

// Only the flood can end these connections: a write may take as long as it likes.
func TestPeerThatFloodsAndDoesNotReadIsClosed(t *testing.T) {
	for name, message := range map[string]string{
		"no requests":                "{}",
		"long names":                 request(1, strings.Repeat("n", 100*kib), nil),
		"batches of no requests":     "[{}]",
		"batches of unknown methods": "[" + request(1, "none", nil) + "]",
		"batches of good calls":      "[" + request(1, "echo", nil) + "]",
	} {
		t.Run(name, func(t *testing.T) {
			var quoted atomic.Int64 // bytes of names that errors have quoted
			opts := &Options{MaxQueue: 64 * kib, MaxAnswer: 64 * kib, CloseGrace: 10 * time.Millisecond, WriteTimeout: 2 * patience}
			s := serve(t, opts, acceptFunc(func(call *Call) (Job, error) {
				quoted.Add(int64(len(call.Method())))
				return table{"echo": echo}.Accept(call)
			}))
			p := s.dialSmall(t)
			await(t, "it is there", func() bool { return s.Stats().Connections == 1 })
			go func() {
				for p.WriteMessage(websocket.TextMessage, []byte(message)) == nil {
				}
			}()
			await(t, "it is closed", func() bool {
				stats := s.Stats()
				if stats.Queued > 256*kib {
					t.Fatalf("%d bytes are queued", stats.Queued)
				}
				return stats.Connections == 0
			})
			if n := quoted.Load(); n > 1*mib {
				t.Errorf("errors of %d bytes were made, which nobody read", n)
			}
		})
	}
}

func TestNotificationsWaitForTheWriterAndKeepTheirOrder(t *testing.T) {
	var sent atomic.Int64
	payload := []byte(`"text":"` + strings.Repeat("x", 60*kib) + `"`)
	s := serve(t, nil, table{"follow~": func(ctx context.Context, call *Call) (any, error) {
		for i := range 500 {
			members := append(strconv.AppendInt([]byte(`"seq":`), int64(i), 10), ',')
			if err := call.Notify(ctx, "event", append(members, payload...)); err != nil {
				return nil, err
			}
			clear(members) // the bytes are the caller's again
			sent.Add(1)
		}
		return "end", nil
	}})
	p := s.dialSmall(t)
	p.send(request("f", "follow", nil))
	var before int64
	await(t, "the source stands still", func() bool {
		now := sent.Load()
		defer func() { before = now }()
		time.Sleep(20 * time.Millisecond) // nothing announces that nothing happens
		return now > 0 && now == before
	})
	if sent.Load() == 500 {
		t.Fatal("nothing waited")
	}
	if queued := s.Stats().Queued; queued > (2*eventsAhead+2)*64*kib {
		t.Errorf("%d bytes are queued", queued)
	}
	for i := range 500 {
		want := `{"jsonrpc":"2.0","method":"event","params":{"id":"f","seq":` + strconv.Itoa(i) + ","
		if got := p.receive(); !strings.HasPrefix(got, want) {
			t.Fatalf("received %.100s", got)
		}
	}
	p.expect(`{"jsonrpc":"2.0","id":"f","result":"end"}`)
}

func TestNotifyEndsWithItsContextAndWithTheConnection(t *testing.T) {
	starts, ends := make(chan struct{}, 2), make(chan error, 2)
	s := serve(t, nil, table{"follow~": func(ctx context.Context, call *Call) (any, error) {
		starts <- struct{}{}
		for {
			if err := call.Notify(ctx, "event", make([]byte, 60*kib)); err != nil {
				ends <- err
				return nil, err
			}
		}
	}})
	p := s.dialSmall(t)
	p.send(request(1, "follow", nil))
	received(t, starts, "the first call")
	p.send(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":[1]}`)
	if err := received(t, ends, "the end by cancel"); err != context.Canceled {
		t.Error(err)
	}
	p.send(request(2, "follow", nil))
	received(t, starts, "the second call")
	_ = p.NetConn().Close()
	if err := received(t, ends, "the end with the connection"); err == nil {
		t.Error("no error")
	}
}

func TestNotificationCannotNotify(t *testing.T) {
	ends := make(chan error, 1)
	s := serve(t, nil, table{"follow~": func(ctx context.Context, call *Call) (any, error) {
		ends <- call.Notify(ctx, "event", nil)
		return nil, nil
	}})
	s.dial(t).send(`{"jsonrpc":"2.0","method":"follow"}`)
	if err := received(t, ends, "the notification"); err != errNoID {
		t.Error(err)
	}
}
