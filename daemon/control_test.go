package daemon

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
)

// What a request has, and whether it is let in: 0 yes, else the status.
type part struct {
	value  string
	status int
}

// Every combination of a Host, an Origin and a token goes through a real
// upgrade. The first of the three that is wrong decides, in this order.
func TestAnUpgradeTakesHostOriginAndToken(t *testing.T) {
	d := runDaemon(t, func(cfg *Config) {
		cfg.AllowHost = []string{"box.example"}
		cfg.AllowOrigin = []string{"https://app.example"}
	})
	_, narrow := d.makeToken(access.Read, "game*")
	revoked, gone := d.makeToken(access.Admin, "*")
	if err := access.RevokeToken(d.StateDir, revoked.ID); err != nil {
		t.Fatal(err)
	}
	port := ":" + d.URL[strings.LastIndexByte(d.URL, ':')+1:]
	hosts := []part{
		{"127.0.0.1" + port, 0}, {"LOCALHOST.", 0}, {"[::1]:1", 0}, {"box.example" + port, 0},
		{"evil.example" + port, 403}, {"localhost.evil.example", 403}, {"game.localhost" + port, 403}, {"169.254.169.254", 403},
	}
	origins := []part{
		{"", 0}, {"http://localhost:5173", 0}, {"http://127.0.0.1", 0}, {"https://app.example", 0},
		{"null", 403}, {"https://evil.example", 403}, {"https://app.example.evil.example", 403}, {"http://game.localhost:8420", 403},
		{"http://localhost.evil.example", 403}, {"https://app.example:8443", 403}, {"file://", 403},
	}
	protocol := func(secret string) string {
		return "protocol jsonrpc, bearer." + base64.RawURLEncoding.EncodeToString([]byte(secret))
	}
	tokens := []part{
		{"Bearer " + d.Token, 0}, {"Bearer " + narrow, 0}, {protocol(d.Token), 0}, {protocol(narrow), 0},
		{"", 401}, {"Bearer " + gone, 401}, {"Bearer " + d.Token + "x", 401}, {protocol(gone), 401}, {"Basic " + d.Token, 401}, {"query " + d.Token, 401},
	}
	for _, host := range hosts {
		for _, origin := range origins {
			for _, token := range tokens {
				want := token.status
				if origin.status != 0 {
					want = origin.status
				}
				if host.status != 0 {
					want = host.status
				}
				if got := upgradeStatus(t, d.URL, host.value, origin.value, token.value); got != want {
					t.Errorf("Host %s, Origin %s, token %.12s…: %d, want %d", host.value, origin.value, token.value, got, want)
				}
			}
		}
	}
	log := d.log.String()
	for _, want := range []string{
		`"allow":"--allow-host evil.example"`, `"allow":"--allow-origin https://evil.example"`, `"allow":"dockwire token create"`, `"logger":"audit","msg":"refused","peer":"127.0.0.1:`,
	} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %s", want)
		}
	}
	for _, secret := range []string{d.Token, narrow, gone, base64.RawURLEncoding.EncodeToString([]byte(narrow))} {
		if strings.Contains(log, secret) {
			t.Error("the log has a token")
		}
	}
}

// upgradeStatus tries to upgrade and gives 0 or the status of the refusal.
func upgradeStatus(t *testing.T, where, host, origin, token string) int {
	t.Helper()
	header := http.Header{"Host": {host}}
	if origin != "" {
		header.Set("Origin", origin)
	}
	dialer := websocket.Dialer{}
	switch kind, value, _ := strings.Cut(token, " "); kind {
	case "protocol":
		dialer.Subprotocols = strings.Split(value, ", ")
	case "query":
		where += "/?" + url.Values{"token": {value}, "access_token": {value}}.Encode()
	default:
		header.Set("Authorization", token)
	}
	ws, resp, err := dialer.Dial(where, header)
	if err == nil {
		defer ws.Close()
		if want := dialer.Subprotocols; want != nil && ws.Subprotocol() != "jsonrpc" {
			t.Errorf("the subprotocol is %q", ws.Subprotocol())
		}
		return 0
	}
	if resp == nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || len(body) < 20 {
		t.Errorf("a refusal says %q, %v", body, err)
	}
	return resp.StatusCode
}

