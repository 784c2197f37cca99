package e2e

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gorilla/websocket"

	"github.com/dockwire/dockwire/daemon/daemontest"
)

// activated is a daemon that was started as systemd starts it.
type activated struct {
	t       *testing.T
	cmd     *exec.Cmd
	log     *daemontest.Log
	ready   <-chan daemontest.Ready
	dir     string
	manager *net.UnixConn // where it says how it is
}

// socket is a listener that is passed to the daemon.
type socket struct {
	name string // as FileDescriptorName= has it
	ln   interface {
		net.Listener
		File() (*os.File, error)
	}
}

func tcpSocket(t *testing.T, name, address string) socket {
	t.Helper()
	ln, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return socket{name, ln.(*net.TCPListener)}
}

func unixSocket(t *testing.T, name string) socket {
	t.Helper()
	ln, err := net.Listen("unix", filepath.Join(t.TempDir(), "dockwire.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return socket{name, ln.(*net.UnixListener)}
}

// activate starts the daemon with sockets, a place to tell how it is, and a
// watchdog. There is no engine where it looks for one.
func activate(t *testing.T, sockets ...socket) *activated {
	t.Helper()
	a := &activated{t: t, log: &daemontest.Log{}, dir: t.TempDir()}
	a.ready = a.log.Ready()
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(a.dir, "notify"), Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { manager.Close() })
	a.manager = manager

	a.cmd = exec.Command("sh", "-c", `LISTEN_PID=$$ WATCHDOG_PID=$$ exec "$@"`, "sh", binary, "serve",
		"--state-dir", a.dir, "--instance", "e2e-systemd", "--docker-host", "unix://"+a.dir+"/no-engine.sock", "--log-format", "json")
	var names []string
	for _, s := range sockets {
		file, err := s.ln.File()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		a.cmd.ExtraFiles = append(a.cmd.ExtraFiles, file)
		names = append(names, s.name)
	}
	a.cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+manager.LocalAddr().String(), "WATCHDOG_USEC=100000",
		fmt.Sprint("LISTEN_FDS=", len(sockets)), "LISTEN_FDNAMES="+strings.Join(names, ":"))
	a.cmd.Stderr = a.log
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.cmd.Process.Kill() })
	return a
}

// tells waits for what the daemon tells systemd, whatever it tells before.
func (a *activated) tells(state string) {
	a.t.Helper()
	buf := make([]byte, 1<<10)
	a.manager.SetReadDeadline(time.Now().Add(patience))
	for {
		n, err := a.manager.Read(buf)
		if err != nil {
			a.t.Fatalf("the daemon does not tell %s: %v\n%s", state, err, a.log)
		}
		if string(buf[:n]) == state {
			return
		}
	}
}

func (a *activated) end() error {
	late := time.AfterFunc(patience, func() { a.cmd.Process.Kill() })
	defer late.Stop()
	return a.cmd.Wait()
}

func TestADaemonOfSystemdServesItsSocketsAndTellsHowItIs(t *testing.T) {
	file, control, ingress := unixSocket(t, "control"), tcpSocket(t, "control", "127.0.0.1:0"), tcpSocket(t, "ingress", "127.0.0.1:0")
	a := activate(t, file, control, ingress)
	a.tells("READY=1")
	a.tells("WATCHDOG=1")
	a.tells("WATCHDOG=1")

	ready := <-a.ready
	if len(ready.Listen) != 2 || len(ready.Ingress) != 1 {
		t.Errorf("it listens at %v and %v, and not only where it was told to", ready.Listen, ready.Ingress)
	}
	ls := exec.Command(binary, "ls", "--url", "unix://"+file.ln.Addr().String())
	if out, err := ls.CombinedOutput(); err == nil || ls.ProcessState.ExitCode() != 3 || !bytes.Contains(out, []byte("there is no engine at")) {
		t.Errorf("a call by the Unix socket: %v\n%s", err, out)
	}
	_, resp, err := websocket.DefaultDialer.Dial("ws://"+control.ln.Addr().String(), nil)
	if err == nil || resp == nil || resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token TCP answers %v, %v", resp, err)
	}
	if resp, err := http.Get("http://" + ingress.ln.Addr().String()); err != nil || resp.StatusCode != http.StatusServiceUnavailable { // there is no engine to ask who it is for
		t.Errorf("the ingress answers %v, %v", resp, err)
	}

	a.cmd.Process.Signal(syscall.SIGTERM)
	a.tells("STOPPING=1")
	if err := a.end(); err != nil {
		t.Errorf("it ended with %v\n%s", err, a.log)
	}
	conn, err := net.Dial("unix", file.ln.Addr().String()) // as a caller does while the daemon is restarted
	if err != nil {
		t.Fatalf("the socket ended with the daemon: %v", err)
	}
	conn.Close()
}

func TestSocketsThatCannotBeServedAreRefused(t *testing.T) {
	for _, test := range []struct {
		what   string
		socket socket
		says   string
	}{
		{"a control socket that other machines reach", tcpSocket(t, "control", "0.0.0.0:0"), "can be reached from other machines"},
		{"a socket of another name", tcpSocket(t, "dockwire.socket", "127.0.0.1:0"), "FileDescriptorName= has to be control, ingress"},
	} {
		t.Run(test.what, func(t *testing.T) {
			a := activate(t, test.socket)
			if err := a.end(); err == nil || !strings.Contains(a.log.String(), test.says) {
				t.Errorf("it ended with %v\n%s", err, a.log)
			}
		})
	}
}
