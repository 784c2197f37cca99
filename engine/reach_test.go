package engine

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	dockersystem "github.com/docker/docker/api/types/system"
	"github.com/docker/go-connections/nat"

	"github.com/dockwire/dockwire/client/api"
)

func published(cfg *Config) { cfg.Reach = ReachPublished }

func TestPortsArePublishedWhereAddressesLeadNowhere(t *testing.T) {
	local := &dockersystem.Info{OperatingSystem: "Debian GNU/Linux 12 (bookworm)", SecurityOptions: []string{"name=seccomp,profile=default"}}
	rootless := &dockersystem.Info{SecurityOptions: []string{"name=seccomp,profile=default", "name=rootless"}}
	desktop := &dockersystem.Info{OperatingSystem: "Docker Desktop"}
	for _, test := range []struct {
		way  string
		info *dockersystem.Info
		want string
	}{
		{ReachAuto, local, ReachAddress}, {ReachAuto, rootless, ReachPublished}, {ReachAuto, desktop, ReachPublished},
		{ReachAddress, rootless, ReachAddress}, {ReachPublished, local, ReachPublished},
	} {
		if got := chooseReach(test.way, test.info); got != test.want {
			t.Errorf("%s at %s %v is %s, want %s", test.way, test.info.OperatingSystem, test.info.SecurityOptions, got, test.want)
		}
	}
	if _, err := New(Config{Instance: "test", Reach: "bridge"}); err == nil || !strings.Contains(err.Error(), "auto, address or published") {
		t.Errorf("another way: %v", err)
	}
}

func TestOnlyAPortOnLoopbackIsTakenForThePublishedOne(t *testing.T) {
	for what, test := range map[string]struct {
		ports nat.PortMap
		want  string
	}{
		"as asked for":    {nat.PortMap{"8080/tcp": {{HostIP: "127.0.0.1", HostPort: "32768"}}}, "127.0.0.1:32768"},
		"beside another":  {nat.PortMap{"8080/tcp": {{HostIP: "0.0.0.0", HostPort: "1"}, {HostIP: "127.0.0.1", HostPort: "2"}}}, "127.0.0.1:2"},
		"everywhere":      {nat.PortMap{"8080/tcp": {{HostIP: "0.0.0.0", HostPort: "32768"}}}, ""},
		"another port":    {nat.PortMap{"80/tcp": {{HostIP: "127.0.0.1", HostPort: "32768"}}}, ""},
		"not yet":         {nat.PortMap{"8080/tcp": {{HostIP: "127.0.0.1"}}}, ""},
		"no port at all":  {nat.PortMap{"8080/tcp": {{HostIP: "127.0.0.1", HostPort: "0"}}}, ""},
		"not published":   {nat.PortMap{"8080/tcp": nil}, ""},
		"nothing exposed": {nil, ""},
	} {
		c := container.InspectResponse{NetworkSettings: &container.NetworkSettings{}}
		c.NetworkSettings.Ports = test.ports
		at := publishedAt(c, 8080)
		if at.IsValid() != (test.want != "") || at.IsValid() && at.String() != test.want {
			t.Errorf("%s: it is at %v, want %q", what, at, test.want)
		}
	}
}

func TestAnyOtherPublishedPortIsRefused(t *testing.T) {
	want := &container.HostConfig{PortBindings: publication(8080)}
	for what, ports := range map[string]nat.PortMap{
		"everywhere":     {"8080/tcp": {{HostIP: "0.0.0.0"}}},
		"no address":     {"8080/tcp": {{}}},
		"another port":   {"80/tcp": {{HostIP: "127.0.0.1"}}},
		"one more":       {"8080/tcp": {{HostIP: "127.0.0.1"}}, "80/tcp": {{HostIP: "127.0.0.1"}}},
		"twice":          {"8080/tcp": {{HostIP: "127.0.0.1"}, {HostIP: "::1"}}},
		"a port of ours": {"8080/tcp": {{HostIP: "127.0.0.1", HostPort: "7420"}}},
		"none":           nil,
	} {
		got := &container.HostConfig{PortBindings: ports, MaskedPaths: []string{"/proc/kcore"}, ReadonlyPaths: []string{"/proc/sys"}}
		if different := differences(want, got); len(different) != 1 || different[0] != "published ports" {
			t.Errorf("%s: the differences are %v", what, different)
		}
	}
}

