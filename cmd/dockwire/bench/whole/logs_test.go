package whole

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/dockwire/dockwire/cmd/dockwire/bench/beside"
	"github.com/dockwire/dockwire/cmd/dockwire/bench/peer"
	"github.com/dockwire/dockwire/engine/enginetest"
)

const lineSize = 100

// BenchmarkWholeLog is one reader of a log of a million lines.
func BenchmarkWholeLog(b *testing.B) {
	const lines = 1_000_000
	d := startDaemon(b)
	id := d.container(enginetest.Probe(b, nil), "whole", "lines", "-n", strconv.Itoa(lines), "-size", strconv.Itoa(lineSize))
	docker(b, "wait", id)
	each := func(read func()) func() float64 {
		return func() float64 {
			begin := time.Now()
			read()
			return lines / time.Since(begin).Seconds()
		}
	}
	beside.Contest{Work: "one follower, whole log of 1 million lines", Unit: "lines/s"}.Run(b,
		beside.Contender{Name: "dockwire", Turn: each(func() { d.follow("whole", lines) })},
		beside.Contender{Name: "engine API with times", Turn: each(func() { readAll(b, id, "&timestamps=1") }), AtLeast: 0.95},
		beside.Contender{Name: "engine API without", Turn: each(func() { readAll(b, id, "") })},
		beside.Contender{Name: "docker logs", Turn: each(func() { dockerLogs(b, id, lines) })})
}

// follow reads a log up to line n, and looks at no more than it has to.
func (d *daemon) follow(name string, n int) {
	p := d.connect()
	defer p.Close()
	must(d.b, readLog(p, name, n))
}

