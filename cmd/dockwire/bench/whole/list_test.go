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
	"sync"
	"sync/atomic"
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

// BenchmarkList asks again and again for the list of a hundred containers, and
// then compares what the daemon holds in memory for them.
func BenchmarkList(b *testing.B) {
	d := startDaemon(b)
	d.hundred()
	b.Run("engine", func(b *testing.B) {
		p := d.connect()
		defer p.Close()
		request := peer.Frames(`{"jsonrpc":"2.0","id":1,"method":"list"}`, 1)
		beside.Contest{Work: "list with 100 containers", Unit: "calls/s", Warm: true}.Run(b,
			beside.Contender{Name: "dockwire", Turn: func() float64 { return rate(b, 1, func() error { return p.Exchange(request, 1) }) }},
			beside.Contender{Name: "engine GET /containers/json", Turn: func() float64 { return rate(b, 1, engineList) }, AtLeast: 100})
	})
	b.Run("ethereum", func(b *testing.B) {
		const flight = 32
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
	b.Run("memory", func(b *testing.B) {
		engine := enginePID(b)
		beside.Contest{Work: "resident memory with 100 containers, idle", Unit: "bytes", Less: true}.Run(b,
			beside.Contender{Name: "dockwire", Turn: func() float64 { return resident(b, d.pid) }},
			beside.Contender{Name: "dockerd", Turn: func() float64 { return resident(b, engine) }, AtLeast: 4})
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
	beside.Contest{Work: "resident memory of an idle connection", Unit: "bytes", Less: true}.Run(b,
		beside.Contender{Name: "dockwire", Turn: func() float64 { return held(b, d.pid, d.address, "Authorization: Bearer "+d.token+"\r\n") }},
		beside.Contender{Name: "go-ethereum rpc", Turn: func() float64 { return held(b, ethereum, address, "") }, AtLeast: 3})
}

// most is how many connections have been open at once to a server, by its
// process: memory that a process has had once it seldom gives back, so each
// round holds more of them than the last and looks at the difference.
var most = map[int]int{}

const idle = 1000

// held gives the memory of each of many more connections than there were ever.
func held(b *testing.B, pid int, address, headers string) float64 {
	b.Helper()
	open := func(n int) (closeAll func()) {
		peers := make([]*peer.Peer, n)
		var next atomic.Int64
		var opening sync.WaitGroup
		for range 16 {
			opening.Go(func() {
				for i := next.Add(1) - 1; i < int64(n); i = next.Add(1) - 1 {
					var err error
					if peers[i], err = peer.Dial(address, "/", headers); err != nil {
						b.Error(err)
						return
					}
				}
			})
		}
		opening.Wait()
		return func() {
			for _, p := range peers {
				if p != nil {
					p.Close()
				}
			}
		}
	}
	defer open(most[pid])()
	before := resident(b, pid)
	defer open(idle)()
	after := resident(b, pid)
	most[pid] += idle
	return (after - before) / idle
}
