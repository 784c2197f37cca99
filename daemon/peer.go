package daemon

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"syscall"
)

// peerKey is the key of a request's context for who sent it.
type peerKey struct{}

// withPeer notes who is at the other end of a Unix socket, which has no address.
func withPeer(ctx context.Context, conn net.Conn) context.Context {
	if unix, ok := conn.(*net.UnixConn); ok {
		return context.WithValue(ctx, peerKey{}, userOf(unix))
	}
	return ctx
}

// peerOf says for the log who sent a request: HOST:PORT, or the user at the
// other end of a Unix socket.
func peerOf(r *http.Request) string {
	if peer, ok := r.Context().Value(peerKey{}).(string); ok {
		return peer
	}
	return r.RemoteAddr
}

func userOf(conn *net.UnixConn) string {
	peer := "unix"
	raw, err := conn.SyscallConn()
	if err != nil {
		return peer
	}
	_ = raw.Control(func(fd uintptr) { // fails for a connection that is closed: then nobody is there
		if user, err := syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED); err == nil {
			peer = fmt.Sprintf("unix uid %d pid %d", user.Uid, user.Pid)
		}
	})
	return peer
}
