package firewall

import (
	"context"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// lockTimeout is how long another process may hold the tables.
const lockTimeout = "5" // seconds

// commandTimeout ends a command that hangs.
const commandTimeout = 10 * time.Second

// table is the kernel's table of one family of addresses, with the chain that
// we want there.
type table struct {
	command string // iptables or ip6tables
	chain   string
	hooks   []string // rules of the builtin chains, as iptables-save writes them
	rules   []string // of the chain, without "-A CHAIN "
}

// found is what a table has of ours.
type found struct {
	chain        bool
	rules, hooks []string // whole lines of iptables-save
}

func (t table) read(ctx context.Context) (found, error) {
	out, err := t.run(ctx, "", t.command+"-save", "-t", tableName)
	if err != nil {
		return found{}, err
	}
	return t.parse(out), nil
}

func (t table) parse(saved string) found {
	var f found
	for line := range strings.Lines(saved) {
		words := strings.Fields(line)
		switch line := strings.Join(words, " "); {
		case strings.HasPrefix(line, ":"+t.chain+" "):
			f.chain = true
		case strings.HasPrefix(line, "-A "+t.chain+" "):
			f.rules = append(f.rules, line)
		case strings.HasSuffix(line, " -j "+t.chain):
			f.hooks = append(f.hooks, line)
		}
	}
	return f
}

// wanted gives the rules of the chain as whole lines.
func (t table) wanted() []string {
	lines := make([]string, len(t.rules))
	for i, rule := range t.rules {
		lines[i] = "-A " + t.chain + " " + rule
	}
	return lines
}

// missing gives the first rule that is not there, or not in its place.
func (t table) missing(f found) string {
	for i, line := range t.wanted() {
		if i >= len(f.rules) || f.rules[i] != line {
			return line
		}
	}
	for _, hook := range t.hooks {
		if !slices.Contains(f.hooks, hook) {
			return hook
		}
	}
	return ""
}

// mend gives the script that makes the table as it must be, "" if it is. The
// tables change all at once: there is no moment without a rule.
func (t table) mend(f found) string {
	if t.missing(f) == "" && len(f.rules) == len(t.rules) {
		return ""
	}
	script := []string{"*" + tableName, ":" + t.chain + " - [0:0]"} // empties a chain that is there
	script = append(script, t.wanted()...)
	for _, hook := range t.hooks {
		if !slices.Contains(f.hooks, hook) {
			script = append(script, strings.Replace(hook, "-A ", "-I ", 1))
		}
	}
	return strings.Join(append(script, "COMMIT", ""), "\n")
}

// removal gives the script that removes what there is of ours, "" if there is
// nothing.
func (t table) removal(f found) string {
	if !f.chain {
		return ""
	}
	script := []string{"*" + tableName}
	for _, hook := range f.hooks {
		script = append(script, strings.Replace(hook, "-A ", "-D ", 1))
	}
	script = append(script, "-F "+t.chain, "-X "+t.chain, "COMMIT", "")
	return strings.Join(script, "\n")
}

func (t table) restore(ctx context.Context, script string) error {
	_, err := t.run(ctx, script, t.command+"-restore", "--noflush", "-w", lockTimeout)
	return err
}

func (t table) run(ctx context.Context, input, command string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, commandTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, command, args...)
	cmd.Stdin = strings.NewReader(input)
	var complaint strings.Builder
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s failed: %w: %s", command, err, strings.Join(strings.Fields(complaint.String()), " "))
	}
	return string(out), nil
}
