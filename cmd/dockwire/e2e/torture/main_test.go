package torture

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/dockwire/dockwire/daemon/daemontest"
)

// patience is how long a test waits for anything at all. It is generous: the
// short form runs on loaded machines too.
const patience = 90 * time.Second

// amount is how much of everything is done.
type amount struct {
	kills       int           // of the daemon
	outages     int           // of the engine
	followers   int           // of logs, meanwhile
	apps        int           // that are followed
	builds      int           // that run meanwhile
	history     int           // calls that are checked for linearizability
	races       int           // creates and removes in races
	misbehaving int           // calls under an engine that misbehaves
	dropping    time.Duration // of events
	soak        time.Duration // of work
}

var (
	short = amount{kills: 25, outages: 2, followers: 9, apps: 3, builds: 2, history: 256, races: 160, misbehaving: 96, dropping: 20 * time.Second, soak: 20 * time.Second}
	long  = amount{kills: 500, outages: 20, followers: 50, apps: 10, builds: 5, history: 4000, races: 5000, misbehaving: 3000, dropping: 10 * time.Minute, soak: 30 * time.Minute}
)

var (
	form = flag.String("form", "short", "how much is done: short or long")
	seed = flag.Uint64("seed", uint64(time.Now().UnixNano()), "decides all that is left to chance")
)

// scale is the amount that was asked for.
func scale() amount {
	if *form == "long" {
		return long
	}
	return short
}

// binary is the compiled command.
var binary string

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(inNamespaces(func() int { return run(m) }))
}

func run(m *testing.M) int {
	fmt.Printf("the %s form, with -seed %d\n", *form, *seed)
	dir, err := os.MkdirTemp("", "bin")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	if binary, err = daemontest.Compile(dir); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// eventually waits until check is satisfied, which it says by nil, and gives how
// long that took.
func eventually(t testing.TB, limit time.Duration, check func() error) time.Duration {
	t.Helper()
	begin := time.Now()
	for {
		err := check()
		took := time.Since(begin)
		if err == nil {
			return took
		}
		if took > limit {
			t.Fatalf("after %v: %v", limit, err)
		}
		time.Sleep(20 * time.Millisecond) // the engine has no event for some of it
	}
}
