package engine

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"

	dockersystem "github.com/docker/docker/api/types/system"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/firewall"
)

// The values of Config.Firewall.
const (
	FirewallAuto   = "auto"   // manage where this process may and the engine is on this host, else off
	FirewallManage = "manage" // keep a chain that cuts containers off from the host; create fails without it
	FirewallCheck  = "check"  // create fails where the chain is not as manage would make it
	FirewallOff    = "off"
)

func checkFirewall(mode string) error {
	switch mode {
	case "", FirewallAuto, FirewallManage, FirewallCheck, FirewallOff:
		return nil
	}
	return fmt.Errorf("the firewall %s is not known: give auto, manage, check or off", quote(mode))
}

// firewallMode is what the configuration means at the engine that answers. For
// auto, why says what stands against manage.
type firewallMode struct {
	mode string
	why  error
}

func (e *Engine) chooseFirewall(info *dockersystem.Info) firewallMode {
	if e.cfg.Firewall != FirewallAuto {
		return firewallMode{mode: e.cfg.Firewall}
	}
	err := onThisHost(info)
	if err == nil {
		err = firewall.Allowed()
	}
	if err != nil {
		return firewallMode{FirewallOff, err}
	}
	return firewallMode{mode: FirewallManage}
}

// onThisHost says whether the bridges of the engine can be on this host.
func onThisHost(info *dockersystem.Info) error {
	if rootless(info) {
		return fmt.Errorf("the engine runs without root, in a network of its own: use one that runs as root")
	}
	if name, err := os.Hostname(); err != nil || name != info.Name {
		return fmt.Errorf("the engine is on another machine, %s: run the daemon there", info.Name)
	}
	return nil
}

func rootless(info *dockersystem.Info) bool {
	return slices.Contains(info.SecurityOptions, "name=rootless")
}

// keepFirewall sees to the chain, as the configuration says. Others may have
// flushed it.
func (e *Engine) keepFirewall(ctx context.Context) error {
	switch e.firewallMode.Load().mode {
	case FirewallManage:
		changed, err := e.firewall.Apply(ctx)
		if changed {
			e.log.Info("the firewall's chain was made")
		}
		return err
	case FirewallCheck:
		return e.firewall.Check(ctx)
	}
	return nil
}

// checkCovered refuses a container whose bridge the firewall does not cover.
func (e *Engine) checkCovered(ctx context.Context, s spec) error {
	if e.firewallMode.Load().mode == FirewallOff {
		return nil
	}
	err := e.keepFirewall(ctx)
	if err == nil {
		err = bridgeIsHere(e.firewall.Bridge(s.network))
	}
	if err == nil {
		return nil
	}
	e.log.Error("a container was refused, because the firewall does not cover it", zap.String("name", s.Name), zap.Error(err))
	return &Error{
		Class:  StartFailed,
		Reason: fmt.Sprintf("%s was not created, because the host's firewall does not cut it off from the host: the daemon's log says why, and --firewall off would allow it", s.Name),
		Data:   api.ErrorData{Kind: kindContainer, Name: s.Name},
		Err:    err,
	}
}

// bridgeIsHere sees that the firewall is where the engine's bridges are.
func bridgeIsHere(name string) error {
	if _, err := net.InterfaceByName(name); err != nil {
		return fmt.Errorf("the engine's bridges are not in this network namespace: %w", err)
	}
	return nil
}

// leaveFirewall removes the chain when there is nothing left for it to cover.
// It stays while containers do, for they go on without a daemon.
func (e *Engine) leaveFirewall(ctx context.Context) {
	if mode := e.firewallMode.Load(); mode == nil || mode.mode != FirewallManage {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout) // the engine may be away for good
	defer cancel()
	left, err := e.networksOfOurs(ctx)
	if err == nil && len(left) == 0 {
		err = e.firewall.Remove(ctx)
	}
	if err != nil {
		e.log.Warn("the firewall's chain was left", zap.Error(err))
	}
}