// A page whose name leads here by DNS, and a page that a deployed app serves,
// get nothing by other HTTP either.
func TestMetricsAreForThoseWhoMayCall(t *testing.T) {
	d := runDaemon(t)
	_, secret := d.makeToken(access.Read, "game*")
	get := func(change func(*http.Request)) (int, string) {
		req, err := http.NewRequest(http.MethodGet, "http"+strings.TrimPrefix(d.URL, "ws")+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+secret)
		change(req)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, string(body)
	}
	w := d.dial()
	w.do("list", nil, nil)
	status, body := get(func(*http.Request) {})
	for late := time.Now().Add(10 * time.Second); !strings.Contains(body, "dockwire_calls 0\n") && time.Now().Before(late); { // the call ends a moment after its answer
		status, body = get(func(*http.Request) {})
	}
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, body)
	}
	for _, line := range []string{"# TYPE dockwire_connections gauge", "dockwire_connections 1", "dockwire_calls 0", "dockwire_streams 0",
		"dockwire_queued_bytes 0", `dockwire_builds{state="running"} 0`, `dockwire_containers{state="running"} 0`, "dockwire_engine_up 1"} {
		if !strings.Contains(body, line+"\n") {
			t.Errorf("there is no line %s in\n%s", line, body)
		}
	}
	for want, change := range map[int]func(*http.Request){
		http.StatusUnauthorized: func(r *http.Request) { r.Header.Del("Authorization") },
		http.StatusForbidden:    func(r *http.Request) { r.Host = "evil.example" },
		http.StatusNotFound:     func(r *http.Request) { r.URL.Path = "/metrics/x" },
		405:                     func(r *http.Request) { r.Method = http.MethodPost },
	} {
		if status, body := get(change); status != want || strings.Contains(body, "dockwire_connections") {
			t.Errorf("%d, want %d: %s", status, want, body)
		}
	}
}

func TestTheUnixSocketIsForItsOwnerAndGroup(t *testing.T) {
	dir, err := os.MkdirTemp("", "dockwire")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "run", "dockwire.sock")
	d := runDaemon(t, func(cfg *Config) { cfg.Listen = append(cfg.Listen, "unix://"+path) })
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o660 {
		t.Fatalf("its mode is %v, %v", info.Mode(), err)
	}
	group := int(info.Sys().(*syscall.Stat_t).Gid)
	const nobody = 65534
	for _, test := range []struct {
		uid, gid int
		want     error
	}{{0, 0, nil}, {nobody, nobody, syscall.EACCES}, {nobody, group, nil}} {
		if err := connectAs(t, path, test.uid, test.gid); err != test.want {
			t.Errorf("user %d of group %d: %v, want %v", test.uid, test.gid, err, test.want)
		}
	}
	dialer := websocket.Dialer{NetDial: func(string, string) (net.Conn, error) { return net.Dial("unix", path) }}
	ws, _, err := dialer.Dial("ws://anything.example/", http.Header{"Origin": {"https://evil.example"}})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.Close()
	(&wire{t: t, ws: ws}).do("list", nil, nil)
	want := fmt.Sprintf("unix uid %d pid %d", os.Getuid(), os.Getpid())
	if line := d.auditLines("local", 1)[0]; line.Peer != want {
		t.Errorf("the peer is %s, want %s", line.Peer, want)
	}
}

func TestASocketIsReplacedOnlyIfItWasLeftBehind(t *testing.T) {
	left := filepath.Join(t.TempDir(), "left.sock")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: left, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	again, err := listenUnix(left)
	if err != nil {
		t.Fatalf("one that was left behind is not replaced: %v", err)
	}
	defer again.Close()
	for _, network := range []string{"unix", "unixgram", "unixpacket"} {
		path := filepath.Join(t.TempDir(), network+".sock")
		addr := &net.UnixAddr{Name: path, Net: network}
		var open io.Closer
		if network == "unixgram" {
			open, err = net.ListenUnixgram(network, addr)
		} else {
			open, err = net.ListenUnix(network, addr)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer open.Close()
		if ln, err := listenUnix(path); err == nil {
			ln.Close()
			t.Errorf("one of the kind %s is taken from who has it open", network)
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("one of the kind %s that somebody has open: %v", network, err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s: %v", network, err)
		}
	}
}

// connectAs connects to a Unix socket as another user, which a thread can be by
// itself. It is never used again.
func connectAs(t *testing.T, path string, uid, gid int) error {
	t.Helper()
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			result <- err
			return
		}
		defer syscall.Close(fd)
		for _, call := range []struct{ number, a, b, c int }{
			{syscall.SYS_SETGROUPS, 0, 0, 0}, {syscall.SYS_SETRESGID, gid, gid, gid}, {syscall.SYS_SETRESUID, uid, uid, uid},
		} {
			if _, _, errno := syscall.RawSyscall(uintptr(call.number), uintptr(call.a), uintptr(call.b), uintptr(call.c)); errno != 0 {
				result <- fmt.Errorf("become user %d: %w", uid, errno)
				return
			}
		}
		result <- syscall.Connect(fd, &syscall.SockaddrUnix{Name: path})
	}()
	return <-result
}

