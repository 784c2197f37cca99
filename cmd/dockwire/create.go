package main

import (
	"github.com/dockwire/dockwire/client/api"
	"github.com/spf13/cobra"
)

func (a *app) create() *cobra.Command {
	var p api.CreateParams
	var environment []string
	var port int
	var initProcess, start bool
	cmd := &cobra.Command{
		Use:   "create IMAGE NAME [-- COMMAND...]",
		Short: "Create a container of an image, and start it",
		Long: `Create a container called NAME of an image, and start it. NAME becomes its domain
too. IMAGE is the name of an image that was built; IMAGE:COMMIT is one build of it.`,
		Example: "  dockwire create gamebackend prodbackend -e MODE=prod\n" +
			"  dockwire create gamebackend worker --port 0 -- ./worker --queue jobs",
		Args: cobra.MinimumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			p.Image, p.Name, p.Command = args[0], args[1], args[2:]
			if p.Environment, err = assignments("--env", environment); err != nil {
				return err
			}
			changed := cmd.Flags().Changed
			p.Port, p.Init, p.Start = given(changed("port"), port), given(changed("init"), initProcess), given(changed("start"), start)
			container, err := a.client.Create(cmd.Context(), p)
			return answer(a, container, err, a.printCreated)
		},
	}
	flags := cmd.Flags()
	flags.StringArrayVarP(&environment, "env", "e", nil, "an environment variable, `KEY=VALUE`; KEY alone takes the value from here (repeatable)")
	flags.IntVarP(&port, "port", "p", 0, "the port that it serves HTTP on, 0 for none (default the one that the image EXPOSEs, else 8080)")
	flags.StringVar(&p.Domain, "domain", "", "a domain besides NAME.BASE; containers of one token may share it")
	flags.StringVar(&p.Network, "network", "", "containers of the same network reach each other by name")
	flags.VarP(sizeFlag(&p.Memory), "memory", "m", "the memory limit, such as 512m")
	flags.Float64Var(&p.CPUs, "cpus", 0, "the CPU limit in cores, such as 1.5")
	flags.Int64Var(&p.Pids, "pids", 0, "how many processes and threads it may have")
	flags.StringVar(&p.Restart, "restart", "", "no, on-failure or unless-stopped (the default)")
	flags.StringArrayVarP(&p.Volumes, "volume", "v", nil, "a named volume, `NAME:/PATH` (repeatable)")
	flags.StringVar(&p.Profile, "profile", "", "default or strict")
	flags.IntVar(&p.Replicas, "replicas", 0, "how many of it run (default 1)")
	flags.BoolVar(&initProcess, "init", true, "run an init as process 1; --init=false for an image that brings its own")
	flags.BoolVar(&start, "start", true, "start it at once; --start=false only creates it")
	return cmd
}

// given is a parameter that is absent unless its flag was there.
func given[T any](changed bool, value T) *T {
	if !changed {
		return nil
	}
	return &value
}

func (a *app) printCreated(c api.Container) {
	a.printf("%s %s", clean(c.Name), a.paint(a.stdout, stateColor(c), clean(c.State)))
	if c.URL != "" {
		a.printf(" at %s", clean(c.URL))
	}
	a.printf("\n")
}
