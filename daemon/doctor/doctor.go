// Package doctor looks at the host that a daemon is to run on, without one, and
// says what would not work, or not safely, and how to mend it.
package doctor

import (
	"context"
	"fmt"
	"runtime"

	"github.com/dockwire/dockwire/engine"
)

// The states of a finding.
const (
	OK   = "ok"
	Warn = "warn" // it works, but less or less safely
	Fail = "fail" // it does not work
)

// Finding is what came of one check.
type Finding struct {
	Check  string `json:"check"`         // what was looked at, in one or two words
	State  string `json:"state"`         // OK, Warn or Fail
	Detail string `json:"detail"`        // what is so
	Fix    string `json:"fix,omitempty"` // how to mend it
}

// Subject is what to look at: how the daemon would be run.
type Subject struct {
	Version         string
	Listen, Ingress []string // as the flags of serve have them
	StateDir        string
	Engine          engine.Config
	Swarm           bool // it drives a swarm
}

// Examine makes all checks. What it needs a running engine for, it leaves out
// while there is none. It leaves the host as it was.
func Examine(ctx context.Context, s Subject) []Finding {
	found := findings{{Check: "dockwire", State: OK, Detail: s.Version + ", " + runtime.Version() + ", " + runtime.GOOS + "/" + runtime.GOARCH}}
	lookAt := found.engine
	if s.Swarm {
		lookAt = found.swarm
	}
	root := lookAt(ctx, s)
	found.git(ctx)
	found.iptables(ctx)
	found.stateDir(s.StateDir)
	found.disk(s, root)
	for _, address := range s.Listen {
		found.listener("listen", address)
	}
	for _, address := range s.Ingress {
		found.listener("ingress", address)
	}
	return found
}

type findings []Finding

func (f *findings) ok(check, format string, args ...any) {
	*f = append(*f, Finding{Check: check, State: OK, Detail: fmt.Sprintf(format, args...)})
}

func (f *findings) warn(check, fix, format string, args ...any) {
	*f = append(*f, Finding{Check: check, State: Warn, Detail: fmt.Sprintf(format, args...), Fix: fix})
}

func (f *findings) fail(check, fix, format string, args ...any) {
	*f = append(*f, Finding{Check: check, State: Fail, Detail: fmt.Sprintf(format, args...), Fix: fix})
}
