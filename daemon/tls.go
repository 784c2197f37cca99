package daemon

import (
	"crypto/tls"
	"fmt"
	"net"
	"sync"

	"go.uber.org/zap"

	"github.com/dockwire/dockwire/daemon/durable"
)

// certificate is a pair of files that is read again when one of them changes.
type certificate struct {
	cert, key string // paths
	log       *zap.Logger

	mu       sync.Mutex // guards the rest
	versions [2]durable.Version
	pair     *tls.Certificate
}

// openCertificate reads the files that the flags PREFIX-cert and PREFIX-key name,
// if they do.
func openCertificate(prefix, cert, key string, log *zap.Logger) (*certificate, error) {
	if cert == "" {
		return nil, nil
	}
	c := &certificate{cert: cert, key: key, log: log}
	if err := c.load(); err != nil {
		return nil, fmt.Errorf("%s-cert %s, %s-key %s: %w", prefix, cert, prefix, key, err)
	}
	return c, nil
}

// encrypted gives a control listener that speaks TLS, if they do.
func (d *Daemon) encrypted(ln net.Listener) net.Listener {
	config := d.certificates.forControl()
	if config == nil {
		return ln
	}
	return tls.NewListener(ln, config)
}

// scheme is that of the control listeners' URLs.
func (d *Daemon) scheme() string {
	if d.certificates.forControl() == nil {
		return "ws"
	}
	return "wss"
}

// load reads the files as they are now.
func (c *certificate) load() error {
	c.versions = c.versionsNow() // before they are read: what comes later is seen next time
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err == nil {
		c.pair = &pair
	}
	return err
}

func (c *certificate) versionsNow() [2]durable.Version {
	return [2]durable.Version{durable.VersionOf(c.cert), durable.VersionOf(c.key)}
}

// current gives the pair that is in the files, or the one before if that is
// broken, or half replaced.
func (c *certificate) current() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.versionsNow() == c.versions {
		return c.pair
	}
	if err := c.load(); err != nil {
		c.log.Error("the new TLS certificate cannot be used, the one before is kept", zap.Error(err))
	} else {
		c.log.Info("the TLS certificate was read anew")
	}
	return c.pair
}
