package daemon

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gorilla/websocket"
)

// keyPair is a certificate for 127.0.0.1, and where its files lie.
type keyPair struct {
	cert, key string
	roots     *x509.CertPool
}

// renew writes a certificate of its own over the files.
func (p *keyPair) renew(t *testing.T, serial int64) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "dockwire"}, IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})
	p.roots = x509.NewCertPool()
	p.roots.AppendCertsFromPEM(text)
	write(t, p.cert, text)
	write(t, p.key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func newKeyPair(t *testing.T) *keyPair {
	t.Helper()
	dir := t.TempDir()
	p := &keyPair{cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem")}
	p.renew(t, 1)
	return p
}

// serial gives the serial number of the certificate that a daemon shows.
func serial(t *testing.T, d *testDaemon) int64 {
	t.Helper()
	conn, err := tls.Dial("tcp", strings.TrimPrefix(d.URL, "wss://"), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	return conn.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

func TestCallsGoOverTLSAndTheCertificateIsReadAnew(t *testing.T) {
	p := newKeyPair(t)
	d := runDaemon(t, func(cfg *Config) { cfg.TLSCert, cfg.TLSKey = p.cert, p.key })
	call := func() {
		t.Helper()
		dialer := websocket.Dialer{TLSClientConfig: &tls.Config{RootCAs: p.roots}}
		ws, _, err := dialer.Dial(d.URL, http.Header{"Authorization": {"Bearer " + d.Token}, "Origin": {"https://" + strings.TrimPrefix(d.URL, "wss://")}})
		if err != nil {
			t.Fatal(err)
		}
		defer ws.Close()
		(&wire{t: t, ws: ws}).do("list", nil, nil)
	}
	call()
	p.renew(t, 2)
	call()
	if n := serial(t, d); n != 2 {
		t.Errorf("certificate %d is shown", n)
	}
	good, err := os.ReadFile(p.cert)
	if err != nil {
		t.Fatal(err)
	}
	for what, cert := range map[string][]byte{"empty": nil, "cut": good[:len(good)/2], "no PEM": []byte("x")} {
		write(t, p.cert, cert)
		if n := serial(t, d); n != 2 {
			t.Errorf("%s: certificate %d is shown", what, n)
		}
	}
	if err := os.Remove(p.cert); err != nil {
		t.Fatal(err)
	}
	if n := serial(t, d); n != 2 {
		t.Errorf("removed: certificate %d is shown", n)
	}
	if !strings.Contains(d.log.String(), "the one before is kept") {
		t.Error("the log does not tell that the new certificate is broken")
	}
	p.renew(t, 3)
	call()
	if n := serial(t, d); n != 3 {
		t.Errorf("certificate %d is shown", n)
	}
}

func TestTLSIsOfItsTimeAndHTTPIsVersion1(t *testing.T) {
	p := newKeyPair(t)
	d := runDaemon(t, func(cfg *Config) { cfg.TLSCert, cfg.TLSKey = p.cert, p.key })
	address := strings.TrimPrefix(d.URL, "wss://")
	for version, want := range map[uint16]bool{tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: p.roots, MinVersion: version, MaxVersion: version, NextProtos: []string{"h2", "http/1.1"}})
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			if got := conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
				t.Errorf("%q is spoken", got)
			}
			conn.Close()
		}
	}
	resp, err := http.Get("http://" + address + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("in clear it answers %d %s, %v", resp.StatusCode, body, err)
	}
}

func TestADaemonWithoutAGoodCertificateDoesNotStart(t *testing.T) {
	p := newKeyPair(t)
	write(t, p.key, []byte("x"))
	err := Run(t.Context(), Config{Listen: []string{"127.0.0.1:0"}, Ingress: []string{"127.0.0.1:0"}, StateDir: t.TempDir(),
		TLSCert: p.cert, TLSKey: p.key, LogFormat: "json", Stderr: io.Discard})
	if err == nil || !strings.Contains(err.Error(), p.key) {
		t.Errorf("the error is %v", err)
	}
}
