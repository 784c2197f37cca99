package git

import (
	"fmt"
	"net"
	"net/netip"
)

// reserved are the addresses that are not public. Of IPv6 only 2000::/3 is in
// use, so all else is refused there without being named.
var reserved = []struct{ prefix, name string }{
	{"0.0.0.0/8", "an unspecified address"},
	{"10.0.0.0/8", "a private address"},
	{"100.64.0.0/10", "an address of carrier-grade NAT"},
	{"127.0.0.0/8", "a loopback address"},
	{"169.254.0.0/16", "a link-local address"},
	{"172.16.0.0/12", "a private address"},
	{"192.0.0.0/24", "an address of IETF protocols"},
	{"192.0.2.0/24", "an address for documentation"},
	{"192.88.99.0/24", "an address of 6to4 relays"},
	{"192.168.0.0/16", "a private address"},
	{"198.18.0.0/15", "an address for benchmarks"},
	{"198.51.100.0/24", "an address for documentation"},
	{"203.0.113.0/24", "an address for documentation"},
	{"224.0.0.0/4", "a multicast address"},
	{"240.0.0.0/4", "a reserved address"},
	{"::/128", "an unspecified address"},
	{"::1/128", "a loopback address"},
	{"64:ff9b::/96", "an address of NAT64"},
	{"64:ff9b:1::/48", "an address of NAT64"},
	{"2001::/32", "an address of Teredo"},
	{"2001::/23", "an address of IETF protocols"},
	{"2001:db8::/32", "an address for documentation"},
	{"2002::/16", "an address of 6to4"},
	{"3fff::/20", "an address for documentation"},
	{"fc00::/7", "a private address"},
	{"fe80::/10", "a link-local address"},
	{"ff00::/8", "a multicast address"},
}

var reservedPrefixes = func() []netip.Prefix {
	prefixes := make([]netip.Prefix, len(reserved))
	for i, r := range reserved {
		prefixes[i] = netip.MustParsePrefix(r.prefix)
	}
	return prefixes
}()

var globalUnicast = netip.MustParsePrefix("2000::/3")

// notPublic says why addr is not a public one, or gives "".
func notPublic(addr netip.Addr) string {
	if addr.Is4In6() {
		return "an IPv4 address written as IPv6"
	}
	for i, prefix := range reservedPrefixes {
		if prefix.Contains(addr.WithZone("")) {
			return fmt.Sprintf("%s (%s)", reserved[i].name, prefix)
		}
	}
	if addr.Is6() && !globalUnicast.Contains(addr) {
		return "a reserved address"
	}
	if isOwn(addr) {
		return "an address of this machine"
	}
	return ""
}

// isOwn says whether the address is one of this machine's, where the daemon
// itself may listen. If they cannot be told, it is taken for one.
func isOwn(addr netip.Addr) bool {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return true
	}
	for _, a := range addrs {
		if own, err := netip.ParsePrefix(a.String()); err == nil && own.Addr() == addr {
			return true
		}
	}
	return false
}
