package proxies

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/cmd/dockwire/bench/beside"
	"github.com/dockwire/dockwire/engine"
	"github.com/dockwire/dockwire/engine/enginetest"
)

const host = "web.localhost"

// How much is asked.
const (
	connections = 32
	turn        = time.Second
	fraction    = 3 // of what Caddy can do, the constant rate is one part of so many
)

// promised is what the ingress is to reach beside a proxy; "none" is the
// container alone.
var promised = map[string]float64{"caddy": 1.3, "nginx": 0.5, "none": 0}

func TestMain(m *testing.M) { os.Exit(beside.Main(m)) }

func BenchmarkSmallAnswers(b *testing.B) { compare(b, "small answers", "/id") }

func BenchmarkAnswersOf100KiB(b *testing.B) { compare(b, "answers of 100 KiB", "/size/102400") }

// compare measures what the proxies answer in a second, and then how long it
// takes at the same constant rate for all.
func compare(b *testing.B, work, path string) {
	askers := map[string][]*asker{}
	for name, address := range start(b) {
		for range connections {
			askers[name] = append(askers[name], dial(b, address, host, path))
		}
	}
	b.Run("throughput", func(b *testing.B) {
		contest := beside.Contest{Work: "ingress, " + work, Unit: "req/s", Warm: true}
		run(b, contest, askers, func(askers []*asker) float64 { return throughput(b, askers, turn) })
	})
	b.Run("latency", func(b *testing.B) {
		rate := int(throughput(b, askers["caddy"], turn)) / fraction
		contest := beside.Contest{Work: fmt.Sprintf("ingress, %s, p99 at %d a second", work, rate), Unit: "ms", Less: true}
		run(b, contest, askers, func(askers []*asker) float64 {
			return percentile(latencies(b, askers, rate, 2*turn), 99).Seconds() * 1000
		})
	})
}

func run(b *testing.B, contest beside.Contest, askers map[string][]*asker, measure func([]*asker) float64) {
	contender := func(name string) beside.Contender {
		return beside.Contender{Name: name, Turn: func() float64 { return measure(askers[name]) }, AtLeast: promised[name]}
	}
	contest.Run(b, contender("dockwire"), contender("caddy"), contender("nginx"), contender("none"))
}

// start makes a container and starts the proxies in front of it, and gives where
// each listens.
func start(b *testing.B) map[string]string {
	b.Helper()
	backend := newContainer(b)
	binary := filepath.Join(b.TempDir(), "proxy")
	if out, err := exec.Command("go", "build", "-o", binary, "./proxy").CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	addresses := map[string]string{"none": backend}
	for _, name := range []string{"dockwire", "caddy"} {
		addresses[name] = freeAddress(b)
		launch(b, addresses[name], exec.Command(binary, name, addresses[name], backend))
	}
	addresses["nginx"] = freeAddress(b)
	launch(b, addresses["nginx"], nginx(b, addresses["nginx"], backend))
	return addresses
}

// nginx gives the command that runs one with a configuration of its own.
func nginx(b *testing.B, listen, backend string) *exec.Cmd {
	b.Helper()
	dir := b.TempDir()
	config := fmt.Sprintf(`
daemon off;
worker_processes auto;
pid %[1]s/pid;
error_log /dev/null;
events { worker_connections 1024; }
http {
	access_log off;
	client_body_temp_path %[1]s/body;
	proxy_temp_path %[1]s/proxy;
	fastcgi_temp_path %[1]s/fastcgi;
	uwsgi_temp_path %[1]s/uwsgi;
	scgi_temp_path %[1]s/scgi;
	keepalive_requests 1000000000;
	upstream web { server %[3]s; keepalive 256; keepalive_requests 1000000000; }
	server {
		listen %[2]s;
		server_name %[4]s;
		location / {
			proxy_pass http://web;
			proxy_http_version 1.1;
			proxy_set_header Connection "";
			proxy_set_header Host $host;
			proxy_set_header X-Forwarded-For $remote_addr;
			proxy_set_header X-Forwarded-Proto $scheme;
		}
	}
}
`, dir, listen, backend, host)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(config), 0o644); err != nil {
		b.Fatal(err)
	}
	return exec.Command("nginx", "-c", file, "-e", "/dev/null")
}

// launch runs a proxy until the benchmark ends.
func launch(b *testing.B, address string, command *exec.Cmd) {
	b.Helper()
	command.Stderr = os.Stderr
	if err := command.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		command.Process.Signal(os.Interrupt)
		command.Wait()
	})
	until(b, address)
}

// until waits for something to listen.
func until(b *testing.B, address string) {
	b.Helper()
	for late := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(late) {
			b.Fatalf("nothing listens at %s: %v", address, err)
		}
	}
}

func freeAddress(b *testing.B) string {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// routed notes where a container is reached.
type routed struct{ address chan netip.AddrPort }

// Route implements engine.Router.
func (r routed) Route(route engine.Route) {
	if route.Address.IsValid() {
		select {
		case r.address <- route.Address:
		default:
		}
	}
}

// Together implements engine.Router.
func (r routed) Together(change func()) { change() }

// Drain implements engine.Router.
func (r routed) Drain(context.Context, string) func() { return func() {} }

// newContainer makes one that serves, and gives where it is reached.
func newContainer(b *testing.B) (address string) {
	b.Helper()
	var random [4]byte
	rand.Read(random[:])
	id := hex.EncodeToString(random[:])
	image := "bench-" + id
	b.Cleanup(func() { enginetest.NothingLeft(b, "test-"+id) })
	if err := enginetest.Client(b).ImageTag(b.Context(), enginetest.Probe(b, nil), image+":latest"); err != nil {
		b.Fatal(err)
	}
	router := routed{make(chan netip.AddrPort, 1)}
	e, err := engine.New(engine.Config{Instance: "test-" + id, AllowImages: []string{image}, Router: router, Log: zap.NewNop()})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- e.Run(ctx) }()
	b.Cleanup(func() {
		if _, err := e.Remove(context.Background(), "bench-"+id, false); err != nil {
			b.Error(err)
		}
		cancel()
		<-ended
		e.Close()
	})
	if _, err := e.Create(b.Context(), api.CreateParams{Image: image, Name: "bench-" + id, CPUs: 2, Command: []string{"serve"}}, "bench"); err != nil {
		b.Fatal(err)
	}
	address = (<-router.address).String()
	until(b, address)
	return address
}
