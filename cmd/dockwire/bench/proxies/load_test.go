package proxies

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// asker is a connection that asks for the same again and again.
type asker struct {
	conn    net.Conn
	reader  *bufio.Reader
	request []byte
}

func dial(t testing.TB, address, host, path string) *asker {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return &asker{conn, bufio.NewReaderSize(conn, 32<<10), fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host)}
}

var lengthHeader = []byte("content-length: ")

// ask asks once and reads the answer, which is 200 and says its length.
func (a *asker) ask() error {
	if _, err := a.conn.Write(a.request); err != nil {
		return err
	}
	length := 0
	for first := true; ; first = false {
		line, err := a.reader.ReadSlice('\n')
		switch {
		case err != nil:
			return err
		case first && !bytes.HasPrefix(line, []byte("HTTP/1.1 200 ")):
			return fmt.Errorf("answered %s", line)
		case len(line) == 2:
			_, err := io.CopyN(io.Discard, a.reader, int64(length))
			return err
		case len(line) > len(lengthHeader) && bytes.EqualFold(line[:len(lengthHeader)], lengthHeader):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(line[len(lengthHeader):]))); err != nil {
				return err
			}
		}
	}
}

// throughput asks on all connections, one request after the other on each, and
// gives how many were answered in a second.
func throughput(t testing.TB, askers []*asker, during time.Duration) float64 {
	t.Helper()
	var n atomic.Int64
	var running sync.WaitGroup
	start := time.Now()
	for _, a := range askers {
		running.Go(func() {
			for time.Since(start) < during {
				if err := a.ask(); err != nil {
					t.Error(err)
					return
				}
				n.Add(1)
			}
		})
	}
	running.Wait()
	return float64(n.Load()) / time.Since(start).Seconds()
}

// latencies asks at a constant rate, whatever the answers do, and gives how long
// each took from when it was due: what waits for a free connection waits as a
// client would.
func latencies(t testing.TB, askers []*asker, rate int, during time.Duration) []time.Duration {
	t.Helper()
	all := make([][]time.Duration, len(askers))
	start := time.Now()
	var next atomic.Int64
	var running sync.WaitGroup
	for i, a := range askers {
		running.Go(func() {
			for {
				due := time.Duration(next.Add(1)) * time.Second / time.Duration(rate)
				if due > during {
					return
				}
				time.Sleep(due - time.Since(start))
				if err := a.ask(); err != nil {
					t.Error(err)
					return
				}
				all[i] = append(all[i], time.Since(start)-due)
			}
		})
	}
	running.Wait()
	merged := slices.Concat(all...)
	slices.Sort(merged)
	return merged
}

func percentile(sorted []time.Duration, p float64) time.Duration {
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*p/100))]
}
