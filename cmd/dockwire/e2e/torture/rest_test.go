package torture

import (
	"fmt"
	"os"
	"regexp"
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
	eventually(d.t, patience, func() error { // a connection is there until its last call has ended, which is after its answer
		if _, metrics := d.get("/metrics"); !strings.Contains(metrics, "\ndockwire_connections 0\n") {
			return fmt.Errorf("connections are left: %s", metrics)
		}
		return nil
	})
	eventually(d.t, patience, func() error {
		if open := d.files(); len(open) > keptConnections+len(d.listening()) {
			return fmt.Errorf("%d files are open: %q", len(open), open)
		}
		return nil
	})
	for creator, stacks := range d.goroutines() {
		if fresh := d.fresh[creator]; len(stacks) > len(fresh) {
			d.t.Errorf("after the work %d goroutines of %s run, %d at the start:\n%s", len(stacks), creator, len(fresh), strings.Join(stacks, "\n\n"))
		}
	}
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

// freshGoroutines gives what runs in a daemon that has done nothing. That may be
// more than what runs in one at rest: some of it only a start takes.
func freshGoroutines(d *daemon) map[string][]string {
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

// tell logs what the daemon does, if the test has failed: the stacks of its
// goroutines, those that are equal once.
func (d *daemon) tell() {
	if !d.t.Failed() {
		return
	}
	equal := map[string]int{}
	for _, stacks := range d.goroutines() {
		for _, stack := range stacks {
			equal[addresses.ReplaceAllString(stack, "")]++
		}
	}
	d.start()
	for stack, n := range equal {
		d.t.Logf("%d goroutines:\n%s", n, stack)
	}
}

var (
	// addresses matches what tells goroutines apart that do the same.
	addresses = regexp.MustCompile(`^goroutine \d+|\(0x[^)]*\)|\b(?:gp|mp?|fp|sp|pc)=\S+| in goroutine \d+`)

	// idle matches a worker that waits for a task: rpc keeps some of them.
	idle = regexp.MustCompile(`^goroutine .*\n(?:runtime\..*\n\t.*\n)*github\.com/dockwire/dockwire/rpc\.\(\*workers\)\.work\(`)

	createdByUs = regexp.MustCompile(`created by ((?:github\.com/dockwire|golang\.org/x/sync)/\S+)`)
)

// goroutines ends the daemon and gives the stacks of the goroutines it ran, idle
// workers left out, by the function, ours or errgroup's, that had started them.
func (d *daemon) goroutines() map[string][]string {
	d.t.Helper()
	before := len(d.log.String())
	d.signal(syscall.SIGQUIT)
	<-d.ended
	byCreator := map[string][]string{}
	for stack := range strings.SplitSeq(d.log.String()[before:], "\n\n") {
		i := strings.Index(stack, "goroutine ")
		if i < 0 {
			continue
		}
		if m := createdByUs.FindStringSubmatch(stack); m != nil && !idle.MatchString(stack[i:]) {
			byCreator[m[1]] = append(byCreator[m[1]], stack[i:])
		}
	}
	return byCreator
}
