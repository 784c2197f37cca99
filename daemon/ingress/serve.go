package ingress

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
)

// The bounds of a connection to the ingress.
const (
	headerTimeout = 5 * time.Second
	idleTimeout   = 2 * time.Minute
	maxHeader     = 16 << 10
	httpSlack     = 4 << 10  // what net/http reads beyond its MaxHeaderBytes
	maxFrame      = 16 << 10 // of HTTP/2, the least that the standard allows
)

// Serve serves a listener until Shutdown, which may have come before it, closes
// the listener, and returns nil. With a configuration it speaks TLS, and HTTP/2
// too; in clear only HTTP/1.
func (in *Ingress) Serve(ln net.Listener, config *tls.Config) error {
	server := &http.Server{
		Handler:                      in,
		TLSConfig:                    config,
		ReadHeaderTimeout:            headerTimeout,
		IdleTimeout:                  idleTimeout,
		MaxHeaderBytes:               maxHeader - httpSlack,
		HTTP2:                        &http.HTTP2Config{MaxReadFrameSize: maxFrame},
		DisableGeneralOptionsHandler: true, // what is asked of the server itself is asked of nobody
		ErrorLog:                     zap.NewStdLog(in.log),
	}
	if !in.enlist(server) {
		ln.Close()
		return nil
	}
	serve := server.Serve
	if config != nil {
		serve = func(ln net.Listener) error { return server.ServeTLS(ln, "", "") }
	}
	if err := serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// enlist takes a server for Shutdown to end, unless that has come already.
func (in *Ingress) enlist(server *http.Server) bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.ending {
		return false
	}
	in.servers = append(in.servers, server)
	return true
}

// Shutdown ends the listeners and returns once nothing is being answered any
// more. WebSockets are told to go; what is not done when ctx ends, or the time
// for draining, is cut off.
func (in *Ingress) Shutdown(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, in.options.Drain)
	defer cancel()
	servers := in.tellAll()
	shutDown(ctx, servers)
	stop := context.AfterFunc(ctx, in.end)
	defer stop()
	in.retireAll()
	in.background.Wait()
	in.end()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	shutDown(last, servers)
	for _, server := range servers {
		server.Close()
	}
}

// lastWords is how long it may take to tell clients that they were cut off.
const lastWords = time.Second

// shutDown accepts nothing more and waits until all requests are answered.
func shutDown(ctx context.Context, servers []*http.Server) {
	var closing sync.WaitGroup
	for _, server := range servers {
		closing.Go(func() { server.Shutdown(ctx) })
	}
	closing.Wait()
}

// tellAll tells all WebSockets to go, and gives the servers. There will be no
// more of them.
func (in *Ingress) tellAll() []*http.Server {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.ending = true
	for _, c := range in.containers {
		if c.backend != nil {
			c.backend.tellTunnels()
		}
	}
	return in.servers
}

// retireAll takes all containers out of service, for good.
func (in *Ingress) retireAll() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.closing = true
	for _, c := range in.containers {
		in.settle(c)
	}
	in.publish()
}
