package ingress

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// stats are the figures of a container since the daemon started. Containers that
// follow each other under a name share them.
type stats struct {
	users    int             // containers, guarded by statistics.mu
	byClass  [6]atomic.Int64 // requests by the first digit of their status; 0 where there was no answer
	errors   atomic.Int64    // of the ingress with the container: it did not answer
	buckets  [len(bounds) + 1]atomic.Int64
	took     atomic.Int64 // nanoseconds, in all
	received atomic.Int64
	sent     atomic.Int64
}

// bounds are those of the histogram, in seconds.
var bounds = [...]float64{0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}

// statistics are the stats by name, and what no container had to do with. The
// zero value is ready.
type statistics struct {
	mu      sync.Mutex
	byName  map[string]*stats
	refused sync.Map // status → *atomic.Int64
}

// join gives the stats of a name, until leave.
func (s *statistics) join(name string) *stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName == nil {
		s.byName = map[string]*stats{}
	}
	if s.byName[name] == nil {
		s.byName[name] = &stats{}
	}
	s.byName[name].users++
	return s.byName[name]
}

func (s *statistics) leave(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.byName[name].users--; s.byName[name].users == 0 {
		delete(s.byName, name)
	}
}

// count takes an exchange into account; b is nil if no container was asked.
func (s *statistics) count(b *backend, status int, took time.Duration, received, sent int64) {
	if b == nil {
		n, _ := s.refused.LoadOrStore(status, new(atomic.Int64))
		n.(*atomic.Int64).Add(1)
		return
	}
	b.stats.byClass[min(status/100, 5)].Add(1)
	bucket, _ := slices.BinarySearch(bounds[:], took.Seconds())
	b.stats.buckets[bucket].Add(1)
	b.stats.took.Add(int64(took))
	b.stats.received.Add(received)
	b.stats.sent.Add(sent)
}

// WriteMetrics writes the figures of those containers that may be seen, in the
// text format of Prometheus.
func (in *Ingress) WriteMetrics(w io.Writer, visible func(name string) bool) {
	in.stats.mu.Lock()
	all := maps.Clone(in.stats.byName)
	in.stats.mu.Unlock()
	var names []string
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if visible(name) {
			names = append(names, name)
		}
	}
	family := func(name, kind, help string, write func(container string, s *stats)) {
		fmt.Fprintf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind)
		for _, container := range names {
			write(container, all[container])
		}
	}
	counter := func(name, help string, value func(*stats) int64) {
		family(name, "counter", help, func(container string, s *stats) {
			fmt.Fprintf(w, "%s{container=%q} %d\n", name, container, value(s))
		})
	}
	family("dockwire_http_requests_total", "counter", "Requests by the class of their status; 0xx got no answer.", func(container string, s *stats) {
		for class := range s.byClass {
			fmt.Fprintf(w, "dockwire_http_requests_total{container=%q,code=\"%dxx\"} %d\n", container, class, s.byClass[class].Load())
		}
	})
	counter("dockwire_http_errors_total", "Requests that the container did not answer.", func(s *stats) int64 { return s.errors.Load() })
	counter("dockwire_http_received_bytes_total", "Bytes of the bodies of requests, and of WebSockets.", func(s *stats) int64 { return s.received.Load() })
	counter("dockwire_http_sent_bytes_total", "Bytes of the bodies of responses, and of WebSockets.", func(s *stats) int64 { return s.sent.Load() })
	family("dockwire_http_request_duration_seconds", "histogram", "How long requests took, until the end of the response.", func(container string, s *stats) {
		s.writeHistogram(w, container)
	})
	fmt.Fprintf(w, "# HELP dockwire_http_refused_total Requests that no container was asked, by status.\n# TYPE dockwire_http_refused_total counter\n")
	in.stats.refused.Range(func(status, n any) bool {
		fmt.Fprintf(w, "dockwire_http_refused_total{code=\"%d\"} %d\n", status, n.(*atomic.Int64).Load())
		return true
	})
}

func (s *stats) writeHistogram(w io.Writer, container string) {
	const name = "dockwire_http_request_duration_seconds"
	var sum int64
	for i := range s.buckets {
		sum += s.buckets[i].Load()
		bound := "+Inf"
		if i < len(bounds) {
			bound = strconv.FormatFloat(bounds[i], 'g', -1, 64)
		}
		fmt.Fprintf(w, "%s_bucket{container=%q,le=%q} %d\n", name, container, bound, sum)
	}
	fmt.Fprintf(w, "%s_sum{container=%q} %g\n%s_count{container=%q} %d\n", name, container, time.Duration(s.took.Load()).Seconds(), name, container, sum)
}
