package api

import (
	"cmp"
	"os"
	"path/filepath"
)

// DefaultAddress is where the daemon listens besides its Unix socket, unless it
// was told otherwise.
const DefaultAddress = "127.0.0.1:7420"

// SocketPaths are where the daemon's Unix socket may be, the likeliest first:
// in $XDG_RUNTIME_DIR, if that is set, and in /run. A daemon that was not told
// otherwise listens on the first.
func SocketPaths() []string {
	var paths []string
	if dir := os.Getenv("XDG_RUNTIME_DIR"); dir != "" {
		paths = append(paths, filepath.Join(dir, "dockwire", "dockwire.sock"))
	}
	return append(paths, "/run/dockwire/dockwire.sock")
}

// DefaultStateDir is where the daemon keeps its state unless it was told
// otherwise: /var/lib/dockwire for root, else dockwire in $XDG_STATE_HOME or in
// ~/.local/state.
func DefaultStateDir() string {
	if os.Geteuid() == 0 {
		return "/var/lib/dockwire"
	}
	home, _ := os.UserHomeDir() // without one the path is relative, which the daemon can still make
	return filepath.Join(cmp.Or(os.Getenv("XDG_STATE_HOME"), filepath.Join(home, ".local", "state")), "dockwire")
}

// TokenFile is the file of the admin token in a state directory.
func TokenFile(stateDir string) string {
	return filepath.Join(stateDir, "admin-token")
}
