package api

import (
	"bytes"
	"time"
)

// TimeLayout is how every time on the wire is written: RFC 3339 in UTC, always
// with nine digits of fraction, so that times sort as text.
const TimeLayout = "2006-01-02T15:04:05.000000000Z"

// Time is a moment on the wire. The zero Time is null: it never happened.
type Time struct{ time.Time }

// AppendJSON appends the wire form of t to buf.
func (t Time) AppendJSON(buf []byte) []byte {
	if t.IsZero() {
		return append(buf, "null"...)
	}
	buf = append(buf, '"')
	buf = t.UTC().AppendFormat(buf, TimeLayout)
	return append(buf, '"')
}

// MarshalJSON implements json.Marshaler.
func (t Time) MarshalJSON() ([]byte, error) {
	return t.AppendJSON(make([]byte, 0, len(TimeLayout)+2)), nil
}

// UnmarshalJSON implements json.Unmarshaler. It takes any RFC 3339 time.
func (t *Time) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte("null")) {
		t.Time = time.Time{}
		return nil
	}
	if err := t.Time.UnmarshalJSON(data); err != nil {
		return err
	}
	t.Time = t.UTC()
	return nil
}
