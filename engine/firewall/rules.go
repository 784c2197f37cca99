package firewall

import "net/netip"

// tableName is where the chain is. The engine and the firewalls of hosts keep
// to the table filter, so here nothing is put before our hooks or flushed with
// theirs, and what is dropped here none of them can accept.
const tableName = "mangle"

// metadata are the addresses at which clouds tell a machine its secrets, beside
// the link-local ones.
var metadata = []string{
	"169.254.0.0/16",     // Amazon, Azure, Google, Oracle, OpenStack and most others
	"100.100.100.200/32", // Alibaba
	"168.63.129.16/32",   // Azure's wire server
	"192.0.0.192/32",     // Oracle, formerly
}

// answers lets through what belongs to a connection that was let through, to
// the ingress for one, and what stays within the network of containers that
// share it.
var answers = []string{
	"-m conntrack --ctstate RELATED,ESTABLISHED -j RETURN",
	"-m physdev --physdev-is-bridged -j RETURN",
}

// rules4 are the chain for IPv4, as iptables-save writes them. What comes to the
// host itself, by any of its addresses or a broadcast, is not for a unicast
// address of another. Some clouds have their name servers at the metadata's
// address, and the engine's resolver asks them out of the container.
func rules4(pool netip.Prefix) []string {
	rules := append([]string{}, answers...)
	rules = append(rules,
		"-m addrtype ! --dst-type UNICAST -j DROP",
		"-d "+pool.String()+" -j DROP",
		"-p udp -m udp --dport 53 -j RETURN",
		"-p tcp -m tcp --dport 53 -j RETURN",
	)
	for _, address := range metadata {
		rules = append(rules, "-d "+address+" -j DROP")
	}
	return rules
}

// rules6 are the chain for IPv6, which our networks do not have: containers
// could reach the host by its link-local address all the same.
var rules6 = append(append([]string{}, answers...), "-j DROP")

// hooks lead what comes from our bridges through the chain: to the host itself,
// and to where the host would forward it.
func (f *Firewall) hooks(chain string) []string {
	var hooks []string
	for _, builtin := range []string{"INPUT", "FORWARD"} {
		hooks = append(hooks, "-A "+builtin+" -i "+f.prefix+"+ -j "+chain)
	}
	return hooks
}
