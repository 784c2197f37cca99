package engine

import (
	"net/netip"
	"testing"

	"github.com/docker/docker/api/types/network"
)

func TestANetworkThatIsNotAsItWasAskedForIsRefused(t *testing.T) {
	e := newEngine(Config{Instance: "dockwire"}, nil)
	b := bridge{kind: kindNetwork, name: "web", internal: true}
	asked := e.networkOptions(b, netip.MustParsePrefix("10.231.8.0/29"))
	for spoilt, spoil := range map[string]func(*network.Inspect){
		"":                              func(*network.Inspect) {},
		"network driver":                func(n *network.Inspect) { n.Driver = "host" },
		"internal network":              func(n *network.Inspect) { n.Internal = false },
		"no IPv6":                       func(n *network.Inspect) { n.EnableIPv6 = true },
		"bridge name":                   func(n *network.Inspect) { n.Options = map[string]string{optionICC: "false"} },
		"inter-container communication": func(n *network.Inspect) { n.Options[optionICC] = "true" },
		"subnet":                        func(n *network.Inspect) { n.IPAM.Config = []network.IPAMConfig{{Subnet: "172.18.0.0/16"}} },
	} {
		found := network.Inspect{Driver: asked.Driver, Internal: true, IPAM: *asked.IPAM, Options: map[string]string{
			optionBridge: asked.Options[optionBridge], optionICC: asked.Options[optionICC],
		}}
		spoil(&found)
		err := e.verifyNetwork(b, found)
		if spoilt == "" {
			if err != nil {
				t.Errorf("one that is as it should be: %v", err)
			}
			continue
		}
		wantClass(t, err, StartFailed, "safe: "+spoilt)
	}
}
