package ingress

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
)

// BenchmarkRequest is one request after the other through the ingress, over a
// connection that is kept, to an app in the same process.
func BenchmarkRequest(b *testing.B) {
	f := newFront(b, Options{})
	f.serve("app", "", newApp(b, "app", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "app") }))
	conn, err := net.Dial("tcp", f.address)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	reader := bufio.NewReader(conn)
	b.ReportAllocs()
	for b.Loop() {
		io.WriteString(conn, "GET / HTTP/1.1\r\nHost: app.localhost\r\n\r\n")
		resp, err := http.ReadResponse(reader, nil)
		if err != nil {
			b.Fatal(err)
		}
		io.Copy(io.Discard, resp.Body)
	}
}

// BenchmarkChoose is what is ours of it: to find a backend and to give it back.
func BenchmarkChoose(b *testing.B) {
	f := newFront(b, Options{})
	for _, name := range []string{"one", "two", "three"} {
		f.serve(name, "shop.example", newApp(b, name, nil))
	}
	b.ReportAllocs()
	for b.Loop() {
		chosen, err := f.choose(b.Context(), "shop.example", nil)
		if err != nil {
			b.Fatal(err)
		}
		chosen.release()
	}
}
