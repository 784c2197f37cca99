package ingress

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// exchange is one request and its answer. It is the ResponseWriter that the
// answer goes through.
type exchange struct {
	http.ResponseWriter
	in       *Ingress
	request  *http.Request
	body     counted // of the request
	id       string  // of the request
	host     string
	began    time.Time
	cancel   context.CancelFunc
	received atomic.Int64
	sent     atomic.Int64

	brokenBody atomic.Bool // the request's body could not be read to its end

	mu      sync.Mutex
	status  int      // 0 before the answer begins
	backend *backend // the one that answers, or nil
	uncut   func() bool
	tunnel  *tunnel
	ended   bool

	upgrading bool // it is counted as a WebSocket
}

type exchangeKey struct{}

func exchangeOf(ctx context.Context) *exchange { return ctx.Value(exchangeKey{}).(*exchange) }

func (in *Ingress) begin(w http.ResponseWriter, r *http.Request) *exchange {
	x := &exchange{ResponseWriter: w, in: in, began: time.Now(), id: requestID(r)}
	ctx, cancel := context.WithCancel(context.WithValue(r.Context(), exchangeKey{}, x))
	x.request, x.cancel = r.WithContext(ctx), cancel
	x.body = counted{r.Body, x}
	x.request.Body = &x.body
	return x
}

// end settles the account. It is called however the answer went.
func (x *exchange) end() {
	x.mu.Lock()
	x.ended = true
	b, status, t := x.backend, x.status, x.tunnel
	x.mu.Unlock()
	if t != nil {
		b.removeTunnel(t)
	}
	if x.upgrading {
		x.in.upgraded.Add(-1)
	}
	x.leave()
	x.cancel()
	took := time.Since(x.began)
	x.in.stats.count(b, status, took, x.received.Load(), x.sent.Load())
	if access := x.in.options.Access; access != nil {
		x.log(access, b, status, took)
	}
}

// log writes the line of the request, without its query: secrets are put there.
func (x *exchange) log(access *zap.Logger, b *backend, status int, took time.Duration) {
	name := ""
	if b != nil {
		name = b.name
	}
	access.Info("request", zap.String("peer", x.request.RemoteAddr), zap.String("method", x.request.Method),
		zap.String("host", x.host), zap.String("path", x.request.URL.EscapedPath()), zap.Int("status", status),
		zap.String("container", name), zap.Int64("received", x.received.Load()), zap.Int64("sent", x.sent.Load()),
		zap.Duration("took", took), zap.String("request", x.id))
}

// enter says that b, which was acquired, answers from now on. It is released by
// leave. When b cuts off what it still answers, that is the end.
func (x *exchange) enter(b *backend) {
	x.leave()
	x.mu.Lock()
	defer x.mu.Unlock()
	x.backend = b
	x.uncut = context.AfterFunc(b.serving, x.cut)
}

func (x *exchange) leave() {
	x.mu.Lock()
	b, uncut := x.backend, x.uncut
	x.uncut = nil
	x.mu.Unlock()
	if uncut != nil {
		uncut()
		b.release()
	}
}

// cut ends the exchange from the side, even if the client does not read, or does
// not send the body that it announced.
func (x *exchange) cut() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.cancel()
	switch {
	case x.ended:
		return
	case x.tunnel != nil:
		x.tunnel.Close()
		return
	}
	client := http.NewResponseController(x.ResponseWriter)
	if x.request.ContentLength != 0 {
		client.SetReadDeadline(time.Now())
	}
	if x.status != 0 {
		client.SetWriteDeadline(time.Now())
	}
}

// wasCut says whether the backend left before it had answered.
func (x *exchange) wasCut() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.backend != nil && x.backend.serving.Err() != nil
}

// clientLeft says whether nobody waits for the answer any more.
func (x *exchange) clientLeft() bool {
	return x.request.Context().Err() != nil && !x.wasCut()
}

// WriteHeader implements http.ResponseWriter.
func (x *exchange) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		x.setStatus(status)
	}
	x.ResponseWriter.WriteHeader(status)
}

func (x *exchange) setStatus(status int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.status = status
}

// Write implements http.ResponseWriter.
func (x *exchange) Write(p []byte) (int, error) {
	n, err := x.ResponseWriter.Write(p)
	x.sent.Add(int64(n))
	return n, err
}

// Unwrap is for http.ResponseController.
func (x *exchange) Unwrap() http.ResponseWriter { return x.ResponseWriter }

// Hijack gives the connection of a client whose WebSocket was accepted.
func (x *exchange) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	conn, buffered, err := http.NewResponseController(x.ResponseWriter).Hijack()
	if err != nil {
		return nil, nil, err
	}
	t := &tunnel{Conn: conn, reader: buffered.Reader, exchange: x}
	x.mu.Lock()
	x.status, x.tunnel = http.StatusSwitchingProtocols, t
	b := x.backend
	x.mu.Unlock()
	b.addTunnel(t)
	return t, buffered, nil
}

// counted counts what is read of a request's body, and notes when that fails.
type counted struct {
	io.ReadCloser
	exchange *exchange
}

// Read implements io.Reader.
func (c *counted) Read(p []byte) (int, error) {
	n, err := c.ReadCloser.Read(p)
	c.exchange.received.Add(int64(n))
	if err != nil && err != io.EOF {
		c.exchange.brokenBody.Store(true)
	}
	return n, err
}

const requestIDHeader = "X-Request-Id"

// requestID gives the id that the client, or something in front of us, has given
// the request, if it is a plain one, else one of ours.
func requestID(r *http.Request) string {
	if ids := r.Header[requestIDHeader]; len(ids) == 1 && plainID(ids[0]) {
		return ids[0]
	}
	var random [12]byte
	rand.Read(random[:])
	return hex.EncodeToString(random[:])
}

func plainID(id string) bool {
	for _, c := range []byte(id) {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return false
		}
	}
	return 0 < len(id) && len(id) <= 128
}
