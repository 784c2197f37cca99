//go:build linux

// Command probe is the one program of the tests' container image. What it can
// do is described in package enginetest.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
)

var commands = map[string]func(args []string) error{
	"lines": lines,
	"bytes": rawBytes,
	"serve": serve,
	"burn":  burn,
	"alloc": alloc,
	"write": write,
	"wait":  func([]string) error { wait(); return nil },
	"exit":  exit,

	"mount":   tryMount,
	"mknod":   tryMknod,
	"rawsock": tryRawSocket,
	"dial":    tryDial,
	"fork":    tryFork,
	"caps":    showCaps,
	"show":    show,
	"ptrace":  tryPtrace,
	"unshare": tryUnshare,
	"setuid":  trySetuid,
	"runcopy": tryRunCopy,
}

func main() {
	go func() {
		wait()
		os.Exit(0)
	}()
	args := os.Args[1:]
	if len(args) == 0 {
		args = []string{"wait"}
	}
	command, ok := commands[args[0]]
	if !ok {
		fmt.Fprintln(os.Stderr, "probe: unknown command", args[0])
		os.Exit(2)
	}
	if err := command(args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "probe %s: %v\n", args[0], err)
		os.Exit(1)
	}
}

// wait returns at SIGTERM or SIGINT. Process 1 of a container has to ask for
// them, or it never sees them.
func wait() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	<-signals
}

func exit(args []string) error {
	text := first(args, "0")
	if strings.HasPrefix(text, "/") {
		said, err := os.ReadFile(text)
		if err != nil {
			return err
		}
		text = string(said)
	}
	code, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	os.Exit(code)
	return nil
}

func write(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("a path and a text are wanted")
	}
	if err := os.WriteFile(args[0], []byte(args[1]), 0o644); err != nil {
		return err
	}
	fmt.Println("written")
	wait()
	return nil
}

func first(args []string, other string) string {
	if len(args) == 0 {
		return other
	}
	return args[0]
}
