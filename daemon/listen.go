package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// listeners are the sockets that a daemon serves.
type listeners struct {
	control []net.Listener
	ingress []net.Listener
}

// listen opens all sockets, or none.
func listen(cfg Config) (*listeners, error) {
	l := &listeners{}
	for _, address := range cfg.Listen {
		ln, err := listenControl(address)
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
		l.control = append(l.control, ln)
	}
	for _, address := range cfg.Ingress {
		ln, err := listenTCP("--ingress", address)
		if err != nil {
			return nil, errors.Join(err, l.close())
		}
		l.ingress = append(l.ingress, ln)
	}
	return l, nil
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
// left behind is replaced; one that somebody answers on is not.
func listenUnix(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("--listen unix://%s: %w", path, err)
	}
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return nil, fmt.Errorf("--listen unix://%s: another daemon answers there; stop it or give another path", path)
	}
	if err := removeSocket(path); err != nil {
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

func removeSocket(path string) error {
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err == nil && info.Mode().Type() != os.ModeSocket {
		return fmt.Errorf("--listen unix://%s: there is a file of that name that is not a socket", path)
	}
	return errors.Join(err, os.Remove(path))
}

func (l *listeners) close() error {
	var errs []error
	for _, ln := range append(l.control, l.ingress...) {
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
	for _, ln := range l.ingress {
		if addr, ok := ln.Addr().(*net.TCPAddr); ok {
			return fmt.Sprintf("http://%s:%d", base, addr.Port)
		}
	}
	return ""
}
