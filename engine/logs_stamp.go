package engine

import (
	"time"

	"github.com/dockwire/dockwire/client/api"
)

const (
	minutePart = len("2006-01-02T15:04:")
	minute     = int64(time.Minute)
)

// stampReader reads the times of a log's frames. Most are of the same minute as
// the one before, and only what follows it has to be looked at.
type stampReader struct {
	prefix string // of the minute
	base   int64  // Unix nanoseconds when it began
}

// parse gives the Unix nanoseconds of an RFC 3339 time.
func (r *stampReader) parse(stamp []byte) (int64, error) {
	if len(stamp) == len(api.TimeLayout) && string(stamp[:minutePart]) == r.prefix {
		if rest, ok := withinMinute(stamp[minutePart:]); ok {
			return r.base + rest, nil
		}
	}
	var t time.Time
	if err := t.UnmarshalText(stamp); err != nil {
		return 0, err
	}
	if t.Location() == time.UTC && len(stamp) == len(api.TimeLayout) {
		r.prefix, r.base = string(stamp[:minutePart]), t.Truncate(time.Minute).UnixNano()
	}
	return t.UnixNano(), nil
}

// withinMinute gives the nanoseconds of 05.000000000Z.
func withinMinute(rest []byte) (nanos int64, ok bool) {
	for i, c := range rest[:len("05.000000000")] {
		switch {
		case i == len("05"):
			ok = c == '.'
		case c < '0' || c > '9':
			return 0, false
		default:
			nanos = nanos*10 + int64(c-'0')
		}
	}
	return nanos, ok && nanos < minute && rest[len(rest)-1] == 'Z'
}

// appendStamp appends the time as it is on the wire.
func appendStamp(buf []byte, nanos int64) []byte {
	return time.Unix(0, nanos).UTC().AppendFormat(buf, api.TimeLayout)
}
