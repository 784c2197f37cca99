package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

// Begun says that all followers have asked.
type Begun struct{ Followers int }

// Followed is what the followers saw.
type Followed struct {
	Lines    int      // of all followers
	Frames   int      // that they came in
	P50, P99 Lag      // from the moment a line was written to the one it was received
	Worst    Lag      // likewise
	Failures []string // of followers that did not see every line once, in order
}

// Lag is a time in milliseconds.
type Lag float64

func follow(args []string) error {
	flags := newFlags("follow")
	n := flags.Int("n", 1, "how many followers")
	lines := flags.Int("lines", 1, "how many lines there will be")
	name := flags.String("name", "", "the container")
	if err := flags.Parse(args); err != nil {
		return err
	}
	followers := make([]*follower, *n)
	for i := range followers {
		f, err := newFollower(*name)
		if err != nil {
			return err
		}
		defer f.conn.Close()
		followers[i] = f
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(Begun{*n}); err != nil {
		return err
	}
	var all sync.WaitGroup
	for _, f := range followers {
		all.Go(func() { f.err = f.run(*lines) })
	}
	all.Wait()
	return out.Encode(sum(followers))
}

// follower is one client. It looks only at what it has to know, so that many of
// them can keep up.
type follower struct {
	conn   *websocket.Conn
	buf    bytes.Buffer
	line   int // number of the last line
	seq    int // as the daemon counts
	frames int
	lags   lags
	err    error
}

// newFollower asks for the log. That the other call on the connection is
// answered says that the first was read.
func newFollower(name string) (*follower, error) {
	conn, err := dial()
	if err != nil {
		return nil, err
	}
	f := &follower{conn: conn}
	for _, text := range []string{
		fmt.Sprintf(`{"jsonrpc":"2.0","id":1,"method":"%s/logs","params":{"follow":true}}`, name),
		`{"jsonrpc":"2.0","id":2,"method":"list"}`,
	} {
		if err := conn.WriteMessage(websocket.TextMessage, []byte(text)); err != nil {
			return nil, err
		}
	}
	return f, f.read()
}

func (f *follower) read() error {
	_, r, err := f.conn.NextReader()
	if err != nil {
		return err
	}
	f.buf.Reset()
	_, err = io.Copy(&f.buf, r)
	return err
}

func (f *follower) run(lines int) error {
	for f.line < lines {
		if err := f.read(); err != nil {
			return fmt.Errorf("after line %d: %w", f.line, err)
		}
		if err := f.take(f.buf.Bytes(), time.Now().UnixNano()); err != nil {
			return fmt.Errorf("%w: %.300s", err, f.buf.Bytes())
		}
	}
	return nil
}

// take looks at a notification.
func (f *follower) take(frame []byte, now int64) error {
	rest, ok := bytes.CutPrefix(frame, []byte(`{"jsonrpc":"2.0","method":"logs/output","params":{"id":1,`))
	if !ok || bytes.Contains(rest, []byte(`"gap":true`)) || bytes.Contains(rest, []byte(`"dropped":`)) {
		return fmt.Errorf("after line %d: this is no output, or lines were left out", f.line)
	}
	_, after, _ := bytes.Cut(rest, []byte(`"seq":`))
	seq, _ := number(after)
	for count := 0; ; count++ {
		_, text, ok := bytes.Cut(rest, []byte(`"text":"`))
		if !ok {
			f.frames++
			if f.seq += count; f.seq != seq {
				return fmt.Errorf("the seq is %d, counted were %d", seq, f.seq)
			}
			return nil
		}
		i, end := number(text)
		if i != f.line+1 {
			return fmt.Errorf("after line %d came %d", f.line, i)
		}
		written, end := number(end[1:])
		f.lags.add(now - int64(written))
		f.line, rest = i, end
	}
}

// number reads the digits that text begins with.
func number(text []byte) (n int, rest []byte) {
	for len(text) > 0 && text[0] >= '0' && text[0] <= '9' {
		n, text = n*10+int(text[0]-'0'), text[1:]
	}
	return n, text
}

// lags counts how often each lag was seen, in tenths of a millisecond.
type lags struct {
	counts [60_000]int32
	worst  int
}

func (l *lags) add(nanos int64) {
	tenths := min(max(0, int(nanos/int64(100*time.Microsecond))), len(l.counts)-1)
	l.counts[tenths]++
	l.worst = max(l.worst, tenths)
}

func sum(followers []*follower) Followed {
	var total Followed
	counts := make([]int, len(lags{}.counts))
	var worst int
	for i, f := range followers {
		if f.err != nil {
			total.Failures = append(total.Failures, "follower "+strconv.Itoa(i)+": "+f.err.Error())
		}
		total.Lines += f.line
		total.Frames += f.frames
		worst = max(worst, f.lags.worst)
		for tenths, count := range f.lags.counts {
			counts[tenths] += int(count)
		}
	}
	total.P50, total.P99, total.Worst = quantile(counts, total.Lines, 0.5), quantile(counts, total.Lines, 0.99), Lag(worst)/10
	return total
}

func quantile(counts []int, total int, q float64) Lag {
	left := int(q * float64(total))
	for tenths, count := range counts {
		if left -= count; left < 0 {
			return Lag(tenths) / 10
		}
	}
	return 0
}
