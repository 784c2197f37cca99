package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/dockwire/dockwire/client"
	"github.com/dockwire/dockwire/client/api"
)

const clients, names = 32, 8

// called is a call about one name, as the checker takes it: list is one for
// every name. Its answer says that the container is absent, stopped or running,
// or was removed; or conflict, when it was there already.
type called struct{ name, method string }

const absent, halted, runs, conflicts = "absent", "stopped", "running", "conflict"

// model is what the daemon promises: each name by itself is absent, stopped or
// running.
var model = porcupine.Model{
	Init: func() any { return absent },
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byName := map[string][]porcupine.Operation{}
		for _, op := range history {
			name := op.Input.(called).name
			byName[name] = append(byName[name], op)
		}
		var parts [][]porcupine.Operation
		for _, part := range byName {
			parts = append(parts, part)
		}
		return parts
	},
	Step: func(state, input, output any) (bool, any) {
		was, method, seen := state.(string), input.(called).method, output.(string)
		switch {
		case method == "list", method == "inspect":
			return seen == was || seen == api.StateDead && was != absent, was
		case method == "end": // of its process, by a remove
			return true, map[string]string{absent: absent, halted: halted, runs: halted}[was]
		case method == "create" && was != absent:
			return seen == conflicts, was
		case method != "create" && was == absent:
			return seen == absent, was
		}
		after := map[string]string{"create": runs, "start": runs, "stop": halted, "remove": "removed"}[method]
		if after == "removed" {
			return seen == "removed", absent
		}
		return seen == after, after
	},
	DescribeOperation: func(input, output any) string {
		return input.(called).method + " " + input.(called).name + ": " + output.(string)
	},
}

// history is what clients were answered, and when.
type history struct {
	mu  sync.Mutex
	all []porcupine.Operation
}

func (h *history) add(client int, begin, end time.Time, answers map[called]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for input, output := range answers {
		if output == "removed" { // who looks meanwhile may see it without its process
			answers[called{input.name, "end"}] = ""
		}
	}
	for input, output := range answers {
		h.all = append(h.all, porcupine.Operation{ClientId: client, Input: input, Output: output, Call: begin.UnixNano(), Return: end.UnixNano()})
	}
}

// roundCalls is how many calls each client makes before it waits for the others.
// Without such rests the checker has too many orders to try: all clients may come
// to wait for the same name, and none of their calls ends before another begins.
const roundCalls = 4

// TestTheHistoryOfManyClientsIsLinearizable has them do all there is to a few
// names at once. What each was answered has to fit one order of the calls.
func TestTheHistoryOfManyClientsIsLinearizable(t *testing.T) {
	d := startEngine(t, "").startDaemon()
	build(t, d.client(), "app", "")
	var h history
	chances := newChances()
	for n := 0; n < scale().history && !t.Failed(); n += clients * roundCalls {
		d.crowd(clients*roundCalls, chances, func(c *client.Client, id int, chance *rand.Rand) error {
			method := []string{"create", "create", "remove", "start", "stop", "list", "inspect", "inspect"}[chance.IntN(8)]
			begin := time.Now()
			answers, err := ask(c, method, nameOf(chance.IntN(names)))
			h.add(id, begin, time.Now(), answers)
			return err
		})
	}
	result := porcupine.CheckOperationsTimeout(model, h.all, patience)
	t.Logf("%d operations on %d names by %d clients: %s", len(h.all), names, clients, result)
	if result != porcupine.Ok {
		t.Errorf("linearizable: %s%s", result, explain(h.all))
	}
}

// TestRacesOfCreateAndRemoveEndAsTheModelSays has clients create and remove the
// same names at once. Only success, conflict and not found are answered, and in
// the end there is what was created and not removed.
func TestRacesOfCreateAndRemoveEndAsTheModelSays(t *testing.T) {
	d := startEngine(t, "").startDaemon()
	c := d.client()
	build(t, c, "app", "")
	var mu sync.Mutex
	created, answered := map[string]int{}, map[string]int{}
	d.crowd(scale().races, newChances(), func(c *client.Client, id int, chance *rand.Rand) error {
		name := nameOf(chance.IntN(names))
		method := []string{"create", "remove"}[chance.IntN(2)]
		answers, err := ask(c, method, name)
		mu.Lock()
		defer mu.Unlock()
		switch seen := answers[called{name, method}]; {
		case method == "create" && seen == runs:
			created[name]++
		case method == "remove" && seen == "removed":
			created[name]--
		}
		answered[method+": "+answers[called{name, method}]]++
		return err
	})
	var want, got []string
	for name, times := range created {
		if times < 0 || times > 1 {
			t.Errorf("%s was created %d times more often than removed", name, times)
		}
		if times == 1 {
			want = append(want, name)
		}
	}
	for _, container := range must[[]api.Container](t)(c.List(t.Context())) {
		got = append(got, container.Name)
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("in the end there are %q, want %q", got, want)
	}
	t.Logf("%d calls: %v", scale().races, answered)
}

