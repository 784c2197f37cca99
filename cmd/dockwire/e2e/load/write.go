package main

import (
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

// write writes each line by itself, as programs do that log. A program that is
// process 1 of its container has to ask for SIGTERM, or it never sees it.
func write(args []string) error {
	flags := newFlags("write")
	n := flags.Int("n", 1, "how many lines")
	rate := flags.Int("rate", 1000, "how many lines a second")
	both := flags.Bool("both", false, "even lines go to stderr")
	if err := flags.Parse(args); err != nil {
		return err
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	streams := [2]io.Writer{os.Stdout, os.Stdout}
	if *both {
		streams[0] = os.Stderr
	}
	begin := time.Now()
	for i := 1; i <= *n; {
		for due := int(time.Since(begin) * time.Duration(*rate) / time.Second); i <= min(due, *n); i++ {
			if _, err := streams[i%2].Write(line(i)); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-signals:
			return nil
		}
	}
	<-signals
	return nil
}

func line(i int) []byte {
	text := strconv.AppendInt(make([]byte, 0, 64), int64(i), 10)
	text = append(text, ' ')
	text = strconv.AppendInt(text, time.Now().UnixNano(), 10)
	return append(text, '\n')
}
