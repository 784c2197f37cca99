package ingress

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// Two apps that do not know each other: what is meant for one must not reach the
// other.
func twoApps(t *testing.T) (f *front, apps map[string]*app) {
	f = newFront(t, Options{})
	apps = map[string]*app{"good": newApp(t, "good", nil), "evil": newApp(t, "evil", nil)}
	for name, a := range apps {
		f.serve(name, "", a)
	}
	return f, apps
}

// smuggled is what an attacker hides in a request to evil.
const smuggled = "GET /smuggled HTTP/1.1\r\nHost: good.localhost\r\n\r\n"

func TestNoRequestIsSmuggled(t *testing.T) {
	const head = "POST / HTTP/1.1\r\nHost: evil.localhost\r\n"
	for what, text := range map[string]string{
		"CL.TE":                       head + fmt.Sprintf("Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 5+len(smuggled)) + smuggled,
		"TE.CL":                       head + fmt.Sprintf("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n", len(smuggled), smuggled),
		"TE twice":                    head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n" + smuggled,
		"TE in a list":                head + "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"TE with a tab":               head + "Transfer-Encoding:\tchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled,
		"TE that is none":             head + "Transfer-Encoding: xchunked\r\nContent-Length: 3\r\n\r\nabc" + smuggled,
		"TE with a vertical tab":      head + "Transfer-Encoding: \x0bchunked\r\nContent-Length: 3\r\n\r\nabc" + smuggled,
		"TE before a space":           head + "Transfer-Encoding : chunked\r\nContent-Length: 3\r\n\r\nabc" + smuggled,
		"TE on a folded line":         head + "Transfer-Encoding:\r\n chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" + smuggled,
		"TE at HTTP/1.0":              "POST / HTTP/1.0\r\nHost: evil.localhost\r\nTransfer-Encoding: chunked\r\nConnection: keep-alive\r\n\r\n0\r\n\r\n" + smuggled,
		"two lengths":                 head + fmt.Sprintf("Content-Length: 0\r\nContent-Length: %d\r\n\r\n", len(smuggled)) + smuggled,
		"lengths in a list":           head + fmt.Sprintf("Content-Length: 0, %d\r\n\r\n", len(smuggled)) + smuggled,
		"a length with a sign":        head + "Content-Length: +0\r\n\r\n" + smuggled,
		"a negative length":           head + "Content-Length: -1\r\n\r\n" + smuggled,
		"a length in hexadecimal":     head + "Content-Length: 0x0\r\n\r\n" + smuggled,
		"a length that overflows":     head + "Content-Length: 18446744073709551616\r\n\r\n" + smuggled,
		"a chunk that overflows":      head + "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n" + smuggled,
		"a chunk with a sign":         head + "Transfer-Encoding: chunked\r\n\r\n-1\r\n" + smuggled,
		"a chunk extension, bare LF":  head + "Transfer-Encoding: chunked\r\n\r\n0;a\n\r\n" + smuggled,
		"a bare CR in a header":       head + "X: a\rContent-Length: 0\r\n\r\n" + smuggled,
		"a bare LF in a header":       head + "X: a\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\nabc" + smuggled,
		"a zero byte in a header":     head + "X: a\x00b\r\n\r\n" + smuggled,
		"a body with GET":             "GET / HTTP/1.1\r\nHost: evil.localhost\r\n" + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(smuggled)) + smuggled,
		"a body with HEAD":            "HEAD / HTTP/1.1\r\nHost: evil.localhost\r\n" + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(smuggled)) + smuggled,
		"Connection: content-length":  head + "Connection: content-length\r\nContent-Length: 3\r\n\r\nabc" + smuggled,
		"Connection: te":              head + "Connection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + smuggled,
		"Expect":                      head + "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc" + smuggled,
		"a line break in the path":    "GET /%0d%0aHost:%20good.localhost HTTP/1.1\r\nHost: evil.localhost\r\n\r\n",
		"an upgrade that is none":     "GET /ws HTTP/1.1\r\nHost: evil.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 777\r\n\r\n" + smuggled,
		"an upgrade with a length":    "GET /ws HTTP/1.1\r\nHost: evil.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + fmt.Sprintf("Content-Length: %d\r\n\r\n", len(smuggled)) + smuggled,
		"a request line with spaces":  "GET / HTTP/1.1 HTTP/1.1\r\nHost: evil.localhost\r\n\r\n" + smuggled,
		"a header before the request": " X: y\r\nGET / HTTP/1.1\r\nHost: evil.localhost\r\n\r\n" + smuggled,
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			mustNotSmuggle(t, text)
		})
	}
}

