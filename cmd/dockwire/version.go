package main

import (
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

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
