package bench

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// peer is a client that allocates nothing while it sends and reads, so that
// what is measured is the server.
type peer struct {
	net.Conn
	r *bufio.Reader
}

func connect(t testing.TB, h http.Handler) *peer {
	t.Helper()
	s := httptest.NewServer(h)
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = conn.Close()
		s.CloseClientConnections()
		s.Close()
	})
	p := &peer{conn, bufio.NewReaderSize(conn, 1<<16)}
	const handshake = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
	if _, err := io.WriteString(conn, handshake); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil || resp.StatusCode != http.StatusSwitchingProtocols {
		t.Fatalf("handshake: %v, %v", resp, err)
	}
	return p
}

// frames gives n text frames of a client, each with a mask of zeros.
func frames(text string, n int) []byte {
	frame := []byte{0x81, 0x80 | byte(len(text))}
	if len(text) > 125 {
		frame = binary.BigEndian.AppendUint16([]byte{0x81, 0x80 | 126}, uint16(len(text)))
	}
	frame = append(append(frame, 0, 0, 0, 0), text...)
	return bytes.Repeat(frame, n)
}

// exchange sends requests and reads as many frames.
func (p *peer) exchange(t testing.TB, requests []byte, n int) {
	if _, err := p.Write(requests); err != nil {
		t.Fatal(err)
	}
	for range n {
		p.skip(t)
	}
}

func (p *peer) skip(t testing.TB) {
	header, err := p.r.Peek(2)
	if err != nil {
		t.Fatal(err)
	}
	n, size := int(header[1]), 2
	if n == 126 {
		if header, err = p.r.Peek(4); err != nil {
			t.Fatal(err)
		}
		n, size = int(binary.BigEndian.Uint16(header[2:])), 4
	}
	if _, err := p.r.Discard(size + n); err != nil {
		t.Fatal(err)
	}
}

// answer sends a request and gives the frame that comes back.
func (p *peer) answer(t testing.TB, request string) string {
	t.Helper()
	if _, err := p.Write(frames(request, 1)); err != nil {
		t.Fatal(err)
	}
	header, err := p.r.Peek(2)
	if err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, 2+int(header[1]))
	if _, err := io.ReadFull(p.r, frame); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(frame[2:]))
}
