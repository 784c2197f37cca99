// Command ping says whether a Docker Engine answers where the daemon would
// look for it.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/dockwire/dockwire/engine"
)

func main() {
	if err := ping(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func ping() error {
	e, err := engine.New(engine.Config{Instance: "ping"})
	if err != nil {
		return err
	}
	defer e.Close()
	return e.Check(context.Background())
}
