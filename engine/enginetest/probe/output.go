//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"
)

// lines writes numbered lines. With both streams, odd lines go to stdout and
// even ones to stderr.
func lines(args []string) error {
	flags := flag.NewFlagSet("lines", flag.ExitOnError)
	n := flags.Int("n", 0, "how many; 0 for no end")
	every := flags.Duration("every", 0, "the time between two lines; 0 writes as fast as it can be read")
	rate := flags.Int("rate", 0, "how many a second, in a burst every 10 ms; 0 for no bound")
	size := flags.Int("size", 0, "pad each line to so many bytes")
	stream := flags.String("stream", "stdout", "stdout, stderr or both")
	clock := flags.Bool("clock", false, "write the time in Unix nanoseconds in place of the number")
	then := flags.String("then", "exit", "exit or wait")
	if err := flags.Parse(args); err != nil {
		return err
	}
	write := lineWriter(*stream, *every == 0)
	begun := time.Now()
	for i := 1; *n == 0 || i <= *n; i++ {
		if *clock {
			write(i, fmt.Appendf(nil, "%d\n", time.Now().UnixNano()))
		} else {
			write(i, numbered(i, *size))
		}
		time.Sleep(*every)
		if *rate > 0 && i%(*rate/100) == 0 {
			write(0, nil)
			time.Sleep(time.Until(begun.Add(time.Duration(i) * time.Second / time.Duration(*rate))))
		}
	}
	write(0, nil)
	if *then == "wait" {
		wait()
	}
	return nil
}

// lineWriter gives a function that writes line i to its stream. A call without
// a line writes out what is buffered.
func lineWriter(stream string, buffered bool) func(i int, line []byte) {
	out, err := bufio.NewWriterSize(os.Stdout, 32<<10), bufio.NewWriterSize(os.Stderr, 32<<10)
	return func(i int, line []byte) {
		w := out
		if stream == "stderr" || stream == "both" && i%2 == 0 {
			w = err
		}
		w.Write(line)
		if !buffered || line == nil {
			out.Flush()
			err.Flush()
		}
	}
}

func numbered(i, size int) []byte {
	line := fmt.Appendf(nil, "line %06d", i)
	if pad := size - len(line) - 1; pad > 0 {
		line = append(line, ' ')
		line = append(line, bytes.Repeat([]byte{'x'}, pad)...)
	}
	return append(line, '\n')
}

// rawBytes writes pairs of a stream and bytes in hexadecimal; HEX*N is HEX N
// times, and a comma joins such parts.
func rawBytes(args []string) error {
	streams := map[string]io.Writer{"stdout": os.Stdout, "stderr": os.Stderr}
	for len(args) >= 2 {
		w, ok := streams[args[0]]
		if !ok {
			return fmt.Errorf("no stream is called %q", args[0])
		}
		data, err := unhex(args[1])
		if err != nil {
			return err
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
		args = args[2:]
	}
	if len(args) == 1 && args[0] == "wait" {
		wait()
	}
	return nil
}

func unhex(text string) (data []byte, err error) {
	for part := range strings.SplitSeq(text, ",") {
		digits, count, repeated := strings.Cut(part, "*")
		raw, err := hex.DecodeString(digits)
		if err != nil {
			return nil, err
		}
		n := 1
		if repeated {
			if n, err = strconv.Atoi(count); err != nil {
				return nil, err
			}
		}
		data = append(data, bytes.Repeat(raw, n)...)
	}
	return data, nil
}
