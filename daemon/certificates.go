package daemon

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"path/filepath"

	"go.uber.org/zap"

	"github.com/dockwire/dockwire/daemon/acme"
)

// certificates are what the listeners that speak TLS show.
type certificates struct {
	control *certificate       // of the control listeners, if there are files of it
	ingress *certificate       // of the ingress, if there are: a wildcard's, as a rule
	acme    *acme.Certificates // for the names that files do not cover; nil without ACME
	public  string             // the name of the control listeners
	https   string             // the format of the URL of a host at the ingress that speaks TLS; empty if none does
}

// openCertificates opens what the configuration says. Names that ours says yes
// to may get certificates by ACME.
func openCertificates(cfg Config, lns *listeners, ours func(name string) bool, log *zap.Logger) (*certificates, error) {
	c := &certificates{public: cfg.PublicHost}
	if len(lns.secure) > 0 {
		if cfg.IngressCert == "" && !cfg.ACME {
			return nil, errors.New("--ingress-tls has no certificates to show: give --ingress-tls-cert and --ingress-tls-key, or get them with --acme")
		}
		c.https = "https://%s" + portOf(lns.secure[0], 443)
	}
	var errs [3]error
	c.control, errs[0] = openCertificate("--tls", cfg.TLSCert, cfg.TLSKey, log)
	c.ingress, errs[1] = openCertificate("--ingress-tls", cfg.IngressCert, cfg.IngressKey, log)
	if cfg.ACME {
		settings := acme.Config{
			Directory: cfg.ACMEDirectory, Email: cfg.ACMEEmail, RootsFile: cfg.ACMERoots, Storage: filepath.Join(cfg.StateDir, "acme"),
			Ours: func(name string) bool { return name == c.public || ours(name) }, Log: log.Named("acme"),
		}
		settings.HTTP, settings.TLS = lns.challenged()
		c.acme, errs[2] = acme.New(settings)
	}
	return c, errors.Join(errs[:]...)
}

func (c *certificates) close() {
	if c.acme != nil {
		c.acme.Close()
	}
}

// forControl gives the configuration of the control listeners, or nil if they
// speak in clear.
func (c *certificates) forControl() *tls.Config {
	if c.control == nil && (c.acme == nil || c.public == "") {
		return nil
	}
	return c.config(c.control, "http/1.1") // a WebSocket is not upgraded from HTTP/2
}

// forIngress gives that of the listeners of the ingress that speak TLS.
func (c *certificates) forIngress() *tls.Config { return c.config(c.ingress, "h2", "http/1.1") }

// config shows the certificate in the files to those who ask for a name that it
// covers, or if there is no other. To everybody else it shows one got by ACME.
func (c *certificates) config(files *certificate, protocols ...string) *tls.Config {
	config := &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: protocols}
	if c.acme != nil {
		config.NextProtos = append(config.NextProtos, acme.ChallengeProtocol)
	}
	config.GetCertificate = func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		if files != nil && (c.acme == nil || files.covers(hello.ServerName) && !asksChallenge(hello)) {
			return files.current(), nil
		}
		return c.acme.Get(hello)
	}
	return config
}

func asksChallenge(hello *tls.ClientHelloInfo) bool {
	return len(hello.SupportedProtos) == 1 && hello.SupportedProtos[0] == acme.ChallengeProtocol
}

// covers says whether the certificate is good for the name, or for one that was
// not told.
func (c *certificate) covers(name string) bool {
	leaf := c.current().Leaf
	return name == "" || leaf != nil && leaf.VerifyHostname(name) == nil
}

// secured gives where the ingress serves a host over TLS, SCHEME://HOST:PORT, or
// nothing if it does not.
func (c *certificates) secured(host string) string {
	if c.https == "" || !(c.ingress != nil && c.ingress.covers(host) || c.acme != nil && c.acme.Covers(host)) {
		return ""
	}
	return fmt.Sprintf(c.https, host)
}

// portOf gives the port of a listener as it stands in a URL: nothing if it is
// the usual one of the scheme.
func portOf(ln net.Listener, usual int) string {
	tcp, ok := ln.Addr().(*net.TCPAddr)
	if !ok || tcp.Port == usual {
		return ""
	}
	return fmt.Sprintf(":%d", tcp.Port)
}

// checkTLS refuses what could not work.
func (c Config) checkTLS() error {
	for _, pair := range []struct{ prefix, cert, key string }{{"--tls", c.TLSCert, c.TLSKey}, {"--ingress-tls", c.IngressCert, c.IngressKey}} {
		if (pair.cert == "") != (pair.key == "") {
			return fmt.Errorf("%s-cert and %[1]s-key belong together: one of them is missing", pair.prefix)
		}
	}
	switch {
	case c.PublicHost != "" && c.TLSCert == "" && !c.ACME && !c.BehindProxy:
		return errors.New("--public-host has no certificate to show: give --tls-cert and --tls-key, get it with --acme, or say with --behind-proxy that something in front speaks TLS")
	case !c.ACME && (c.ACMEEmail != "" || c.ACMEDirectory != "" || c.ACMERoots != ""):
		return errors.New("--acme-email, --acme-directory and --acme-roots say how certificates are got by ACME: give --acme, too")
	}
	return nil
}
