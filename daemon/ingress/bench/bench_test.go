package bench

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
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine"
	"github.com/dockwire/dockwire/engine/enginetest"
)

const host = "web.localhost"

// How much is asked.
const (
	connections = 32
	rounds      = 5 // how often the proxies take turns, so that what else the machine does meets them all
	round       = time.Second
	fraction    = 3 // of what the slowest can do, the constant rate is one part of so many
)

// proxies are what is measured; the first is ours, the last the container alone.
var proxies = []string{"dockwire", "caddy", "nginx", "none"}

// lines are printed after the benchmarks.
var lines []string

func TestMain(m *testing.M) {
	code := m.Run()
	for _, line := range lines {
		fmt.Println(line)
	}
	os.Exit(code)
}

func BenchmarkSmallAnswers(b *testing.B) { compare(b, "/id") }

func BenchmarkAnswersOf100KiB(b *testing.B) { compare(b, "/size/102400") }

// compare measures what the proxies answer in a second, and then how long it
// takes at the same constant rate for all. Of the rounds the median counts.
func compare(b *testing.B, path string) {
	askers := map[string][]*asker{}
	for name, address := range start(b) {
		for range connections {
			askers[name] = append(askers[name], dial(b, address, host, path))
		}
		throughput(b, askers[name], round/2) // warm
	}
	rates := map[string][]float64{}
	tails := map[string][]float64{}
	for b.Loop() {
		for range rounds {
			for _, name := range proxies {
				rates[name] = append(rates[name], throughput(b, askers[name], round))
			}
		}
		rate := int(median(rates["caddy"])) / fraction
		for range rounds {
			for _, name := range proxies {
				tails[name] = append(tails[name], float64(percentile(latencies(b, askers[name], rate, 2*round), 99))/1e6)
			}
		}
		b.ReportMetric(float64(rate), "rate/s")
	}
	b.ReportMetric(0, "ns/op") // of no meaning here
	for _, name := range proxies {
		b.ReportMetric(median(rates[name]), name+"-req/s")
		b.ReportMetric(median(tails[name]), name+"-p99-ms")
	}
	for _, name := range proxies[1:] {
		lines = append(lines, fmt.Sprintf("%-26s dockwire answers %6.0f requests a second, %.2f times the %6.0f of %-5s; p99 at a constant rate %.2f ms, there %.2f ms",
			b.Name(), median(rates["dockwire"]), median(rates["dockwire"])/median(rates[name]), median(rates[name]), name, median(tails["dockwire"]), median(tails[name])))
	}
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
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
		run(b, addresses[name], exec.Command(binary, name, addresses[name], backend))
	}
	addresses["nginx"] = freeAddress(b)
	run(b, addresses["nginx"], nginx(b, addresses["nginx"], backend))
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

// run runs a proxy until the benchmark ends.
func run(b *testing.B, address string, command *exec.Cmd) {
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
