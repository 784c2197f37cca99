package ingress

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"

	"go.uber.org/zap"
)

// rewrite makes the request that goes to a container. What the client said about
// who forwarded it is not believed. To which container it goes is decided when
// it is sent, and its transport knows the address.
func rewrite(r *httputil.ProxyRequest) {
	x := exchangeOf(r.In.Context())
	r.Out.URL.Scheme, r.Out.URL.Host = "http", "container"
	r.Out.URL.RawQuery = r.In.URL.RawQuery // the container's to judge
	r.Out.Host = r.In.Host
	for _, header := range []http.Header{r.Out.Header, r.Out.Trailer} {
		for name := range header {
			if tellsOrigin(name) {
				delete(header, name)
			}
		}
	}
	r.SetXForwarded()
	peer, _, _ := net.SplitHostPort(r.In.RemoteAddr)
	values := []string{peer, "for=" + node(peer) + ";host=" + quoted(r.In.Host) + ";proto=" + r.Out.Header.Get("X-Forwarded-Proto"), x.id}
	for i, name := range [...]string{"X-Real-Ip", "Forwarded", requestIDHeader} {
		r.Out.Header[name] = values[i : i+1 : i+1]
	}
}

// tellsOrigin says whether a header is one that a container takes as said by
// its proxy. To a CGI, and to those that work like one, _ and - are the same.
func tellsOrigin(name string) bool {
	if name == "" || !strings.Contains("FPXfpx", name[:1]) { // as most are
		return false
	}
	name = strings.ToLower(strings.ReplaceAll(name, "_", "-"))
	switch name {
	case "forwarded", "x-real-ip", "proxy", "x-request-id":
		return true
	}
	return strings.HasPrefix(name, "x-forwarded-")
}

// node writes an address as the Forwarded header has it.
func node(ip string) string {
	if strings.Contains(ip, ":") {
		return `"[` + ip + `]"`
	}
	return ip
}

func quoted(host string) string {
	if strings.Contains(host, ":") {
		return `"` + host + `"`
	}
	return host
}

// RoundTrip sends a request to the best container of its host. If that one fails
// before it answers, and nothing can have been done twice by it, another gets
// the request.
func (in *Ingress) RoundTrip(r *http.Request) (*http.Response, error) {
	x := exchangeOf(r.Context())
	b, err := in.choose(r.Context(), x.host, nil)
	if err != nil {
		return nil, err
	}
	if upgrades(r) {
		if err := x.countUpgrade(); err != nil {
			b.release()
			return nil, err
		}
	}
	response, again, err := x.try(r, b)
	if !again {
		return response, err
	}
	other, none := in.choose(r.Context(), x.host, b)
	if none != nil {
		return nil, err
	}
	in.log.Info("a request is tried once more elsewhere", zap.String("container", b.name), zap.String("other", other.name), zap.String("request", x.id), zap.Error(err))
	response, _, err = x.try(r, other)
	return response, err
}

// try sends the request to b, and says after a failure whether it may be sent
// again.
func (x *exchange) try(r *http.Request, b *backend) (response *http.Response, again bool, err error) {
	x.enter(b)
	var body *attempt
	if r.Body != nil {
		r = r.WithContext(r.Context())
		body = &attempt{reader: r.Body, from: x.request.Trailer, to: r.Trailer}
		r.Body = body
	}
	response, err = b.transport.RoundTrip(r)
	if err == nil {
		return response, false, checkStatus(r, response)
	}
	if r.Context().Err() != nil {
		return nil, false, err
	}
	b.failed()
	return nil, repeatable(r, err) && body.giveUp(), err
}

// repeatable says whether a request that failed so can be sent again: it never
// left us, or it may be done twice. One that was waited for in vain is not
// repeated: the container may well be at it.
func repeatable(r *http.Request, err error) bool {
	var undialed *dialError
	if errors.As(err, &undialed) {
		return true
	}
	var slow net.Error
	if errors.As(err, &slow) && slow.Timeout() {
		return false
	}
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete:
		return true
	}
	return false
}

// checkStatus refuses a status that cannot be passed on, and a switch of
// protocols that was not asked for.
func checkStatus(r *http.Request, response *http.Response) error {
	switch {
	case response.StatusCode < 100: // with which net/http panics when it is to write it
		response.Body.Close()
		return fmt.Errorf("it answered with the status %03d, which is none", response.StatusCode)
	case response.StatusCode == http.StatusSwitchingProtocols && !(upgrades(r) && strings.EqualFold(response.Header.Get("Upgrade"), "websocket")):
		response.Body.Close()
		return errors.New("it switched to a protocol that was not asked for")
	}
	return nil
}

// attempt is a request's body on its way to one container, and the trailers
// behind it.
type attempt struct {
	reader   io.Reader
	from, to http.Header // of those that were announced; from is complete at the end of the body

	mu   sync.Mutex // guards the rest
	used bool
	over bool
}

// Read implements io.Reader.
func (a *attempt) Read(p []byte) (int, error) {
	a.mu.Lock()
	over := a.over
	a.used = true
	a.mu.Unlock()
	if over {
		return 0, http.ErrBodyReadAfterClose
	}
	n, err := a.reader.Read(p)
	if err == io.EOF {
		for name := range a.to {
			a.to[name] = a.from[name]
		}
	}
	return n, err
}

// Close implements io.Closer. The body stays open for another attempt, and is
// closed by the server in the end.
func (a *attempt) Close() error { return nil }

// giveUp ends the attempt and says whether nothing was read of the body.
func (a *attempt) giveUp() bool {
	if a == nil {
		return true
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.over = true
	return !a.used
}

// answerError answers for a container that did not. A client that is gone gets
// nothing.
func answerError(_ http.ResponseWriter, r *http.Request, err error) {
	x := exchangeOf(r.Context())
	var refused *refusal
	switch {
	case errors.As(err, &refused):
		x.refuse(refused)
	case x.clientLeft():
		x.setStatus(statusClientLeft)
		panic(http.ErrAbortHandler) // a return would be an empty answer
	case x.wasCut():
		x.refuse(refuse(http.StatusServiceUnavailable, x.host+" is not served at the moment: its container was stopped before it had answered"))
	case x.brokenBody.Load():
		x.Header().Set("Connection", "close")
		x.refuse(refuse(http.StatusBadRequest, "the body of the request is malformed"))
	default:
		x.backend.stats.errors.Add(1)
		x.in.log.Info("a container does not answer", zap.String("container", x.backend.name), zap.String("request", x.id), zap.Error(err))
		x.refuse(refuse(http.StatusBadGateway, fmt.Sprintf("the container of %s does not answer on port %d", x.host, x.backend.route.Port)))
	}
}

// statusClientLeft is what the access log and the metrics say of a request that
// nobody waited for the answer of.
const statusClientLeft = 499
