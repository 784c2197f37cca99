package engine

import (
	"cmp"
	"time"

	"github.com/dockwire/dockwire/engine/builder"
)

// BuildLimits bound a build. Zero fields mean the defaults that stand beside
// them.
type BuildLimits struct {
	Time   time.Duration // of all of it, its fetching included: 30 minutes
	Memory int64         // bytes of a step, swap included: 2 GiB
	CPUs   float64       // cores of a step: 2
	Pids   int64         // processes and threads of a step: 2048
}

// Negative says whether one of them is below zero.
func (l BuildLimits) Negative() bool {
	return l.Time < 0 || l.Memory < 0 || l.CPUs < 0 || l.Pids < 0
}

func (l BuildLimits) withDefaults() BuildLimits {
	return BuildLimits{
		Time:   cmp.Or(l.Time, 30*time.Minute),
		Memory: cmp.Or(l.Memory, 2<<30),
		CPUs:   cmp.Or(l.CPUs, 2),
		Pids:   cmp.Or(l.Pids, 2048),
	}
}

func (l BuildLimits) bounds() builder.Bounds {
	return builder.Bounds{Memory: l.Memory, CPUs: l.CPUs, Pids: l.Pids}
}

// boundable says why the steps of BuildKit's builds have no bounds of memory,
// CPU and processes here, if so.
func (e *Engine) boundable() error {
	if err := onThisHost(e.info.Load()); err != nil {
		return err
	}
	return builder.Boundable()
}

// buildGaps gives what of a build is not bounded here.
func (e *Engine) buildGaps() []Gap {
	if e.classic() {
		return nil
	}
	if err := e.boundable(); err != nil {
		return []Gap{{"the memory, CPU and pids limits of builds", err.Error() + "; or use --builder classic", false}}
	}
	return nil
}
