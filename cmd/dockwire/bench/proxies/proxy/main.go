// Command proxy is one of the proxies that are measured: dockwire's ingress, or
// Caddy with the modules that it needs for the same.
package main

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/reverseproxy"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/cmd/dockwire/heap"
	"github.com/dockwire/dockwire/daemon/ingress"
	"github.com/dockwire/dockwire/engine"
)

// host is what is asked for.
const host = "web.localhost"

func main() {
	if len(os.Args) != 4 {
		fail(fmt.Errorf("usage: proxy dockwire|caddy LISTEN BACKEND"))
	}
	serve := map[string]func(listen, backend string) error{"dockwire": serveDockwire, "caddy": serveCaddy}[os.Args[1]]
	if err := serve(os.Args[2], os.Args[3]); err != nil {
		fail(err)
	}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

func serveDockwire(listen, backend string) error {
	go heap.Fit(context.Background()) // as the daemon does
	in := ingress.New(ingress.Options{})
	in.Route(engine.Route{Name: "web", ID: "web", Host: host, Domain: host, State: api.StateRunning, Address: netip.MustParseAddrPort(backend)})
	ln, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	return in.Serve(ln, nil)
}

func serveCaddy(listen, backend string) error {
	config := fmt.Sprintf(`{
		"admin": {"disabled": true, "config": {"persist": false}},
		"logging": {"logs": {"default": {"level": "ERROR"}}},
		"apps": {"http": {"servers": {"bench": {
			"listen": [%q], "automatic_https": {"disable": true}, "protocols": ["h1"],
			"routes": [{"match": [{"host": [%q]}], "handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": %q}],
				"transport": {"protocol": "http", "keep_alive": {"max_idle_conns_per_host": 256}}}]}]
		}}}}
	}`, listen, host, backend)
	if err := caddy.Load([]byte(config), true); err != nil {
		return err
	}
	select {}
}
