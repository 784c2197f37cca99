package rpc

import (
	"context"
	"fmt"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/gorilla/websocket"
)

func TestMessageTooLongCloses1009(t *testing.T) {
	s := serve(t, &Options{MaxMessage: 1000}, table{"echo": echo})
	p := s.dial(t)
	fits := `{"jsonrpc":"2.0","id":1,"method":"echo","params":[""]}`
	fits = strings.Replace(fits, `""`, `"`+strings.Repeat("x", 1000-len(fits))+`"`, 1)
	p.send(fits)
	if got := p.receive(); len(got) < 900 {
		t.Fatalf("the longest message that is allowed: received %s", got)
	}
	p.send(fits + " ")
	if code := p.closed(); code != websocket.CloseMessageTooBig {
		t.Fatalf("closed with %d", code)
	}
}

// A peer that goes on sending still sees the Close frame, not a reset.
func TestMessageInManyFramesTooLongCloses1009(t *testing.T) {
	s := serve(t, &Options{MaxMessage: 10_000}, table{})
	p := dialPeer(t, s.url, &websocket.Dialer{WriteBufferSize: 100})
	if err := p.WriteMessage(websocket.BinaryMessage, make([]byte, 1*mib)); err != nil {
		t.Fatal(err)
	}
	if code := p.closed(); code != websocket.CloseMessageTooBig {
		t.Fatalf("closed with %d", code)
	}
}

func TestCallsBeyondTheLimitAreRefusedAndStreamsCountApart(t *testing.T) {
	s := serve(t, &Options{MaxCalls: 2, MaxStreams: 1}, table{"hang": waitForEnd, "follow~": waitForEnd, "echo": echo})
	p := s.dial(t)
	busy := `{"jsonrpc":"2.0","id":%d,"error":{"code":-32007,"message":"Too busy: this connection has %d %s in flight already: wait for one to be answered","data":{"limit":"%[3]s"}}}`
	p.send(request(1, "hang", nil))
	p.send(request(2, "hang", nil))
	p.send(request(3, "hang", nil))
	p.expect(fmt.Sprintf(busy, 3, 2, "calls"))
	p.send(request(4, "follow", nil))
	p.send(request(5, "follow", nil))
	p.expect(fmt.Sprintf(busy, 5, 1, "streams"))
	if stats := s.Stats(); stats.Calls != 2 || stats.Streams != 1 || stats.Connections != 1 {
		t.Errorf("stats: %+v", stats)
	}
	p.send(`{"jsonrpc":"2.0","method":"$/cancelRequest","params":[1]}`)
	p.expect(`{"jsonrpc":"2.0","id":1,"error":{"code":-32800,"message":"Request cancelled"}}`)
	await(t, "a free slot", func() bool { return s.Stats().Calls == 1 })
	p.send(request(6, "echo", []int{6}))
	p.expect(`{"jsonrpc":"2.0","id":6,"result":[6]}`)
}

// gate is a Handler whose calls run until they are let go, and that notes what
// happens.
type gate struct {
	open chan struct{} // one entry lets one call go

	mu  sync.Mutex // guards the rest
	log []string
}

func newGate() *gate { return &gate{open: make(chan struct{})} }

func (g *gate) note(what string, call *Call) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.log = append(g.log, what+" "+string(call.Params()))
}

func (g *gate) has(entries ...string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Equal(g.log, entries)
}

