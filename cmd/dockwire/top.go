package main

import (
	"context"
	"fmt"

	"github.com/dockwire/dockwire/client/api"
	"github.com/spf13/cobra"
)

func (a *app) top() *cobra.Command {
	var p api.TopParams
	cmd := &cobra.Command{
		Use:               "top NAME",
		Short:             "Show what a container uses",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.names,
		RunE: func(cmd *cobra.Command, names []string) error {
			if p.Follow {
				return a.followTop(cmd.Context(), names[0], p)
			}
			usage, err := a.client.Top(cmd.Context(), names[0])
			return answer(a, usage, err, a.usageTable())
		},
	}
	cmd.Flags().BoolVarP(&p.Follow, "follow", "f", false, "go on")
	cmd.Flags().Float64Var(&p.Interval, "interval", 0, "seconds between two rows of -f (default 1)")
	return cmd
}

func (a *app) followTop(ctx context.Context, name string, p api.TopParams) error {
	print := a.usageTable()
	for out, err := range a.client.FollowTop(ctx, name, p) {
		switch {
		case err != nil:
			return err
		case a.json:
			a.printJSON(out)
		case out.State != "":
			a.tellMissing(api.Output{State: out.State})
		default:
			print(out.Usage)
		}
	}
	return nil
}

// usageTable gives what prints rows of one table.
func (a *app) usageTable() func(api.Usage) {
	t := a.table("TIME", "NAME", "CPU", "MEMORY", "MEM %", "NET IN / OUT", "DISK READ / WRITTEN", "PIDS")
	return func(u api.Usage) {
		t.write(plainCells([]string{
			u.Time.Local().Format("15:04:05"),
			u.Name,
			fmt.Sprintf("%.1f%%", u.CPU.Percent),
			memory(u.Memory.Usage) + " / " + memory(u.Memory.Limit),
			fmt.Sprintf("%.1f%%", u.Memory.Percent),
			size(u.Network.Received) + " / " + size(u.Network.Sent),
			size(u.Disk.Read) + " / " + size(u.Disk.Written),
			fmt.Sprint(u.Pids),
		}))
	}
}
