package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dockwire/dockwire/client/api"
	"github.com/spf13/cobra"
)

func (a *app) inspect() *cobra.Command {
	return &cobra.Command{
		Use:               "inspect NAME",
		Short:             "Show all that is known of a container; --json for the whole of it",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.names,
		RunE: func(cmd *cobra.Command, names []string) error {
			details, err := a.client.Inspect(cmd.Context(), names[0])
			return answer(a, details, err, a.printInspect)
		},
	}
}

func (a *app) printInspect(d api.Inspect) {
	a.sheet("", [][2]string{
		{"Name", d.Name}, {"State", stateText(d.Container)}, {"Restarts", fmt.Sprint(d.Restarts)},
		{"Created", age(d.Created)}, {"Started", age(d.Started)}, {"Finished", age(d.Finished)},
		{"URL", d.URL}, {"Domain", d.Domain}, {"Port", number(int64(d.Port))}, {"ID", short(d.ID)},
	})
	a.sheet("Image", [][2]string{
		{"Name", d.Image}, {"URL", d.ImageDetails.URL}, {"Commit", d.ImageDetails.Commit},
		{"ID", short(d.ImageDetails.ID)}, {"Size", size(d.ImageDetails.Size)}, {"Built", age(d.ImageDetails.Created)},
	})
	c := d.Configuration
	a.sheet("Configuration", [][2]string{
		{"Command", strings.Join(c.Command, " ")}, {"Directory", c.WorkingDir}, {"Restart", c.Restart},
		{"Init", yesNo(c.Init)}, {"Stop signal", c.StopSignal}, {"Profile", c.Profile},
	})
	a.sheet("Environment", environment(c.Environment))
	l := d.Limits
	a.sheet("Limits", [][2]string{
		{"Memory", memory(l.Memory)}, {"CPUs", fmt.Sprint(l.CPUs)}, {"Pids", number(l.Pids)},
		{"Open files", number(l.Files)}, {"/dev/shm", memory(l.Shm)}, {"Log", size(l.LogMax)},
	})
	s := d.Security
	a.sheet("Security", [][2]string{
		{"User", cmp.Or(s.User, "root")}, {"Capabilities", strings.Join(s.Capabilities, " ")}, {"No new privileges", yesNo(s.NoNewPrivileges)},
		{"Seccomp", s.Seccomp}, {"AppArmor", s.AppArmor}, {"Read-only", yesNo(s.ReadOnly)}, {"Runtime", s.Runtime},
	})
	n := d.Network
	a.sheet("Network", [][2]string{
		{"Name", n.Name}, {"Address", n.Address}, {"Gateway", n.Gateway}, {"Subnet", n.Subnet}, {"Internal", yesNo(n.Internal)},
	})
	a.sheet("Previous", previous(d.Previous))
	a.sheet("Served by", pool(d.Pool))
	a.sheet("Replicas", replicas(d.Tasks))
	a.sheet("Volumes", mounts(d.Mounts))
}

// sheet prints names and values below a title; an empty value is a dash.
func (a *app) sheet(title string, fields [][2]string) {
	if len(fields) == 0 {
		return
	}
	if title != "" {
		a.printf("\n%s\n", a.paint(a.stdout, cyan, title))
	}
	width := 0
	for _, f := range fields {
		width = max(width, len(clean(f[0])))
	}
	for _, f := range fields {
		a.printf("  %-*s  %s\n", width, clean(f[0]), orDash(clean(f[1])))
	}
}

// environment gives the variables by name; a value that may not be seen is
// marked.
func environment(values map[string]*string) [][2]string {
	var fields [][2]string
	for key, value := range values {
		if value == nil {
			fields = append(fields, [2]string{key, "(hidden)"})
		} else {
			fields = append(fields, [2]string{key, *value})
		}
	}
	slices.SortFunc(fields, func(a, b [2]string) int { return strings.Compare(a[0], b[0]) })
	return fields
}

// previous gives what rollback goes back to.
func previous(p *api.Previous) [][2]string {
	if p == nil {
		return nil
	}
	return [][2]string{{"Image", p.Image}, {"Commit", p.Commit}, {"ID", short(p.ID)}, {"Created", age(p.Created)}, {"Finished", age(p.Finished)}}
}

func mounts(list []api.Mount) [][2]string {
	var fields [][2]string
	for _, m := range list {
		fields = append(fields, [2]string{m.Path, m.Volume})
	}
	return fields
}

// pool gives the containers that serve the domain, and how they do.
func pool(list []api.PoolMember) [][2]string {
	var fields [][2]string
	for _, m := range list {
		state := m.State
		if m.Reason != "" {
			state += ": " + m.Reason
		}
		name := m.Name
		if m.Replica != 0 {
			name += "." + strconv.Itoa(m.Replica)
		}
		fields = append(fields, [2]string{name, state})
	}
	return fields
}

// replicas says how each replica is, and on a swarm where.
func replicas(tasks []api.Task) [][2]string {
	var fields [][2]string
	for _, t := range tasks {
		state := t.State
		if t.Name == "" {
			state += " on " + orDash(t.Node)
		}
		if t.Orphan {
			state += ", orphaned"
		}
		if t.Error != "" {
			state += ": " + t.Error
		}
		fields = append(fields, [2]string{cmp.Or(t.Name, strconv.Itoa(t.Replica)), state})
	}
	return fields
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func number(n int64) string {
	if n == 0 {
		return "-"
	}
	return fmt.Sprint(n)
}

func (a *app) diff() *cobra.Command {
	return &cobra.Command{
		Use:               "diff NAME [PATH]",
		Short:             "Show which files of a container differ from its image's: A added, C changed, D deleted",
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: a.names,
		RunE: func(cmd *cobra.Command, args []string) error {
			var p api.DiffParams
			if len(args) == 2 {
				p.Path = args[1]
			}
			changes, err := a.client.Diff(cmd.Context(), args[0], p)
			return answer(a, changes, err, a.printDiff)
		},
	}
}

func (a *app) printDiff(changes []api.Change) {
	letters := map[string]string{api.ChangeAdded: "A", api.ChangeModified: "C", api.ChangeDeleted: "D"}
	colors := map[string]string{api.ChangeAdded: green, api.ChangeModified: yellow, api.ChangeDeleted: red}
	for _, change := range changes {
		a.printf("%s %s\n", a.paint(a.stdout, colors[change.Kind], letters[change.Kind]), clean(change.Path))
	}
}
