package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/gorilla/websocket"
	"golang.org/x/sync/errgroup"
)

// Held says how many connections there are, and in how many seconds they were
// made.
type Held struct {
	Connections int
	Seconds     float64
}

// Called says how many calls were answered, and how fast.
type Called struct {
	Calls    int
	Seconds  float64
	P50, P99 Lag
}

// together is how many connections are made, or used, at once.
const together = 64

func hold(args []string) error {
	flags := newFlags("hold")
	n := flags.Int("n", 1, "how many connections")
	if err := flags.Parse(args); err != nil {
		return err
	}
	begin := time.Now()
	held := make([]*holder, *n)
	err := each(held, func(h **holder) (err error) {
		*h, err = newHolder()
		return err
	})
	if err != nil {
		return err
	}
	out := json.NewEncoder(os.Stdout)
	if err := out.Encode(Held{len(held), time.Since(begin).Seconds()}); err != nil {
		return err
	}
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		called, err := callAll(held)
		if err != nil {
			return err
		}
		if err := out.Encode(called); err != nil {
			return err
		}
	}
	return nil
}

func each(held []*holder, do func(**holder) error) error {
	var group errgroup.Group
	group.SetLimit(together)
	for i := range held {
		group.Go(func() error { return do(&held[i]) })
	}
	return group.Wait()
}

// holder is a connection. It is read all the time, so that pings are answered.
type holder struct {
	conn    *websocket.Conn
	answers chan []byte // closed when the connection ends
	took    time.Duration
}

func newHolder() (*holder, error) {
	conn, err := dial()
	if err != nil {
		return nil, err
	}
	h := &holder{conn: conn, answers: make(chan []byte)}
	go h.read()
	return h, nil
}

func (h *holder) read() {
	defer close(h.answers)
	for {
		_, data, err := h.conn.ReadMessage()
		if err != nil {
			return
		}
		h.answers <- data
	}
}

func (h *holder) call() error {
	begin := time.Now()
	if err := h.conn.WriteMessage(websocket.TextMessage, []byte(`{"jsonrpc":"2.0","id":1,"method":"list"}`)); err != nil {
		return err
	}
	answer, ok := <-h.answers
	h.took = time.Since(begin)
	if !ok || string(answer) != `{"jsonrpc":"2.0","id":1,"result":[]}` {
		return fmt.Errorf("list answered %q, ended %v", answer, !ok)
	}
	return nil
}

func callAll(held []*holder) (Called, error) {
	begin := time.Now()
	if err := each(held, func(h **holder) error { return (*h).call() }); err != nil {
		return Called{}, err
	}
	seconds := time.Since(begin).Seconds()
	took := make([]Lag, len(held))
	for i, h := range held {
		took[i] = Lag(float64(h.took) / float64(time.Millisecond))
	}
	slices.Sort(took)
	return Called{len(held), seconds, took[len(took)/2], took[len(took)*99/100]}, nil
}
