package rpc

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
)

// rawPeer is a client that allocates nothing while it sends and reads, so that
// what a benchmark reports is the server's.
type rawPeer struct {
	net.Conn
	r *bufio.Reader
}

func (s *served) dialRaw(b testing.TB) *rawPeer {
	b.Helper()
	return dialRawTo(b, s.http.Listener.Addr().String())
}

func dialRawTo(b testing.TB, address string) *rawPeer {
	b.Helper()
	conn, err := net.Dial("tcp", address)
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

// BenchmarkLarge counts windows of 32 calls whose results are as large as a list
// of a hundred containers.
func BenchmarkLarge(b *testing.B) {
	result := json.RawMessage(`"` + strings.Repeat("x", 40*kib) + `"`)
	methods := table{"list": func(context.Context, *Call) (any, error) { return result, nil }}
	p := serve(b, nil, methods).dialRaw(b)
	p.pipeline(b, masked(`{"jsonrpc":"2.0","id":12345,"method":"list"}`), 32)
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*32), "ns/call")
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