func mustNotSmuggle(t *testing.T, text string) {
	f, apps := twoApps(t)
	answers := f.raw(text)
	for _, answer := range answers {
		if answer.StatusCode >= 500 && answer.StatusCode != 501 && answer.StatusCode != 505 {
			t.Errorf("answered %s", statuses(answers))
		}
	}
	reached := 0
	for name, a := range apps {
		for _, r := range a.requests() {
			reached++
			if r.Host != name+".localhost" {
				t.Errorf("%s got a request for %s", name, r.Host)
			}
		}
	}
	if reached > len(answers) {
		t.Errorf("%d requests reached the apps, and the client has %d answers", reached, len(answers))
	}
}

func TestARequestGoesWhereItsHostSaysOrNowhere(t *testing.T) {
	for what, c := range map[string]struct {
		text, status, app string
	}{
		"a port":                  {"GET / HTTP/1.1\r\nHost: good.localhost:8420\r\n\r\n", "200", "good"},
		"upper case":              {"GET / HTTP/1.1\r\nHost: GOOD.LocalHost\r\n\r\n", "200", "good"},
		"a trailing dot":          {"GET / HTTP/1.1\r\nHost: good.localhost.\r\n\r\n", "200", "good"},
		"absolute form":           {"GET http://good.localhost/x HTTP/1.1\r\nHost: evil.localhost\r\n\r\n", "200", "good"},
		"absolute form, no path":  {"GET http://good.localhost HTTP/1.1\r\nHost: evil.localhost\r\n\r\n", "200", "good"},
		"absolute form, unknown":  {"GET http://127.0.0.1/ HTTP/1.1\r\nHost: good.localhost\r\n\r\n", "404", ""},
		"two slashes":             {"GET //evil.localhost/ HTTP/1.1\r\nHost: good.localhost\r\n\r\n", "200", "good"},
		"two Hosts":               {"GET / HTTP/1.1\r\nHost: good.localhost\r\nHost: evil.localhost\r\n\r\n", "400", ""},
		"two equal Hosts":         {"GET / HTTP/1.1\r\nHost: good.localhost\r\nHost: good.localhost\r\n\r\n", "400", ""},
		"no Host":                 {"GET / HTTP/1.1\r\n\r\n", "400", ""},
		"no Host, HTTP/1.0":       {"GET / HTTP/1.0\r\n\r\n", "400", ""},
		"an empty Host":           {"GET / HTTP/1.1\r\nHost:\r\n\r\n", "400", ""},
		"a Host before a space":   {"GET / HTTP/1.1\r\nHost : good.localhost\r\n\r\n", "400", ""},
		"a folded Host":           {"GET / HTTP/1.1\r\nHost:\r\n good.localhost\r\n\r\n", "200", "good"},
		"user information":        {"GET / HTTP/1.1\r\nHost: evil.localhost@good.localhost\r\n\r\n", "400", ""},
		"user information, path":  {"GET http://evil.localhost@good.localhost/ HTTP/1.1\r\nHost: x\r\n\r\n", "200", "good"},
		"a path in the Host":      {"GET / HTTP/1.1\r\nHost: good.localhost/x\r\n\r\n", "400", ""},
		"a comma":                 {"GET / HTTP/1.1\r\nHost: good.localhost,evil.localhost\r\n\r\n", "400", ""},
		"a space":                 {"GET / HTTP/1.1\r\nHost: good.localhost evil.localhost\r\n\r\n", "400", ""},
		"a zero byte":             {"GET / HTTP/1.1\r\nHost: good.localhost\x00.evil.localhost\r\n\r\n", "400", ""},
		"a port that is none":     {"GET / HTTP/1.1\r\nHost: good.localhost:x\r\n\r\n", "400", ""},
		"a port too high":         {"GET / HTTP/1.1\r\nHost: good.localhost:99999\r\n\r\n", "400", ""},
		"two ports":               {"GET / HTTP/1.1\r\nHost: good.localhost:80:80\r\n\r\n", "400", ""},
		"a suffix":                {"GET / HTTP/1.1\r\nHost: good.localhost.evil.example\r\n\r\n", "404", ""},
		"a prefix":                {"GET / HTTP/1.1\r\nHost: x.good.localhost\r\n\r\n", "404", ""},
		"the base":                {"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "404", ""},
		"an address":              {"GET / HTTP/1.1\r\nHost: 127.0.0.1:7420\r\n\r\n", "404", ""},
		"an address of version 6": {"GET / HTTP/1.1\r\nHost: [::1]:7420\r\n\r\n", "400", ""},
		"X-Forwarded-Host":        {"GET / HTTP/1.1\r\nHost: good.localhost\r\nX-Forwarded-Host: evil.localhost\r\n\r\n", "200", "good"},
		"X-Host":                  {"GET / HTTP/1.1\r\nHost: good.localhost\r\nX-Host: evil.localhost\r\n\r\n", "200", "good"},
		"CONNECT":                 {"CONNECT good.localhost:80 HTTP/1.1\r\nHost: good.localhost\r\n\r\n", "405", ""},
		"CONNECT to an address":   {"CONNECT 127.0.0.1:7420 HTTP/1.1\r\nHost: good.localhost\r\n\r\n", "405", ""},
		"CONNECT with a path":     {"CONNECT /x HTTP/1.1\r\nHost: good.localhost\r\n\r\n", "405", ""},
		"TRACE":                   {"TRACE / HTTP/1.1\r\nHost: good.localhost\r\n\r\n", "405", ""},
		"OPTIONS *":               {"OPTIONS * HTTP/1.1\r\nHost: good.localhost\r\n\r\n", "400", ""},
		"a scheme that is no way": {"GET mailto:x HTTP/1.1\r\nHost: good.localhost\r\n\r\n", "400", ""},
		"HTTP/2 known before":     {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "400", ""},
		"h2c":                     {"GET / HTTP/1.1\r\nHost: good.localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n\r\n", "200", "good"},
		"another protocol":        {"GET / HTTP/1.1\r\nHost: good.localhost\r\nConnection: Upgrade\r\nUpgrade: TLS/1.0\r\n\r\n", "200", "good"},
		"a list of protocols":     {"GET / HTTP/1.1\r\nHost: good.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket, h2c\r\n\r\n", "200", "good"},
		"HTTP/3":                  {"GET / HTTP/3.0\r\nHost: good.localhost\r\n\r\n", "505", ""},
		"a header over 16 KiB":    {"GET / HTTP/1.1\r\nHost: good.localhost\r\nX: " + strings.Repeat("x", 16<<10) + "\r\n\r\n", "431", ""},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			mustGoTo(t, c.text, c.status, c.app)
		})
	}
}

