package ingress

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/dockwire/dockwire/client/api"
)

func TestDrainingWaitsForWhatIsBeingAnswered(t *testing.T) {
	f := newFront(t, Options{})
	a, proceed := blocking(t, "app")
	r := f.serve("app", "", a)
	answered := make(chan string, 1)
	go func() {
		_, body := f.get("http://app.localhost/")
		answered <- body
	}()
	f.until("the request is there", func() bool { return len(a.requests()) == 1 })
	drained := make(chan func(), 1)
	go func() { drained <- f.Drain(t.Context(), r.ID) }()
	f.until("it drains", func() bool { return f.stateOf("app.localhost", "app") == api.PoolDraining })
	f.want("http://app.localhost/", 503, "is being stopped")
	select {
	case <-drained:
		t.Fatal("it is drained while a request is outstanding")
	default:
	}
	close(proceed)
	if body := <-answered; body != "app" {
		t.Errorf("it answers %q", body)
	}
	release := <-drained
	f.want("http://app.localhost/", 503, "is being stopped")
	r.Health = api.HealthHealthy
	f.Route(r) // somebody looked at it meanwhile
	f.want("http://app.localhost/", 503, "is being stopped")
	release() // it could not be stopped
	f.want("http://app.localhost/", 200, "app")
}

func TestWhatIsNotDoneWhenDrainingEndsIsCutOff(t *testing.T) {
	f := newFront(t, Options{Drain: 200 * time.Millisecond})
	silent, _ := blocking(t, "app")
	r := f.serve("app", "", silent)
	answered := make(chan int, 1)
	go func() {
		status, _ := f.get("http://app.localhost/")
		answered <- status
	}()
	f.until("the request is there", func() bool { return len(silent.requests()) == 1 })
	began := time.Now()
	f.Drain(t.Context(), r.ID)()
	if took := time.Since(began); took < 150*time.Millisecond || took > patience {
		t.Errorf("draining took %v", took)
	}
	if status := <-answered; status != 503 {
		t.Errorf("the request is answered with %d", status)
	}
}

func TestAClientThatDoesNotReadHoldsNothingUp(t *testing.T) {
	f := newFront(t, Options{Drain: 100 * time.Millisecond})
	begun := make(chan struct{})
	a := newApp(t, "app", func(w http.ResponseWriter, _ *http.Request) {
		close(begun)
		for {
			if _, err := w.Write(make([]byte, 1<<20)); err != nil {
				return
			}
		}
	})
	r := f.serve("app", "", a)
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n")
	<-begun
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	f.Drain(ctx, r.ID)()
	if ctx.Err() != nil {
		t.Error("draining hangs")
	}
}

// A client that announced a body and does not send it keeps whoever reads it
// waiting, before the answer has begun and after that.
func TestAClientThatDoesNotSendItsBodyHoldsNothingUp(t *testing.T) {
	for what, end := range map[string]func(*front, context.Context, string){
		"drained": func(f *front, ctx context.Context, id string) { f.Drain(ctx, id)() },
		"ended":   func(f *front, ctx context.Context, _ string) { f.Shutdown(ctx) },
	} {
		for _, answers := range []bool{false, true} {
			f := newFront(t, Options{Drain: 100 * time.Millisecond})
			begun := make(chan struct{})
			a := newApp(t, "app", func(w http.ResponseWriter, r *http.Request) {
				http.NewResponseController(w).EnableFullDuplex()
				if answers {
					io.WriteString(w, "go on")
					http.NewResponseController(w).Flush()
				}
				io.ReadFull(r.Body, make([]byte, 1))
				close(begun)
				io.Copy(io.Discard, r.Body)
			})
			r := f.serve("app", "", a)
			conn, err := net.Dial("tcp", f.address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			io.WriteString(conn, "POST / HTTP/1.1\r\nHost: app.localhost\r\nContent-Length: 100\r\n\r\nx")
			<-begun
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				end(f, context.WithoutCancel(t.Context()), r.ID)
			}()
			select {
			case <-ended:
			case <-time.After(patience):
				t.Errorf("answering %v, being %s hangs", answers, what)
				conn.Close()
			}
			conn.SetReadDeadline(time.Now().Add(patience))
			resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if want := map[bool]int{false: 503, true: 200}[answers]; err != nil || resp.StatusCode != want {
				t.Errorf("answering %v, %s: the client gets %v, %v, want %d", answers, what, resp, err, want)
			}
		}
	}
}

func TestWebSocketsAreToldToGo(t *testing.T) {
	f := newFront(t, Options{})
	a, ended := echoApp(t)
	r := f.serve("app", "", a)
	ws, err := f.dialWebSocket("app.localhost")
	if err != nil {
		t.Fatal(err)
	}
	echo(t, ws, "hello")
	began := time.Now()
	drained := make(chan func(), 1)
	go func() { drained <- f.Drain(t.Context(), r.ID) }()
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("the client is told %v", err)
	}
	(<-drained)()
	if took := time.Since(began); took > goodbyeTime {
		t.Errorf("draining took %v", took)
	}
	if err := <-ended; !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("the app is told %v", err)
	}
}

