package engine

import (
	"encoding/binary"
	"hash/fnv"
	"net/netip"
	"slices"
	"sync"

	"github.com/docker/docker/api/types/network"
)

// subnetPool is where our networks get their subnets. The engine's own pools
// give out after about thirty networks.
var subnetPool = netip.MustParsePrefix("10.231.0.0/16")

// pending holds the subnets that networks were chosen for but do not have yet,
// so that two creates at once do not choose the same. The zero value is ready.
type pending struct {
	mu      sync.Mutex
	choices map[*choice]bool
}

// choice is what one create has chosen so far.
type choice struct{ chosen []netip.Prefix }

func (p *pending) begin() *choice {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.choices == nil {
		p.choices = map[*choice]bool{}
	}
	c := &choice{}
	p.choices[c] = true
	return c
}

func (p *pending) end(c *choice) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.choices, c)
}

// choose adds a subnet to c that is neither in use nor chosen.
func (p *pending) choose(c *choice, used []netip.Prefix, bits int, seed string) (netip.Prefix, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for other := range p.choices {
		used = append(used, other.chosen...)
	}
	subnet, ok := freeSubnet(used, bits, seed)
	if ok {
		c.chosen = append(c.chosen, subnet)
	}
	return subnet, ok
}

// freeSubnet gives a subnet of the pool that overlaps with none that is used.
// The search begins where the seed says, so that an address that became free is
// seldom given to another container soon.
func freeSubnet(used []netip.Prefix, bits int, seed string) (netip.Prefix, bool) {
	hash := fnv.New32a()
	hash.Write([]byte(seed))
	count := uint32(1) << (bits - subnetPool.Bits())
	first := hash.Sum32() % count
	for i := range count {
		subnet := nthSubnet((first+i)%count, bits)
		if !slices.ContainsFunc(used, subnet.Overlaps) {
			return subnet, true
		}
	}
	return netip.Prefix{}, false
}

func nthSubnet(n uint32, bits int) netip.Prefix {
	base := subnetPool.Addr().As4()
	var addr [4]byte
	binary.BigEndian.PutUint32(addr[:], binary.BigEndian.Uint32(base[:])+n<<(32-bits))
	return netip.PrefixFrom(netip.AddrFrom4(addr), bits)
}

func subnetsOf(networks []network.Summary) []netip.Prefix {
	var used []netip.Prefix
	for _, n := range networks {
		for _, config := range n.IPAM.Config {
			if subnet, err := netip.ParsePrefix(config.Subnet); err == nil {
				used = append(used, subnet)
			}
		}
	}
	return used
}
