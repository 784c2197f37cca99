package engine

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestAttemptsToConnectComeFurtherApartUntilOneSucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := new(hubs).backoff()
		wait := func() time.Duration {
			begin := time.Now()
			b.wait(t.Context())
			return time.Since(begin)
		}
		for want := firstBackoff; want < lastBackoff; want *= 2 {
			if got := wait(); got != want {
				t.Errorf("waited %v, want %v", got, want)
			}
		}
		for range 3 {
			if got := wait(); got != lastBackoff {
				t.Errorf("waited %v, want %v at most", got, lastBackoff)
			}
		}
		b.reset()
		if got := wait(); got != firstBackoff {
			t.Errorf("after a success waited %v", got)
		}
	})
}

func TestAPauseEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin := time.Now()
		pause(ctx, time.Hour)
		if took := time.Since(begin); took != time.Second {
			t.Errorf("it took %v", took)
		}
	})
}
