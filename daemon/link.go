package daemon

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/dockwire/dockwire/client/api"
)

// showLink prints the link that opens the console to whoever starts the daemon
// at a terminal. It has the admin token in it, so it is no line of the log, and
// goes nowhere else.
func (d *Daemon) showLink(lns *listeners) {
	if !isTerminal(d.cfg) {
		return
	}
	token, err := os.ReadFile(api.TokenFile(d.cfg.StateDir))
	if err != nil {
		return // the link is a convenience
	}
	for _, address := range urls(d.scheme(), lns.control) {
		if link := consoleLink(address, strings.TrimSpace(string(token))); link != "" {
			fmt.Fprintf(d.cfg.Stderr, "\n  The console: %s\n\n", link)
			return
		}
	}
}

// consoleLink gives the link to the console at the address of a control
// listener, or "" for a Unix socket. The token is in the fragment, which
// browsers do not send.
func consoleLink(address, token string) string {
	rest, isWebSocket := strings.CutPrefix(address, "ws")
	if !isWebSocket {
		return ""
	}
	u, err := url.Parse("http" + rest)
	if err != nil {
		return ""
	}
	if ip := net.ParseIP(u.Hostname()); ip != nil && ip.IsUnspecified() {
		u.Host = net.JoinHostPort("localhost", u.Port())
	}
	u.Path, u.Fragment = "/", "token="+token
	return u.String()
}
