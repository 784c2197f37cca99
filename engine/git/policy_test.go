package git

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

// ProxyForTest starts a proxy that may connect to a host, and gives its
// address.
func ProxyForTest(t *testing.T, allow string) string {
	t.Helper()
	policy, err := ParsePolicy([]string{allow})
	if err != nil {
		t.Fatal(err)
	}
	p, err := startProxy(policy, 1<<20, func(error) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return p.address
}

func TestOnlyPublicAddressesAreLetThrough(t *testing.T) {
	for address, public := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "140.82.121.4": true, "100.63.255.255": true, "172.15.0.1": true, "172.32.0.1": true,
		"2606:50c0:8000::153": true, "2a00:1450:4001::1": true, "2400:cb00::1": true,
		"0.0.0.0": false, "0.1.2.3": false, "10.1.2.3": false, "100.64.0.1": false, "100.127.255.255": false, "127.0.0.1": false,
		"169.254.169.254": false, "172.16.0.1": false, "172.31.255.255": false, "192.0.0.1": false, "192.0.2.1": false,
		"192.88.99.1": false, "192.168.1.1": false, "198.18.0.1": false, "198.19.255.255": false, "198.51.100.1": false,
		"203.0.113.1": false, "224.0.0.1": false, "239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false,
		"::": false, "::1": false, "::ffff:8.8.8.8": false, "::ffff:127.0.0.1": false, "::8.8.8.8": false,
		"64:ff9b::7f00:1": false, "64:ff9b:1::1": false, "100::1": false, "2001::1": false, "2001:10::1": false, "2001:db8::1": false,
		"2002:7f00:1::": false, "3fff::1": false, "fc00::1": false, "fd12::1": false, "fe80::1": false, "fe80::1%eth0": false,
		"fec0::1": false, "ff02::1": false, "4000::1": false, "5f00::1": false,
	} {
		err := Policy{}.check("host", netip.AddrPortFrom(netip.MustParseAddr(address), 443))
		if (err == nil) != public {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestAnExceptionLetsThroughWhatItSays(t *testing.T) {
	tests := []struct {
		entry, host, to string
		lets            bool
	}{
		{"git.internal", "git.internal", "10.0.0.1:80", true},
		{"Git.Internal.", "git.internal", "10.0.0.1:80", true},
		{"git.internal:3000", "GIT.internal.", "10.0.0.1:3000", true},
		{"git.internal:3000", "git.internal", "10.0.0.1:80", false},
		{"git.internal", "evil.internal", "10.0.0.1:80", false},
		{"git.internal", "x.git.internal", "10.0.0.1:80", false},
		{"10.0.0.0/8", "any.example", "10.9.9.9:80", true},
		{"10.0.0.0/8", "any.example", "192.168.0.1:80", false},
		{"127.0.0.1:8080", "localhost", "127.0.0.1:8080", true},
		{"127.0.0.1:8080", "localhost", "127.0.0.1:8081", false},
		{"::1", "localhost", "[::1]:80", true},
		{"[::1]:8080", "::1", "[::1]:8080", true},
		{"[::1]:8080", "::1", "[::1]:8081", false},
		{"fd00::/8", "x", "[fd12::1]:443", true},
	}
	for _, test := range tests {
		policy, err := ParsePolicy([]string{test.entry})
		if err != nil {
			t.Errorf("%s: %v", test.entry, err)
			continue
		}
		if err := policy.check(test.host, netip.MustParseAddrPort(test.to)); (err == nil) != test.lets {
			t.Errorf("%s for %s at %s: %v", test.entry, test.host, test.to, err)
		}
	}
}

func TestABadExceptionIsRefused(t *testing.T) {
	for _, entry := range []string{"", ":80", "host:", "host:0", "host:99999", "host:http", "10.0.0.0/33", "a/b", "a:b:c"} {
		if p, err := ParsePolicy([]string{entry}); err == nil {
			t.Errorf("%q became %+v", entry, p)
		}
	}
}

func TestTheProxyTunnelsTLSAndCountsIt(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write(make([]byte, 300<<10))
	}))
	defer server.Close()
	policy, err := ParsePolicy([]string{strings.TrimPrefix(server.URL, "https://")})
	if err != nil {
		t.Fatal(err)
	}
	var stopped error
	p, err := startProxy(policy, 500<<10, func(err error) { stopped = err })
	if err != nil {
		t.Fatal(err)
	}
	address, err := url.Parse(p.url())
	if err != nil {
		t.Fatal(err)
	}
	client := server.Client()
	client.Transport.(*http.Transport).Proxy = http.ProxyURL(address)
	get := func() (int, error) {
		resp, err := client.Get(server.URL)
		if err != nil {
			return 0, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		return len(body), err
	}
	if n, err := get(); n != 300<<10 || err != nil {
		t.Errorf("%d bytes came: %v", n, err)
	}
	if _, err := get(); err == nil {
		t.Error("more came than is allowed")
	}
	client.CloseIdleConnections()
	p.close()
	var over *Error
	if !errors.As(stopped, &over) || over.Name != "received" {
		t.Errorf("the fetch was stopped with %v", stopped)
	}
}

// names is a name server on loopback that gives one address after the other,
// whatever it is asked for, and the last one from then on.
func names(t *testing.T, addresses ...string) *net.Resolver {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	go func() {
		query := make([]byte, 512)
		for {
			n, from, err := conn.ReadFrom(query)
			if err != nil {
				return
			}
			question := query[12:n]
			question = question[:strings.IndexByte(string(question), 0)+5]
			answer := append([]byte{query[0], query[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, question...)
			if question[len(question)-3] == 1 { // it is asked for IPv4
				address := netip.MustParseAddr(addresses[0]).As4()
				addresses = addresses[min(1, len(addresses)-1):]
				answer[7] = 1
				answer = append(append(answer, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4), address[:]...)
			}
			_, _ = conn.WriteTo(answer, from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", conn.LocalAddr().String())
	}}
}

func TestANameThatIsReboundIsCheckedWhenItIsDialled(t *testing.T) {
	allowed, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		t.Fatal(err)
	}
	defer allowed.Close()
	_, port, _ := net.SplitHostPort(allowed.Addr().String())
	canary, err := net.Listen("tcp", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	defer canary.Close()
	go func() {
		if conn, err := canary.Accept(); err == nil {
			conn.Close()
			t.Error("the forbidden address was connected to")
		}
	}()
	policy, err := ParsePolicy([]string{"127.0.0.2/32"})
	if err != nil {
		t.Fatal(err)
	}
	policy.resolver = names(t, "127.0.0.2", "127.0.0.1", "169.254.169.254", "10.0.0.1")
	conn, err := policy.dial(t.Context(), "rebound.example:"+port)
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
	for range 3 {
		_, err := policy.dial(t.Context(), "rebound.example:"+port)
		var known *Error
		if !errors.As(err, &known) || known.Kind != Refused {
			t.Errorf("the name was dialled again: %v", err)
		}
	}
}
