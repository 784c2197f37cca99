package engine

import (
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	dockersystem "github.com/docker/docker/api/types/system"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// managed sets up an Engine that keeps the chain, or fails its creates.
func managed(t *testing.T) *fixture {
	return setUp(t, func(cfg *Config) { cfg.Firewall = FirewallManage })
}

// hostAddresses gives the addresses at which a container might reach this host:
// all that it has, those on the container's own bridge included.
func hostAddresses(t *testing.T) (hosts []string) {
	t.Helper()
	interfaces, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range interfaces {
		addresses, _ := i.Addrs() // none of one that is gone by now
		for _, address := range addresses {
			ip := address.(*net.IPNet).IP
			host := ip.String()
			if ip.To4() == nil && ip.IsLinkLocalUnicast() {
				if !strings.HasPrefix(i.Name, "dw-") {
					continue // the others' are not on the container's link
				}
				host += "%eth0"
			}
			hosts = append(hosts, host)
		}
	}
	return hosts
}

func targets(hosts []string, port string) (all []string) {
	for _, host := range hosts {
		all = append(all, net.JoinHostPort(host, port), "udp:"+net.JoinHostPort(host, port))
	}
	return all
}

// dials has a container dial all targets, and gives those that let it.
func (f *fixture) dials(id string, targets ...string) (allowed []string) {
	f.t.Helper()
	out := f.exec(id, append([]string{"dial"}, targets...)...)
	for _, target := range targets {
		switch {
		case strings.Contains(out, "dial "+target+": allowed"):
			allowed = append(allowed, target)
		case !strings.Contains(out, "dial "+target+": refused"):
			f.t.Errorf("nothing became of %s: %q", target, out)
		}
	}
	return allowed
}

func streams(targets []string) []string {
	return slices.DeleteFunc(targets, func(target string) bool { return strings.HasPrefix(target, "udp:") })
}

func TestContainersReachNeitherTheHostNorEachOtherNorMetadata(t *testing.T) {
	outside := enginetest.NewOutside(t)
	host, beyond := enginetest.NewCanary(t), outside.Canary(t)
	f := managed(t)
	victim := f.create(api.CreateParams{Image: f.build("game"), Name: f.name("victim"), Command: []string{"serve"}})
	f.output(victim.ID, "serving")
	image, shared := f.build("user", "USER 1000"), f.name("shop")
	attackers := map[string]api.Container{
		"default": f.create(api.CreateParams{Image: image, Name: f.name("default")}),
		"shared":  f.create(api.CreateParams{Image: image, Name: f.name("shared"), Network: shared}),
		"strict":  f.create(api.CreateParams{Image: image, Name: f.name("strict"), Profile: profileStrict}),
	}
	host.MustHear(t, "tcp", "127.0.0.1")
	host.MustHear(t, "udp", "127.0.0.1")
	beyond.MustHear(t, "tcp", enginetest.Metadata)
	beyond.MustHear(t, "udp", enginetest.Metadata)
	forbidden := append(targets(hostAddresses(t), host.Port), targets([]string{enginetest.Metadata}, beyond.Port)...)
	forbidden = append(forbidden, addrOf(f, victim.Domain).String(), "udp:255.255.255.255:"+host.Port)
	each := func(do func(profile, id string)) {
		var dials sync.WaitGroup
		for profile, attacker := range attackers {
			dials.Go(func() { do(profile, attacker.ID) })
		}
		dials.Wait()
	}
	each(func(profile, id string) {
		if got := streams(f.dials(id, forbidden...)); len(got) > 0 {
			t.Errorf("from %s these were reached: %v", profile, got)
		}
	})
	if heard := append(host.Heard(), beyond.Heard()...); len(heard) > 0 {
		t.Errorf("the canaries heard %v", heard)
	}
	each(func(profile, id string) {
		out := net.JoinHostPort(outside.Address, beyond.Port)
		if allowed := len(f.dials(id, out)) > 0; allowed != (profile != "strict") {
			t.Errorf("that %s gets out is %v", profile, allowed)
		}
	})
	for name, c := range map[string]api.Container{"default": victim, "shared": attackers["shared"], "strict": attackers["strict"]} {
		conn, err := net.Dial("tcp", net.JoinHostPort(addrOf(f, c.Domain).Addr().String(), "8080"))
		if refused := err != nil && strings.Contains(err.Error(), "connection refused"); err != nil && (name == "default" || !refused) {
			t.Errorf("the host does not reach %s: %v", name, err)
		} else if err == nil {
			conn.Close()
		}
	}
}

// The attack works where nothing stands against it: so the test above shows
// something.
func TestWithoutTheFirewallTheHostIsReachedAndThatIsSaid(t *testing.T) {
	canary := enginetest.NewCanary(t)
	core, said := observer.New(zap.WarnLevel)
	f := setUp(t, func(cfg *Config) { cfg.Firewall, cfg.Log = FirewallOff, zap.New(core) })
	c := f.create(api.CreateParams{Image: f.build("game"), Name: f.name("web")})
	inspect, err := f.Inspect(t.Context(), c.Name, false)
	if err != nil {
		t.Fatal(err)
	}
	gateway := net.JoinHostPort(inspect.Network.Gateway, canary.Port)
	if len(f.dials(c.ID, gateway)) == 0 || len(canary.Heard()) == 0 {
		t.Errorf("the host was not reached at %s", gateway)
	}
	gaps, err := f.Unenforced(t.Context())
	if err != nil || !slices.ContainsFunc(gaps, func(g Gap) bool { return strings.Contains(g.Missing, "firewall") && !g.Refused }) {
		t.Errorf("what is not enforced: %+v, %v", gaps, err)
	}
	if said.FilterField(zap.String("what", uncovered)).FilterField(zap.String("mend", "leave out --firewall off")).Len() != 1 {
		t.Errorf("at the start the log said %v", said.All())
	}
	again := f.run(Config{Instance: f.cfg.Instance, Base: f.cfg.Base, Firewall: FirewallManage})
	if err := again.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(f.dials(c.ID, gateway)) > 0 {
		t.Error("a container that was there before is not covered by a daemon that keeps the chain")
	}
}

func TestCheckRefusesWhatIsNotCovered(t *testing.T) {
	f := setUp(t, func(cfg *Config) { cfg.Firewall = FirewallCheck })
	p := api.CreateParams{Image: f.build("game"), Name: f.name("web")}
	_, err := f.Create(t.Context(), p, "")
	known := wantClass(t, err, StartFailed, "firewall")
	if cause := errors.Unwrap(known); cause == nil || !strings.Contains(cause.Error(), "DOCKWIRE-") {
		t.Errorf("the log is told %v", cause)
	}
	f.mustBeClean()
	gaps, err := f.Unenforced(t.Context())
	if err != nil || !slices.ContainsFunc(gaps, func(g Gap) bool { return strings.Contains(g.Missing, "firewall") && g.Refused }) {
		t.Errorf("what is not enforced: %+v, %v", gaps, err)
	}
	if _, err := f.firewall.Apply(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.create(p)
}

func TestAChainThatWasFlushedIsThereAgainBeforeTheNextContainerAndAtAConnect(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Firewall, cfg.Host = FirewallManage, proxy.Socket() })
	p := api.CreateParams{Image: f.build("game"), Name: f.name("web")}
	if err := f.firewall.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	f.create(p)
	if err := f.firewall.Check(t.Context()); err != nil {
		t.Errorf("after a create: %v", err)
	}
	proxy.Refuse()
	f.until("the loss", func() bool { return !f.Up() })
	if err := f.firewall.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	proxy.Restore()
	f.until("the return", f.Up)
	if err := f.firewall.Check(t.Context()); err != nil {
		t.Errorf("after the engine came back: %v", err)
	}
}

