package engine

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"testing"

	"github.com/containerd/errdefs"

	"github.com/dockwire/dockwire/client/api"
)

func TestErrorsOfTheEngineAreMappedByTheirClass(t *testing.T) {
	e := newEngine(Config{}, nil)
	dial := &net.OpError{Op: "dial", Err: errors.New("connection refused")}
	for name, c := range map[string]struct {
		err               error
		class             Class
		outcome, mutation string
	}{
		"not found":       {fmt.Errorf("no such container: %w", errdefs.ErrNotFound), NotFound, "", ""},
		"conflict":        {fmt.Errorf("in use: %w", errdefs.ErrConflict), Conflict, "", ""},
		"a full disk":     {errors.New("write /var/lib/x: no space left on device"), TooBusy, "", ""},
		"anything else":   {errors.New("secret /var/lib/x"), Internal, "", ""},
		"never connected": {&url.Error{Op: "Post", Err: dial}, Unavailable, api.OutcomeNone, api.OutcomeNone},
		"cut off":         {&url.Error{Op: "Post", Err: io.EOF}, Unavailable, api.OutcomeNone, api.OutcomeUnknown},
		"cut answer":      {io.ErrUnexpectedEOF, Unavailable, api.OutcomeNone, api.OutcomeUnknown},
		"read failed":     {&url.Error{Op: "Get", Err: &net.OpError{Op: "read", Err: errors.New("reset")}}, Unavailable, api.OutcomeNone, api.OutcomeUnknown},
	} {
		read := wantClass(t, e.wrap(c.err, kindContainer, "web", "%s cannot be read", "web"), c.class, "")
		changed := wantClass(t, e.wrapMutation(c.err, kindContainer, "web", "%s could not be changed", "web"), c.class, "")
		if read.Data.Outcome != c.outcome || changed.Data.Outcome != c.mutation {
			t.Errorf("%s: the outcomes are %q and %q", name, read.Data.Outcome, changed.Data.Outcome)
		}
		if c.class == Internal && read.Reason != "web cannot be read" || !errors.Is(read, c.err) {
			t.Errorf("%s: the sentence is %q, the cause %v", name, read.Reason, read.Err)
		}
	}
}

func TestErrorsThatSayEnoughPassThrough(t *testing.T) {
	e := newEngine(Config{}, nil)
	for _, err := range []error{nil, invalid("name", "bad"), context.Canceled, &url.Error{Err: context.DeadlineExceeded}} {
		if got := e.wrapMutation(err, kindContainer, "web", "failed"); got != err {
			t.Errorf("%v became %v", err, got)
		}
	}
}

func TestLongTextIsCutInASentence(t *testing.T) {
	long := string(make([]byte, 1000))
	if got := quote(long); len(got) > 300 {
		t.Errorf("it has %d bytes: %s", len(got), got)
	}
	if got := quote("a\nb"); got != `"a\nb"` {
		t.Errorf("it became %s", got)
	}
}