func mustGoTo(t *testing.T, text, status, app string) {
	f, apps := twoApps(t)
	answers := f.raw(text)
	if got := statuses(answers); got != status {
		t.Errorf("answered %s, want %s", got, status)
	}
	for name, a := range apps {
		got := a.requests()
		if (len(got) == 1) != (name == app) || len(got) > 1 {
			t.Errorf("%s got %d requests", name, len(got))
		}
		for _, r := range got {
			if r.Header.Get("Upgrade") != "" || r.Header.Get("Http2-Settings") != "" {
				t.Errorf("the app got %v", r.Header)
			}
		}
	}
}

func TestWhatAClientSaysOfItsOriginIsNotBelieved(t *testing.T) {
	f, apps := twoApps(t)
	spoofs := []string{
		"X-Forwarded-For: 6.6.6.6", "X-Forwarded-Host: evil.example", "X-Forwarded-Proto: https", "X-Forwarded-Port: 666", "X-Forwarded-Prefix: /evil",
		"X-Forwarded-Server: evil", "x_forwarded_for: 6.6.6.6", "X-Forwarded_For: 6.6.6.6", "X_Real_IP: 6.6.6.6", "X-Real-IP: 6.6.6.6",
		"Forwarded: for=6.6.6.6;host=evil.example", "Proxy: http://evil.example", "X-Request-Id: evil id",
	}
	want := map[string]string{
		"X-Forwarded-For": "127.0.0.1", "X-Forwarded-Host": "good.localhost:80", "X-Forwarded-Proto": "http", "X-Real-Ip": "127.0.0.1",
		"Forwarded": `for=127.0.0.1;host="good.localhost:80";proto=http`, "X-Request-Id": "", "User-Agent": "test",
	}
	for _, connection := range []string{"keep-alive", "close, X-Forwarded-For, X-Real-IP, Forwarded, X-Forwarded-Host, X-Request-Id", "Host, X-Forwarded-Proto"} {
		f.raw("GET / HTTP/1.1\r\nHost: good.localhost:80\r\nUser-Agent: test\r\nConnection: " + connection + "\r\n" + strings.Join(spoofs, "\r\n") + "\r\n\r\n")
		all := apps["good"].requests()
		r := all[len(all)-1]
		if r.Host != "good.localhost:80" {
			t.Errorf("Connection: %s: the app is called %q", connection, r.Host)
		}
		for name, values := range r.Header {
			value, known := want[name]
			if !known || len(values) != 1 || value != "" && values[0] != value || strings.Contains(values[0], "evil") {
				t.Errorf("Connection: %s: the app got %s: %q", connection, name, values)
			}
		}
		if len(r.Header) != len(want) {
			t.Errorf("Connection: %s: the app got only %v", connection, r.Header)
		}
	}
}