func (g *gate) Accept(call *Call) (Job, error) {
	g.note("accept", call)
	return Job{
		Drop: func() { g.note("drop", call) },
		Run: func(ctx context.Context) (any, error) {
			g.note("run", call)
			select {
			case <-g.open:
				return call.Params(), nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		},
	}, nil
}

func TestMembersOfABatchWaitForTheirTurnInOrder(t *testing.T) {
	g := newGate()
	s := serve(t, &Options{MaxCalls: 1}, g)
	p := s.dial(t)
	p.send("[" + request(1, "a", []int{1}) + "," + request(2, "a", []int{2}) + "," + request(3, "a", []int{3}) + "]")
	await(t, "all accepted, one running", func() bool {
		return g.has("accept [1]", "run [1]", "accept [2]", "accept [3]") || g.has("accept [1]", "accept [2]", "run [1]", "accept [3]") ||
			g.has("accept [1]", "accept [2]", "accept [3]", "run [1]")
	})
	p.send(request(4, "a", []int{4}))
	if got := p.receive(); !strings.Contains(got, "-32007") {
		t.Fatalf("a single call does not wait: %s", got)
	}
	for range 3 {
		g.open <- struct{}{}
	}
	p.expect(`[{"jsonrpc":"2.0","id":1,"result":[1]},{"jsonrpc":"2.0","id":2,"result":[2]},{"jsonrpc":"2.0","id":3,"result":[3]}]`)
	runs := slices.DeleteFunc(slices.Clone(g.log), func(s string) bool { return !strings.HasPrefix(s, "run") })
	if !slices.Equal(runs, []string{"run [1]", "run [2]", "run [3]"}) {
		t.Errorf("they ran in the order %q", runs)
	}
}

func TestWaitingCallCanBeCancelledAndIsDropped(t *testing.T) {
	g := newGate()
	s := serve(t, &Options{MaxCalls: 1}, g)
	p := s.dial(t)
	p.send(request(0, "a", []int{0}))
	p.send("[" + request(1, "a", []int{1}) + "," + request(2, "$/cancelRequest", []int{1}) + "]")
	p.expect(`[{"jsonrpc":"2.0","id":1,"error":{"code":-32800,"message":"Request cancelled"}},{"jsonrpc":"2.0","id":2,"result":true}]`)
	g.open <- struct{}{}
	p.expect(`{"jsonrpc":"2.0","id":0,"result":[0]}`)
	if slices.Contains(g.log, "run [1]") || !slices.Contains(g.log, "drop [1]") {
		t.Errorf("log: %q", g.log)
	}
}

func TestWaitingCallsAreDroppedWithTheirConnection(t *testing.T) {
	g := newGate()
	s := serve(t, &Options{MaxCalls: 1}, g)
	p := s.dial(t)
	p.send(request(0, "a", []int{0}))
	p.send(`{"jsonrpc":"2.0","method":"a","params":[1]}`) // a notification waits as well
	p.send("[" + request(2, "a", []int{2}) + "]")
	await(t, "all accepted", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return slices.Contains(g.log, "accept [2]")
	})
	_ = p.Close()
	await(t, "the connection is gone", func() bool { return s.Stats().Connections == 0 })
	if !slices.Contains(g.log, "drop [1]") || !slices.Contains(g.log, "drop [2]") {
		t.Errorf("log: %q", g.log)
	}
}

func TestCallsThatWaitAreBounded(t *testing.T) {
	g := newGate()
	s := serve(t, &Options{MaxCalls: 1, MaxQueue: 4 * waitingCost}, g)
	p := s.dial(t)
	p.send(request(0, "a", nil))
	members := make([]string, 10)
	for i := range members {
		members[i] = request(i, "a", nil)
	}
	p.send("[" + strings.Join(members, ",") + "]")
	await(t, "the others are refused", func() bool {
		g.mu.Lock()
		defer g.mu.Unlock()
		return slices.Contains(g.log, "run ") && strings.Count(strings.Join(g.log, "\n"), "drop") == 7
	})
	for range 4 { // the first and the three that have room to wait
		g.open <- struct{}{}
	}
	p.expect(`{"jsonrpc":"2.0","id":0,"result":null}`)
	if refused := strings.Count(p.receive(), "-32007"); refused != 7 {
		t.Errorf("%d members were refused", refused)
	}
}

// What waits and what lasts must not keep the frame that it came in: that may be a
// megabyte around a call of a hundred bytes.
func TestCallsThatLastDoNotKeepTheirFrames(t *testing.T) {
	const calls, ballast = 30, 300 * kib
	g := newGate()
	s := serve(t, &Options{MaxCalls: 1, MaxStreams: calls}, acceptFunc(func(call *Call) (Job, error) {
		job, err := g.Accept(call)
		job.Stream = call.Method() == "follow"
		return job, err
	}))
	p := s.dial(t)
	p.send(request(0, "a", nil))
	for name, form := range map[string]string{
		"members of batches that wait": `[{"jsonrpc":"2.0","id":1,"method":"a","params":[1],"x":"%s"}]`,
		"streams":                      `{"jsonrpc":"2.0","id":1,"method":"follow","params":[1],"result":"%s"}`,
	} {
		before := heapInUse()
		for range calls {
			p.send(fmt.Sprintf(form, strings.Repeat("x", ballast)))
		}
		p.send(request(2, "$/cancelRequest", []int{3}))
		p.expect(`{"jsonrpc":"2.0","id":2,"result":false}`) // all are read
		if kept := heapInUse() - before; kept > calls*ballast/4 {
			t.Errorf("%d %s keep %d bytes", calls, name, kept)
		}
	}
}

