package whole

import (
	"net"
	"testing"
	"time"
)

func freePort(b *testing.B) string {
	b.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(b, err)
	defer ln.Close()
	_, port, err := net.SplitHostPort(ln.Addr().String())
	must(b, err)
	return port
}

// awaitListener waits for something to listen.
func awaitListener(b *testing.B, address string) {
	b.Helper()
	for late := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := net.Dial("tcp", address)
		if err == nil {
			conn.Close()
			return
		}
		if time.Now().After(late) {
			b.Fatalf("nothing listens at %s: %v", address, err)
		}
	}
}
