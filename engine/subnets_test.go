package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/network"
)

func TestSubnetsNeverOverlap(t *testing.T) {
	foreign := netip.MustParsePrefix("10.231.64.0/18")
	used := []netip.Prefix{foreign}
	for i := range 300 {
		bits := 29
		if i%3 == 0 {
			bits = 26
		}
		subnet, ok := freeSubnet(used, bits, fmt.Sprint("app", i))
		if !ok {
			t.Fatalf("no subnet after %d", i)
		}
		for _, other := range used {
			if subnet.Overlaps(other) {
				t.Fatalf("%v overlaps with %v", subnet, other)
			}
		}
		if !subnetPool.Overlaps(subnet) || subnet.Masked() != subnet || subnet.Bits() != bits {
			t.Fatalf("%v is not a subnet of the pool with %d bits", subnet, bits)
		}
		used = append(used, subnet)
	}
}

func TestAPoolThatIsFullSaysSo(t *testing.T) {
	if subnet, ok := freeSubnet([]netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, 29, "web"); ok {
		t.Errorf("a full pool gave %v", subnet)
	}
}

func TestCreatesAtTheSameTimeChooseDifferentSubnets(t *testing.T) {
	var p pending
	mine, other := p.begin(), p.begin()
	a, _ := p.choose(mine, nil, 29, "web")
	b, _ := p.choose(other, nil, 29, "web")
	again, _ := p.choose(mine, nil, 29, "web")
	if a == b || a == again || b == again {
		t.Errorf("chose %v, %v and %v", a, b, again)
	}
	p.end(mine)
	p.end(other)
	if free, _ := p.choose(p.begin(), nil, 29, "web"); free != a {
		t.Errorf("after the end %v is chosen, want %v again", free, a)
	}
}

// What is used is what the engine says, so a restart forgets nothing, and what
// is removed is free.
func TestFiveHundredContainersFitOverRestartsAndRemoves(t *testing.T) {
	atEngine := []network.Summary{withSubnet("172.17.0.0/16")}
	for restart := range 3 {
		var p pending
		for i := range 500 {
			bits, mine := 29, p.begin()
			if i%10 == 0 {
				bits = 26
			}
			subnet, ok := p.choose(mine, subnetsOf(atEngine), bits, fmt.Sprint("app", restart, "-", i))
			p.end(mine)
			if !ok || slices.ContainsFunc(subnetsOf(atEngine), subnet.Overlaps) {
				t.Fatalf("after %d restarts container %d got %v, %v", restart, i, subnet, ok)
			}
			atEngine = append(atEngine, withSubnet(subnet.String()))
		}
		for len(atEngine) > 251 { // half of them are removed
			atEngine = slices.Delete(atEngine, 1, 2)
		}
	}
}

func withSubnet(subnet string) network.Summary {
	return network.Summary{IPAM: network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet}}}}
}
