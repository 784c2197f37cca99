// Package heap keeps the heap of a daemon small that has little which lives long:
// at most a few megabytes of garbage, however busy it is. With no more than Go
// leaves beside so small a heap, a busy ingress would collect ninety times a
// second.
package heap

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	quietPercent = 50       // of what lives, in garbage, before it is collected
	busyRoom     = 16 << 20 // bytes of garbage that there may be while much of it is made
	busyRate     = 5        // collections in a look that tell so
	patience     = 5        // looks without, until it is quiet again
	lookEvery    = time.Second
)

// Fit keeps the heap of this process small, until ctx ends. Where GOGC is set it
// leaves that to it.
func Fit(ctx context.Context) {
	if os.Getenv("GOGC") == "" {
		fit(ctx, lookEvery)
	}
}

func fit(ctx context.Context, every time.Duration) {
	debug.SetGCPercent(quietPercent)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for s := read(); ; {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		s = s.look(read())
	}
}

// sight is what was seen at a look.
type sight struct {
	cycles, live uint64 // collections so far, and bytes that the last one left
	busy         int    // looks that are still to go until it is quiet; 0 when it is
}

func read() sight {
	samples := []metrics.Sample{{Name: "/gc/cycles/automatic:gc-cycles"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(samples)
	return sight{cycles: samples[0].Value.Uint64(), live: samples[1].Value.Uint64()}
}

// look sets how much garbage there may be from now on.
func (s sight) look(now sight) sight {
	switch {
	case now.cycles-s.cycles >= busyRate:
		now.busy = patience
	case s.busy > 0:
		now.busy = s.busy - 1
	}
	switch {
	case now.busy > 0:
		debug.SetGCPercent(percent(now.live))
	case s.busy > 0:
		debug.SetGCPercent(quietPercent)
		debug.FreeOSMemory()
	}
	return now
}

// percent gives what busyRoom is of so many bytes that live, and no less than
// quietPercent.
func percent(live uint64) int {
	return int(max(quietPercent, 100*busyRoom/max(live, 1<<20)))
}
