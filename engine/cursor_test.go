package engine

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestACursorSaysAll(t *testing.T) {
	now := time.Now().UnixNano()
	for _, p := range []position{
		{},
		{last: mark{fromStdout, now, 0}, newest: now},
		{last: mark{fromStderr, now, math.MaxUint32}, newest: now + 46e6, opened: now - 1e9},
		{last: mark{fromStderr, now, 1}, newest: now, opened: now},
	} {
		cursor := encodeCursor(testID, p)
		got, same, err := decodeCursor(testID, cursor)
		if err != nil || !same || got != p {
			t.Errorf("%+v came back as %+v, %v, %v", p, got, same, err)
		}
		if _, same, err := decodeCursor(strings.Repeat("f", 64), cursor); err != nil || same {
			t.Errorf("for another container it is %v, %v", same, err)
		}
		if len(cursor) > 64 {
			t.Errorf("%s is not short", cursor)
		}
		for i := range cursor {
			if got, _, err := decodeCursor(testID, cursor[:i]); err == nil && got == p {
				t.Errorf("%s is as good as %s", cursor[:i], cursor)
			}
		}
	}
}

func TestAPositionIsAfterLinesThatAreStillOpen(t *testing.T) {
	p := position{last: mark{fromStdout, 10e9, 0}, newest: 11e9}
	if since := p.since(); since != 9e9 {
		t.Errorf("it needs the log since %d", since)
	}
	p.opened = 3e9
	if since := p.since(); since != 2e9 {
		t.Errorf("with an open line it needs the log since %d", since)
	}
}

func FuzzCursor(f *testing.F) {
	f.Add(encodeCursor(testID, position{}))
	f.Add(encodeCursor(testID, position{last: mark{fromStderr, 1e18, 3}, newest: 1e18 + 5, opened: 1e17}))
	f.Fuzz(func(t *testing.T, cursor string) {
		p, same, err := decodeCursor(testID, cursor)
		if err == nil && same && encodeCursor(testID, p) != cursor {
			t.Errorf("%q is also the cursor %q", cursor, encodeCursor(testID, p))
		}
	})
}
