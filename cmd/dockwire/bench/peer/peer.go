// Package peer is a WebSocket client that allocates nothing while it sends and
// reads, so that what is measured is the server.
package peer

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
)

// Peer is one end of a connection.
type Peer struct {
	net.Conn
	r *bufio.Reader
}

// Dial opens a WebSocket at a path of a server, with further headers of the
// request, each ended by \r\n.
func Dial(address, path, headers string) (*Peer, error) {
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	p := &Peer{conn, bufio.NewReaderSize(conn, 1<<16)}
	if err := p.upgrade(address, path, headers); err != nil {
		conn.Close()
		return nil, err
	}
	return p, nil
}

func (p *Peer) upgrade(host, path, headers string) error {
	_, err := fmt.Fprintf(p, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n%s\r\n", path, host, headers)
	if err != nil {
		return err
	}
	resp, err := http.ReadResponse(p.r, nil)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return fmt.Errorf("the upgrade was answered with %s", resp.Status)
	}
	return nil
}

// The first bytes of frames.
const (
	final = 0x80
	text  = 0x1
	end   = 0x8
	ping  = 0x9
	pong  = 0xA
)

// Frames gives n text frames of a client, each with a mask of zeros.
func Frames(message string, n int) []byte { return bytes.Repeat(frame(text, []byte(message)), n) }

func frame(opcode byte, payload []byte) []byte {
	f := []byte{final | opcode, 0x80 | byte(min(len(payload), 126))}
	if len(payload) > 125 {
		f = binary.BigEndian.AppendUint16(f, uint16(len(payload)))
	}
	return append(append(f, 0, 0, 0, 0), payload...)
}

// Send sends a message of less than 64 KiB.
func (p *Peer) Send(message string) error {
	_, err := p.Write(frame(text, []byte(message)))
	return err
}

// Exchange sends frames and skips as many answers.
func (p *Peer) Exchange(frames []byte, answers int) error {
	if _, err := p.Write(frames); err != nil {
		return err
	}
	for range answers {
		if err := p.Skip(); err != nil {
			return err
		}
	}
	return nil
}

// Skip reads a message and throws it away.
func (p *Peer) Skip() error {
	_, err := p.Next(0)
	return err
}

// Next reads a message and gives its first bytes, at most n of them, which are
// good until the next call. The rest is thrown away.
func (p *Peer) Next(n int) ([]byte, error) {
	for {
		opcode, size, err := p.header()
		switch {
		case err != nil:
			return nil, err
		case opcode == end:
			return nil, io.EOF
		case opcode != ping:
			return p.head(size, min(size, n))
		}
		payload, err := p.head(size, size)
		if err == nil {
			_, err = p.Write(frame(pong, payload))
		}
		if err != nil {
			return nil, err
		}
	}
}

// header reads a frame's header. No server here fragments its messages.
func (p *Peer) header() (opcode byte, size int, err error) {
	h, err := p.r.Peek(2)
	if err != nil {
		return 0, 0, err
	}
	opcode, size = h[0]&0xF, int(h[1])
	length := 2 + extended(size)
	if h, err = p.r.Peek(length); err != nil {
		return 0, 0, err
	}
	switch size {
	case 126:
		size = int(binary.BigEndian.Uint16(h[2:]))
	case 127:
		size = int(binary.BigEndian.Uint64(h[2:]))
	}
	_, err = p.r.Discard(length)
	return opcode, size, err
}

// head gives the first n bytes of a payload of that size and throws the rest
// away. What is given lies in the buffer.
func (p *Peer) head(size, n int) ([]byte, error) {
	payload, err := p.r.Peek(min(n, p.r.Size()))
	if err != nil {
		return nil, err
	}
	if size <= p.r.Buffered() {
		_, err = p.r.Discard(size)
		return payload, err
	}
	payload = bytes.Clone(payload)
	_, err = p.r.Discard(size)
	return payload, err
}

// extended gives how many bytes of a header hold the length.
func extended(size int) int {
	switch size {
	case 126:
		return 2
	case 127:
		return 8
	}
	return 0
}

// Whole reads a message and gives all of it.
func (p *Peer) Whole() ([]byte, error) {
	for {
		opcode, size, err := p.header()
		if err != nil {
			return nil, err
		}
		payload := make([]byte, size)
		if _, err := io.ReadFull(p.r, payload); err != nil {
			return nil, err
		}
		switch opcode {
		case end:
			return nil, io.EOF
		case ping:
			if _, err := p.Write(frame(pong, payload)); err != nil {
				return nil, err
			}
		default:
			return payload, nil
		}
	}
}
