package rpc

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// TestNothingIsLeftAfterDisorder lets peers do everything at once, and leave in
// the middle of it: all room and all slots must come back.
func TestNothingIsLeftAfterDisorder(t *testing.T) {
	var mu sync.Mutex
	accepted, ended := 0, 0
	end := func() {
		mu.Lock()
		defer mu.Unlock()
		ended++
	}
	opts := &Options{
		MaxCalls: 4, MaxStreams: 2, MaxQueue: 64 * kib, MaxQueueTotal: 256 * kib, MaxAnswer: 64 * kib,
		WriteTimeout: 200 * time.Millisecond, CloseGrace: 50 * time.Millisecond, PingInterval: 20 * time.Millisecond,
	}
	s := serve(t, opts, acceptFunc(func(call *Call) (Job, error) {
		if call.Method() == "refused" {
			return Job{}, MethodNotFound("it is refused")
		}
		mu.Lock()
		defer mu.Unlock()
		accepted++
		return Job{Drop: end, Stream: call.Method() == "follow", Run: func(ctx context.Context) (any, error) {
			defer end()
			return disorder(ctx, call)
		}}, nil
	}))
	var peers sync.WaitGroup
	for seed := range uint64(16) {
		peers.Go(func() { misbehave(s, rand.New(rand.NewPCG(seed, seed))) })
	}
	peers.Wait()
	await(t, "all connections are gone", func() bool { return s.Stats().Connections == 0 })
	if stats := s.Stats(); stats != (Stats{}) {
		t.Errorf("left: %+v", stats)
	}
	if !s.Server.queue.TryAcquire(int64(opts.MaxQueueTotal)) {
		t.Error("room of the shared budget is left taken")
	} else {
		s.Server.queue.Release(int64(opts.MaxQueueTotal))
	}
	if mu.Lock(); accepted != ended || accepted == 0 {
		t.Errorf("%d jobs were accepted, %d ran or were dropped", accepted, ended)
	}
	mu.Unlock()
}

// disorder is every method of the test.
func disorder(ctx context.Context, call *Call) (any, error) {
	switch call.Method() {
	case "large":
		return strings.Repeat("x", 30_000), nil
	case "follow":
		for range 50 {
			if err := call.Notify(ctx, "event", make([]byte, 10_000)); err != nil {
				return nil, err
			}
		}
		return nil, nil
	case "hang":
		return waitForEnd(ctx, call)
	case "panic":
		panic("disorder")
	}
	return nil, nil
}

// misbehave plays some connections, which end in one way or another.
func misbehave(s *served, random *rand.Rand) {
	methods := []string{"quick", "large", "follow", "hang", "panic", "refused", "$/cancelRequest", "\x00"}
	message := func() string {
		return fmt.Sprintf(`{"jsonrpc":"2.0","id":%d,"method":"%s","params":[%d]}`, random.IntN(9), methods[random.IntN(len(methods))], random.IntN(9))
	}
	for range 5 {
		ws, _, err := websocket.DefaultDialer.Dial(s.url, nil)
		if err != nil {
			return
		}
		reads := make(chan struct{})
		go func(read bool) {
			defer close(reads)
			for read {
				if _, _, err := ws.ReadMessage(); err != nil {
					return
				}
			}
		}(random.IntN(3) > 0)
		for range 40 {
			text := message()
			if random.IntN(3) == 0 {
				text = "[" + text + "," + message() + "," + message() + "]"
			}
			if ws.WriteMessage(websocket.TextMessage, []byte(text)) != nil {
				break
			}
		}
		if random.IntN(2) == 0 {
			_ = ws.WriteControl(websocket.CloseMessage, nil, time.Now().Add(time.Second))
		}
		_ = ws.Close()
		<-reads
	}
}
