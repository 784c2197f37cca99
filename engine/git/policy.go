package git

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Policy says which addresses may be connected to. The zero Policy lets nothing
// through but public addresses that are not this machine's own.
type Policy struct {
	allowed  []exception
	resolver *net.Resolver // the machine's when nil
}

// exception is an entry of --allow-git: a host name or a range of addresses,
// on one port or, with port 0, on any.
type exception struct {
	host   string
	prefix netip.Prefix
	port   uint16
}

// ParsePolicy gives the policy that lets through, besides public addresses, the
// entries: each a CIDR, or HOST or HOST:PORT where HOST is a name or an
// address.
func ParsePolicy(entries []string) (Policy, error) {
	var p Policy
	for _, entry := range entries {
		e, err := parseException(entry)
		if err != nil {
			return Policy{}, fmt.Errorf("--allow-git %s is not HOST, HOST:PORT or a CIDR: %w", entry, err)
		}
		p.allowed = append(p.allowed, e)
	}
	return p, nil
}

func parseException(entry string) (exception, error) {
	if strings.Contains(entry, "/") {
		prefix, err := netip.ParsePrefix(entry)
		return exception{prefix: prefix.Masked()}, err
	}
	host, port := strings.Trim(entry, "[]"), uint16(0)
	if _, err := netip.ParseAddr(host); err != nil && strings.Contains(entry, ":") {
		h, number, err := net.SplitHostPort(entry)
		if err != nil {
			return exception{}, err
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || n == 0 {
			return exception{}, fmt.Errorf("there is no port %q", number)
		}
		host, port = h, uint16(n)
	}
	if host == "" {
		return exception{}, fmt.Errorf("there is no host")
	}
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap()
		return exception{prefix: netip.PrefixFrom(addr, addr.BitLen()), port: port}, nil
	}
	return exception{host: canonicalHost(host), port: port}, nil
}

func canonicalHost(host string) string { return strings.ToLower(strings.TrimSuffix(host, ".")) }

func (e exception) lets(host string, to netip.AddrPort) bool {
	if e.port != 0 && e.port != to.Port() {
		return false
	}
	return e.host != "" && e.host == host || e.prefix.IsValid() && e.prefix.Contains(to.Addr())
}

// names says whether an exception is about the host and port of a URL by name,
// or by the address that it has for a name.
func (p Policy) names(u *url.URL) bool {
	port, err := strconv.ParseUint(cmp.Or(u.Port(), defaultPorts[u.Scheme]), 10, 16)
	if err != nil {
		return false
	}
	addr, _ := netip.ParseAddr(u.Hostname())
	to := netip.AddrPortFrom(addr, uint16(port))
	return slices.ContainsFunc(p.allowed, func(e exception) bool { return e.lets(canonicalHost(u.Hostname()), to) })
}

// check refuses a connection to an address that host stands for.
func (p Policy) check(host string, to netip.AddrPort) error {
	why := notPublic(to.Addr())
	if why == "" {
		return nil
	}
	host = canonicalHost(host)
	for _, e := range p.allowed {
		if e.lets(host, to) {
			return nil
		}
	}
	name := net.JoinHostPort(host, strconv.Itoa(int(to.Port())))
	if host != to.Addr().String() {
		why = to.Addr().String() + ", " + why
	}
	return fail(Refused, name, "git may not connect to %s, which is %s: only public addresses are allowed, unless the daemon runs with --allow-git %s", host, why, name)
}

const dialTimeout = 15 * time.Second

// dial connects to HOST:PORT. Each address that the host stands for is checked
// when it is dialled, so that a name cannot point elsewhere by then.
func (p Policy) dial(ctx context.Context, hostport string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var refused error
	dialer := net.Dialer{Timeout: dialTimeout, Resolver: p.resolver, ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err == nil {
			err = p.check(host, to)
		}
		if err != nil {
			mu.Lock()
			defer mu.Unlock()
			refused = err
		}
		return err
	}}
	conn, err := dialer.DialContext(ctx, "tcp", hostport)
	mu.Lock()
	defer mu.Unlock()
	if err != nil && refused != nil {
		return nil, refused
	}
	return conn, err
}
