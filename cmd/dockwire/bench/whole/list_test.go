package whole

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dockwire/dockwire/cmd/dockwire/bench/beside"
	"github.com/dockwire/dockwire/cmd/dockwire/bench/peer"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// hundred starts as many containers as people start them: of an image's name,
// which the engine resolves at each of its lists.
func (d *daemon) hundred() {
	d.b.Helper()
	tag := "localhost/" + d.instance + ":latest"
	docker(d.b, "tag", enginetest.Probe(d.b, nil), tag)
	var starting errgroup.Group
	starting.SetLimit(4)
	for i := range 100 {
		starting.Go(func() error {
			d.container(tag, fmt.Sprintf("list-%d", i))
			return nil
		})
	}
	must(d.b, starting.Wait())
}

// flight is how many calls are under way at once where there are many.
const flight = 32

// BenchmarkList compares what the daemon holds in memory for a hundred
// containers, and then asks again and again for the list of them.
func BenchmarkList(b *testing.B) {
	d := startDaemon(b)
	d.hundred()
	b.Run("memory", func(b *testing.B) {
		engine := enginePID(b)
		beside.Contest{Work: "resident memory with 100 containers, idle", Unit: "bytes", Less: true}.Run(b,
			beside.Contender{Name: "dockwire", Turn: func() float64 { return resident(b, d.pid) }},
			beside.Contender{Name: "dockerd", Turn: func() float64 { return resident(b, engine) }, AtLeast: 4})
	})
	b.Run("engine", func(b *testing.B) {
		p := d.connect()
		defer p.Close()
		request := peer.Frames(`{"jsonrpc":"2.0","id":1,"method":"list"}`, 1)
		beside.Contest{Work: "list with 100 containers", Unit: "calls/s", Warm: true}.Run(b,
			beside.Contender{Name: "dockwire", Turn: func() float64 { return rate(b, 1, func() error { return p.Exchange(request, 1) }) }},
			beside.Contender{Name: "engine GET /containers/json", Turn: func() float64 { return rate(b, 1, engineList) }, AtLeast: 100})
	})
	b.Run("engine, many in flight", func(b *testing.B) {
		p := d.connect()
		defer p.Close()
		requests := peer.Frames(`{"jsonrpc":"2.0","id":1,"method":"list"}`, flight)
		beside.Contest{Work: "list with 100 containers, 32 in flight", Unit: "calls/s", Warm: true}.Run(b,
			beside.Contender{Name: "dockwire", Turn: func() float64 { return rate(b, flight, func() error { return p.Exchange(requests, flight) }) }},
			beside.Contender{Name: "engine GET /containers/json", Turn: func() float64 { return rate(b, flight, engineLists) }, AtLeast: 100})
	})
	b.Run("ethereum", func(b *testing.B) {
		theirs, err := peer.Dial(d.ethereum(), "/", "")
		must(b, err)
		defer theirs.Close()
		ours := d.connect()
		defer ours.Close()
		turn := func(p *peer.Peer, method string) func() float64 {
			requests := peer.Frames(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":%q}`, method), flight)
			return func() float64 { return rate(b, flight, func() error { return p.Exchange(requests, flight) }) }
		}
		beside.Contest{Work: "list with 100 containers, 32 in flight", Unit: "calls/s", Warm: true}.Run(b,
			beside.Contender{Name: "dockwire", Turn: turn(ours, "list")},
			beside.Contender{Name: "go-ethereum rpc, equal result", Turn: turn(theirs, "docker_list"), AtLeast: 1.5})
	})
}

// engineList asks the engine itself.
func engineList() error {
	resp, err := engineAPI.Get("http://engine/containers/json")
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return err
}

// engineLists asks it as often as there may be calls under way, all at once.
func engineLists() error {
	var asking errgroup.Group
	for range flight {
		asking.Go(engineList)
	}
	return asking.Wait()
}

// ethereum starts a server of go-ethereum's that answers with the same list, and
// gives its address.
func (d *daemon) ethereum() (address string) {
	address, _ = startEthereum(d.b, d.call("list", []any{}))
	return address
}

func startEthereum(b *testing.B, containers json.RawMessage) (address string, pid int) {
	b.Helper()
	file := filepath.Join(b.TempDir(), "containers.json")
	must(b, os.WriteFile(file, containers, 0o600))
	server := exec.Command(compile(b, ".", "./ethereum"), file)
	out, err := server.StdoutPipe()
	must(b, err)
	pid = launch(b, server, os.Kill)
	address, err = bufio.NewReader(out).ReadString('\n')
	must(b, err)
	return strings.TrimSpace(address), pid
}

// rate does something of n calls for a while and gives the calls a second.
func rate(b *testing.B, n int, do func() error) float64 {
	const turn = time.Second
	begin, calls := time.Now(), 0
	for time.Since(begin) < turn {
		must(b, do())
		calls += n
	}
	return float64(calls) / time.Since(begin).Seconds()
}

// BenchmarkIdle is what a server holds for each connection that says nothing.
func BenchmarkIdle(b *testing.B) {
	d := startDaemon(b)
	address, ethereum := startEthereum(b, json.RawMessage("[]"))
	ours := crowded{b: b, pid: d.pid, address: d.address, headers: "Authorization: Bearer " + d.token + "\r\n"}
	theirs := crowded{b: b, pid: ethereum, address: address}
	beside.Contest{Work: "resident memory of an idle connection", Unit: "bytes", Less: true, Warm: true}.Run(b,
		beside.Contender{Name: "dockwire", Turn: ours.more},
		beside.Contender{Name: "go-ethereum rpc", Turn: theirs.more, AtLeast: 3})
}

// crowded is a server that has more and more connections, until the benchmark
// ends: memory that it has had once it may keep.
type crowded struct {
	b                *testing.B
	pid              int
	address, headers string
	held             float64 // bytes of memory, when it was looked at last
}

const (
	idle    = 1000
	settled = 7 * time.Second // until what opening them took is given back, if it is
)

// more opens more connections, and gives the memory that each of them takes.
func (c *crowded) more() float64 {
	c.b.Helper()
	if c.held == 0 {
		c.held = resident(c.b, c.pid)
	}
	var opening errgroup.Group
	opening.SetLimit(16)
	for range idle {
		opening.Go(func() error {
			p, err := peer.Dial(c.address, "/", c.headers)
			if err == nil {
				c.b.Cleanup(func() { p.Close() })
			}
			return err
		})
	}
	must(c.b, opening.Wait())
	time.Sleep(settled)
	before := c.held
	c.held = resident(c.b, c.pid)
	return (c.held - before) / idle
}
