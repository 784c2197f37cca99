package main

import (
	"github.com/dockwire/dockwire/client/api"
	"github.com/spf13/cobra"
)

func (a *app) update() *cobra.Command {
	var p api.UpdateParams
	var environment []string
	cmd := &cobra.Command{
		Use:   "update NAME [IMAGE]",
		Short: "Replace a container by one of a newer image, without a failed request",
		Long: `Replace the container NAME by one of IMAGE, by default the newest build of its own
image. All else is as its create was asked, and so is the environment unless -e is
given, which replaces it. Once the new one serves it gets the name; if it does not,
it is removed, and the old one goes on. "dockwire rollback NAME" goes back. An
update that has begun goes on at the daemon, also after Ctrl-C.`,
		Example: "  dockwire build gamebackend https://example.com/game.git && dockwire update prodbackend\n" +
			"  dockwire update prodbackend gamebackend:0123abc -e MODE=prod",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: a.names,
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if len(args) == 2 {
				p.Image = args[1]
			}
			if cmd.Flags().Changed("env") {
				if p.Environment, err = assignments("--env", environment); err != nil {
					return err
				}
			}
			container, err := a.client.Update(cmd.Context(), args[0], p, a.printProgress)
			return answer(a, container, err, a.printCreated)
		},
	}
	cmd.Flags().StringArrayVarP(&environment, "env", "e", nil, "an environment variable, `KEY=VALUE`; KEY alone takes the value from here (repeatable)")
	return cmd
}

func (a *app) rollback() *cobra.Command {
	return &cobra.Command{
		Use:   "rollback NAME",
		Short: "Go back to the container that the last update replaced",
		Long: `Put the container back that the last update of NAME replaced, in the way of an
update. The one that it replaces is kept: another rollback goes forward again.`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.names,
		RunE: func(cmd *cobra.Command, args []string) error {
			container, err := a.client.Rollback(cmd.Context(), args[0], a.printProgress)
			return answer(a, container, err, a.printCreated)
		},
	}
}

func (a *app) printProgress(out api.ProgressOutput) {
	if a.json {
		a.printJSON(out)
		return
	}
	a.lines(a.stdout, out.Lines)
}
