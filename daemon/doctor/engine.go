package doctor

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"syscall"

	"github.com/dockwire/dockwire/engine"
)

// engine looks for the engine and asks it about itself. It gives the directory
// where that keeps its data; "" when that is not known, or on another host.
func (f *findings) engine(ctx context.Context, s Subject) (root string) {
	source, err := engine.Source(s.Engine.Host)
	if err != nil {
		f.fail("engine", mendSource(source), "%s", err)
		return ""
	}
	e, err := engine.New(s.Engine)
	if err != nil {
		f.fail("engine", "correct the flag or its variable", "%s", err)
		return ""
	}
	defer e.Close()
	if err := e.Check(ctx); err != nil {
		f.fail("engine", f.mendEngine(ctx, e, err, source), "%s%s", err, saidBy(source))
		return ""
	}
	about, err := e.About(ctx)
	if err != nil {
		f.fail("engine", "see what its log says: journalctl -u docker", "%s", err)
		return ""
	}
	f.about(e, about, source)
	f.unenforced(ctx, e)
	if about.Remote {
		return ""
	}
	return about.Root
}

func (f *findings) about(e *engine.Engine, about engine.About, source string) {
	f.ok("engine", "Docker %s at %s%s: API %s, kernel %s, cgroup v%s, storage %s",
		about.Version, e.Host(), saidBy(source), about.API, about.Kernel, about.Cgroup, about.Storage)
	if about.TooOld {
		f.fail("engine version", "install Docker 20.10 or newer", "Docker %s cannot cut containers off as they have to be", about.Version)
	}
	if about.Remote {
		f.warn("engine host", "run dockwire on the engine's host, and reach it from here with --url",
			"%s is on another host: what containers serve cannot be reached from here", e.Host())
		return
	}
	f.reach(about)
}

// reach says how HTTP gets to the containers.
func (f *findings) reach(about engine.About) {
	switch {
	case about.Reach == engine.ReachPublished:
		f.ok("reach", "containers are reached at ports that the engine publishes on 127.0.0.1; those of the strict profile can serve no HTTP")
	case about.Unreached != "":
		f.warn("reach", "leave out --reach address, or give --reach published", "what containers serve cannot be reached at their addresses: %s", about.Unreached)
	default:
		f.ok("reach", "containers are reached at their own addresses")
	}
}

// unenforced lists what the host does not hold containers to.
func (f *findings) unenforced(ctx context.Context, e *engine.Engine) {
	gaps, err := e.Survey(ctx)
	if err != nil {
		f.fail("containment", "see what the engine's log says: journalctl -u docker", "%s", err)
		return
	}
	for _, gap := range gaps {
		if gap.Refused {
			f.fail("containment", gap.Mend, "not enforced, so that no container can be created: %s", gap.Missing)
		} else {
			f.warn("containment", gap.Mend, "not enforced: %s", gap.Missing)
		}
	}
	if len(gaps) == 0 {
		f.ok("containment", "this host enforces all that containers are held to")
	}
}

func saidBy(source string) string {
	if source == "" {
		return ""
	}
	return " (where " + source + " says that it is)"
}

// mendEngine says how to get an engine that answers.
func (f *findings) mendEngine(ctx context.Context, e *engine.Engine, err error, source string) string {
	if source != "" && usualAnswers(ctx) {
		return mendSource(source) + ": an engine answers at the usual socket"
	}
	path, local := strings.CutPrefix(e.Host(), "unix://")
	switch {
	case errors.Is(err, fs.ErrPermission) && local:
		return mendPermission(path)
	case errors.Is(err, fs.ErrNotExist):
		return "start it with systemctl start docker; if it is not installed: https://docs.docker.com/engine/install"
	case errors.Is(err, syscall.ECONNREFUSED) && local:
		return "start it with systemctl start docker; the socket was left behind by one that has ended"
	case local:
		return "see what its log says: journalctl -u docker"
	}
	return "see whether the address is right, and whether the engine listens there"
}

// mendSource says how to let the engine be looked for elsewhere.
func mendSource(source string) string {
	switch {
	case source == "--docker-host":
		return "give another --docker-host (DOCKWIRE_DOCKER_HOST), or none"
	case source == "DOCKER_HOST":
		return "unset DOCKER_HOST, or correct it"
	case source == "the Docker configuration":
		return "mend that file, or give another directory with DOCKER_CONFIG"
	case os.Getenv("DOCKER_CONTEXT") != "":
		return "unset DOCKER_CONTEXT, or set it to one that docker context ls shows"
	}
	return "choose a context that docker context ls shows, with docker context use; default is the engine of this host"
}

// usualAnswers says whether there is an engine where one is by default.
func usualAnswers(ctx context.Context) bool {
	e, err := engine.New(engine.Config{Host: engine.DefaultHost, Instance: "doctor"})
	if err != nil {
		return false
	}
	defer e.Close()
	return e.Check(ctx) == nil
}

// mendPermission names the group whose members may use the socket.
func mendPermission(socket string) string {
	me := strconv.Itoa(os.Geteuid())
	if u, err := user.LookupId(me); err == nil {
		me = u.Username
	}
	group := "docker"
	if info, err := os.Stat(socket); err == nil {
		gid := strconv.Itoa(int(info.Sys().(*syscall.Stat_t).Gid))
		group = gid
		if g, err := user.LookupGroupId(gid); err == nil {
			group = g.Name
		}
	}
	if group == "root" {
		return "run this as root, or give the socket a group with dockerd --group"
	}
	return "usermod -aG " + group + " " + me + ", then log in again; this is as good as root"
}
