package engine

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"

	"github.com/dockwire/dockwire/client/api"
)

func TestAnAddressIsChosenThatNobodyHas(t *testing.T) {
	subnet := netip.MustParsePrefix("10.231.8.8/29")
	var used []netip.Addr
	for _, want := range []string{"10.231.8.10", "10.231.8.11", "10.231.8.12", "10.231.8.13", "10.231.8.14"} {
		addr, ok := freeAddress(subnet, used)
		if !ok || addr.String() != want {
			t.Fatalf("beside %v it is %v, %v, want %s", used, addr, ok, want)
		}
		used = append(used, addr)
	}
	if addr, ok := freeAddress(subnet, used); ok {
		t.Errorf("of a full subnet %v is free", addr)
	}
	if addr, ok := freeAddress(subnet, used[1:]); !ok || addr != used[0] {
		t.Errorf("the address that was given back is not the next: %v", addr)
	}
	if addr, ok := freeAddress(netip.Prefix{}, nil); ok {
		t.Errorf("of no subnet %v is free", addr)
	}
}

func TestAContainerThatIsNotAtItsAddressIsNoticed(t *testing.T) {
	s := spec{network: "n", address: netip.MustParseAddr("10.231.8.10")}
	at := func(address string) *network.EndpointSettings {
		return &network.EndpointSettings{IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: address}}
	}
	for what, test := range map[string]struct {
		networks map[string]*network.EndpointSettings
		want     bool
	}{
		"as asked for":    {map[string]*network.EndpointSettings{"n": at("10.231.8.10")}, true},
		"another address": {map[string]*network.EndpointSettings{"n": at("10.231.8.11")}, false},
		"none yet":        {map[string]*network.EndpointSettings{"n": {}}, false},
		"another network": {map[string]*network.EndpointSettings{"bridge": at("10.231.8.10")}, false},
		"one more":        {map[string]*network.EndpointSettings{"n": at("10.231.8.10"), "bridge": {}}, false},
		"none":            {nil, false},
	} {
		c := container.InspectResponse{NetworkSettings: &container.NetworkSettings{Networks: test.networks}}
		if got := s.placed(c); got != test.want {
			t.Errorf("%s: %v", what, got)
		}
	}
}

func TestAnAddressBelongsToOneContainerUntilItIsRemoved(t *testing.T) {
	f := setUp(t)
	image := f.build("game")
	params := func(name string) api.CreateParams {
		return api.CreateParams{Image: image, Name: f.name(name), Network: f.name("shop")}
	}
	address := func(name string) netip.Addr { return addrOf(f, f.name(name)+".test.localhost").Addr() }
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		wg.Go(func() { _, errs[i] = f.Create(t.Context(), params(fmt.Sprint("web-", i)), "tester") })
	}
	wg.Wait()
	holders := map[netip.Addr]string{}
	for i, err := range errs {
		name := fmt.Sprint("web-", i)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if other, taken := holders[address(name)]; taken {
			t.Errorf("%s has the address of %s", name, other)
		}
		holders[address(name)] = name
	}

	first := address("web-0")
	if _, err := f.Stop(t.Context(), f.name("web-0"), ptr(0.0)); err != nil {
		t.Fatal(err)
	}
	f.create(params("late"))
	if other, taken := holders[address("late")]; taken {
		t.Errorf("another container has the address of %s", other)
	}
	for what, do := range map[string]func() (api.Container, error){
		"start":   func() (api.Container, error) { return f.Start(t.Context(), f.name("web-0")) },
		"restart": func() (api.Container, error) { return f.Restart(t.Context(), f.name("web-0"), ptr(0.0)) },
	} {
		if _, err := do(); err != nil || address("web-0") != first {
			t.Errorf("after the %s it is at %v, %v, want %v", what, address("web-0"), err, first)
		}
	}
	f.remove(f.name("web-0"), false)
	f.create(params("next"))
	if address("next") != first {
		t.Errorf("the address %v is not free again: the next container has %v", first, address("next"))
	}
}
