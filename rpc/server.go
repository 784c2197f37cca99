package rpc

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"

	"github.com/gorilla/websocket"
	"golang.org/x/sync/semaphore"
)

// Server holds the WebSocket connections and their limits. Its methods may be
// called from any goroutine.
type Server struct {
	opts     Options
	upgrader websocket.Upgrader
	queue    *semaphore.Weighted // bytes queued by all connections
	workers  workers

	calls, streams atomic.Int64

	mu       sync.Mutex // guards the rest
	sessions map[*session]struct{}
	coming   int           // connections that are being upgraded
	empty    chan struct{} // closed when the last has gone, after Shutdown
	closed   bool
}

// ErrRefused says that Upgrade has answered the request with 503: there are
// MaxConnections, or the server shuts down.
var ErrRefused = errors.New("no more connections are accepted")

// Stats are figures of the moment.
type Stats struct {
	Connections int
	Calls       int   // that run, streams apart
	Streams     int   // that run
	Queued      int64 // bytes that wait to be written, or for room to be queued
}

// NewServer gives a server without connections.
func NewServer(opts *Options) *Server {
	s := &Server{
		opts:     opts.withDefaults(),
		sessions: make(map[*session]struct{}),
		empty:    make(chan struct{}),
	}
	s.workers.tasks = make(chan task)
	s.queue = semaphore.NewWeighted(int64(s.opts.MaxQueueTotal))
	s.upgrader = websocket.Upgrader{
		ReadBufferSize:  1 * kib,
		WriteBufferSize: writeBuffer,
		WriteBufferPool: &sync.Pool{},
		Subprotocols:    []string{"jsonrpc"},
		CheckOrigin:     func(*http.Request) bool { return true }, // the caller has
	}
	return s
}

// Upgrade upgrades the request and serves the connection with h, on goroutines
// of its own: it returns at once, and the HTTP handler should be left then. An
// error has been answered already. The caller has checked Host, Origin and
// whatever says who it is. ?close=idle in the URL makes the server close the
// connection (1000) once every call so far is answered.
func (s *Server) Upgrade(w http.ResponseWriter, r *http.Request, h Handler) error {
	if !s.reserve() {
		http.Error(w, ErrRefused.Error(), http.StatusServiceUnavailable)
		return ErrRefused
	}
	hijack := &hijacker{ResponseWriter: w, timeout: s.opts.WriteTimeout}
	ws, err := s.upgrader.Upgrade(hijack, r, nil)
	if err != nil {
		s.add(nil)
		return err
	}
	session := s.newSession(ws, hijack.link, h)
	if r.URL.Query().Get("close") == "idle" {
		session.watchIdle()
	}
	if !s.add(session) {
		session.out.end(websocket.CloseGoingAway, true)
	}
	go session.open()
	return nil
}

// silent keeps Conn from writing to standard error.
type silent struct{}

func (silent) Printf(string, ...any) {}

func (s *Server) newSession(ws *websocket.Conn, l *link, h Handler) *session {
	session := &session{
		server: s, opts: &s.opts, handler: h, ws: ws,
		calls:   make(map[uint64]*Call),
		running: slots{size: s.opts.MaxCalls},
		streams: slots{size: s.opts.MaxStreams},
		out: outbox{
			ws: ws, link: l, opts: &s.opts, workers: &s.workers,
			events: make(chan struct{}, eventsAhead),
			done:   make(chan struct{}),
		},
	}
	session.out.budget.init(&s.opts, s.queue)
	ws.SetPingHandler(session.pinged)
	ws.SetPongHandler(session.ponged)
	ws.SetCloseHandler(session.peerCloses)
	session.out.heard()
	session.out.keepAlive()
	return session
}

// Shutdown closes every connection (1001) once what is queued for it is
// written, and waits until they and their calls have ended. Those that have not
// when ctx ends are cut, and Shutdown returns ctx's error. Upgrades are refused
// from now on.
func (s *Server) Shutdown(ctx context.Context) error {
	for _, session := range s.shut() {
		session.out.end(websocket.CloseGoingAway, true)
	}
	select {
	case <-s.empty:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for session := range s.sessions {
		_ = session.ws.Close()
	}
	return ctx.Err()
}

// Stats gives the figures of the moment.
func (s *Server) Stats() Stats {
	stats := Stats{Calls: int(s.calls.Load()), Streams: int(s.streams.Load())}
	s.mu.Lock()
	defer s.mu.Unlock()
	stats.Connections = len(s.sessions)
	for session := range s.sessions {
		stats.Queued += session.out.budget.used.Load()
	}
	return stats
}

// reserve takes the place of a connection.
func (s *Server) reserve() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.sessions)+s.coming >= s.opts.MaxConnections {
		return false
	}
	s.coming++
	return true
}

// add turns a reserved place into a connection's, or gives it back for nil. It
// is false when the server has been shut down meanwhile.
func (s *Server) add(session *session) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.coming--
	if session != nil {
		s.sessions[session] = struct{}{}
	}
	s.checkEmpty()
	return !s.closed
}

func (s *Server) remove(session *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, session)
	s.checkEmpty()
}

// shut refuses connections from now on and gives those that there are.
func (s *Server) shut() []*session {
	s.mu.Lock()
	defer s.mu.Unlock()
	var sessions []*session
	if !s.closed {
		s.closed = true
		s.checkEmpty()
	}
	for session := range s.sessions {
		sessions = append(sessions, session)
	}
	return sessions
}

// checkEmpty tells Shutdown that the last connection has gone.
func (s *Server) checkEmpty() {
	if !s.closed || len(s.sessions)+s.coming > 0 {
		return
	}
	select {
	case <-s.empty:
	default:
		s.workers.stop()
		close(s.empty)
	}
}

func (s *Server) count(call *Call, n int64) {
	if call.job.Stream {
		s.streams.Add(n)
	} else {
		s.calls.Add(n)
	}
}