func TestHeadersOfOneConnectionAreNotPassedOn(t *testing.T) {
	f, apps := twoApps(t)
	f.raw("GET / HTTP/1.1\r\nHost: good.localhost\r\nConnection: X-Secret, close\r\nX-Secret: 1\r\nKeep-Alive: timeout=9\r\nProxy-Connection: x\r\nProxy-Authorization: Basic eDp5\r\nTE: gzip\r\nX-Kept: 1\r\n\r\n")
	r := apps["good"].requests()[0]
	for _, name := range []string{"Connection", "X-Secret", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Te"} {
		if r.Header.Get(name) != "" {
			t.Errorf("the app got %s: %q", name, r.Header.Get(name))
		}
	}
	if r.Header.Get("X-Kept") != "1" {
		t.Error("another header is gone")
	}
}

// answering gives the address of something that answers every connection with
// the same bytes, and then listens.
func answering(t *testing.T, text string) string {
	ln := listen(t)
	t.Cleanup(func() { ln.Close() })
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if _, err := http.ReadRequest(bufio.NewReader(conn)); err == nil {
					io.WriteString(conn, text)
					io.Copy(io.Discard, conn)
				}
			}()
		}
	}()
	return ln.Addr().String()
}

func TestAContainerCannotSwitchToWhatWasNotAskedFor(t *testing.T) {
	const websocket = "GET / HTTP/1.1\r\nHost: sly.localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
	const plain = "GET / HTTP/1.1\r\nHost: sly.localhost\r\n\r\n"
	const h2c = "GET / HTTP/1.1\r\nHost: sly.localhost\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
	for what, c := range map[string]struct{ request, answer string }{
		"h2c to a WebSocket":     {websocket, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"},
		"nothing to a WebSocket": {websocket, "HTTP/1.1 101 Switching Protocols\r\n\r\n"},
		"WebSocket to nothing":   {plain, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"},
		"nothing to nothing":     {plain, "HTTP/1.1 101 Switching Protocols\r\n\r\n"},
		"h2c to h2c":             {h2c, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"},
	} {
		f := newFront(t, Options{})
		f.Route(route("sly", "", answering(t, c.answer)))
		if got := statuses(f.raw(c.request + smuggled)); !strings.HasPrefix(got, "502") {
			t.Errorf("%s: answered %s", what, got)
		}
	}
}

func TestAnAnswerThatIsNoneIs502(t *testing.T) {
	for what, answer := range map[string]string{
		"nothing":           "",
		"no HTTP":           "220 mail.example ESMTP\r\n",
		"two lengths":       "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
		"an endless line":   "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", 300<<10),
		"a bad head":        "HTTP/1.1 200 OK\r\nX y\r\n\r\n",
		"a negative state":  "HTTP/1.1 -20 OK\r\n\r\n",
		"a state below 100": "HTTP/1.1 099 OK\r\nContent-Length: 0\r\n\r\n",
	} {
		f := newFront(t, Options{})
		address := answering(t, answer)
		if answer == "" {
			ln := listen(t)
			address = ln.Addr().String()
			go func() {
				for {
					conn, err := ln.Accept()
					if err != nil {
						return
					}
					conn.Close()
				}
			}()
			t.Cleanup(func() { ln.Close() })
		}
		f.Route(route("broken", "", address))
		answers := f.raw("GET / HTTP/1.1\r\nHost: broken.localhost\r\nConnection: close\r\n\r\n")
		if statuses(answers) != "502" || answers[0].Header.Get(requestIDHeader) == "" {
			t.Errorf("%s: answered %s", what, statuses(answers))
		}
	}
}

func TestASlowHeaderEndsTheConnection(t *testing.T) {
	f, _ := twoApps(t)
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	began := time.Now()
	io.WriteString(conn, "GET / HTTP/1.1\r\nHost: good.localhost\r\nX-")
	conn.SetReadDeadline(began.Add(patience))
	answer, err := io.ReadAll(conn)
	if took := time.Since(began); err != nil || took < headerTimeout-time.Second {
		t.Errorf("it ended after %v with %q, %v", took, answer, err)
	}
}

func TestHostNamesAreReadStrictly(t *testing.T) {
	for host, want := range map[string]string{"A.b": "a.b", "a.b.": "a.b", "a.b:80": "a.b", "a.b.:80": "a.b", "a_b.c": "a_b.c", "xn--bcher-kva.example": "xn--bcher-kva.example"} {
		if got, ok := hostname(host); !ok || got != want {
			t.Errorf("%q is read as %q, %v", host, got, ok)
		}
	}
	for _, host := range []string{"", ".", "..", "a..", "a..b", ".a", ":80", "a:", "a:0", "a:+80", "a:65536", "[::1]", "::1", "a b", "ä.b", "a\x00b", "a,b", "a@b", "a/b", "a%2eb", "*.b", strings.Repeat("a", 254)} {
		if got, ok := hostname(host); ok {
			t.Errorf("%q is read as %q", host, got)
		}
	}
}

func FuzzAHostThatIsTakenIsPlain(f *testing.F) {
	f.Add("a.localhost:80")
	f.Fuzz(func(t *testing.T, host string) {
		name, ok := hostname(host)
		if !ok {
			return
		}
		again, ok := hostname(name)
		if !ok || again != name || slices.ContainsFunc([]byte(name), func(c byte) bool { return strings.IndexByte(`:/@ ,"\`, c) >= 0 || c >= 0x80 }) {
			t.Errorf("%q is read as %q", host, name)
		}
	})
}
