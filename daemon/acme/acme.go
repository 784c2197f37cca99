// Package acme gets certificates for the names of this daemon from an authority
// that speaks ACME (RFC 8555), such as Let's Encrypt.
//
// A certificate is got when a client first asks for its name in a handshake, if
// the name is one of ours; it is kept in a directory and renewed in time. That a
// name is ours is shown to the authority over the listeners that there are
// anyway: HTTP-01 on port 80, TLS-ALPN-01 on port 443.
package acme

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"
)

// Config says where certificates come from, and for which names.
type Config struct {
	Directory string   // URL of the authority's directory: that of Let's Encrypt
	Email     string   // where the authority writes to, if anywhere
	RootsFile string   // certificates that the authority's own server may have, beside the system's
	Storage   string   // the directory that keys and certificates are kept in
	HTTP, TLS net.Addr // of the listeners of ours that get what comes to the ports 80 and 443, or nil
	Ours      func(name string) bool
	Log       *zap.Logger
}

// Certificates are those of the names that are ours.
type Certificates struct {
	ours   func(name string) bool
	cache  *certmagic.Cache
	magic  *certmagic.Config
	issuer *certmagic.ACMEIssuer
}

// New gives certificates that are got as they are needed. Close ends what it
// does on the side.
func New(cfg Config) (*Certificates, error) {
	roots, err := readRoots(cfg.RootsFile)
	if err != nil {
		return nil, err
	}
	c := &Certificates{ours: cfg.Ours}
	c.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return c.magic, nil },
		Logger:           cfg.Log,
	})
	c.magic = certmagic.New(c.cache, certmagic.Config{
		OnDemand: &certmagic.OnDemandConfig{DecisionFunc: c.decide},
		Storage:  &certmagic.FileStorage{Path: cfg.Storage},
		Logger:   cfg.Log,
	})
	c.issuer = certmagic.NewACMEIssuer(c.magic, certmagic.ACMEIssuer{
		CA: cmp.Or(cfg.Directory, certmagic.LetsEncryptProductionCA), Email: cfg.Email, Agreed: true, TrustedRoots: roots,
		DisableHTTPChallenge: cfg.HTTP == nil, AltHTTPPort: portOf(cfg.HTTP),
		DisableTLSALPNChallenge: cfg.TLS == nil, AltTLSALPNPort: portOf(cfg.TLS),
		Logger: cfg.Log,
	})
	c.magic.Issuers = []certmagic.Issuer{c.issuer}
	return c, nil
}

func portOf(addr net.Addr) int {
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}

func readRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		roots = x509.NewCertPool()
	}
	if !roots.AppendCertsFromPEM(data) {
		return nil, fmt.Errorf("%s has no certificates in it", file)
	}
	return roots, nil
}

// Close ends the renewals.
func (c *Certificates) Close() { c.cache.Stop() }

// Covers says whether there is, or can be, a certificate for the name.
func (c *Certificates) Covers(name string) bool {
	return certmagic.SubjectQualifiesForPublicCert(name) && c.ours(name)
}

func (c *Certificates) decide(_ context.Context, name string) error {
	if !c.Covers(name) {
		return fmt.Errorf("no certificate is asked for: %q is not a name of ours", name)
	}
	return nil
}

// ChallengeProtocol is what a listener has to offer beside its own protocols, so
// that an authority can ask it over TLS.
const ChallengeProtocol = "acme-tls/1"

// Get gives the certificate for a handshake; it may have to be got first.
func (c *Certificates) Get(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	return c.magic.GetCertificate(hello)
}

// Answer answers a request if it is an authority's, over HTTP in clear, about a
// certificate that is being got.
func (c *Certificates) Answer(w http.ResponseWriter, r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	return c.Covers(strings.ToLower(host)) && c.issuer.HandleHTTPChallenge(w, r)
}
