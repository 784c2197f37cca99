package engine

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// containersOfName reads containers as "current=A previous=B", a + behind one
// that runs and a ! behind one that was never started.
func containersOfName(text string) generations {
	g := generations{}
	for field := range strings.FieldsSeq(text) {
		r, id, _ := strings.Cut(field, "=")
		one := generation{id: strings.TrimRight(id, "+!"), running: strings.HasSuffix(id, "+"), halfMade: strings.HasSuffix(id, "!")}
		g[role(r)] = one
	}
	return g
}

func (g generations) String() string {
	var fields []string
	for r, one := range g {
		field := string(r) + "=" + one.id
		if one.running {
			field += "+"
		}
		fields = append(fields, field)
	}
	slices.Sort(fields)
	return strings.Join(fields, " ")
}

// settled gives the containers once the plan is carried out.
func (g generations) settled() generations {
	g = maps.Clone(g)
	for _, s := range g.plan() {
		g.apply(s)
	}
	return g
}

func TestANameComesToRestFromWhereverAChangeOfItWasCutOff(t *testing.T) {
	for _, c := range []struct{ what, left, rest string }{
		{"nothing", "current=A+", "current=A+"},
		{"nothing, after an update", "current=B+ previous=A", "current=B+ previous=A"},
		{"nothing, as it is stopped", "current=B previous=A", "current=B previous=A"},

		{"a create, before it was named", "candidate=A", ""},
		{"a create, before it was started", "current=A!", ""},

		{"an update, before its start", "current=A+ candidate=B", "current=A+"},
		{"an update, before it serves", "current=A+ candidate=B+", "current=A+"},
		{"an update, once the older is out of the way", "current=B+ candidate=C+ older=A", "current=B+ previous=A"},
		{"the undoing of an update", "current=B+ older=A", "current=B+ previous=A"},
		{"an update, when it is done", "previous=A+ candidate=B+", "current=B+ previous=A"},
		{"another update, when it is done", "previous=B+ candidate=C+ older=A", "current=C+ previous=B"},
		{"an update, once it has the name", "current=C+ previous=B+ older=A", "current=C+ previous=B"},
		{"an update, before the old one is stopped", "current=B+ previous=A+", "current=B+ previous=A"},
		{"an update of a stopped one, when it is done", "previous=A candidate=B+", "current=B+ previous=A"},
		{"an update whose new one was removed when it was done", "previous=A+", "current=A+"},
		{"another one like that", "previous=B+ older=A", "current=B+ previous=A"},

		{"a rollback, before its start", "current=B+ returning=A", "current=B+ previous=A"},
		{"a rollback, before it serves", "current=B+ returning=A+", "current=B+ previous=A"},
		{"a rollback, when it is done", "previous=B+ returning=A+", "current=A+ previous=B"},
		{"a rollback, once it has the name", "current=A+ previous=B+", "current=A+ previous=B"},

		{"a remove", "current=B", "current=B"},
		{"a remove that was somebody else's", "previous=A", ""},
		{"a remove of somebody else's in an update", "candidate=B+ previous=A", "current=B+ previous=A"},
		{"a remove of somebody else's in a rollback", "returning=A+", ""},
		{"a start of somebody else's", "current=B previous=A+", "current=B previous=A"},
	} {
		if got := containersOfName(c.left).settled().String(); got != c.rest {
			t.Errorf("%s was cut off: of %q comes %q, want %q", c.what, c.left, got, c.rest)
		}
	}
}

// TestEveryCombinationComesToRest tries all that there can be, whether or not a
// change can leave it.
func TestEveryCombinationComesToRest(t *testing.T) {
	var all func(g generations, rest []role)
	all = func(g generations, rest []role) {
		if len(rest) > 0 {
			for _, one := range []generation{{}, {id: "x"}, {id: "x", running: true}, {id: "x", halfMade: true}} {
				more := maps.Clone(g)
				if one.id != "" {
					one.id = string(rest[0])
					more[rest[0]] = one
				}
				all(more, rest[1:])
			}
			return
		}
		end := g.settled()
		if steps := end.plan(); len(steps) > 0 {
			t.Errorf("%q is not at rest: %v", end, steps)
		}
		for r, one := range end {
			if r != current && r != previous || r == previous && (one.running || !end.has(current)) {
				t.Errorf("of %q comes %q", g, end)
			}
		}
		if one, ok := g[current]; ok && !one.halfMade && end[current].id != one.id {
			t.Errorf("%q loses its current container: %q", g, end)
		}
	}
	all(generations{}, []role{current, candidate, previous, returning, older})
}

func TestATitleSaysWhatAContainerIsToItsName(t *testing.T) {
	e := &Engine{cfg: Config{Instance: "test"}}
	for _, r := range []role{current, candidate, previous, returning, older} {
		const until = 1764064314123456789
		title := e.title(r, "web", until)
		got, when, ok := e.roleOf("/"+title, "web")
		if !ok || got != r || (when != until && r != current && r != candidate) {
			t.Errorf("%s is read as %s, %d, %v", title, got, when, ok)
		}
		if _, _, ok := e.roleOf(title, "web2"); ok {
			t.Errorf("%s is taken for one of another name", title)
		}
	}
	for _, title := range []string{"", "web-1", "dockwire.test.previous.web", "dockwire.test.previous.web.!", "dockwire.other.previous.web.1"} {
		if r, _, ok := e.roleOf(title, "web"); ok {
			t.Errorf("%q is taken for %s", title, r)
		}
	}
}