func readLog(p *peer.Peer, name string, n int) error {
	if err := p.Send(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"%s/logs","params":{"follow":true}}`, name)); err != nil {
		return err
	}
	for seq := 0; seq < n; {
		head, err := p.Next(200)
		if err != nil {
			return fmt.Errorf("after line %d: %w", seq, err)
		}
		if seq, err = seqOf(head); err != nil {
			return err
		}
	}
	return nil
}

// seqOf gives the number of a notification's last line.
func seqOf(head []byte) (int, error) {
	_, after, ok := bytes.Cut(head, []byte(`"seq":`))
	if !ok || bytes.Contains(head, []byte(`"dropped":`)) || bytes.Contains(head, []byte(`"gap":`)) {
		return 0, fmt.Errorf("this is no output, or lines were left out: %s", head)
	}
	seq := 0
	for _, c := range after {
		if c < '0' || c > '9' {
			break
		}
		seq = seq*10 + int(c-'0')
	}
	return seq, nil
}

// readAll reads a log from the engine and throws it away.
func readAll(b *testing.B, id, options string) {
	b.Helper()
	resp, err := engineAPI.Get("http://engine/containers/" + id + "/logs?stdout=1&stderr=1&follow=1" + options)
	must(b, err)
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	must(b, err)
}

// dockerLogs reads n lines with the engine's command.
func dockerLogs(b *testing.B, id string, n int) {
	b.Helper()
	command := exec.Command("docker", "logs", "--follow", "--timestamps", id)
	out, err := command.StdoutPipe()
	must(b, err)
	must(b, command.Start())
	defer command.Wait()
	defer command.Process.Kill()
	scanner := bufio.NewScanner(out)
	for got := 0; got < n; got++ {
		if !scanner.Scan() {
			b.Fatalf("docker logs ended after %d lines: %v", got, scanner.Err())
		}
	}
}

// crowd is how many follow one log at once.
const crowd = 100

// BenchmarkCrowd is many followers of one log, beside websocketd, which starts
// docker logs for each.
func BenchmarkCrowd(b *testing.B) {
	const lines = 10_000
	d := startDaemon(b)
	id := d.container(enginetest.Probe(b, nil), "crowd", "lines", "-n", strconv.Itoa(lines), "-size", strconv.Itoa(lineSize), "-then", "wait")
	dockerLogs(b, id, lines) // they are all there
	address, _ := startWebsocketd(b, id)
	all := func(read func() error) func() float64 {
		return func() float64 {
			begin := time.Now()
			together(b, crowd, read)
			return crowd * lines / time.Since(begin).Seconds()
		}
	}
	beside.Contest{Work: "100 followers of one log, in all", Unit: "lines/s"}.Run(b,
		beside.Contender{Name: "dockwire", Turn: all(func() error { return d.read("crowd", lines) })},
		beside.Contender{Name: "websocketd docker logs", Turn: all(func() error { return readMessages(address, lines) }), AtLeast: 15})
}

// read is follow for many at once.
func (d *daemon) read(name string, n int) error {
	p, err := peer.Dial(d.address, "/", "Authorization: Bearer "+d.token+"\r\n")
	if err != nil {
		return err
	}
	defer p.Close()
	return readLog(p, name, n)
}

// readMessages reads n messages of websocketd's, which are lines.
func readMessages(address string, n int) error {
	p, err := dialPatiently(address)
	if err != nil {
		return err
	}
	defer p.Close()
	return p.Exchange(nil, n)
}

// dialPatiently asks again when websocketd gives up a handshake, for which it
// takes little time: a hundred docker logs that start keep a machine busy.
func dialPatiently(address string) (p *peer.Peer, err error) {
	for late := time.Now().Add(time.Minute); time.Now().Before(late); {
		if p, err = peer.Dial(address, "/", ""); err == nil {
			return p, nil
		}
	}
	return nil, err
}

// together does the same n times at once.
func together(b *testing.B, n int, do func() error) {
	b.Helper()
	var running errgroup.Group
	for range n {
		running.Go(do)
	}
	must(b, running.Wait())
}

// startWebsocketd gives the address and the process of one that follows the log
// of a container with docker logs.
func startWebsocketd(b *testing.B, id string) (address string, pid int) {
	b.Helper()
	port := freePort(b)
	pid = launch(b, exec.Command(compile(b, ".", "github.com/joewalnes/websocketd"), "--address=127.0.0.1", "--port="+port, "--loglevel=fatal", "--passenv=PATH,DOCKER_HOST",
		"docker", "logs", "--follow", "--timestamps", id), os.Interrupt)
	address = "127.0.0.1:" + port
	awaitListener(b, address)
	return address, pid
}

// BenchmarkCost is what a gigabyte of log costs the machine to deliver: engine,
// daemon, websocketd and its children, but not the readers. A thousand docker
// logs do not fit into the memory of most machines, so the alternative's cost is
// that of a hundred, which is the same for each follower.
func BenchmarkCost(b *testing.B) {
	const lines = 20_000
	d := startDaemon(b)
	id := d.container(enginetest.Probe(b, nil), "cost", "lines", "-n", strconv.Itoa(lines), "-size", strconv.Itoa(lineSize), "-then", "wait")
	dockerLogs(b, id, lines)
	address, websocketd := startWebsocketd(b, id)
	engine := enginePID(b)
	cost := func(followers, lines int, read func() error, pids ...int) func() float64 {
		return func() float64 {
			before := processor(b, pids...)
			together(b, followers, read)
			return (processor(b, pids...) - before) / (float64(followers) * float64(lines) * lineSize / 1e9)
		}
	}
	theirs := cost(crowd, lines/4, func() error { return readMessages(address, lines/4) }, websocketd, engine)
	for _, c := range []struct {
		followers int
		promised  float64
	}{{1, 0}, {crowd, 3}, {1000, 30}} {
		b.Run(strconv.Itoa(c.followers), func(b *testing.B) {
			ours := cost(c.followers, lines, func() error { return d.read("cost", lines) }, d.pid, engine)
			beside.Contest{Work: fmt.Sprintf("processor time of a GB of log, %d followers", c.followers), Unit: "s/GB", Less: true}.Run(b,
				beside.Contender{Name: "dockwire", Turn: ours},
				beside.Contender{Name: "websocketd docker logs", Turn: theirs, AtLeast: c.promised})
		})
	}
}

// BenchmarkLag is how long a line takes from the moment it is written until a
// follower has it, on a host that does nothing else.
func BenchmarkLag(b *testing.B) {
	d := startDaemon(b)
	id := d.container(enginetest.Probe(b, nil), "lag", "lines", "-clock", "-every", "2ms")
	const lines = 3000
	beside.Contest{Work: "a line until a follower has it, p99", Unit: "ms", Less: true}.Run(b,
		beside.Contender{Name: "dockwire", Turn: func() float64 { return d.lag("lag", lines) }},
		beside.Contender{Name: "docker logs --follow", Turn: func() float64 { return dockerLag(b, id, lines) }, AtLeast: 1})
}

func (d *daemon) lag(name string, n int) float64 {
	p := d.connect()
	defer p.Close()
	must(d.b, p.Send(fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"%s/logs","params":{"follow":true,"tail":0}}`, name)))
	return p99(d.b, n, func() ([]byte, error) {
		frame, err := p.Next(1 << 12)
		_, after, _ := bytes.Cut(frame, []byte(`"text":"`))
		return after, err
	})
}

func dockerLag(b *testing.B, id string, n int) float64 {
	command := exec.Command("docker", "logs", "--follow", "--tail", "0", id)
	out, err := command.StdoutPipe()
	must(b, err)
	must(b, command.Start())
	defer command.Wait()
	defer command.Process.Kill()
	lines := bufio.NewReader(out)
	return p99(b, n, func() ([]byte, error) { return lines.ReadSlice('\n') })
}

// p99 reads n lines that begin with the time at which they were written, in
// nanoseconds.
func p99(b *testing.B, n int, next func() ([]byte, error)) float64 {
	lags := make([]time.Duration, n)
	for i := range lags {
		line, err := next()
		must(b, err)
		now := time.Now()
		var written int64
		_, err = fmt.Sscan(string(line), &written)
		must(b, err)
		lags[i] = now.Sub(time.Unix(0, written))
	}
	slices.Sort(lags)
	return lags[n*99/100].Seconds() * 1000
}
