package main

import (
	"context"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/dockwire/dockwire/client/api"
	"github.com/spf13/cobra"
)

func (a *app) logs() *cobra.Command {
	var p api.LogsParams
	var tail string
	var timestamps bool
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Show what a container has written",
		Long: `Show what a container has written: its standard output on ours, its standard
error on ours. With -f go on until it is removed, through stops and starts.
On a single engine the replicas of a container are containers of their own:
NAME-2 has another log than NAME, and dockwire ls shows which there are.
With --json and without -f it is one document: the newest lines that fit into an
answer of the daemon, which says if there are more.`,
		Example:           "  dockwire logs -f prodbackend\n  dockwire logs prodbackend --since 10m --grep 'panic|fatal' -t",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: a.names,
		RunE: func(cmd *cobra.Command, names []string) (err error) {
			if p.Tail, err = parseTail(tail); err != nil {
				return err
			}
			if a.json && !p.Follow {
				result, err := a.client.Logs(cmd.Context(), names[0], p)
				return answer(a, result, err, nil)
			}
			if !p.Follow {
				p.Until = nowAtTheLatest(p.Until)
			}
			return a.followLogs(cmd.Context(), names[0], p, timestamps)
		},
	}
	flags := cmd.Flags()
	flags.BoolVarP(&p.Follow, "follow", "f", false, "go on with what it writes from now on")
	flags.StringVarP(&tail, "tail", "n", "all", "how many of the newest lines")
	flags.StringVar(&p.Since, "since", "", "lines at or after this time: RFC 3339, or a duration back from now such as 10m")
	flags.StringVar(&p.Until, "until", "", "lines before this time")
	flags.StringVar(&p.Stream, "stream", "", "stdout, stderr or both (the default)")
	flags.StringVar(&p.Grep, "grep", "", "only lines that match this RE2 expression")
	flags.BoolVarP(&timestamps, "timestamps", "t", false, "show when each line was written")
	flags.StringVar(&p.After, "after", "", "lines after this cursor")
	return cmd
}

func parseTail(value string) (api.Tail, error) {
	if value == "all" {
		return api.Tail{}, nil
	}
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return api.Tail{}, usagef("--tail %q: a number of lines or all is wanted", value)
	}
	return api.TailLines(n), nil
}

// nowAtTheLatest gives the end for a log that is followed only until it has
// been shown whole: a single answer holds no more than its newest part.
func nowAtTheLatest(until string) string {
	end, err := time.Parse(time.RFC3339, until)
	if until == "" || err == nil && end.After(time.Now()) {
		return "0s"
	}
	return until
}

func (a *app) followLogs(ctx context.Context, name string, p api.LogsParams, timestamps bool) error {
	for out, err := range a.client.FollowLogs(ctx, name, p) {
		if err != nil {
			return err
		}
		if a.json {
			a.printJSON(out)
			continue
		}
		a.tellMissing(out)
		a.printLogLines(out.Lines, timestamps)
	}
	return nil
}

// printLogLines writes lines to the stream that they came from, as many at once
// as go to the same.
func (a *app) printLogLines(lines []api.Line, timestamps bool) {
	var b strings.Builder
	for i, line := range lines {
		w := a.streamOf(line)
		if timestamps {
			b.WriteString(a.paint(w, faint, line.Time.UTC().Format(api.TimeLayout)) + " ")
		}
		b.WriteString(a.text(line) + "\n")
		if i+1 == len(lines) || a.streamOf(lines[i+1]) != w {
			io.WriteString(w, b.String())
			b.Reset()
		}
	}
}

func (a *app) streamOf(line api.Line) io.Writer {
	if line.Stream == api.Stderr {
		return a.stderr
	}
	return a.stdout
}
