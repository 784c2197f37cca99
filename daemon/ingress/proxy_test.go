package ingress

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

func TestAStreamArrivesAsItIsWritten(t *testing.T) {
	for what, head := range map[string]map[string]string{
		"server-sent events": {"Content-Type": "text/event-stream"},
		"chunks":             {"Content-Type": "application/octet-stream"},
		"an announced size":  {"Content-Length": "30"},
	} {
		more := make(chan struct{})
		f := newFront(t, Options{})
		f.serve("app", "", newApp(t, "app", func(w http.ResponseWriter, _ *http.Request) {
			for name, value := range head {
				w.Header().Set(name, value)
			}
			for range 10 {
				io.WriteString(w, "abc")
				http.NewResponseController(w).Flush()
				<-more
			}
		}))
		resp, err := f.client.Get("http://app.localhost/")
		if err != nil {
			t.Fatal(err)
		}
		piece := make([]byte, 3)
		for i := range 10 {
			if _, err := io.ReadFull(resp.Body, piece); err != nil || string(piece) != "abc" {
				t.Fatalf("%s: piece %d is %q, %v", what, i, piece, err)
			}
			more <- struct{}{} // the next is written only once this one was read
		}
		resp.Body.Close()
	}
}

func TestLargeBodiesGoThroughBothWays(t *testing.T) {
	const size = 32 << 20
	f := newFront(t, Options{})
	f.serve("app", "", newApp(t, "app", func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		io.Copy(w, r.Body)
	}))
	data := bytes.Repeat([]byte("0123456789abcdef"), size/16)
	for what, body := range map[string]io.Reader{"with a length": bytes.NewReader(data), "in chunks": io.MultiReader(bytes.NewReader(data))} {
		resp, err := f.client.Post("http://app.localhost/", "", body)
		if err != nil {
			t.Fatal(err)
		}
		hash := sha256.New()
		n, err := io.Copy(hash, resp.Body)
		resp.Body.Close()
		if want := sha256.Sum256(data); err != nil || n != size || !bytes.Equal(hash.Sum(nil), want[:]) {
			t.Errorf("%s: %d bytes came back, %v", what, n, err)
		}
	}
}

func TestTrailersAndHintsGoThrough(t *testing.T) {
	f := newFront(t, Options{})
	f.serve("app", "", newApp(t, "app", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Trailer", "X-Announced")
		io.WriteString(w, "body")
		w.Header().Set("X-Announced", r.Trailer.Get("X-Sent"))
		w.Header().Set(http.TrailerPrefix+"X-Late", "late")
	}))
	hints := 0
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, _ textproto.MIMEHeader) error { hints += code; return nil }}
	req, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), trace), "POST", "http://app.localhost/", io.MultiReader(strings.NewReader("x")))
	if err != nil {
		t.Fatal(err)
	}
	req.Trailer = http.Header{"X-Sent": {"sent"}}
	resp, err := f.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	if resp.Trailer.Get("X-Announced") != "sent" || resp.Trailer.Get("X-Late") != "late" || hints != http.StatusEarlyHints {
		t.Errorf("trailers %v, hints %d", resp.Trailer, hints)
	}
}

func TestTheRequestArrivesAsItWasSent(t *testing.T) {
	f := newFront(t, Options{})
	a := newApp(t, "app", nil)
	f.serve("app", "", a)
	for _, target := range []string{"/a%2Fb/%7Ec?x=1;y=2&z=%zz", "//double//slash", "/a/../b/./c", "/?", "/%00", "/a?b?c"} {
		f.raw("GET " + target + " HTTP/1.1\r\nHost: app.localhost\r\n\r\n")
		all := a.requests()
		if got := all[len(all)-1].RequestURI; got != target {
			t.Errorf("%s arrives as %s", target, got)
		}
	}
}

