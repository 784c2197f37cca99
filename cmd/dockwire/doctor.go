package main

import (
	"errors"

	"github.com/dockwire/dockwire/daemon"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// diagnosis is the answer of doctor.
type diagnosis struct {
	OK     bool             `json:"ok"` // nothing failed
	Checks []daemon.Finding `json:"checks"`
}

// errIll says that something failed; what, is printed before.
var errIll = errors.New("the daemon cannot work here as it should: see what failed above")

func (a *app) doctor() *cobra.Command {
	cfg := daemon.Config{Version: buildVersion()}
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Look at this host: what would keep the daemon from working, or working safely",
		Long: `Look at this host, and say what would keep a daemon from working, or from working
safely, and how to mend it. No daemon has to run.

It takes the flags and the variables of "dockwire serve", and looks at what a
daemon with them would find. Run it as the daemon's user, or as root.`,
		Args: cobra.NoArgs,
	}
	flags := pflag.NewFlagSet("doctor", pflag.ContinueOnError)
	serveFlags(flags, &cfg)
	limitFlags(flags, &cfg.Limits)
	cmd.Flags().AddFlagSet(flags)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := fromEnvironment(flags); err != nil {
			return err
		}
		d := diagnose(daemon.Examine(cmd.Context(), cfg))
		if err := answer(a, d, nil, a.printDiagnosis); err != nil || d.OK {
			return err
		}
		return errIll
	}
	return cmd
}

func diagnose(found []daemon.Finding) diagnosis {
	d := diagnosis{OK: true, Checks: found}
	for _, f := range found {
		d.OK = d.OK && f.State != "fail"
	}
	return d
}

var stateColors = map[string]string{"ok": green, "warn": yellow, "fail": red}

func (a *app) printDiagnosis(d diagnosis) {
	for _, f := range d.Checks {
		a.printf("%s%*s%s: %s\n", a.paint(a.stdout, stateColors[f.State], f.State), 6-len(f.State), "", clean(f.Check), clean(f.Detail))
		if f.Fix != "" {
			a.printf("%6s%s\n", "", a.paint(a.stdout, faint, "→ "+clean(f.Fix)))
		}
	}
}
