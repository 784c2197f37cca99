package rpc

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// rawPeer is a client that allocates nothing while it sends and reads, so that
// what a benchmark reports is the server's.
type rawPeer struct {
	net.Conn
	r *bufio.Reader
}

func (s *served) dialRaw(b testing.TB) *rawPeer {
	b.Helper()
	conn, err := net.Dial("tcp", s.http.Listener.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = conn.Close() })
	p := &rawPeer{conn, bufio.NewReaderSize(conn, 64*kib)}
	const handshake = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	if _, err := io.WriteString(conn, handshake); err != nil {
		b.Fatal(err)
	}
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		b.Fatalf("handshake: %v, %v", resp, err)
	}
	return p
}

// masked gives the text frame of a client, with a mask of zeros.
func masked(text string) []byte {
	frame := []byte{0x81}
	if len(text) < 126 {
		frame = append(frame, 0x80|byte(len(text)))
	} else {
		frame = binary.BigEndian.AppendUint16(append(frame, 0x80|126), uint16(len(text)))
	}
	return append(append(frame, 0, 0, 0, 0), text...)
}

// skipFrame reads a frame and gives its length.
func (p *rawPeer) skipFrame(b *testing.B) int {
	header, err := p.r.Peek(2)
	if err != nil {
		b.Fatal(err)
	}
	n, skip := int(header[1]), 2
	switch n {
	case 126:
		header, err = p.r.Peek(4)
		n, skip = int(binary.BigEndian.Uint16(header[2:])), 4
	case 127:
		header, err = p.r.Peek(10)
		n, skip = int(binary.BigEndian.Uint64(header[2:])), 10
	}
	if err == nil {
		_, err = p.r.Discard(skip + n)
	}
	if err != nil {
		b.Fatal(err)
	}
	return n
}

// pipeline sends n requests and reads their answers, window at a time.
func (p *rawPeer) pipeline(b *testing.B, request []byte, window int) {
	frames := []byte(strings.Repeat(string(request), window))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Write(frames); err != nil {
			b.Fatal(err)
		}
		for range window {
			p.skipFrame(b)
		}
	}
}

var benchMethods = table{"subtract": subtract, "echo": echo, "follow~": func(ctx context.Context, call *Call) (any, error) {
	line := []byte(`"seq":1,"lines":[{"time":"2026-01-02T03:04:05.000000000Z","stream":"stdout","text":"a line of a log, of usual length, as apps write them"}]`)
	for {
		if err := call.Notify(ctx, "logs/output", line); err != nil {
			return nil, err
		}
	}
}}

const benchRequest = `{"jsonrpc":"2.0","id":12345,"method":"subtract","params":{"minuend":42,"subtrahend":23}}`

func BenchmarkSerial(b *testing.B) {
	p := serve(b, nil, benchMethods).dialRaw(b)
	p.pipeline(b, masked(benchRequest), 1)
}

// BenchmarkPipelined counts windows of 64 calls.
func BenchmarkPipelined(b *testing.B) {
	p := serve(b, nil, benchMethods).dialRaw(b)
	p.pipeline(b, masked(benchRequest), 64)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*64), "ns/call")
}

// BenchmarkBatch counts batches of 50 calls.
func BenchmarkBatch(b *testing.B) {
	p := serve(b, nil, benchMethods).dialRaw(b)
	members := strings.Repeat(","+benchRequest, 50)
	p.pipeline(b, masked("["+members[1:]+"]"), 1)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*50), "ns/call")
}

// BenchmarkNotifications counts notifications of one line.
func BenchmarkNotifications(b *testing.B) {
	p := serve(b, nil, benchMethods).dialRaw(b)
	if _, err := p.Write(masked(`{"jsonrpc":"2.0","id":1,"method":"follow"}`)); err != nil {
		b.Fatal(err)
	}
	p.skipFrame(b)
	b.ReportAllocs()
	for b.Loop() {
		b.SetBytes(int64(p.skipFrame(b)))
	}
}

func BenchmarkSplit(b *testing.B) {
	text := []byte(benchRequest)
	b.ReportAllocs()
	var room [1]message
	for b.Loop() {
		if _, bad := split(text, 64, 100, room[:0]); bad != nil {
			b.Fatal(bad)
		}
	}
}

// BenchmarkIdleConnections reports what a connection takes that has served a
// call and waits for the next.
func BenchmarkIdleConnections(b *testing.B) {
	const connections = 5000
	s := serve(b, nil, benchMethods)
	request := masked(benchRequest)
	for b.Loop() {
		peers := make([]*rawPeer, connections)
		memory, resident := inUse()
		for i := range peers {
			peers[i] = s.dialRaw(b)
			peers[i].r = nil
			if _, err := peers[i].Write(request); err != nil {
				b.Fatal(err)
			}
			answer := make([]byte, 64)
			if _, err := peers[i].Read(answer); err != nil {
				b.Fatal(err)
			}
		}
		after, residentAfter := inUse()
		b.ReportMetric(float64(after-memory)/connections, "B/connection")
		b.ReportMetric(float64(residentAfter-resident)/connections, "resident-B/connection")
		for _, p := range peers {
			_ = p.Close()
		}
		await(b, "all are gone", func() bool { return s.Stats().Connections == 0 })
	}
}

// inUse gives the bytes of heap and stacks, and of resident memory.
func inUse() (memory, resident int64) {
	time.Sleep(100 * time.Millisecond) // the goroutines go to sleep
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	status, _ := os.ReadFile("/proc/self/statm") // 0 where there is none
	var pages int64
	_, _ = fmt.Sscan(string(status), new(int64), &pages)
	return int64(m.HeapInuse + m.StackInuse), pages * int64(os.Getpagesize())
}
