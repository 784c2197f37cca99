package main

import (
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func TestTheReadmeNamesEveryCommandAndEveryFlagOfServe(t *testing.T) {
	text, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	readme := string(text)
	for _, cmd := range (&app{}).command().Commands() {
		if !strings.Contains(readme, cmd.Name()) {
			t.Errorf("the README does not name the command %s", cmd.Name())
		}
		if cmd.Name() == "serve" {
			checkFlags(t, readme, cmd)
		}
	}
}

func checkFlags(t *testing.T, readme string, serve *cobra.Command) {
	t.Helper()
	serve.LocalNonPersistentFlags().VisitAll(func(flag *pflag.Flag) {
		if flag.Name != "help" && !strings.Contains(readme, "`--"+flag.Name+"`") {
			t.Errorf("the README does not name the flag --%s", flag.Name)
		}
	})
}
