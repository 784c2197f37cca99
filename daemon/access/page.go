package access

import "net/http"

// CheckHost refuses a request whose Host is not one of the daemon's. It is all
// that is asked of who fetches the console's files.
func (g *Guard) CheckHost(r *http.Request) *Refusal { return g.checkHost(r) }

// CallingOrigin gives the origin of the page that sent the request, if pages of
// that origin may call; else "".
func (g *Guard) CallingOrigin(r *http.Request) string {
	if g.checkOrigin(r) != nil {
		return ""
	}
	return r.Header.Get("Origin")
}
