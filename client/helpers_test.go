package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/dockwire/dockwire/client"
	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/rpc"
)

// methods is a daemon that answers as a test wants.
type methods map[string]func(ctx context.Context, call *rpc.Call) (any, error)

// Accept implements rpc.Handler.
func (m methods) Accept(call *rpc.Call) (rpc.Job, error) {
	method, ok := m[call.Method()]
	if !ok {
		return rpc.Job{}, rpc.MethodNotFound("there is no method " + call.Method())
	}
	return rpc.Job{Run: func(ctx context.Context) (any, error) { return method(ctx, call) }, Stream: true}, nil
}

// server serves methods on an HTTP server that has not been started. What it
// serves is over when the test is.
func server(t *testing.T, m methods) *httptest.Server {
	t.Helper()
	wire := rpc.NewServer(nil)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := wire.Upgrade(w, r, m); err != nil {
			t.Errorf("upgrade: %v", err)
		}
	}))
	t.Cleanup(func() {
		s.Close()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := wire.Shutdown(ctx); err != nil {
			t.Errorf("the server does not come to its end: %v", err)
		}
	})
	return s
}

// serve starts such a server and gives a client and what stands between them.
func serve(t *testing.T, m methods) (*client.Client, *proxy) {
	t.Helper()
	s := server(t, m)
	s.Start()
	p := newProxy(t, s.Listener.Addr().String())
	c := &client.Client{URL: "ws://" + p.listener.Addr().String(), Token: "secret"}
	t.Cleanup(func() { c.Close() })
	return c, p
}

// proxy is a network that can break.
type proxy struct {
	listener net.Listener
	target   string
	opened   atomic.Int32 // connections so far
	limit    atomic.Int64 // bytes from the server after which a connection is cut; 0 is none

	mu    sync.Mutex // guards conns
	conns []net.Conn
}

func newProxy(t *testing.T, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: target}
	var all sync.WaitGroup
	all.Go(func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			all.Go(func() { p.join(conn) })
		}
	})
	t.Cleanup(func() {
		listener.Close()
		p.cut()
		all.Wait()
	})
	return p
}

// join carries bytes both ways until one side ends or the limit is reached.
func (p *proxy) join(near net.Conn) {
	defer near.Close()
	far, err := net.Dial("tcp", p.target)
	if err != nil {
		return
	}
	defer far.Close()
	p.opened.Add(1)
	p.mu.Lock()
	p.conns = append(p.conns, near, far)
	p.mu.Unlock()
	go func() {
		io.Copy(far, near)
		far.Close()
	}()
	from := io.Reader(far)
	if limit := p.limit.Load(); limit > 0 {
		from = io.LimitReader(far, limit)
	}
	io.Copy(near, from)
}

// cut breaks all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, conn := range p.conns {
		conn.Close()
	}
	p.conns = nil
}

// decode gives the parameters of a call.
func decode[T any](t *testing.T, call *rpc.Call) (p T) {
	t.Helper()
	if err := json.Unmarshal(call.Params(), &p); err != nil {
		t.Errorf("%s: %v", call.Method(), err)
	}
	return p
}

// notify sends an event. Its params begin with the call's id.
func notify(ctx context.Context, call *rpc.Call, method string, params any) error {
	data, err := json.Marshal(params)
	if err != nil {
		return err
	}
	return call.Notify(ctx, method, data[1:len(data)-1])
}

// journal is a source of numbered lines whose cursors are their numbers.
type journal struct {
	event  string
	lines  int  // how many there are
	piece  int  // how many go into an event
	shared bool // seq is the number of the line, as in a build
}

func (j journal) line(n int) string { return "line " + strconv.Itoa(n) }

// follow sends the lines after a cursor and gives the last seq.
func (j journal) follow(ctx context.Context, call *rpc.Call, after string) (seq int64, err error) {
	begin, _ := strconv.Atoi(after)
	for from := begin; from < j.lines; from += j.piece {
		out := api.Output{Name: "game"}
		for n := from + 1; n <= min(from+j.piece, j.lines); n++ {
			out.Lines = append(out.Lines, api.Line{Stream: api.Stdout, Text: j.line(n)})
			out.Cursor = strconv.Itoa(n)
			out.Seq = int64(n)
		}
		if !j.shared {
			out.Seq -= int64(begin)
		}
		if err := notify(ctx, call, j.event, out); err != nil {
			return seq, err
		}
		seq = out.Seq
	}
	if j.shared {
		return int64(j.lines), nil
	}
	return seq, nil
}

// reader checks that a consumer gets each line of a journal once, in order.
type reader struct {
	journal journal
	got     int
	seq     int64
}

func (r *reader) read(out api.Output) error {
	for _, line := range out.Lines {
		r.got++
		if want := r.journal.line(r.got); line.Text != want {
			return fmt.Errorf("got %q instead of %q", line.Text, want)
		}
	}
	if r.seq = out.Seq; r.seq != int64(r.got) {
		return fmt.Errorf("seq is %d after %d lines", r.seq, r.got)
	}
	return nil
}

func (r *reader) finish(t *testing.T) {
	t.Helper()
	if r.got != r.journal.lines {
		t.Errorf("got %d of %d lines", r.got, r.journal.lines)
	}
}

// soon waits for something to happen.
func soon(t *testing.T, what string, happens <-chan struct{}) {
	t.Helper()
	select {
	case <-happens:
	case <-time.After(10 * time.Second):
		t.Fatalf("%s: it does not happen", what)
	}
}

// states gives the names and states of containers, for comparisons.
func states(list []api.Container) string {
	var all []string
	for _, c := range list {
		all = append(all, c.Name+" "+c.State)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func listenUnix(t *testing.T, path string) net.Listener {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return listener
}
