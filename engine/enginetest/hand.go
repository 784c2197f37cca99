package enginetest

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// ByHand runs a command, as one does who has no daemon of ours, and gives what
// it prints. docker build uses BuildKit if this docker can.
func ByHand(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), buildKit())
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(out))
}

// buildKit is the environment for a docker that may lack what BuildKit takes.
var buildKit = sync.OnceValue(func() string {
	const on, off = "DOCKER_BUILDKIT=1", "DOCKER_BUILDKIT=0"
	ask := exec.Command("docker", "build", "--help")
	ask.Env = append(os.Environ(), on)
	if ask.Run() != nil {
		return off
	}
	return on
})

// Compare measures two ways to the same end in turn, and reports the medians of
// both in milliseconds, and how often the first is as fast as the second: the
// median, least and greatest of the ratios.
func Compare(b *testing.B, ours, theirs func() time.Duration) {
	b.Helper()
	var us, them, ratios []float64
	for b.Loop() {
		t, o := theirs().Seconds(), ours().Seconds()
		us, them, ratios = append(us, o*1e3), append(them, t*1e3), append(ratios, t/o)
	}
	b.ReportMetric(0, "ns/op")
	for unit, values := range map[string][]float64{"dockwire-ms": us, "by-hand-ms": them, "ratio": ratios} {
		slices.Sort(values)
		b.ReportMetric(values[len(values)/2], unit)
	}
	b.ReportMetric(slices.Min(ratios), "min-ratio")
	b.ReportMetric(slices.Max(ratios), "max-ratio")
}
