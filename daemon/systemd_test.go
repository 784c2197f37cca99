package daemon

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheWatchdogIsToldAsLongAsTheDaemonIsAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		told := 0
		go beat(ctx, 15*time.Second, func() {}, func() { told++ })
		time.Sleep(time.Minute)
		synctest.Wait()
		if told != 5 {
			t.Errorf("told %d times in a minute, want 5", told)
		}
		cancel()
	})
}

func TestTheWatchdogIsToldNothingWhileTheDaemonHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		hung, told := make(chan struct{}), 0
		go beat(ctx, 15*time.Second, func() { <-hung }, func() { told++ })
		time.Sleep(time.Hour)
		synctest.Wait()
		if told != 0 {
			t.Errorf("told %d times", told)
		}
		close(hung)
		synctest.Wait()
		if told == 0 {
			t.Error("not told once it went on")
		}
		cancel()
	})
}
