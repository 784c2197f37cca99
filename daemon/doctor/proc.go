package doctor

import (
	"encoding/binary"
	"encoding/hex"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// tcpInode gives the inode of the socket that keeps others from listening at
// HOST:PORT; "" when it is not found.
func tcpInode(address string) string {
	wanted, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return ""
	}
	const listening = "0A"
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		for _, row := range rows(table, 10) {
			if row[3] == listening && overlap(socketAddress(row[1]), wanted.AddrPort()) {
				return row[9]
			}
		}
	}
	return ""
}

// unixInode gives the inode of the Unix socket that is bound to a path.
func unixInode(path string) string {
	for _, row := range rows("/proc/net/unix", 8) {
		if row[7] == path {
			return row[6]
		}
	}
	return ""
}

// rows gives the lines of a table of the kernel's that have as many columns.
func rows(table string, columns int) [][]string {
	data, err := os.ReadFile(table)
	if err != nil {
		return nil
	}
	var all [][]string
	for line := range strings.Lines(string(data)) {
		if row := strings.Fields(line); len(row) >= columns {
			all = append(all, row)
		}
	}
	return all
}

// socketAddress reads an address as the kernel writes it, 0100007F:1CFC: words
// of 32 bits in the order of the host.
func socketAddress(text string) netip.AddrPort {
	host, port, _ := strings.Cut(text, ":")
	raw, err := hex.DecodeString(host)
	number, errPort := strconv.ParseUint(port, 16, 16)
	if err != nil || errPort != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}
	}
	for word := range len(raw) / 4 {
		part := raw[4*word : 4*word+4]
		binary.NativeEndian.PutUint32(part, binary.BigEndian.Uint32(part))
	}
	ip, _ := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(ip.Unmap(), uint16(number))
}

// overlap says whether two cannot be listened at side by side.
func overlap(a, b netip.AddrPort) bool {
	if !a.IsValid() || a.Port() != b.Port() {
		return false
	}
	return a.Addr() == b.Addr().Unmap() || a.Addr().IsUnspecified() || !b.Addr().IsValid() || b.Addr().IsUnspecified()
}

// holder finds the process that has a socket open; the name is "" when there is
// none that we may look at. Of several it is the one that started first, as far
// as ids tell: the others have it from there.
func holder(inode string) (pid int, name string) {
	links, _ := filepath.Glob("/proc/[0-9]*/fd/*")
	for _, link := range links {
		if target, err := os.Readlink(link); err != nil || target != "socket:["+inode+"]" {
			continue
		}
		process := strings.TrimPrefix(strings.Split(link, "/")[2], "/")
		id, err := strconv.Atoi(process)
		comm, errName := os.ReadFile(filepath.Join("/proc", process, "comm"))
		if err == nil && errName == nil && (name == "" || id < pid) {
			pid, name = id, strings.TrimSpace(string(comm))
		}
	}
	return pid, name
}
