// Package ingress routes HTTP requests to containers by the Host that they name.
//
// It is a server of its own: the control plane cannot be reached through it,
// whatever the Host. A request goes to the container whose domain is exactly
// its Host, or it is answered with a small page that says why not: 404 for an
// unknown host, 503 for a container that does not run, 502 for one that does
// not answer.
package ingress

import (
	"context"
	"errors"
	"fmt"
	"html"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/dockwire/dockwire/engine"
)

// Router finds the container behind a host, which is in lower case and without
// port. Containers that serve no HTTP have no host.
type Router interface {
	Backend(host string) (b engine.Backend, ok bool)
}

// Ingress is an http.Handler that routes to containers.
type Ingress struct {
	router Router
	log    *zap.Logger
	proxy  *httputil.ReverseProxy
}

// New gives an ingress for the containers that router knows.
func New(router Router, log *zap.Logger) *Ingress {
	in := &Ingress{router: router, log: log}
	in.proxy = &httputil.ReverseProxy{
		Rewrite:       rewrite,
		Transport:     newTransport(),
		FlushInterval: -1, // streams go through as they are written
		ErrorHandler:  in.unreachable,
		ErrorLog:      zap.NewStdLog(log),
	}
	return in
}

// newTransport never takes a proxy from the environment: it only ever dials
// containers.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                 nil,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		ResponseHeaderTimeout: time.Minute,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   64,
		DisableCompression:    true,
	}
}

// Server gives the HTTP server that the ingress is served by.
func (in *Ingress) Server() *http.Server {
	return &http.Server{
		Handler:           in,
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          zap.NewStdLog(in.log),
	}
}

// Close closes the connections to containers that are idle.
func (in *Ingress) Close() {
	in.proxy.Transport.(*http.Transport).CloseIdleConnections()
}

type backendKey struct{}

// ServeHTTP implements http.Handler.
func (in *Ingress) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodConnect || r.Method == http.MethodTrace {
		page(w, http.StatusMethodNotAllowed, "The method "+r.Method+" is not allowed here.")
		return
	}
	host := hostname(r.Host)
	backend, ok := in.router.Backend(host)
	switch {
	case !ok:
		page(w, http.StatusNotFound, fmt.Sprintf("No container has the domain %q.", host))
	case !backend.Address.IsValid():
		page(w, http.StatusServiceUnavailable, fmt.Sprintf("The container %s is not running.", backend.Name))
	default:
		in.proxy.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), backendKey{}, backend)))
	}
}

// hostname gives a Host in lower case, without port and trailing dot.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	return strings.TrimSuffix(strings.ToLower(host), ".")
}

// rewrite points a request at its container. What the client said about who
// forwarded it is not believed.
func rewrite(r *httputil.ProxyRequest) {
	backend := r.In.Context().Value(backendKey{}).(engine.Backend)
	r.Out.URL.Scheme = "http"
	r.Out.URL.Host = backend.Address.String()
	r.Out.Host = r.In.Host
	r.Out.Header.Del("X-Real-IP")
	r.Out.Header.Del("Proxy")
	r.SetXForwarded()
}

// unreachable answers for a container that does not.
func (in *Ingress) unreachable(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, context.Canceled) {
		return // the client went away
	}
	backend := r.Context().Value(backendKey{}).(engine.Backend)
	in.log.Info("a container does not answer", zap.String("name", backend.Name), zap.Error(err))
	page(w, http.StatusBadGateway, fmt.Sprintf("The container %s does not answer on port %d.", backend.Name, backend.Address.Port()))
}

func page(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	title := fmt.Sprintf("%d %s", status, http.StatusText(status))
	fmt.Fprintf(w, "<!doctype html>\n<title>%s</title>\n<h1>%s</h1>\n<p>%s</p>\n", title, title, html.EscapeString(text))
}
