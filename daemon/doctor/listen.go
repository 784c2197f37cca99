package doctor

import (
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
)

// listener sees whether the daemon could listen at an address.
func (f *findings) listener(flag, address string) {
	check := flag + " " + address
	if path, ok := strings.CutPrefix(address, "unix://"); ok {
		f.unix(check, path)
		return
	}
	ln, err := net.Listen("tcp", address)
	switch {
	case err == nil:
		ln.Close()
		f.ok(check, "free")
	case errors.Is(err, syscall.EADDRINUSE):
		f.taken(check, tcpInode(address))
	case errors.Is(err, syscall.EACCES):
		f.fail(check, "let systemd open it: systemctl edit dockwire.socket", "this user may not listen there")
	default:
		f.fail(check, "give another --"+flag, "%s", err)
	}
}

func (f *findings) unix(check, path string) {
	info, err := os.Lstat(path)
	if inode := unixInode(path); inode != "" {
		f.taken(check, inode)
		return
	}
	switch {
	case errors.Is(err, os.ErrNotExist):
		f.ok(check, "free")
	case err != nil:
		f.fail(check, "run this as the daemon's user, or give another --listen", "%s", err)
	case info.Mode().Type() != os.ModeSocket:
		f.fail(check, "remove the file, or give another --listen", "there is a file that is not a socket")
	default:
		f.ok(check, "free: what is there was left behind, and is replaced")
	}
}

// taken says who listens on a socket.
func (f *findings) taken(check, inode string) {
	const fix = "stop it, or give another address"
	switch pid, name := holder(inode); name {
	case "":
		f.warn(check, "run this as root, which may see what it is", "something listens there")
	case "dockwire":
		f.ok(check, "dockwire listens there, process %d", pid)
	case "systemd":
		f.ok(check, "systemd listens there; systemctl list-sockets says for whom")
	default:
		f.fail(check, fix, "%s listens there, process %d", name, pid)
	}
}
