package rpc

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
)

// idleServer makes the test binary a server of its own process, whose memory is
// that of a server alone.
const idleServer = "RPC_TEST_IDLE_SERVER"

func TestMain(m *testing.M) {
	if os.Getenv(idleServer) != "" {
		serveIdle()
		return
	}
	os.Exit(m.Run())
}

// serveIdle prints its address, and its resident memory for each line it reads.
func serveIdle() {
	s := NewServer(nil)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	go func() {
		_ = http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _ = s.Upgrade(w, r, benchMethods) }))
	}()
	fmt.Println(listener.Addr())
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(resident(), s.Stats().Connections)
	}
}

// resident gives the bytes of resident memory that are in use.
func resident() int {
	runtime.GC()
	debug.FreeOSMemory()
	var size, pages int
	status, _ := os.ReadFile("/proc/self/statm")
	_, _ = fmt.Sscan(string(status), &size, &pages)
	return pages * os.Getpagesize()
}

// BenchmarkIdleConnections reports the resident memory of a server for each of
// 5,000 connections: those that have never called, and those that have.
func BenchmarkIdleConnections(b *testing.B) {
	b.Run("fresh", func(b *testing.B) { benchmarkIdle(b, false) })
	b.Run("used", func(b *testing.B) { benchmarkIdle(b, true) })
}

func benchmarkIdle(b *testing.B, use bool) {
	const connections = 5000
	for b.Loop() {
		address, ask := startIdleServer(b)
		before, _ := ask()
		for range connections {
			p := dialRawTo(b, address)
			if use {
				if _, err := p.Write(masked(benchRequest)); err != nil {
					b.Fatal(err)
				}
				p.skipFrame(b)
			}
			p.r = nil
		}
		after, held := ask()
		if held != connections {
			b.Fatalf("%d connections are held", held)
		}
		b.ReportMetric(float64(after-before)/connections, "resident-B/connection")
	}
}

// startIdleServer gives the address of a server, and a way to ask for its
// resident memory and its connections.
func startIdleServer(b *testing.B) (address string, ask func() (memory, connections int)) {
	b.Helper()
	server := exec.Command(os.Args[0])
	server.Env = append(os.Environ(), idleServer+"=1")
	server.Stderr = os.Stderr
	in, err := server.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = in.Close()
		_ = server.Wait()
	})
	lines := bufio.NewReader(out)
	address, err = lines.ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(address), func() (memory, connections int) {
		_, _ = io.WriteString(in, "\n")
		line, _ := lines.ReadString('\n')
		if _, err := fmt.Sscan(line, &memory, &connections); err != nil {
			b.Fatal(err)
		}
		return memory, connections
	}
}
