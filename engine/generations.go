package engine

import (
	"maps"
	"strconv"
	"strings"
)

// role is what a container of ours is to its name. What the engine calls it says
// so: labels cannot be changed, and a rename happens whole or not at all.
type role string

const (
	current   role = "current"   // has the name
	candidate role = "candidate" // is made by a create or an update, that is at it or was cut off
	previous  role = "previous"  // was replaced by the current one, is stopped, and kept
	returning role = "returning" // was the previous one, and is started by a rollback
	older     role = "older"     // was the previous one, until an update that is at it or was cut off
)

// title gives what the engine calls a container in this role. Those that were
// replaced once bear when that was.
func (e *Engine) title(r role, name string, until int64) string {
	switch r {
	case current:
		return name
	case candidate:
		return e.engineName(kindContainer, name)
	}
	return e.engineName(string(r), name) + "." + strconv.FormatInt(until, 36)
}

// roleOf reads a title. It is not ok for one that we did not give.
func (e *Engine) roleOf(title, name string) (r role, until int64, ok bool) {
	title = strings.TrimPrefix(title, "/")
	switch title {
	case name:
		return current, 0, true
	case e.engineName(kindContainer, name):
		return candidate, 0, true
	}
	for _, r := range []role{previous, returning, older} {
		if digits, found := strings.CutPrefix(title, e.engineName(string(r), name)+"."); found {
			until, err := strconv.ParseInt(digits, 36, 64)
			return r, until, err == nil
		}
	}
	return "", 0, false
}

// generation is one of the containers of a name.
type generation struct {
	id       string
	until    int64 // when it was replaced, in Unix nanoseconds of the engine; 0 if it never was
	running  bool
	halfMade bool   // created to be started, and never was
	of       string // whose sibling it is, if it is one
	edition  string
}

// generations are the containers of a name, by what they are to it.
type generations map[role]generation

func (g generations) has(r role) bool {
	_, ok := g[r]
	return ok
}

// ofSibling says whether they are those of a sibling.
func (g generations) ofSibling() bool {
	for _, one := range g {
		return one.of != ""
	}
	return false
}

func (g generations) wasStarted(r role) bool { return g.has(r) && !g[r].halfMade }

// step is one change on the way to rest: a container is removed, or stopped, or
// becomes something else to its name.
type step struct {
	do     action
	of, to role
}

type action int

const (
	remove action = iota
	stop
	become
)

// plan says how a name comes to rest, which is to have a current container and at
// most a previous one, that is stopped; or none at all. It decides by what is
// there alone, so that a change that was cut off anywhere is finished or undone:
// an update or a rollback is done from when the current container has become the
// previous one, and not before.
func (g generations) plan() (steps []step) {
	g = maps.Clone(g)
	do := func(s step) {
		steps = append(steps, s)
		g.apply(s)
	}
	if g[current].halfMade {
		do(step{do: remove, of: current})
	}
	g.decide(do)
	superfluous := []role{candidate, returning, older}
	if !g.has(current) { // somebody removed it
		superfluous = append(superfluous, previous)
	}
	for _, r := range superfluous {
		if g.has(r) {
			do(step{do: remove, of: r})
		}
	}
	if g[previous].running {
		do(step{do: stop, of: previous})
	}
	return steps
}

// decide finishes a change or undoes it.
func (g generations) decide(do func(step)) {
	switch {
	case g.has(current):
		g.undo(do)
	case g.has(previous) && g.wasStarted(candidate):
		do(step{become, candidate, current})
	case g.has(previous) && g.wasStarted(returning):
		do(step{become, returning, current})
	case g[previous].running: // what was to replace it is gone
		do(step{become, previous, current})
		g.undo(do)
	}
}

// undo puts what was the previous container, before a change that did not come to
// its end, back into its place.
func (g generations) undo(do func(step)) {
	for _, r := range []role{returning, older} {
		if !g.has(r) || g.has(previous) {
			continue
		}
		if g[r].running {
			do(step{do: stop, of: r})
		}
		do(step{become, r, previous})
	}
}

// apply notes that a step was done.
func (g generations) apply(s step) {
	one := g[s.of]
	switch s.do {
	case stop:
		one.running = false
		g[s.of] = one
	case become:
		g[s.to] = one
		fallthrough
	case remove:
		delete(g, s.of)
	}
}
