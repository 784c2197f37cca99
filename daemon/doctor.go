package daemon

import (
	"context"
	"slices"

	"github.com/dockwire/dockwire/daemon/doctor"
)

// Finding is what came of one check of Examine.
type Finding = doctor.Finding

// Examine looks at this host, without a daemon, and says what a daemon of this
// configuration would find there, and how to mend what is not as it should be.
func Examine(ctx context.Context, cfg Config) []Finding {
	if len(cfg.Listen) == 0 {
		cfg.Listen = defaultListen()
	}
	if len(cfg.Ingress) == 0 {
		cfg.Ingress = defaultIngress()
	}
	cfg = cfg.withDefaults()
	onSwarm, _ := cfg.onSwarm(ctx, cfg.engine()) // an engine that does not tell is looked at as one
	found := doctor.Examine(ctx, doctor.Subject{
		Version: cfg.Version, Listen: cfg.Listen, Ingress: slices.Concat(cfg.Ingress, cfg.IngressTLS),
		StateDir: cfg.StateDir, Engine: cfg.engine(), Swarm: onSwarm,
	})
	if err := cfg.check(); err != nil {
		found = append(found, Finding{Check: "configuration", State: doctor.Fail, Detail: err.Error()})
	}
	return found
}
