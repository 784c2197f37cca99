package bench

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// ratios are printed after the benchmarks.
var ratios []string

func TestMain(m *testing.M) {
	code := m.Run()
	for _, ratio := range ratios {
		fmt.Println(ratio)
	}
	os.Exit(code)
}

// TestAllAnswerAlike keeps the comparison honest.
func TestAllAnswerAlike(t *testing.T) {
	for _, s := range servers() {
		var answer struct{ ID, Result int }
		got := connect(t, s.handler).answer(t, s.request)
		if err := json.Unmarshal([]byte(got), &answer); err != nil || answer.ID != 12345 || answer.Result != 19 {
			t.Errorf("%s: %s", s.name, got)
		}
	}
}

func BenchmarkSerial(b *testing.B) {
	compare(b, "calls", exchange(1))
}

func BenchmarkPipelined64(b *testing.B) {
	compare(b, "calls", exchange(64))
}

// BenchmarkBatch50 is of the servers that know batches.
func BenchmarkBatch50(b *testing.B) {
	compare(b, "calls", func(b *testing.B, s server) step {
		if !s.batches {
			return nil
		}
		p := connect(b, s.handler)
		request := frames("["+strings.Repeat(s.request+",", 49)+s.request+"]", 1)
		return func() int {
			p.exchange(b, request, 1)
			return 50
		}
	})
}

// BenchmarkNotifications opens a connection for each step, for one that waits
// for its turn would fill its buffers meanwhile.
func BenchmarkNotifications(b *testing.B) {
	const many = 20_000
	compare(b, "notifications", func(b *testing.B, s server) step {
		return func() int {
			p := connect(b, s.handler)
			defer p.Close()
			p.exchange(b, frames(s.follow, 1), many)
			return many
		}
	})
}

// step does some of the work that is measured and says how much.
type step func() int

// exchange makes calls with that many in flight.
func exchange(window int) func(*testing.B, server) step {
	return func(b *testing.B, s server) step {
		p, requests := connect(b, s.handler), frames(s.request, window)
		return func() int {
			p.exchange(b, requests, window)
			return window
		}
	}
}

// rounds are how often the servers take turns, so that what else the machine
// does meets them all. The best round counts.
const rounds = 7

// compare measures all servers and notes the ratios.
func compare(b *testing.B, unit string, prepare func(*testing.B, server) step) {
	all := servers()
	steps := make([]step, len(all))
	for i, s := range all {
		if steps[i] = prepare(b, s); steps[i] != nil {
			steps[i]() // warm
		}
	}
	best := make([]float64, len(all))
	for b.Loop() {
		for range rounds {
			for i, step := range steps {
				best[i] = max(best[i], rate(step))
			}
		}
	}
	b.ReportMetric(0, "ns/op") // of no meaning here
	for i, s := range all {
		if steps[i] == nil {
			continue
		}
		b.ReportMetric(best[i], s.name+"-"+unit+"/s")
		if unit == "calls" { // notifications come by themselves
			b.ReportMetric(allocations(steps[i]), s.name+"-allocs/call")
		}
		if i > 0 {
			ratios = append(ratios, fmt.Sprintf("%-23s dockwire makes %7.0f %s a second, %5.2f times the %7.0f of %s", b.Name(), best[0], unit, best[0]/best[i], best[i], s.name))
		}
	}
}

// rate gives how much a second one round makes.
func rate(step step) float64 {
	if step == nil {
		return 0
	}
	const round = 200 * time.Millisecond
	start, n := time.Now(), 0
	for time.Since(start) < round {
		n += step()
	}
	return float64(n) / time.Since(start).Seconds()
}

// allocations gives those of one call.
func allocations(step step) float64 {
	return testing.AllocsPerRun(500, func() { step() }) / float64(step())
}