func TestAPublishedPortLeadsToOneStartOfTheContainer(t *testing.T) {
	router := &told{last: map[string]Route{}}
	f := setUp(t, published, func(cfg *Config) { cfg.Router, cfg.Firewall = router, FirewallOff }) // what is published has to be out of reach by itself
	router.docker = f.docker
	image, name := f.build("game"), f.name("web")
	c := f.create(api.CreateParams{Image: image, Name: name, Command: []string{"serve"}, Network: f.name("shop")})
	first := router.route(c.ID)
	if first.Address.Addr() != loopback || first.Port != 8080 || !first.Published || addrOf(f, c.Domain) != first.Address {
		t.Errorf("the route is %+v", first)
	}
	f.eventuallyAnswers(first.Address, name)
	f.mustNotPublishElsewhere(first.Address.Port())
	inspect, err := f.Inspect(t.Context(), name, false)
	if err != nil {
		t.Fatal(err)
	}
	gateway := fmt.Sprintf("%s:%d", inspect.Network.Gateway, first.Address.Port())
	if got := f.try(api.CreateParams{Image: image, Port: ptr(0)}, "dial", first.Address.String(), gateway); strings.Count(got, ": refused:") != 2 {
		t.Errorf("another container reaches it: %s", got)
	}
	var past []Route
	for what, do := range map[string]func() error{
		"restart": func() error { _, err := f.Restart(t.Context(), name, ptr(0.0)); return err },
		"stop and start": func() error {
			if _, err := f.Stop(t.Context(), name, ptr(0.0)); err != nil {
				return err
			}
			if stopped := router.route(c.ID); stopped.Address.IsValid() {
				t.Errorf("what is stopped is at %v", stopped.Address)
			}
			_, err := f.Start(t.Context(), name)
			return err
		},
		"kill and start": func() error {
			if err := f.docker.ContainerKill(t.Context(), c.ID, "KILL"); err != nil {
				return err
			}
			wantClass(t, f.Leads(t.Context(), router.route(c.ID)), NotRunning, "has ended")
			_, err := f.Start(t.Context(), name)
			return err
		},
	} {
		past = append(past, router.route(c.ID))
		if err := do(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		now := router.route(c.ID)
		if err := f.Leads(t.Context(), now); err != nil {
			t.Errorf("after the %s it does not lead there: %v", what, err)
		}
		f.eventuallyAnswers(now.Address, name)
		for _, route := range past {
			wantClass(t, f.Leads(t.Context(), route), NotRunning, "is not where it was")
		}
	}
	last := router.route(c.ID)
	f.remove(name, false)
	wantClass(t, f.Leads(t.Context(), last), NotFound, "")
}

// asks gives what is answered at an address, or why nothing is.
func (f *fixture) asks(at netip.AddrPort) string {
	resp, err := http.Get("http://" + at.String() + "/id")
	if err != nil {
		return err.Error()
	}
	defer resp.Body.Close()
	var body [256]byte
	n, _ := resp.Body.Read(body[:])
	return string(body[:n])
}

// eventuallyAnswers waits until a program that was just started listens.
func (f *fixture) eventuallyAnswers(at netip.AddrPort, name string) {
	f.t.Helper()
	late := time.Now().Add(patience)
	for got := f.asks(at); got != name; got = f.asks(at) {
		if time.Now().After(late) {
			f.t.Errorf("%v answers %q, want %s", at, got, name)
			return
		}
	}
}

// mustNotPublishElsewhere dials the port at every address of this host.
func (f *fixture) mustNotPublishElsewhere(port uint16) {
	f.t.Helper()
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, address := range addresses {
		prefix, err := netip.ParsePrefix(address.String())
		if err != nil || prefix.Addr().IsLoopback() || prefix.Addr().IsLinkLocalUnicast() {
			continue
		}
		if conn, err := net.DialTimeout("tcp", netip.AddrPortFrom(prefix.Addr(), port).String(), time.Second); err == nil {
			conn.Close()
			f.t.Errorf("it is reached at %v, too", prefix.Addr())
		}
	}
}

func TestWhatServesHTTPCannotBeStrictWherePortsArePublished(t *testing.T) {
	f := setUp(t, published)
	p := api.CreateParams{Image: f.build("user", "USER 1000"), Name: f.name("web"), Profile: profileStrict}
	_, err := f.Create(t.Context(), p, "")
	if known := wantClass(t, err, Invalid, "port 0"); known.Data.Param != "profile" {
		t.Errorf("the details are %+v", known.Data)
	}
	f.mustBeClean()
	p.Port = ptr(0)
	c := f.create(p)
	found, err := f.docker.ContainerInspect(t.Context(), c.ID)
	if err != nil || len(found.HostConfig.PortBindings) != 0 || len(found.NetworkSettings.Ports) != 0 {
		t.Errorf("a worker has %v, %v", found.HostConfig.PortBindings, err)
	}
}

func TestWhatWasNotPublishedIsNotReachedWherePortsAre(t *testing.T) {
	f := setUp(t)
	c := f.create(api.CreateParams{Image: f.build("game"), Name: f.name("web")})
	cfg := f.cfg
	cfg.Reach = ReachPublished
	again := f.run(cfg)
	if err := again.ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if found := again.state.at(c.Domain); len(found) != 1 || found[0].addr.IsValid() {
		t.Errorf("it is at %v", found)
	}
}
