// Package daemontest is what all tests of the compiled daemon need, wherever
// they are: they have it compiled, and learn from its log where it listens.
package daemontest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Main is what a TestMain does: it compiles the command, tells where it is,
// puts what make tools has installed first on the PATH, and runs the tests. It
// gives the exit code.
func Main(binary *string, tests func() int) int {
	dir, err := os.MkdirTemp("", "dockwire-test-")
	if err == nil {
		defer os.RemoveAll(dir)
		*binary, err = prepare(dir)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return tests()
}

func prepare(dir string) (binary string, err error) {
	root, err := checkout()
	if err != nil {
		return "", err
	}
	tools := filepath.Join(root, ".cache", "bin")
	if err := os.Setenv("PATH", tools+string(filepath.ListSeparator)+os.Getenv("PATH")); err != nil {
		return "", err
	}
	return Compile(dir)
}

// Compile compiles the command into the directory, as make build does, and gives
// its path.
func Compile(dir string) (binary string, err error) {
	root, err := checkout()
	if err != nil {
		return "", err
	}
	binary = filepath.Join(dir, "dockwire")
	build := exec.Command("go", "build", "-o", binary, "./cmd/dockwire")
	build.Dir = root // and so with the dependencies of its own module, whatever module the tests are
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("building the command: %w\n%s", err, out)
	}
	return binary, nil
}

// checkout gives where dockwire's module is.
func checkout() (string, error) {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/dockwire/dockwire").Output()
	if err != nil {
		return "", fmt.Errorf("looking for the module: %w", err)
	}
	return strings.TrimSpace(string(dir)), nil
}
