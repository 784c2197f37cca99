// Package access decides who may call the daemon: which Host and Origin a
// request may carry, which token it must show, and what that token allows.
//
// All of it is decided before the upgrade to WebSocket, in this order: Host,
// Origin, token. A refusal says which rule refused, and how to allow what is
// legitimate.
package access

import (
	"net/http"
	"net/url"
	"strings"
)

// Scope is what a token allows. A wider scope allows all that a narrower one
// does.
type Scope int

// The scopes. The zero Scope allows nothing, so that what has none cannot be
// called.
const (
	None   Scope = iota
	Read         // look: list, logs, top …
	Deploy       // change: build, create, start, remove …
	Admin        // all, the engine's own documents included
)

// String gives the name of the scope.
func (s Scope) String() string {
	return [...]string{"none", "read", "deploy", "admin"}[s]
}

// Allows says whether a caller with the scope s may do what needs the scope
// needed.
func (s Scope) Allows(needed Scope) bool { return needed != None && s >= needed }

// Caller is who calls.
type Caller struct {
	ID    string // of the token, for the log and for what it creates
	Scope Scope
}

// Local is the caller on the Unix socket, where file permission decides.
var Local = Caller{ID: "local", Scope: Admin}

// Guard checks requests. Its fields are not changed once it is in use.
type Guard struct {
	Token   Token    // of the admin
	Hosts   []string // allowed beside localhost, 127.0.0.1 and [::1]
	Origins []string // allowed beside http://localhost and http://127.0.0.1 on any port
}

// Refusal is why a request was refused.
type Refusal struct {
	Status int    // of HTTP
	Reason string // a sentence for the caller
	Allow  string // the flag that would allow it, for the log; "" when none would
}

// Error gives the sentence.
func (r *Refusal) Error() string { return r.Reason }

// Check says who sent a request, or why it is refused.
func (g *Guard) Check(r *http.Request) (Caller, *Refusal) {
	if refusal := g.checkHost(r); refusal != nil {
		return Caller{}, refusal
	}
	if refusal := g.checkOrigin(r); refusal != nil {
		return Caller{}, refusal
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
	if len(origins) == 1 && g.allowsOrigin(origins[0]) {
		return nil
	}
	return &Refusal{
		Status: http.StatusForbidden,
		Reason: "pages of this origin may not call the daemon; --allow-origin allows one",
		Allow:  "--allow-origin " + strings.Join(origins, ","),
	}
}

func (g *Guard) allowsOrigin(origin string) bool {
	for _, allowed := range g.Origins {
		if origin == allowed {
			return true
		}
	}
	u, err := url.Parse(origin)
	if err != nil || u.Scheme != "http" || origin != u.Scheme+"://"+u.Host {
		return false
	}
	return u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1"
}

func (g *Guard) checkToken(r *http.Request) (Caller, *Refusal) {
	token, ok := presented(r)
	if !ok {
		return Caller{}, &Refusal{
			Status: http.StatusUnauthorized,
			Reason: "a token is needed: send the header Authorization: Bearer TOKEN, or from a browser the subprotocols jsonrpc and bearer.BASE64URL(TOKEN); dockwire token prints it",
		}
	}
	if !g.Token.equals(token) {
		return Caller{}, &Refusal{
			Status: http.StatusUnauthorized,
			Reason: "the token is not valid; dockwire token prints the one that is",
		}
	}
	return Caller{ID: "admin", Scope: Admin}, nil
}
