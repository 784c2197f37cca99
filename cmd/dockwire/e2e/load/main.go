// Command load makes the load of the end-to-end tests, at both of its ends:
// inside a container it writes numbered lines at a steady rate, and outside it is
// a crowd of clients, in a process of their own so that what they cost is not
// taken for the daemon's. It is compiled without the race detector, which would
// make of it the slowest part of what is measured.
//
//	write -n N -rate R [-both]
//	      writes N lines, R in a second, then waits for SIGTERM. A line is its
//	      number, from 1 on, and the time at which it was written in Unix
//	      nanoseconds. With -both odd lines go to stdout and even ones to stderr.
//	follow -n N -lines L -name NAME
//	      N clients follow the log of a container up to line L. Prints a Begun
//	      once all have asked, and a Followed at the end.
//	hold -n N
//	      holds N connections. Prints a Held; for each line of standard input makes
//	      a call on each connection and prints a Called; and ends with its input.
//
// The clients find the daemon by DOCKWIRE_URL and DOCKWIRE_TOKEN. What is
// printed is JSON, one value a line.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"

	"github.com/gorilla/websocket"
)

var commands = map[string]func(args []string) error{
	"write":  write,
	"follow": follow,
	"hold":   hold,
}

func main() {
	if len(os.Args) < 2 || commands[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: load write|follow|hold [FLAGS]")
		os.Exit(2)
	}
	if err := commands[os.Args[1]](os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "load %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

func newFlags(name string) *flag.FlagSet { return flag.NewFlagSet(name, flag.ExitOnError) }

// dial opens a connection to the daemon.
func dial() (*websocket.Conn, error) {
	dialer := websocket.Dialer{ReadBufferSize: 16 << 10, WriteBufferSize: 1 << 10}
	conn, resp, err := dialer.Dial(os.Getenv("DOCKWIRE_URL"), http.Header{"Authorization": {"Bearer " + os.Getenv("DOCKWIRE_TOKEN")}})
	if err != nil && resp != nil {
		return nil, fmt.Errorf("%w: %s", err, resp.Status)
	}
	return conn, err
}