func nameOf(n int) string { return fmt.Sprintf("name%d", n) }

// newChances gives each client what it decides by.
func newChances() (chances [clients]*rand.Rand) {
	for id := range chances {
		chances[id] = rand.New(rand.NewPCG(*seed, uint64(id)))
	}
	return chances
}

// crowd has the clients make so many calls in all, each client on a connection
// of its own.
func (d *daemon) crowd(calls int, chances [clients]*rand.Rand, one func(c *client.Client, id int, chance *rand.Rand) error) {
	d.t.Helper()
	var crowd sync.WaitGroup
	for id := range clients {
		c := d.client()
		crowd.Go(func() {
			defer c.Close()
			for range calls / clients {
				if err := one(c, id, chances[id]); err != nil {
					d.t.Error(err)
					return
				}
			}
		})
	}
	crowd.Wait()
}

// ask makes a call and gives what its answer says of each name that it is about.
// An answer that no race may have is an error.
func ask(c *client.Client, method, name string) (map[called]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*patience)
	defer cancel()
	var container api.Container
	var err error
	switch method {
	case "list":
		return askList(ctx, c)
	case "create":
		container, err = c.Create(ctx, api.CreateParams{Image: "app", Name: name, Port: ptr(0)})
	case "remove":
		container, err = c.Remove(ctx, api.RemoveParams{Name: name})
	case "start":
		container, err = c.Start(ctx, name)
	case "stop":
		container, err = c.Stop(ctx, name, api.StopParams{Timeout: ptr(5.0)})
	case "inspect":
		var inspect api.Inspect
		inspect, err = c.Inspect(ctx, name)
		container = inspect.Container
	}
	seen := seenAs(container.State)
	switch {
	case errors.Is(err, api.CodeConflict) && method == "create":
		seen, err = conflicts, nil
	case nothingDone(err): // the crowd is too much for the engine, which is no race
		return nil, nil
	case errors.Is(err, api.CodeNotFound), errors.Is(err, api.CodeMethodNotFound):
		seen, err = absent, nil
	case err != nil:
		err = fmt.Errorf("%s of %s was answered with %w", method, name, err)
	}
	return map[called]string{{name, method}: seen}, err
}

func nothingDone(err error) bool {
	var answered *api.Error
	return errors.As(err, &answered) && answered.Code == api.CodeUnavailable && answered.Data.Outcome == api.OutcomeNone
}

func askList(ctx context.Context, c *client.Client) (map[called]string, error) {
	all, err := c.List(ctx)
	answers := map[called]string{}
	for n := range names {
		answers[called{nameOf(n), "list"}] = absent
	}
	for _, container := range all {
		answers[called{container.Name, "list"}] = seenAs(container.State)
	}
	return answers, err
}

// seenAs gives the state of a container in the model's words.
func seenAs(state string) string {
	switch state {
	case api.StateExited, api.StateCreated:
		return halted
	case api.StateRunning:
		return runs
	}
	return state
}

// explain gives the operations about the names whose history does not fit, in
// the order in which they ended.
func explain(history []porcupine.Operation) string {
	var text strings.Builder
	slices.SortFunc(history, func(a, b porcupine.Operation) int { return int(a.Return - b.Return) })
	for _, part := range model.Partition(history) {
		if porcupine.CheckOperationsTimeout(model, part, patience) == porcupine.Ok {
			continue
		}
		for _, op := range part {
			fmt.Fprintf(&text, "\n%d–%d µs, client %d: %s", (op.Call-history[0].Call)/1000, (op.Return-history[0].Call)/1000, op.ClientId, model.DescribeOperation(op.Input, op.Output))
		}
	}
	return text.String()
}