func TestTheChainStaysAsLongAsThereIsSomethingToCover(t *testing.T) {
	f := managed(t)
	c := f.create(api.CreateParams{Image: f.build("game"), Name: f.name("web")})
	f.leaveFirewall(t.Context())
	if err := f.firewall.Check(t.Context()); err != nil {
		t.Errorf("with a container the chain went: %v", err)
	}
	f.remove(c.Name, false)
	f.leaveFirewall(t.Context())
	if err := f.firewall.Check(t.Context()); err == nil {
		t.Error("without one the chain stayed")
	}
}

func TestAutoManagesOnlyWhereTheEnginesBridgesCanBe(t *testing.T) {
	f := setUp(t)
	if err := f.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	here := *f.info.Load()
	remote, rootless := here, here
	remote.Name = "elsewhere"
	rootless.SecurityOptions = []string{"name=seccomp,profile=default", "name=rootless"}
	for want, info := range map[string]*dockersystem.Info{FirewallManage: &here, "another machine, elsewhere": &remote, "without root": &rootless} {
		got := f.chooseFirewall(info)
		if got.why == nil && got.mode != want || got.why != nil && (got.mode != FirewallOff || !strings.Contains(got.why.Error(), want)) {
			t.Errorf("the choice is %+v, want %s", got, want)
		}
	}
	if err := bridgeIsHere("dw-nosuch"); err == nil {
		t.Error("a bridge that is not here is here")
	}
	if _, err := New(Config{Instance: "test", Firewall: "maybe"}); err == nil || !strings.Contains(err.Error(), "auto, manage, check or off") {
		t.Errorf("a firewall that is not known gave %v", err)
	}
}
