package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// listeners are the sockets that a daemon serves.
type listeners struct {
	control []net.Listener
	ingress []net.Listener
	secure  []net.Listener // of the ingress, too: these speak TLS
}

// listen opens all sockets, or none. Those that systemd has opened for us take
// the place of the defaults.
func listen(cfg Config) (*listeners, error) {
	l, err := inherit()
	if err != nil {
		return nil, err
	}
	if len(l.control) == 0 && len(cfg.Listen) == 0 {
		cfg.Listen = defaultListen()
	}
	if len(l.ingress) == 0 && len(cfg.Ingress) == 0 {
		cfg.Ingress = defaultIngress()
	}
	if err := l.open(cfg); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// open opens what the configuration says, beside what is open already.
func (l *listeners) open(cfg Config) error {
	for _, ln := range l.control {
		if ln.Addr().Network() == "unix" {
			continue
		}
		if err := cfg.checkReach(ln.Addr().String()); err != nil {
			return err
		}
	}
	for _, address := range cfg.Listen {
		ln, err := listenControl(address)
		if err != nil {
			return err
		}
		l.control = append(l.control, ln)
	}
	for _, address := range cfg.Ingress {
		ln, err := listenTCP("--ingress", address)
		if err != nil {
			return err
		}
		l.ingress = append(l.ingress, ln)
	}
	for _, address := range cfg.IngressTLS {
		ln, err := listenTCP("--ingress-tls", address)
		if err != nil {
			return err
		}
		l.secure = append(l.secure, ln)
	}
	return nil
}

func listenControl(address string) (net.Listener, error) {
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		return listenUnix(path)
	}
	return listenTCP("--listen", address)
}

func listenTCP(flag, address string) (net.Listener, error) {
	ln, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("%s %s: something else listens there already, another dockwire perhaps; stop it or give another address", flag, address)
	}
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", flag, address, err)
	}
	return ln, nil
}

// listenUnix opens a socket that its owner and group may use. One that a daemon
// left behind is replaced; one that somebody has open is not, even if it answers
// otherwise than ours, or not now.
func listenUnix(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("--listen unix://%s: %w", path, err)
	}
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		conn.Close()
		return nil, fmt.Errorf("--listen unix://%s: another daemon answers there; stop it or give another path", path)
	}
	if err := removeSocket(path, errors.Is(err, syscall.ECONNREFUSED)); err != nil {
		return nil, err
	}
	old := syscall.Umask(0o117) // from its first moment on nobody else may connect
	ln, err := net.Listen("unix", path)
	syscall.Umask(old)
	if err != nil {
		return nil, fmt.Errorf("--listen unix://%s: %w", path, err)
	}
	return ln, nil
}

// removeSocket removes a socket that was left behind, if there is one.
func removeSocket(path string, leftBehind bool) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, os.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("--listen unix://%s: %w", path, err)
	case info.Mode().Type() != os.ModeSocket:
		return fmt.Errorf("--listen unix://%s: there is a file of that name that is not a socket", path)
	case !leftBehind:
		return fmt.Errorf("--listen unix://%s: something else has that socket open; stop it or give another path", path)
	}
	return os.Remove(path)
}

func (l *listeners) close() error {
	var errs []error
	for _, ln := range slices.Concat(l.control, l.ingress, l.secure) {
		errs = append(errs, ln.Close())
	}
	return errors.Join(errs...)
}

// urls gives the addresses as a caller writes them.
func urls(scheme string, lns []net.Listener) []string {
	all := make([]string, len(lns))
	for i, ln := range lns {
		if ln.Addr().Network() == "unix" {
			all[i] = "unix://" + ln.Addr().String()
		} else {
			all[i] = scheme + "://" + ln.Addr().String()
		}
	}
	return all
}

// ingressURL gives the URL that the containers' own are made from: its host is
// put in place of the base domain's.
func (l *listeners) ingressURL(base string) string {
	switch {
	case len(l.secure) > 0:
		return "https://" + base + portOf(l.secure[0], 443)
	case len(l.ingress) > 0:
		return "http://" + base + portOf(l.ingress[0], 80)
	}
	return ""
}

// challenged gives the addresses at which an ACME authority may ask whether a
// name is ours, in clear and over TLS, as far as there are any.
func (l *listeners) challenged() (clear, secure net.Addr) {
	if len(l.ingress) > 0 {
		clear = l.ingress[0].Addr()
	}
	for _, ln := range slices.Concat(l.secure, l.control) {
		if ln.Addr().Network() == "tcp" {
			return clear, ln.Addr()
		}
	}
	return clear, nil
}
