package calls

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/dockwire/dockwire/cmd/dockwire/bench/beside"
	"github.com/dockwire/dockwire/cmd/dockwire/bench/peer"
)

func TestMain(m *testing.M) { os.Exit(beside.Main(m)) }

// TestAllAnswerAlike keeps the comparison honest.
func TestAllAnswerAlike(t *testing.T) {
	for _, s := range servers() {
		p := connect(t, s.handler)
		must(t, p.Send(s.request))
		got, err := p.Next(1 << 10)
		var answer struct{ ID, Result int }
		if err == nil {
			err = json.Unmarshal(got, &answer)
		}
		if err != nil || answer.ID != 12345 || answer.Result != 19 {
			t.Errorf("%s: %v: %s", s.name, err, got)
		}
	}
}

func BenchmarkSerial(b *testing.B) {
	compare(b, beside.Contest{Work: "calls, one after the other", Unit: "calls/s", Warm: true}, exchange(1))
}

func BenchmarkPipelined64(b *testing.B) {
	compare(b, beside.Contest{Work: "calls, 64 in flight", Unit: "calls/s", Warm: true}, exchange(64))
}

// BenchmarkList32 has 32 calls in flight whose results are as large as a list of
// a hundred containers. It is of the servers that have results.
func BenchmarkList32(b *testing.B) {
	compare(b, beside.Contest{Work: "calls with a list of 100, 32 in flight", Unit: "calls/s", Warm: true}, func(b *testing.B, s server) step {
		if s.name == "gorilla" {
			return nil
		}
		p, requests := connect(b, s.handler), peer.Frames(list, 32)
		return func() int {
			must(b, p.Exchange(requests, 32))
			return 32
		}
	})
}

// BenchmarkBatch50 is of the servers that know batches.
func BenchmarkBatch50(b *testing.B) {
	compare(b, beside.Contest{Work: "calls, in batches of 50", Unit: "calls/s", Warm: true}, func(b *testing.B, s server) step {
		if !s.batches {
			return nil
		}
		p := connect(b, s.handler)
		request := peer.Frames("["+strings.Repeat(s.request+",", 49)+s.request+"]", 1)
		return func() int {
			must(b, p.Exchange(request, 1))
			return 50
		}
	})
}

// BenchmarkNotifications opens a connection for each step, for one that waits
// for its turn would fill its buffers meanwhile.
func BenchmarkNotifications(b *testing.B) {
	const many = 20_000
	compare(b, beside.Contest{Work: "notifications", Unit: "notifications/s", Warm: true}, func(b *testing.B, s server) step {
		return func() int {
			p := connect(b, s.handler)
			defer p.Close()
			must(b, p.Exchange(peer.Frames(s.follow, 1), many))
			return many
		}
	})
}

// step does some of the work that is measured and says how much.
type step func() int

// exchange makes calls with that many in flight.
func exchange(window int) func(*testing.B, server) step {
	return func(b *testing.B, s server) step {
		p, requests := connect(b, s.handler), peer.Frames(s.request, window)
		return func() int {
			must(b, p.Exchange(requests, window))
			return window
		}
	}
}

// compare lets all servers do the work that prepare gives; those for which it
// gives none cannot.
func compare(b *testing.B, contest beside.Contest, prepare func(*testing.B, server) step) {
	var contenders []beside.Contender
	for _, s := range servers() {
		if step := prepare(b, s); step != nil {
			contenders = append(contenders, beside.Contender{Name: s.name, Turn: func() float64 { return rate(step) }})
		}
	}
	contest.Run(b, contenders[0], contenders[1:]...)
}

// rate gives how much a second is made.
func rate(step step) float64 {
	const turn = 300 * time.Millisecond
	start, n := time.Now(), 0
	for time.Since(start) < turn {
		n += step()
	}
	return float64(n) / time.Since(start).Seconds()
}

// connect starts a server and connects to it, until the test ends.
func connect(t testing.TB, h http.Handler) *peer.Peer {
	t.Helper()
	s := httptest.NewServer(h)
	p, err := peer.Dial(s.Listener.Addr().String(), "/", "")
	must(t, err)
	t.Cleanup(func() {
		p.Close()
		s.CloseClientConnections()
		s.Close()
	})
	return p
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
