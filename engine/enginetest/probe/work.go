//go:build linux

package main

import (
	"flag"
	"fmt"
	"strconv"
	"time"
)

// burn uses -percent of one core, in periods of 20 ms.
func burn(args []string) error {
	flags := flag.NewFlagSet("burn", flag.ExitOnError)
	percent := flags.Int("percent", 100, "of one core")
	if err := flags.Parse(args); err != nil {
		return err
	}
	const period = 20 * time.Millisecond
	busy := period * time.Duration(*percent) / 100
	fmt.Println("burning")
	for start := time.Now(); ; start = start.Add(period) {
		for time.Since(start) < busy {
		}
		time.Sleep(time.Until(start.Add(period)))
	}
}

// alloc holds so many bytes of memory, all of them touched, after a while.
func alloc(args []string) error {
	n, err := strconv.Atoi(first(args, "0"))
	if err != nil {
		return err
	}
	if len(args) > 1 {
		after, err := time.ParseDuration(args[1])
		if err != nil {
			return err
		}
		time.Sleep(after)
	}
	held := make([]byte, n)
	for i := 0; i < n; i += 4096 {
		held[i] = 1
	}
	fmt.Println("allocated", n)
	wait()
	held[0]++
	return nil
}
