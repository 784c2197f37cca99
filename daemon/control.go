package daemon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/daemon/access"
	"github.com/dockwire/dockwire/daemon/console"
)

// control serves a control listener: the WebSocket on / and /rpc, the console's
// files, /metrics, and /healthz.
type control struct {
	daemon *Daemon
	guard  *access.Guard // nil on a Unix socket, where file permission decides
}

func (c *control) server() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /", c.page)
	mux.HandleFunc("GET /rpc", c.upgrade)
	mux.HandleFunc("GET /metrics", c.metrics)
	mux.HandleFunc("GET /healthz", c.health)
	return &http.Server{
		Handler:           mux,
		ConnContext:       withPeer,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       2 * headerTimeout, // nobody reads a body, but it is waited for at the end of a request
		WriteTimeout:      10 * time.Second,
		IdleTimeout:       30 * time.Second,
		MaxHeaderBytes:    maxHeader - httpSlack,
		ErrorLog:          zap.NewStdLog(c.daemon.log),
	}
}

// The bounds of a request until its upgrade; from then on rpc has its own.
const (
	headerTimeout = 5 * time.Second
	maxHeader     = 16 << 10
	httpSlack     = 4 << 10 // what net/http reads beyond its MaxHeaderBytes
)

// upgrade lets a caller in who may, and says to the others why not.
func (c *control) upgrade(w http.ResponseWriter, r *http.Request) {
	grant := c.check(w, r)
	if grant == nil {
		return
	}
	if !websocket.IsWebSocketUpgrade(r) {
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "This is dockwire. It speaks JSON-RPC 2.0 over WebSocket: connect with a WebSocket client.", http.StatusUpgradeRequired)
		return
	}
	if err := c.daemon.rpc.Upgrade(w, r, &session{daemon: c.daemon, grant: grant, peer: peerOf(r)}); err != nil {
		c.daemon.log.Info("a connection was not upgraded", zap.String("peer", peerOf(r)), zap.Error(err))
	}
}

// check gives what a caller is granted. One that is refused has been answered,
// and its connection ends with that.
func (c *control) check(w http.ResponseWriter, r *http.Request) *access.Grant {
	if c.guard == nil {
		return access.Local
	}
	grant, refusal := c.guard.Check(r)
	if refusal != nil {
		c.refuse(w, r, refusal)
	}
	return grant
}

func (c *control) refuse(w http.ResponseWriter, r *http.Request, refusal *access.Refusal) {
	c.daemon.auditRefusal(r, refusal)
	w.Header().Set("Connection", "close")
	if refusal.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	http.Error(w, refusal.Reason, refusal.Status)
}

// page serves the console's files, which are no secret, and on / the WebSocket
// too. A page whose own name was made to point here gets none of it.
func (c *control) page(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/" && websocket.IsWebSocketUpgrade(r) {
		c.upgrade(w, r)
		return
	}
	origin := ""
	if c.guard != nil {
		if refusal := c.guard.CheckHost(r); refusal != nil {
			c.refuse(w, r, refusal)
			return
		}
		origin = c.guard.CallingOrigin(r)
	}
	console.Serve(w, r, origin)
}

// health says ok, or what is wrong, to whoever asks: it has nothing else worth
// reading.
func (c *control) health(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	if err := c.daemon.engine.Check(ctx); err != nil {
		if errors.Is(err, context.DeadlineExceeded) {
			err = errors.New("the engine did not answer in time")
		}
		w.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(w, err)
		return
	}
	fmt.Fprintln(w, "ok")
}
