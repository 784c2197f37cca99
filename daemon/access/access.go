// Package access decides who may call the daemon: which Host and Origin a
// request may carry, which token it must show, and what that token allows.
//
// All of it is decided before the upgrade to WebSocket, in this order: Host,
// Origin, token. A refusal says which rule refused, and how to allow what is
// legitimate. A token has a scope and patterns of names; it is made and revoked
// in the state directory while the daemon runs.
package access

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Guard checks requests. Its fields are not changed once it is in use.
type Guard struct {
	Tokens      *Tokens
	Hosts       []string // allowed beside localhost, 127.0.0.1 and [::1]
	Origins     []string // allowed beside http://localhost and http://127.0.0.1 on any port
	BehindProxy bool     // the scheme that a browser sees may be https though the request came in clear
}

// Refusal is why a request was refused.
type Refusal struct {
	Status int    // of HTTP
	Reason string // a sentence for the caller
	Allow  string // the flag or command that would allow it, for the log
}

// Error gives the sentence.
func (r *Refusal) Error() string { return r.Reason }

// Check says what the sender of a request may do, or why it is refused.
func (g *Guard) Check(r *http.Request) (*Grant, *Refusal) {
	if refusal := g.checkHost(r); refusal != nil {
		return nil, refusal
	}
	if refusal := g.checkOrigin(r); refusal != nil {
		return nil, refusal
	}
	return g.checkToken(r)
}

// checkHost keeps a page out whose own name was made to point here (DNS
// rebinding).
func (g *Guard) checkHost(r *http.Request) *Refusal {
	host := hostname(r.Host)
	for _, allowed := range append([]string{"localhost", "127.0.0.1", "[::1]"}, g.Hosts...) {
		if host != "" && host == hostname(allowed) {
			return nil
		}
	}
	return &Refusal{
		Status: http.StatusForbidden,
		Reason: "the Host of the request is not one of this daemon's; --allow-host allows more",
		Allow:  "--allow-host " + host,
	}
}

// hostname gives a Host in lower case, without port and trailing dot.
func hostname(host string) string {
	host = strings.ToLower(host)
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.Contains(host[i:], "]") {
		host = host[:i]
	}
	return strings.TrimSuffix(host, ".")
}

// checkOrigin keeps pages of other sites out. A request without an Origin does
// not come from a page.
func (g *Guard) checkOrigin(r *http.Request) *Refusal {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return nil
	}
	if len(origins) == 1 && (g.allowsOrigin(origins[0]) || g.isOwn(origins[0], r)) {
		return nil
	}
	return &Refusal{
		Status: http.StatusForbidden,
		Reason: "pages of this origin may not call the daemon; --allow-origin allows one",
		Allow:  "--allow-origin " + strings.Join(origins, ","),
	}
}

// allowsOrigin says whether pages of an origin may call. Those of the ingress
// may not, though their hosts end in localhost: what is deployed is not trusted.
func (g *Guard) allowsOrigin(origin string) bool {
	if slices.Contains(g.Origins, origin) {
		return true
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" || origin != u.Scheme+"://"+u.Host {
		return false
	}
	return u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1"
}

// isOwn says whether a page came from the very listener that it calls: the
// console. The Host is one of ours already.
func (g *Guard) isOwn(origin string, r *http.Request) bool {
	scheme, host, ok := strings.Cut(origin, "://")
	if !ok || host != strings.ToLower(r.Host) {
		return false
	}
	return scheme == "https" && (r.TLS != nil || g.BehindProxy) || scheme == "http" && r.TLS == nil
}

func (g *Guard) checkToken(r *http.Request) (*Grant, *Refusal) {
	secret, ok := presented(r)
	if !ok {
		return nil, &Refusal{
			Status: http.StatusUnauthorized,
			Reason: "a token is needed: send the header Authorization: Bearer TOKEN, or from a browser the subprotocols jsonrpc and bearer.BASE64URL(TOKEN); dockwire token prints it",
			Allow:  "dockwire token",
		}
	}
	grant := g.Tokens.find(secret)
	if grant == nil {
		return nil, &Refusal{
			Status: http.StatusUnauthorized,
			Reason: "the token is not valid: it never was, or was revoked, or has expired; dockwire token prints one that is",
			Allow:  "dockwire token create",
		}
	}
	return grant, nil
}