func TestAHandshakeIsBounded(t *testing.T) {
	d := runDaemon(t)
	address := strings.TrimPrefix(d.URL, "ws://")
	start := "GET /rpc HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer " + d.Token + "\r\n"
	open := func() net.Conn {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		return conn
	}
	fat := func(size int) int {
		conn := open()
		fill := size - len(start) - len("X: \r\n\r\n")
		if _, err := io.WriteString(conn, start+"X: "+strings.Repeat("x", fill)+"\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatalf("a header of %d bytes: %v", size, err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	if status := fat(15 << 10); status != http.StatusUpgradeRequired {
		t.Errorf("a header of 15 KiB gets %d", status)
	}
	if status := fat(17 << 10); status != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("a header of 17 KiB gets %d", status)
	}
	slow := map[string]net.Conn{"": open(), "G": open(), start: open(), "GET /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n1": open()}
	began := time.Now()
	for text, conn := range slow {
		if _, err := io.WriteString(conn, text); err != nil {
			t.Fatal(err)
		}
	}
	for text, conn := range slow {
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Errorf("%q is not closed: %v", text, err)
		}
	}
	if took := time.Since(began); took < 4*time.Second || took > 15*time.Second {
		t.Errorf("slow ones are closed after %v", took)
	}
	d.dial().do("list", nil, nil)
}

func TestWhatWouldExposeTheDaemonOrCannotWorkIsRefusedAtStart(t *testing.T) {
	for _, test := range []struct {
		cfg  Config
		want string // in the error; "" when it is fine
	}{
		{Config{Listen: []string{"127.0.0.1:0", "[::1]:0", "localhost:0", "unix:///x"}}, ""},
		{Config{Listen: []string{"0.0.0.0:7420"}}, "--tls-cert"},
		{Config{Listen: []string{":7420"}}, "--behind-proxy"},
		{Config{Listen: []string{"[::]:7420"}}, "--behind-proxy"},
		{Config{Listen: []string{"127.0.0.1:0", "192.0.2.1:7420"}}, "192.0.2.1:7420"},
		{Config{Listen: []string{"box.example:7420"}}, "box.example:7420"},
		{Config{Listen: []string{"127.0.0.1.evil.example:7420"}}, "--listen"},
		{Config{Listen: []string{"0.0.0.0:7420"}, BehindProxy: true}, ""},
		{Config{Listen: []string{"0.0.0.0:7420"}, TLSCert: "c", TLSKey: "k"}, ""},
		{Config{Listen: []string{"0.0.0.0:7420"}, TLSCert: "c"}, "--tls-key"},
		{Config{TLSKey: "k"}, "--tls-cert"},
		{Config{AllowOrigin: []string{"https://app.example", "http://app.example:81"}}, ""},
		{Config{AllowOrigin: []string{"*"}}, "--allow-origin"},
		{Config{AllowOrigin: []string{"https://*.example"}}, "--allow-origin"},
		{Config{AllowOrigin: []string{"null"}}, "--allow-origin"},
		{Config{AllowOrigin: []string{"https://app.example/"}}, "--allow-origin"},
		{Config{AllowOrigin: []string{"https://App.example"}}, "--allow-origin"},
		{Config{AllowHost: []string{"box.example", "box.example:7420"}}, ""},
		{Config{AllowHost: []string{"*"}}, "--allow-host"},
		{Config{AllowHost: []string{"https://box.example"}}, "--allow-host"},
		{Config{AllowHost: []string{""}}, "--allow-host"},
		{Config{Domain: "Apps.example."}, ""},
		{Config{Domain: "*.apps.example"}, "--domain"},
		{Config{Domain: "apps example"}, "--domain"},
		{Config{Domain: "apps.example:8420"}, "--domain"},
		{Config{Firewall: "of"}, "--firewall"},
		{Config{Reach: "adress"}, "--reach"},
	} {
		err := test.cfg.withDefaults().check()
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v", test.cfg, err)
		}
	}
}

// A negative limit is no way to say that there is none: it would let nobody in.
func TestANegativeLimitIsRefusedAtStart(t *testing.T) {
	for i := range reflect.TypeFor[Limits]().NumField() {
		var cfg Config
		field := reflect.ValueOf(&cfg.Limits).Elem().Field(i)
		field.SetInt(1)
		if err := cfg.withDefaults().check(); err != nil {
			t.Errorf("%+v: %v", cfg.Limits, err)
		}
		field.SetInt(-1)
		if err := cfg.withDefaults().check(); err == nil || !strings.Contains(err.Error(), "negative") {
			t.Errorf("%+v: %v", cfg.Limits, err)
		}
	}
}

// The state directory says nothing to others, and the token in it neither.
func TestTheStateDirectoryIsForItsOwner(t *testing.T) {
	parent := t.TempDir()
	d := runDaemon(t, func(cfg *Config) { cfg.StateDir = filepath.Join(parent, "state") })
	d.makeToken(access.Read, "*")
	for path, want := range map[string]os.FileMode{d.StateDir: 0o700, api.TokenFile(d.StateDir): 0o600, filepath.Join(d.StateDir, "tokens.json"): 0o600} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}
