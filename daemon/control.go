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
)

// control serves the control listeners: the WebSocket on / and /rpc, and
// /healthz.
type control struct {
	daemon *Daemon
	guard  *access.Guard // nil on a Unix socket, where file permission decides
}

func (c *control) server() *http.Server {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", c.upgrade)
	mux.HandleFunc("GET /rpc", c.upgrade)
	mux.HandleFunc("GET /healthz", c.health)
	return &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          zap.NewStdLog(c.daemon.log),
	}
}

// upgrade lets a caller in who may, and says to the others why not.
func (c *control) upgrade(w http.ResponseWriter, r *http.Request) {
	caller, refusal := c.check(r)
	if refusal != nil {
		c.refuse(w, r, refusal)
		return
	}
	if !websocket.IsWebSocketUpgrade(r) {
		w.Header().Set("Upgrade", "websocket")
		http.Error(w, "This is dockwire. It speaks JSON-RPC 2.0 over WebSocket: connect with a WebSocket client.", http.StatusUpgradeRequired)
		return
	}
	if err := c.daemon.rpc.Upgrade(w, r, &session{daemon: c.daemon, caller: caller}); err != nil {
		c.daemon.log.Info("a connection was not upgraded", zap.String("peer", r.RemoteAddr), zap.Error(err))
	}
}

func (c *control) check(r *http.Request) (access.Caller, *access.Refusal) {
	if c.guard == nil {
		return access.Local, nil
	}
	return c.guard.Check(r)
}

func (c *control) refuse(w http.ResponseWriter, r *http.Request, refusal *access.Refusal) {
	c.daemon.log.Warn("a caller was refused", zap.String("peer", r.RemoteAddr),
		zap.String("reason", refusal.Reason), zap.String("allow", refusal.Allow))
	if refusal.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	http.Error(w, refusal.Reason, refusal.Status)
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
