// Package faults makes an HTTP server misbehave, for tests: a Proxy before it
// does to some requests what its rules say, and passes on all others as they
// are, streams and upgraded connections too.
package faults

import (
	"context"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httputil"
	"regexp"
	"sync"
	"time"
)

// Rule says what becomes of the requests that it matches. Fields that are zero
// do nothing.
type Rule struct {
	Match *regexp.Regexp // of Name(request); nil for all
	Share float64        // of those that match, how many are hit, by chance; 0 for all
	Skip  int            // so many are let through first
	Times int            // then so many are hit; 0 for all that come

	Hit      func(name string) // is told which request it hits
	Before   func()            // is called before the request is passed on
	Delay    time.Duration     // is waited before it is passed on
	Fail     bool              // it is answered with 500, and not passed on
	Lose     bool              // its connection is cut, and it is not passed on
	After    func()            // is called when the server has begun to answer, before that is passed back
	Cut      bool              // its connection is cut then
	Status   int               // is the answer's, in place of the server's own
	Truncate int64             // so much of the answer's body is passed back, then the connection is cut
	Stall    int64             // so much is passed back, then nothing more, and the connection stays
	Drop     float64           // share of the answer's lines that are left out
	Without  *regexp.Regexp    // lines of the answer that match are left out
	Double   float64           // share of the answer's lines that come twice
}

// Proxy is the handler that stands before the server. Its methods may be called
// at any time; a rule counts for the requests that come after.
type Proxy struct {
	transport *http.Transport

	mu    sync.Mutex // guards what follows
	rules []*counted
	rand  *rand.Rand
}

// counted is a rule, and how many requests it has matched.
type counted struct {
	Rule
	seen int
}

// New gives a Proxy without rules before the server that dial connects to, for
// each request anew: a server that takes no connection any more answers none.
func New(dial func(context.Context) (net.Conn, error)) *Proxy {
	return &Proxy{transport: &http.Transport{
		DialContext:        func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx) },
		DisableCompression: true,
		DisableKeepAlives:  true,
	}}
}

// Inject puts these rules in place of those before; without any, all is passed
// on. The first that matches a request and hits it is the only one for it. The
// same seed gives the same chances, request by request and line by line.
func (p *Proxy) Inject(seed uint64, rules ...Rule) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rand = rand.New(rand.NewPCG(seed, 0))
	p.rules = nil
	for _, rule := range rules {
		p.rules = append(p.rules, &counted{Rule: rule})
	}
}

var version = regexp.MustCompile(`^/v[0-9.]+/`)

// Name is what a Rule matches: METHOD /PATH?QUERY, without the version of the
// engine's API.
func Name(r *http.Request) string {
	return r.Method + " " + version.ReplaceAllString(r.URL.RequestURI(), "/")
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	rule := p.pick(Name(r))
	if rule.Hit != nil {
		rule.Hit(Name(r))
	}
	if rule.Before != nil {
		rule.Before()
	}
	if rule.Delay > 0 && !wait(r.Context(), rule.Delay) {
		return
	}
	switch {
	case rule.Fail:
		http.Error(w, `{"message":"a fault that a test injected"}`, http.StatusInternalServerError)
		return
	case rule.Lose:
		panic(http.ErrAbortHandler)
	}
	http.NewResponseController(w).EnableFullDuplex() // the engine answers a build while it is sent
	reverse := &httputil.ReverseProxy{
		Transport:      p.transport,
		FlushInterval:  -1,
		ErrorLog:       log.New(io.Discard, "", 0), // connections that break are what this is for
		Rewrite:        func(r *httputil.ProxyRequest) { r.Out.URL.Scheme, r.Out.URL.Host = "http", "server" },
		ModifyResponse: func(response *http.Response) error { return p.change(rule, response) },
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	reverse.ServeHTTP(w, r)
}

func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-time.After(d):
		return true
	case <-ctx.Done():
		return false
	}
}

// pick gives the rule for a request; one that does nothing if none hits it.
func (p *Proxy) pick(name string) Rule {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, rule := range p.rules {
		if rule.Match != nil && !rule.Match.MatchString(name) {
			continue
		}
		rule.seen++
		if rule.seen > rule.Skip && (rule.Times == 0 || rule.seen <= rule.Skip+rule.Times) && p.chance(rule.Share, true) {
			return rule.Rule
		}
	}
	return Rule{}
}

// chance is true for a share of the times. The caller holds mu.
func (p *Proxy) chance(share float64, whenZero bool) bool {
	if share == 0 {
		return whenZero
	}
	return p.rand.Float64() < share
}

// change does to the answer what the rule says.
func (p *Proxy) change(rule Rule, response *http.Response) error {
	if rule.After != nil {
		rule.After()
	}
	if rule.Status > 0 {
		response.StatusCode = rule.Status
	}
	switch {
	case rule.Cut:
		return errCut
	case rule.Truncate > 0:
		response.Body = &truncated{response.Body, rule.Truncate, func() error { return errCut }}
	case rule.Stall > 0:
		gone := response.Request.Context()
		response.Body = &truncated{response.Body, rule.Stall, func() error { <-gone.Done(); return gone.Err() }}
	case rule.Drop > 0 || rule.Double > 0 || rule.Without != nil:
		response.Body = p.mangle(rule, response.Body)
		response.ContentLength = -1
		response.Header.Del("Content-Length")
	}
	return nil
}
