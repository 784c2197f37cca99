package doctor

import (
	"context"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// toolTime is how long a tool may take to say its version.
const toolTime = 5 * time.Second

var versionNumber = regexp.MustCompile(`(\d+)\.(\d+)(\.\d+)?`)

// git wants one that keeps to the configuration that it is given and to no
// other: GIT_CONFIG_GLOBAL came with 2.32.
func (f *findings) git(ctx context.Context) {
	const fix = "install git 2.32 or newer"
	said, err := ask(ctx, "git", "version")
	if err != nil {
		f.fail("git", fix, "%s", err)
		return
	}
	number := versionNumber.FindStringSubmatch(said)
	if number == nil {
		f.warn("git", fix, "git does not say its version, but %q", said)
		return
	}
	major, _ := strconv.Atoi(number[1])
	minor, _ := strconv.Atoi(number[2])
	if major < 2 || major == 2 && minor < 32 {
		f.fail("git", fix, "%s is too old: it would read the configuration of others", said)
		return
	}
	f.ok("git", "%s", said)
}

func (f *findings) iptables(ctx context.Context) {
	said, err := ask(ctx, "iptables", "--version")
	if err != nil {
		f.warn("iptables", "install iptables; without it containers reach what listens on this host", "%s", err)
		return
	}
	f.ok("iptables", "%s", said)
}

// ask gives the first line that a tool prints.
func ask(ctx context.Context, tool string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, toolTime)
	defer cancel()
	out, err := exec.CommandContext(ctx, tool, args...).Output()
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.ToValidUTF8(line, "\ufffd"), err
}