func TestHTTP2IsSpokenOverTLSOnly(t *testing.T) {
	f := newFront(t, Options{})
	a := newApp(t, "app", nil)
	f.serve("app", "", a)
	server := httptest.NewTLSServer(nil) // for its certificate
	server.Close()
	ln := listen(t)
	go f.Serve(ln, &tls.Config{Certificates: server.TLS.Certificates})
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	transport := &http.Transport{
		DialContext:       dialer(ln.Addr().String()),
		TLSClientConfig:   &tls.Config{RootCAs: roots, ServerName: "example.com"}, // as the certificate has it
		ForceAttemptHTTP2: true,
	}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	for host, want := range map[string]int{"app.localhost": 200, "other.localhost": 404, "bad@app.localhost": 400} {
		req, err := http.NewRequest("GET", "https://app.localhost/", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Host = host
		resp, err := client.Do(req)
		if err != nil {
			if want == 400 {
				continue // the client itself refuses to send it
			}
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want || resp.ProtoMajor != 2 {
			t.Errorf("%s: %s over %s", host, resp.Status, resp.Proto)
		}
	}
	if r := a.requests()[0]; r.Header.Get("X-Forwarded-Proto") != "https" || !strings.HasSuffix(r.Header.Get("Forwarded"), "proto=https") {
		t.Errorf("the app got %v", r.Header)
	}
	h2c := &http.Transport{DialContext: dialer(f.address), Protocols: new(http.Protocols)}
	h2c.Protocols.SetUnencryptedHTTP2(true)
	if resp, err := (&http.Client{Transport: h2c}).Get("http://app.localhost/"); err == nil {
		t.Errorf("in clear: %s over %s", resp.Status, resp.Proto)
	}
}

// echoApp sends back what comes over a WebSocket, and says what ended it.
func echoApp(t *testing.T) (a *app, ended chan error) {
	ended = make(chan error, 10)
	return newApp(t, "echo", func(w http.ResponseWriter, r *http.Request) {
		ws, err := (&websocket.Upgrader{EnableCompression: true}).Upgrade(w, r, nil)
		if err != nil {
			return
		}
		defer ws.Close()
		for {
			kind, message, err := ws.ReadMessage()
			if err != nil {
				ended <- err
				return
			}
			ws.WriteMessage(kind, message)
		}
	}), ended
}

func (f *front) dialWebSocket(host string) (*websocket.Conn, error) {
	d := websocket.Dialer{NetDialContext: dialer(f.address), HandshakeTimeout: patience, EnableCompression: true}
	ws, _, err := d.Dial("ws://"+host, nil)
	if err == nil {
		f.t.Cleanup(func() { ws.Close() })
		ws.SetReadDeadline(time.Now().Add(patience))
	}
	return ws, err
}

func echo(t *testing.T, ws *websocket.Conn, message string) {
	t.Helper()
	if err := ws.WriteMessage(websocket.TextMessage, []byte(message)); err != nil {
		t.Fatal(err)
	}
	if _, got, err := ws.ReadMessage(); err != nil || string(got) != message {
		t.Fatalf("%d bytes came back, %v", len(got), err)
	}
}

func TestWebSocketsAreCarriedAndBounded(t *testing.T) {
	f := newFront(t, Options{MaxUpgraded: 2})
	a, _ := echoApp(t)
	f.serve("app", "", a)
	first, err := f.dialWebSocket("app.localhost")
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{1, 125, 126, 65535, 65536, 1 << 20} {
		echo(t, first, strings.Repeat("x", size))
	}
	if _, err := f.dialWebSocket("app.localhost"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.dialWebSocket("app.localhost"); err == nil {
		t.Error("a third WebSocket is accepted")
	}
	f.want("http://app.localhost/", 400, "") // gorilla's answer to what is no handshake
	first.Close()
	f.until("there is room again", func() bool { return f.upgraded.Load() == 1 })
	if _, err := f.dialWebSocket("app.localhost"); err != nil {
		t.Error(err)
	}
}

func TestAnErrorPageSaysWhatIsWrongInTheFormThatIsTaken(t *testing.T) {
	f := newFront(t, Options{})
	for accept, want := range map[string]string{
		"text/html,application/xhtml+xml,*/*;q=0.8": "text/html; charset=utf-8",
		"application/json, text/plain":              "application/json",
		"*/*":                                       "text/plain; charset=utf-8",
		"":                                          "text/plain; charset=utf-8",
	} {
		req, err := http.NewRequest("GET", "http://nobody.localhost/<script>", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Accept", accept)
		req.Header.Set(requestIDHeader, "id-of.the_client")
		resp, err := f.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if resp.StatusCode != 404 || resp.Header.Get("Content-Type") != want || resp.Header.Get(requestIDHeader) != "id-of.the_client" ||
			!bytes.Contains(body, []byte("nobody.localhost")) || !bytes.Contains(body, []byte("id-of.the_client")) || bytes.Contains(body, []byte("script")) {
			t.Errorf("%q: %s %v %s", accept, resp.Status, resp.Header, body)
		}
		if want == "application/json" {
			var p page
			if err := json.Unmarshal(body, &p); err != nil || p.Status != 404 || p.Error != "Not Found" || !strings.HasSuffix(p.Reason, ".") {
				t.Errorf("%s: %v", body, err)
			}
		}
	}
}

func TestRequestsAreCountedAndLogged(t *testing.T) {
	core, logged := observer.New(zap.InfoLevel)
	f := newFront(t, Options{Access: zap.New(core)})
	a := newApp(t, "app", func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Path == "/bad" {
			w.WriteHeader(500)
		}
		io.WriteString(w, "12345")
	})
	f.serve("app", "", a)
	f.Route(route("broken", "", answering(t, "220 mail.example ESMTP\r\n")))
	for _, url := range []string{"http://app.localhost/good?token=secret", "http://app.localhost/bad", "http://nobody.localhost/", "http://broken.localhost/"} {
		resp, err := f.client.Post(url, "", strings.NewReader("1234567"))
		if err != nil {
			t.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	f.until("all is counted", func() bool { return logged.Len() == 4 })
	var text strings.Builder
	f.WriteMetrics(&text, func(string) bool { return true })
	for _, want := range []string{
		`dockwire_http_requests_total{container="app",code="2xx"} 1`, `dockwire_http_requests_total{container="app",code="5xx"} 1`,
		`dockwire_http_errors_total{container="app"} 0`, `dockwire_http_errors_total{container="broken"} 1`,
		`dockwire_http_received_bytes_total{container="app"} 14`, `dockwire_http_sent_bytes_total{container="app"} 10`,
		`dockwire_http_request_duration_seconds_bucket{container="app",le="+Inf"} 2`, `dockwire_http_request_duration_seconds_count{container="app"} 2`,
		`dockwire_http_refused_total{code="404"} 1`,
	} {
		if !strings.Contains(text.String(), want+"\n") {
			t.Errorf("%s is missing in\n%s", want, text.String())
		}
	}
	text.Reset()
	f.WriteMetrics(&text, func(name string) bool { return name == "app" })
	if strings.Contains(text.String(), "broken") {
		t.Error("a container is shown that may not be seen")
	}
	first := logged.All()[0].ContextMap()
	if first["container"] != "app" || first["path"] != "/good" || first["status"] != int64(200) || first["received"] != int64(7) || first["sent"] != int64(5) || first["host"] != "app.localhost" {
		t.Errorf("the log says %v", first)
	}
	if strings.Contains(fmt.Sprint(logged.All()), "secret") {
		t.Error("the log tells the query")
	}
}
