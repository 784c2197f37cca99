// Package firewall cuts the bridges of one instance off from the host, from
// other apps and from the cloud's metadata addresses. It keeps one chain of its
// own in the kernel's tables for IPv4 and for IPv6, by the iptables commands,
// and touches nothing else there.
package firewall

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Firewall is the chain of one instance. Its methods may be called at the same
// time from anywhere, by several processes too.
type Firewall struct {
	prefix string // of the names of the bridges
	tables []table

	mu sync.Mutex // one look at the tables, and one change of them, at a time
}

// New gives the Firewall of an instance whose containers have addresses in the
// pool. It does nothing yet.
func New(instance string, pool netip.Prefix) *Firewall {
	id := short(instance, 4)
	chain := "DOCKWIRE-" + id
	f := &Firewall{prefix: "dw-" + id}
	f.tables = []table{
		{command: "iptables", chain: chain, hooks: f.hooks(chain), rules: rules4(pool)},
		{command: "ip6tables", chain: chain, hooks: f.hooks(chain), rules: rules6},
	}
	return f
}

// Bridge gives the name of the interface on the host for a network. The
// firewall covers what is called so. It has the 15 characters that the kernel
// allows.
func (f *Firewall) Bridge(network string) string { return f.prefix + short(network, 8) }

// short gives so many letters and digits that stand for a name.
func short(name string, length int) string {
	sum := sha256.Sum256([]byte(name))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:length]
}

// Apply makes the chain as it must be, all at once, where it is not. It says
// whether there was anything to do.
func (f *Firewall) Apply(ctx context.Context) (changed bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.present() {
		found, err := t.read(ctx)
		if err != nil {
			return changed, err
		}
		script := t.mend(found)
		if script == "" {
			continue
		}
		if err := t.restore(ctx, script); err != nil {
			return changed, err
		}
		changed = true
	}
	return changed, nil
}

// Check gives an error that says what is missing, if the chain is not as Apply
// would make it.
func (f *Firewall) Check(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.present() {
		found, err := t.read(ctx)
		if err != nil {
			return err
		}
		if missing := t.missing(found); missing != "" {
			return fmt.Errorf("%s has no %q in its table %s", t.command, missing, tableName)
		}
	}
	return nil
}

// Remove removes the chain, where it is.
func (f *Firewall) Remove(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	var errs []error
	for _, t := range f.present() {
		found, err := t.read(ctx)
		if script := t.removal(found); err == nil && script != "" {
			err = t.restore(ctx, script)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// present leaves out IPv6 where the kernel has none.
func (f *Firewall) present() []table {
	if _, err := os.Stat("/proc/net/if_inet6"); errors.Is(err, fs.ErrNotExist) {
		return f.tables[:1]
	}
	return f.tables
}

// Allowed says why this process cannot keep a chain, if so: it has no right to,
// or the commands are missing.
func Allowed() error {
	for _, command := range []string{"iptables", "ip6tables"} {
		if _, err := exec.LookPath(command + "-restore"); err != nil {
			return fmt.Errorf("there is no %s on the PATH: install the package iptables", command)
		}
	}
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return fmt.Errorf("the capabilities of this process cannot be read: %w", err)
	}
	if data[0].Effective&(1<<unix.CAP_NET_ADMIN) == 0 {
		return errors.New("this process may not change it: run as root, or with the capability CAP_NET_ADMIN")
	}
	return nil
}
