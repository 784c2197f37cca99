package firewall

import (
	"net/netip"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

var pool = netip.MustParsePrefix("10.231.0.0/16")

// alone puts the test into a network namespace of its own, so that it meets the
// kernel's real tables and no other's rules.
func alone(t *testing.T) {
	t.Helper()
	runtime.LockOSThread() // never unlocked: the thread ends with the test, and the namespace with it
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Fatal("a network namespace cannot be made: run the tests as root: ", err)
	}
}

func run(t *testing.T, command ...string) string {
	t.Helper()
	out, err := exec.Command(command[0], command[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v: %s", command, err, out)
	}
	return string(out)
}

func both(t *testing.T) string {
	return run(t, "iptables", "-t", "mangle", "-S") + run(t, "ip6tables", "-t", "mangle", "-S")
}

func apply(t *testing.T, f *Firewall, want bool) {
	t.Helper()
	if changed, err := f.Apply(t.Context()); err != nil || changed != want {
		t.Fatalf("apply: changed %v, %v, want %v", changed, err, want)
	}
	if err := f.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestTheChainIsMadeOnceAndRemovedWhole(t *testing.T) {
	alone(t)
	before := both(t)
	f := New("dockwire", pool)
	if err := f.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "iptables has no") {
		t.Errorf("without a chain the check says %v", err)
	}
	apply(t, f, true)
	apply(t, f, false)
	for range 2 {
		if err := f.Remove(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if after := both(t); after != before {
		t.Errorf("it left:\n%s", after)
	}
}

func TestWhateverIsDoneToTheChainIsMended(t *testing.T) {
	alone(t)
	f := New("dockwire", pool)
	chain, bridges := f.tables[0].chain, f.prefix+"+"
	apply(t, f, true)
	whole := both(t)
	for what, spoil := range map[string][]string{
		"a rule that lets all through":  {"iptables", "-t", "mangle", "-I", chain, "-j", "RETURN"},
		"a rule at the end":             {"iptables", "-t", "mangle", "-A", chain, "-j", "ACCEPT"},
		"a rule that is gone":           {"iptables", "-t", "mangle", "-D", chain, "3"},
		"an empty chain":                {"ip6tables", "-t", "mangle", "-F", chain},
		"no way into the chain":         {"iptables", "-t", "mangle", "-D", "INPUT", "-i", bridges, "-j", chain},
		"no way into it when forwarded": {"ip6tables", "-t", "mangle", "-D", "FORWARD", "-i", bridges, "-j", chain},
		"everything flushed":            {"iptables", "-t", "mangle", "-F"},
	} {
		run(t, spoil...)
		apply(t, f, true)
		if now := both(t); now != whole {
			t.Errorf("after %s there is:\n%s", what, now)
		}
	}
}

func TestInstancesAndOthersAreLeftAlone(t *testing.T) {
	alone(t)
	run(t, "iptables", "-t", "mangle", "-A", "INPUT", "-i", "eth9", "-j", "ACCEPT")
	one, two := New("one", pool), New("two", pool)
	apply(t, one, true)
	apply(t, two, true)
	apply(t, one, false)
	if err := one.Remove(t.Context()); err != nil {
		t.Fatal(err)
	}
	apply(t, two, false)
	if !strings.Contains(both(t), "-A INPUT -i eth9 -j ACCEPT") {
		t.Error("a rule of somebody else is gone")
	}
	if one.prefix == two.prefix || !strings.HasPrefix(one.Bridge("web"), one.prefix) || len(one.Bridge("web")) != 15 {
		t.Errorf("the bridges of two instances are called %s and %s", one.Bridge("web"), two.Bridge("web"))
	}
}

func TestTheLegacyCommandsDoAsWell(t *testing.T) {
	alone(t)
	f := New("dockwire", pool)
	for i := range f.tables {
		f.tables[i].command += "-legacy"
	}
	apply(t, f, true)
	apply(t, f, false)
	if err := f.Remove(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestOnlyOursIsReadFromATable(t *testing.T) {
	f := New("dockwire", pool).tables[0]
	got := f.parse("*mangle\n:INPUT ACCEPT [0:0]\n:" + f.chain + " - [0:0]\n:" + f.chain + "x - [0:0]\n" +
		"-A INPUT -i dw-other+ -j DOCKWIRE-othr\n" + f.hooks[0] + "\n-A " + f.chain + " -m physdev  --physdev-is-bridged -j RETURN\nCOMMIT\n")
	if !got.chain || !slices.Equal(got.hooks, f.hooks[:1]) || !slices.Equal(got.rules, []string{"-A " + f.chain + " -m physdev --physdev-is-bridged -j RETURN"}) {
		t.Errorf("it read %+v", got)
	}
}

func TestACommandThatFailsSaysWhy(t *testing.T) {
	f := New("dockwire", pool)
	f.tables[0].rules = []string{"-j NOSUCH"}
	alone(t)
	if _, err := f.Apply(t.Context()); err == nil || !strings.Contains(err.Error(), "iptables-restore failed") || !strings.Contains(err.Error(), "NOSUCH") {
		t.Errorf("it says %v", err)
	}
}
