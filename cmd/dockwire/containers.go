package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/dockwire/dockwire/client/api"
	"github.com/spf13/cobra"
)

func (a *app) list() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:     "ls",
		Aliases: []string{"list", "ps"},
		Short:   "List the containers",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if follow {
				return a.followList(cmd.Context())
			}
			list, err := a.client.List(cmd.Context())
			return answer(a, list, err, a.containerTable())
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on and print what changes")
	return cmd
}

func (a *app) followList(ctx context.Context) error {
	print := a.containerTable()
	for out, err := range a.client.FollowList(ctx) {
		switch {
		case err != nil:
			return err
		case a.json:
			a.printJSON(out)
		case out.State != "":
			a.tellMissing(api.Output{State: out.State})
		default:
			print(out.Containers)
		}
	}
	return nil
}

// containerTable gives what prints rows of one table.
func (a *app) containerTable() func([]api.Container) {
	t := a.table("NAME", "STATE", "IMAGE", "COMMIT", "CREATED", "URL")
	return func(list []api.Container) {
		var rows [][]cell
		for _, c := range list {
			row := plainCells([]string{c.Name, stateText(c), c.Image, orDash(short(c.Commit)), age(c.Created), orDash(c.URL)})
			row[1].color = stateColor(c)
			rows = append(rows, row)
		}
		t.write(rows...)
	}
}

// stateText says in a few words how a container is.
func stateText(c api.Container) string {
	switch {
	case c.Replicas > 1 || c.Orphans > 0:
		return fmt.Sprintf("%s %d/%d", c.State, c.Serving, c.Replicas) + orphans(c)
	case c.OOMKilled && c.State == api.StateExited:
		return "exited (out of memory)"
	case c.State == api.StateExited:
		return fmt.Sprintf("exited (%d)", c.ExitCode)
	case c.Running() && c.Health != "" && c.Health != api.HealthNone:
		return c.State + " (" + c.Health + ")"
	}
	return c.State
}

// orphans says how many replaced replicas may run on.
func orphans(c api.Container) string {
	if c.Orphans == 0 {
		return ""
	}
	return fmt.Sprintf(" (%d orphaned)", c.Orphans)
}

func stateColor(c api.Container) string {
	switch {
	case c.Health == api.HealthUnhealthy && c.Running(), c.State == api.StateDead, c.OOMKilled,
		c.State == api.StateExited && c.ExitCode != 0:
		return red
	case c.State == api.StateRestarting, c.State == api.StatePaused:
		return yellow
	case c.State == api.StateRunning:
		return green
	}
	return faint
}

func (a *app) start() *cobra.Command {
	return a.forEach("start NAME...", "Start containers",
		func(ctx context.Context, name string) (api.Container, error) { return a.client.Start(ctx, name) })
}

func (a *app) stop() *cobra.Command {
	var p api.StopParams
	cmd := a.forEach("stop NAME...", "Stop containers",
		func(ctx context.Context, name string) (api.Container, error) { return a.client.Stop(ctx, name, p) })
	timeoutFlag(cmd, &p)
	return cmd
}

func (a *app) restart() *cobra.Command {
	var p api.StopParams
	cmd := a.forEach("restart NAME...", "Stop containers and start them again",
		func(ctx context.Context, name string) (api.Container, error) { return a.client.Restart(ctx, name, p) })
	timeoutFlag(cmd, &p)
	return cmd
}

func (a *app) scale() *cobra.Command {
	return &cobra.Command{
		Use:     "scale NAME REPLICAS",
		Short:   "Change how many replicas of a container run",
		Example: "  dockwire scale prodbackend 6",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			replicas, err := strconv.Atoi(args[1])
			if err != nil {
				return usagef("a number of replicas is wanted, not %q", args[1])
			}
			container, err := a.client.Scale(cmd.Context(), args[0], replicas)
			return answer(a, container, err, a.printState)
		},
		ValidArgsFunction: a.names,
	}
}

func (a *app) remove() *cobra.Command {
	var p api.RemoveParams
	cmd := a.forEach("rm NAME...", "Remove containers, also those that run",
		func(ctx context.Context, name string) (api.Container, error) {
			return a.client.Remove(ctx, api.RemoveParams{Name: name, Volumes: p.Volumes})
		})
	cmd.Flags().BoolVarP(&p.Volumes, "volumes", "v", false, "remove their named volumes too, those that no other container has")
	return cmd
}

// timeoutFlag adds the flag that sets p.Timeout once it is given.
func timeoutFlag(cmd *cobra.Command, p *api.StopParams) {
	seconds := cmd.Flags().Float64P("timeout", "t", 10, "seconds to wait before it is killed")
	cmd.PreRun = func(cmd *cobra.Command, _ []string) {
		p.Timeout = given(cmd.Flags().Changed("timeout"), *seconds)
	}
}

// forEach is a command that does one thing to each container that it is given,
// and prints its name and state.
func (a *app) forEach(use, short string, do func(context.Context, string) (api.Container, error)) *cobra.Command {
	return &cobra.Command{
		Use:               use,
		Short:             short,
		Args:              cobra.MinimumNArgs(1),
		ValidArgsFunction: a.names,
		RunE: func(cmd *cobra.Command, names []string) error {
			return a.each(cmd.Context(), names, func(name string) error {
				container, err := do(cmd.Context(), name)
				return answer(a, container, err, a.printState)
			})
		},
	}
}

func (a *app) printState(c api.Container) {
	a.printf("%s %s\n", clean(c.Name), a.paint(a.stdout, stateColor(c), stateText(c)))
}

// each does something for every name, though it fails for some. Its error is
// the last one; the others have been told by then.
func (a *app) each(ctx context.Context, names []string, do func(name string) error) error {
	var last error
	for _, name := range names {
		err := do(name)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			continue
		}
		if last != nil {
			a.complain(last)
		}
		last = err
	}
	return last
}
