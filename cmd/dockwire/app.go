package main

import (
	"fmt"
	"io"
	"os"

	"github.com/dockwire/dockwire/client"
	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// app is what all commands share.
type app struct {
	stdin          io.Reader
	stdout, stderr io.Writer

	client  client.Client
	json    bool // print JSON
	noColor bool
	started bool // the flags and arguments were understood
}

const about = `dockwire puts a Docker engine behind one WebSocket, in JSON-RPC 2.0.

"dockwire serve" is the daemon. The other commands talk to it: at --url, else at
its Unix socket, else at ws://127.0.0.1:7420.`

const exitCodes = `Exit codes:
  0    it worked
  1    it failed
  2    the flags, the arguments or a parameter are wrong
  3    the daemon cannot be reached, or it cannot reach the engine
  4    there is no such container, image, build or method
  5    the name is taken
  6    the build failed
  7    the token is missing, wrong or not allowed to do this
  130  interrupted
`

// command gives the root of all commands.
func (a *app) command() *cobra.Command {
	root := &cobra.Command{
		Use:           "dockwire",
		Short:         "Build from git, run in containers, watch: a Docker engine behind one WebSocket",
		Long:          about,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          knownCommand,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.PersistentPreRun = func(*cobra.Command, []string) { a.started = true }
	flags := root.PersistentFlags()
	flags.StringVar(&a.client.URL, "url", "", "where the daemon is: ws://HOST:PORT, wss://HOST:PORT or unix:///PATH (DOCKWIRE_URL)")
	flags.StringVar(&a.client.TokenFile, "token-file", "", "a file that holds the token (DOCKWIRE_TOKEN_FILE; the token itself: DOCKWIRE_TOKEN)")
	flags.BoolVar(&a.json, "json", false, "print JSON: one document, or one a line for what streams")
	flags.BoolVar(&a.noColor, "no-color", false, "no colours (NO_COLOR)")
	a.client.OnLost = func(err error) { a.note("%s; connecting again", err) }

	root.SetUsageTemplate(root.UsageTemplate() + "{{if not .HasParent}}\n" + exitCodes + "{{end}}")
	for _, group := range a.groups() {
		root.AddGroup(&cobra.Group{ID: group.title, Title: group.title + ":"})
		for _, cmd := range group.commands {
			cmd.GroupID = group.title
			root.AddCommand(cmd)
		}
	}
	return root
}

// group is a part of the help.
type group struct {
	title    string
	commands []*cobra.Command
}

func (a *app) groups() []group {
	return []group{
		{"Images", []*cobra.Command{a.build(), a.images(), a.removeImage(), a.builds(), a.cancelBuild()}},
		{"Containers", []*cobra.Command{a.create(), a.update(), a.rollback(), a.list(), a.start(), a.stop(), a.restart(), a.scale(), a.remove()}},
		{"Watching", []*cobra.Command{a.logs(), a.top(), a.inspect(), a.diff()}},
		{"The daemon", []*cobra.Command{a.serve(), a.doctor(), a.call(), a.token(), a.version()}},
	}
}

func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		return fmt.Errorf("there is no command %q; is %q meant?", args[0], near[0])
	}
	return fmt.Errorf("there is no command %q", args[0])
}

// names completes the names of containers.
func (a *app) names(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	list, err := a.client.List(cmd.Context())
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, c := range list {
		names = append(names, c.Name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// colors says whether what goes to w may be coloured by us.
func (a *app) colors(w io.Writer) bool {
	return isTerminal(w) && !a.plain() && os.Getenv("TERM") != "dumb"
}

// plain says that there are to be no colours, not even those of others.
func (a *app) plain() bool { return a.noColor || os.Getenv("NO_COLOR") != "" }

func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// note tells the person who looks on, not the script that reads.
func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.stderr, "dockwire: %s\n", clean(fmt.Sprintf(format, args...)))
}
