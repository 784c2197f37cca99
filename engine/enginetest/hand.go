package enginetest

import (
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
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
