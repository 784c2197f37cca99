package engine

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/enginetest/faults"
)

// A follower goes on over the rotations of the log: no line comes twice, and if
// the engine passed over some, it is told so.
func TestAFollowedLogGoesOnOverItsRotations(t *testing.T) {
	f := setUp(t)
	c := f.writer("rotating", "", "lines", "-n", "200000", "-size", "100", "-then", "exit")
	w := f.tail(f.Engine, c.Name, api.LogsParams{})
	w.wait("the last line", func() bool {
		return len(w.lines) > 0 && strings.HasPrefix(w.lines[len(w.lines)-1].Text, "line 200000")
	})
	w.stop()
	<-w.done
	before := 0
	missing := 0
	for _, line := range w.lines {
		n := number(t, line.Text)
		if n <= before {
			t.Fatalf("after line %d came %d", before, n)
		}
		if n != before+1 {
			missing++
			t.Logf("after line %d came %d", before, n)
		}
		before = n
	}
	if missing > w.gaps {
		t.Errorf("lines are missing in %d places, and %d gaps were told", missing, w.gaps)
	}
}

// passedOver are the lines 30,000 to 49,999.
var passedOver = faults.Rule{Match: regexp.MustCompile(`/logs\?.*follow=1`), Without: regexp.MustCompile(`line 0[34]\d{4}\b`)}

// What the engine's answers pass over is read all the same, however soon in an
// answer that is, and though the next one passes over it again.
func TestAFollowerGetsTheLinesThatFollowedAnswersPassOver(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	proxy.Inject(1, passedOver)
	f := setUp(t, func(cfg *Config) { cfg.Host = proxy.Socket() })
	const n = 60000
	c := f.writer("app", "", "lines", "-n", fmt.Sprint(n), "-rate", "20000", "-size", "100", "-then", "wait")
	w := f.tail(f.Engine, c.Name, api.LogsParams{})
	w.waitLines(n)
	lines, gaps := w.got()
	for i, line := range lines {
		if number(t, line.Text) != i+1 {
			t.Fatalf("line %d is %q", i+1, line.Text)
		}
	}
	if gaps > 0 {
		t.Errorf("there were %d gaps", gaps)
	}
}

// number gives the number of a line that the probe wrote.
func number(t *testing.T, text string) (n int) {
	t.Helper()
	if _, err := fmt.Sscanf(text, "line %d", &n); err != nil {
		t.Fatalf("%q is no line of the probe: %v", text, err)
	}
	return n
}
