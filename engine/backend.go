package engine

import "net/netip"

// Backend is the container that HTTP for a host goes to.
type Backend struct {
	Name    string
	ID      string
	State   string
	Address netip.AddrPort // invalid when nothing can be reached there: it does not run, say
}

// Backend gives the container that the host belongs to: by its name under the
// base domain, or by its custom domain. The host is in lower case and without a
// port. Containers that serve no port have no host.
func (e *Engine) Backend(host string) (Backend, bool) {
	r, ok := e.state.at(host)
	if !ok {
		return Backend{}, false
	}
	b := Backend{Name: r.Name, ID: r.ID, State: r.State}
	if r.addr.IsValid() {
		b.Address = netip.AddrPortFrom(r.addr, uint16(r.Port))
	}
	return b, true
}
