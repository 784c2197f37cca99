package torture

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"syscall"
)

// keptConnections is how many idle ones to the engine, with what belongs to
// them, a daemon may keep for the next questions.
const keptConnections = 10

// atRest sees that the daemon, which nobody calls any more, has come to rest: it
// runs no more than one that has done nothing, and has no more files open. It does
// not run any more then.
func (d *daemon) atRest() {
	d.t.Helper()
	eventually(d.t, patience, func() error {
		if open := d.files(); len(open) > keptConnections+len(d.listening()) {
			return fmt.Errorf("%d files are open: %q", len(open), open)
		}
		return nil
	})
	if got := d.goroutines(); !within(d.fresh, got) {
		d.t.Errorf("goroutines after the work:\n%s\nat the start:\n%s", strings.Join(got, "\n"), strings.Join(d.fresh, "\n"))
	}
}

// within says whether a daemon runs nothing that one does not run which has just
// been started. That may have more: what only a start takes.
func within(fresh, got []string) bool {
	left := slices.Clone(fresh)
	for _, creator := range got {
		i := slices.Index(left, creator)
		if i < 0 {
			return false
		}
		left = slices.Delete(left, i, i+1)
	}
	return true
}

// listening are the files that every daemon has open.
func (d *daemon) listening() []string {
	return []string{"stdin", "stdout", "stderr", "epoll", "event", "lock", "control", "control socket", "ingress", "events"}
}

// files gives what the daemon has open.
func (d *daemon) files() (open []string) {
	dir := fmt.Sprintf("/proc/%d/fd/", d.cmd.Process.Pid)
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		if target, err := os.Readlink(dir + entry.Name()); err == nil {
			open = append(open, target)
		}
	}
	return open
}

// freshGoroutines gives what runs in a daemon that has done nothing.
func freshGoroutines(d *daemon) []string {
	d.t.Helper()
	d.start()
	eventually(d.t, patience, func() error {
		if len(d.lines(func(line string) bool { return strings.Contains(line, `"the engine `) })) == 0 {
			return fmt.Errorf("the daemon says nothing of the engine")
		}
		return nil
	})
	return d.goroutines()
}

var (
	// idle matches a worker that waits for a task: rpc keeps some of them.
	idle = regexp.MustCompile(`^goroutine .*\n(?:runtime\..*\n\t.*\n)*github\.com/dockwire/dockwire/rpc\.\(\*workers\)\.work\(`)

	createdByUs = regexp.MustCompile(`created by ((?:github\.com/dockwire|golang\.org/x/sync)/\S+)`)
)

// goroutines ends the daemon and gives the functions, ours and errgroup's, that
// had started the goroutines it ran, idle workers left out.
func (d *daemon) goroutines() (creators []string) {
	d.t.Helper()
	before := len(d.log.String())
	d.signal(syscall.SIGQUIT)
	<-d.ended
	for stack := range strings.SplitSeq(d.log.String()[before:], "\n\n") {
		i := strings.Index(stack, "goroutine ")
		if i < 0 {
			continue
		}
		if m := createdByUs.FindStringSubmatch(stack); m != nil && !idle.MatchString(stack[i:]) {
			creators = append(creators, m[1])
		}
	}
	slices.Sort(creators)
	return creators
}