func TestAWebSocketThatIgnoresItIsClosed(t *testing.T) {
	f := newFront(t, Options{})
	a, _ := echoApp(t)
	r := f.serve("app", "", a)
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: app.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	f.until("it is open", func() bool { return f.upgraded.Load() == 1 && len(a.requests()) == 1 })
	began := time.Now()
	f.Drain(t.Context(), r.ID)()
	if took := time.Since(began); took > patience {
		t.Errorf("draining took %v", took)
	}
	conn.SetReadDeadline(time.Now().Add(patience))
	if answer, err := io.ReadAll(conn); err != nil || !strings.HasSuffix(string(answer), string(goodbye)) {
		t.Errorf("the client got %q, %v", answer, err)
	}
}

func TestTheEndOfTheIngressIsTheEndOfAll(t *testing.T) {
	f := newFront(t, Options{Drain: time.Minute})
	a, _ := echoApp(t)
	f.serve("socket", "", a)
	slow, _ := blocking(t, "slow")
	f.serve("slow", "", slow)
	ws, err := f.dialWebSocket("socket.localhost")
	if err != nil {
		t.Fatal(err)
	}
	answered := make(chan int, 1)
	go func() {
		status, _ := f.get("http://slow.localhost/")
		answered <- status
	}()
	f.until("the request is there", func() bool { return len(slow.requests()) == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	f.Shutdown(ctx)
	if _, _, err := ws.ReadMessage(); !websocket.IsCloseError(err, websocket.CloseGoingAway) {
		t.Errorf("the client is told %v", err)
	}
	if status := <-answered; status != 503 {
		t.Errorf("the request is answered with %d", status)
	}
	if _, err := net.Dial("tcp", f.address); err == nil {
		t.Error("it still listens")
	}
}

// frame makes a frame as a server sends it.
func frame(size int, masked bool) []byte {
	head := []byte{0x82}
	switch {
	case size < 126:
		head = append(head, byte(size))
	case size < 65536:
		head = append(head, 126, byte(size>>8), byte(size))
	default:
		head = append(head, 127, 0, 0, 0, 0, byte(size>>24), byte(size>>16), byte(size>>8), byte(size))
	}
	if masked {
		head[1] |= 0x80
		head = append(head, 1, 2, 3, 4)
	}
	return append(head, make([]byte, size)...)
}

func TestFramesAreFollowedThroughAnyPieces(t *testing.T) {
	var stream []byte
	ends := map[int]bool{0: true}
	for _, size := range []int{0, 1, 125, 126, 300, 65535, 65536, 2} {
		for _, masked := range []bool{false, true} {
			stream = append(stream, frame(size, masked)...)
			ends[len(stream)] = true
		}
	}
	for _, piece := range []int{1, 2, 3, 7, 1000, 100000, len(stream)} {
		var f frames
		at := 0
		for part := range slices.Chunk(stream, piece) {
			if rest := f.rest(part); at+rest < at+len(part) && !ends[at+rest] {
				t.Fatalf("pieces of %d: at %d a frame is said to end after %d", piece, at, rest)
			}
			f.follow(part)
			at += len(part)
			if f.between() != ends[at] {
				t.Fatalf("pieces of %d: at %d it is between frames: %v", piece, at, f.between())
			}
		}
	}
}

func TestDrainingWaitsForAContainerThatIsReplacedToo(t *testing.T) {
	f := newFront(t, Options{})
	a, proceed := blocking(t, "old")
	old := f.serve("app", "", a)
	answered := make(chan string, 1)
	go func() {
		_, body := f.get("http://app.localhost/")
		answered <- body
	}()
	f.until("the request is there", func() bool { return len(a.requests()) == 1 })
	next := route("app", "", newApp(t, "new", nil).Listener.Addr().String())
	next.ID = "id-next"
	f.Route(next)
	old.State, old.Address = api.StateRemoved, netip.AddrPort{}
	f.Route(old)
	f.want("http://app.localhost/", 200, "new")
	drained := make(chan func(), 1)
	go func() { drained <- f.Drain(t.Context(), old.ID) }()
	select {
	case <-drained:
		t.Fatal("it is drained while a request is outstanding")
	case <-time.After(50 * time.Millisecond):
	}
	close(proceed)
	if body := <-answered; body != "old" {
		t.Errorf("it answers %q", body)
	}
	(<-drained)()
	f.want("http://app.localhost/", 200, "new")
	f.until("it is forgotten", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.containers) == 1
	})
}

// A daemon may be told to end before its parts have begun.
func TestWhatBeginsAfterTheShutdownEndsAtOnce(t *testing.T) {
	in := New(Options{})
	in.Shutdown(t.Context())
	ln := listen(t)
	served := make(chan error, 1)
	go func() { served <- in.Serve(ln, nil) }()
	select {
	case err := <-served:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Fatal("it is served for good")
	}
	if conn, err := net.Dial("tcp", ln.Addr().String()); err == nil {
		conn.Close()
		t.Error("connections are still taken")
	}
}
