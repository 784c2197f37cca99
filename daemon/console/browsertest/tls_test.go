package browsertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
)

// newCertificate makes a certificate of this machine's own, for 127.0.0.1.
func newCertificate(t testing.TB) (cert, key string, roots *x509.CertPool) {
	t.Helper()
	secret, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, secret.Public(), secret)
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := x509.MarshalPKCS8PrivateKey(secret)
	if err != nil {
		t.Fatal(err)
	}
	dir, text := t.TempDir(), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	cert, key, roots = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem"), x509.NewCertPool()
	write(t, cert, text)
	write(t, key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: bytes}))
	roots.AppendCertsFromPEM(text)
	return cert, key, roots
}

func TestTheModuleWorksInNodeOverTLS(t *testing.T) {
	t.Parallel()
	d, cert := startSecureDaemon(t)
	s := newStage(t, d)
	s.node(t, "20 cuts|a call is answered", "NODE_EXTRA_CA_CERTS="+cert)
}

func TestTheConsoleWorksOverTLS(t *testing.T) {
	d, _ := startSecureDaemon(t)
	p := startBrowser(t, chromedp.Flag("ignore-certificate-errors", true)).open(t, d.url()+"#token="+d.token)
	p.shows("main h1", "Nothing here yet")
	p.shows("header .link", "Connected")
}