// heapInUse gives the bytes of the heap that are in use, this test's alone.
func heapInUse() int64 {
	var stats runtime.MemStats
	runtime.GC()
	runtime.GC() // pools let go with the second
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

func TestResultTooLargeIsAnsweredWithAnError(t *testing.T) {
	s := serve(t, &Options{MaxAnswer: 100}, table{
		"big": func(context.Context, *Call) (any, error) { return strings.Repeat("x", 99), nil },
	})
	p := s.dial(t)
	p.send(request(1, "big", nil))
	p.expect(`{"jsonrpc":"2.0","id":1,"error":{"code":-32007,"message":"Too busy: the result has 101 bytes, an answer at most 100","data":{"limit":"answer"}}}`)
}

func TestAnswersOfOneBatchAreBoundedTogether(t *testing.T) {
	s := serve(t, &Options{MaxAnswer: 40_000, MaxQueue: 10_000}, table{
		"big":  func(context.Context, *Call) (any, error) { return strings.Repeat("x", 30_000), nil },
		"echo": echo,
	})
	p := s.dial(t)
	p.send("[" + request(1, "big", nil) + "," + request(2, "big", nil) + "," + request(3, "big", nil) + "]")
	got := p.receive()
	if strings.Count(got, `"limit":"queue"`) != 2 || strings.Count(got, "xxx\"") != 1 {
		t.Errorf("received %.300s…", got)
	}
	p.send(request(4, "echo", []int{4}))
	p.expect(`{"jsonrpc":"2.0","id":4,"result":[4]}`)
	await(t, "nothing is queued", func() bool { return s.Stats().Queued == 0 })
}

func TestNotificationTooLargeIsRefused(t *testing.T) {
	s := serve(t, &Options{MaxEvent: 1000}, table{
		"follow~": func(ctx context.Context, call *Call) (any, error) {
			return call.Notify(ctx, "event", []byte(`"x":"`+strings.Repeat("x", 1000)+`"`)) != nil, nil
		},
	})
	p := s.dial(t)
	p.send(request(1, "follow", nil))
	p.expect(`{"jsonrpc":"2.0","id":1,"result":true}`)
}

func TestConnectionsBeyondTheLimitGet503(t *testing.T) {
	s := serve(t, &Options{MaxConnections: 1}, table{})
	p := s.dial(t)
	refused := func() bool {
		ws, resp, err := websocket.DefaultDialer.Dial(s.url, nil)
		if err == nil {
			_ = ws.Close()
			return false
		}
		return resp != nil && resp.StatusCode == http.StatusServiceUnavailable
	}
	if !refused() {
		t.Fatal("a second connection was not refused")
	}
	_ = p.Close()
	await(t, "a place is free again", func() bool { return !refused() })
}

func TestPlainHTTPTakesNoPlace(t *testing.T) {
	s := serve(t, &Options{MaxConnections: 1}, table{"echo": echo})
	for range 3 {
		resp, err := http.Get(s.http.URL)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("status %d", resp.StatusCode)
		}
	}
	s.dial(t).send(request(1, "echo", nil))
}

// A client that keeps as many calls in flight as it may is never refused: by the
// time it has read an answer, there is room for the next call.
func TestAnAnsweredCallHasLeftItsPlace(t *testing.T) {
	const most = 4
	p := serve(t, &Options{MaxCalls: most}, table{"echo": echo}).dial(t)
	for i := range most {
		p.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"echo","params":[7]}`, i))
	}
	for i := range 2000 {
		if got := p.receive(); !strings.Contains(got, `"result":[7]`) {
			t.Fatalf("after %d answers: %s", i, got)
		}
		p.send(fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"echo","params":[7]}`, most+i))
	}
}
