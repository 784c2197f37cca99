package heap

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"
)

// gogc gives the percentage that is in force.
func gogc() uint64 {
	sample := []metrics.Sample{{Name: "/gc/gogc:percent"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

var garbage []byte // so that it is not left out

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for late := time.Now().Add(20 * time.Second); !ok(); {
		if time.Now().After(late) {
			t.Fatalf("%s did not come; the percentage is %d", what, gogc())
		}
		garbage = make([]byte, 1<<16)
	}
}

func TestMuchGarbageIsCollectedSeldomUntilThereIsLittle(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		fit(ctx, 20*time.Millisecond)
	}()
	until(t, "the percentage of a busy daemon", func() bool { return gogc() > quietPercent })
	for late := time.Now().Add(20 * time.Second); gogc() != quietPercent; time.Sleep(time.Millisecond) {
		if time.Now().After(late) {
			t.Fatal("it stayed busy, without garbage")
		}
	}
	cancel()
	<-ended
}

func TestALargeHeapIsKeptAsSmallAsInQuiet(t *testing.T) {
	for live, want := range map[uint64]int{0: 1600, 4 << 20: 400, 16 << 20: 100, 32 << 20: 50, 1 << 30: 50} {
		if got := percent(live); got != want {
			t.Errorf("with %d bytes that live it is %d %%, want %d", live, got, want)
		}
	}
}
