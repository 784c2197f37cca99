package main

import (
	"cmp"
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/dockwire/dockwire/client/api"
	"github.com/spf13/cobra"
)

func (a *app) token() *cobra.Command {
	var stateDir string
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Print the admin token of this machine's daemon",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			stateDir = cmp.Or(stateDir, os.Getenv("DOCKWIRE_STATE_DIR"), api.DefaultStateDir())
			path := api.TokenFile(stateDir)
			data, err := os.ReadFile(path)
			if errors.Is(err, os.ErrNotExist) {
				return noToken(path)
			}
			return answer(a, strings.TrimSpace(string(data)), err, func(token string) { a.printf("%s\n", token) })
		},
	}
	cmd.Flags().StringVar(&stateDir, "state-dir", "", "the daemon's state directory (DOCKWIRE_STATE_DIR)")
	return cmd
}

// noToken is the error of a daemon that has not been started yet. It holds the
// path that has no token.
type noToken string

func (path noToken) Error() string {
	return "there is no token in " + string(path) + "; the daemon makes it when it is first started"
}

// Is makes it exit like everything else that is not there.
func (noToken) Is(target error) bool { return target == api.CodeNotFound }

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			answered := struct {
				Version string `json:"version"`
				Go      string `json:"go"`
			}{buildVersion(), runtime.Version()}
			return answer(a, answered, nil, func(struct {
				Version string `json:"version"`
				Go      string `json:"go"`
			}) {
				a.printf("dockwire %s (%s)\n", answered.Version, answered.Go)
			})
		},
	}
}

// buildVersion is the version that the Go command wrote into the binary: a tag,
// or the commit that it was built from.
func buildVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}
