package access

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A token's time is that of the clock, not how long the daemon has run.
func TestATokenEndsWithinASecondOfItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		grant, release := watched(t, time.Hour)
		defer release()
		time.Sleep(time.Hour - time.Second)
		synctest.Wait()
		if err := grant.Ended(); err != nil {
			t.Errorf("a second before, it has ended: %v", err)
		}
		bound, unbind := grant.Bind(t.Context())
		defer unbind()
		time.Sleep(time.Second + watchInterval)
		synctest.Wait()
		if bound.Err() == nil || !errors.Is(grant.Ended(), errExpired) {
			t.Errorf("afterwards it has ended with %v, and what runs under it with %v", grant.Ended(), bound.Err())
		}
	})
}

func TestATokenThatHasExpiredIsNotTakenAndListedSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens, dir := newTokens(t)
		_, secret := create(t, dir, Read, time.Now().Add(time.Minute), "*")
		for _, expired := range []bool{false, true} {
			if grant := tokens.find(secret); (grant == nil) != expired {
				t.Errorf("expired %v: the grant is %+v", expired, grant)
			}
			if list, err := ListTokens(dir); err != nil || len(list) != 1 || list[0].Expired() != expired {
				t.Errorf("expired %v: the list is %+v, %v", expired, list, err)
			}
			time.Sleep(time.Minute)
		}
	})
}

// The clock of a machine that was suspended jumps: the grant has ended before
// anything looks at it.
func TestATokenWhoseTimeWasJumpedOverLetsNobodyIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tokens, dir := newTokens(t)
		_, secret := create(t, dir, Read, time.Now().Add(time.Hour), "*")
		time.Sleep(365 * 24 * time.Hour)
		if tokens.find(secret) != nil {
			t.Error("it is still taken")
		}
	})
}

// watched gives the grant of a token that is good for so long, while its end is
// watched.
func watched(t *testing.T, lasts time.Duration) (grant *Grant, release func()) {
	t.Helper()
	tokens, dir := newTokens(t)
	_, secret := create(t, dir, Read, time.Now().Add(lasts), "*")
	if grant = tokens.find(secret); grant == nil {
		t.Fatal("it is not taken")
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { _ = tokens.Watch(ctx) }()
	return grant, cancel
}
