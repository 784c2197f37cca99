package main

import (
	"io"
	"os"
	"strings"

	"github.com/dockwire/dockwire/client/api"
	"github.com/spf13/cobra"
)

func (a *app) build() *cobra.Command {
	var p api.BuildParams
	var args []string
	var credential string
	cmd := &cobra.Command{
		Use:   "build NAME URL",
		Short: "Build an image from a git repository",
		Long: `Build an image called NAME from the git repository at URL, and show the output
as it comes. URL#REF and URL#REF:DIR work as in Docker.

Where the commit, the parameters and the base images are those of a build that is
there, that is the image, at once; --no-cache and --pull build anyway.

A build belongs to the daemon: Ctrl-C cancels it, unless others wait for it too,
but a lost connection does not.`,
		Example: "  dockwire build gamebackend https://example.com/game.git\n" +
			"  dockwire build gamebackend https://example.com/game.git --ref v3 --build-arg MODE=fast",
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, names []string) (err error) {
			p.Name, p.URL = names[0], names[1]
			if p.Args, err = assignments("--build-arg", args); err != nil {
				return err
			}
			if p.Credential, err = a.credential(credential); err != nil {
				return err
			}
			result, err := a.client.Build(cmd.Context(), p, a.printBuildOutput)
			return answer(a, result, err, a.printBuild)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&p.Ref, "ref", "", "a branch, a tag or a commit (default the repository's HEAD)")
	flags.StringVar(&p.Dir, "dir", "", "the directory in the repository to build in")
	flags.StringVarP(&p.Dockerfile, "file", "f", "", "the path of the Dockerfile in that directory (default Dockerfile)")
	flags.StringArrayVar(&args, "build-arg", nil, "a build argument, `KEY=VALUE`; KEY alone takes the value from the environment (repeatable)")
	flags.StringVar(&p.Target, "target", "", "the stage to build")
	flags.BoolVar(&p.NoCache, "no-cache", false, "build every step anew")
	flags.BoolVar(&p.Pull, "pull", false, "ask the registry for newer base images")
	flags.BoolVar(&p.Submodules, "submodules", false, "fetch the repository's submodules too")
	flags.StringVar(&credential, "credential-file", "", "a `file` that holds the login for a private repository, USERNAME:PASSWORD or a token alone; - reads it from standard input")
	flags.StringVar(&p.After, "after", "", "go on after this cursor of a build of NAME, whether it runs or has ended")
	return cmd
}

// maxCredential is more than any login is long.
const maxCredential = 4 << 10

// credential reads the login for a repository. It is no flag's value, for others
// could see that in the list of processes.
func (a *app) credential(file string) (*api.Credential, error) {
	if file == "" {
		return nil, nil
	}
	source := a.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		source = f
	}
	data, err := io.ReadAll(io.LimitReader(source, maxCredential))
	if err != nil {
		return nil, err
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(data)), "\n")
	username, password, found := strings.Cut(strings.TrimSpace(line), ":")
	if !found {
		username, password = "", username
	}
	if password == "" {
		return nil, usagef("--credential-file %s: USERNAME:PASSWORD or a token is wanted in its first line", file)
	}
	return &api.Credential{Username: username, Password: password}, nil
}

// assignments reads KEY=VALUE; the value of a KEY alone is that of our own
// environment, and without one there the key is left out, as in Docker.
func assignments(flag string, list []string) (map[string]string, error) {
	values := map[string]string{}
	for _, item := range list {
		key, value, given := strings.Cut(item, "=")
		if key == "" {
			return nil, usagef("%s %q: KEY=VALUE is wanted", flag, item)
		}
		if !given {
			if value, given = os.LookupEnv(key); !given {
				continue
			}
		}
		values[key] = value
	}
	return values, nil
}

var phaseColors = map[string]string{api.Git: cyan, api.Stderr: yellow}

func (a *app) printBuildOutput(out api.Output) {
	if a.json {
		a.printJSON(out)
		return
	}
	a.tellMissing(out)
	var b strings.Builder
	for _, line := range out.Lines {
		b.WriteString(a.paint(a.stdout, phaseColors[line.Stream], a.text(line)) + "\n")
	}
	a.printf("%s", b.String())
}

func (a *app) printBuild(b api.Build) {
	a.printf("%s %s in %s: commit %s, image %s, %s\n", a.paint(a.stdout, green, "Built"),
		clean(b.Name), seconds(b.Seconds), clean(short(b.Commit)), clean(short(b.ID)), size(b.Size))
}

// tellMissing says that a stream has left something out, or stands still.
func (a *app) tellMissing(out api.Output) {
	switch {
	case out.State == api.StreamPaused:
		a.note("the engine is away; waiting for it")
	case out.State == api.StreamResumed:
		a.note("the engine is back")
	case out.Gap:
		a.note("lines are missing here")
	case out.Dropped > 0:
		a.note("%d lines were left out here", out.Dropped)
	}
}
