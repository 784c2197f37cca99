package engine

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/dockwire/dockwire/client/api"
)

func TestADomainIsSharedByTheContainersOfOneOwnerOnly(t *testing.T) {
	f := setUp(t)
	image := f.build("game")
	makes := func(e *Engine, name, owner string) error {
		_, err := e.Create(t.Context(), api.CreateParams{Image: image, Name: f.name(name), Domain: "shop.example.com", Start: ptr(false)}, owner)
		return err
	}
	holders := func() (names []string) {
		for _, r := range f.state.at("shop.example.com") {
			names = append(names, r.Name)
		}
		return names
	}
	for _, name := range []string{"web-1", "web-2"} {
		if err := makes(f.Engine, name, "one"); err != nil {
			t.Fatal(err)
		}
	}
	if got := holders(); !slices.Equal(got, []string{f.name("web-1"), f.name("web-2")}) {
		t.Errorf("the domain leads to %v", got)
	}
	for what, e := range map[string]*Engine{"that made them": f.Engine, "that found them": f.run(f.cfg)} {
		if err := e.ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		known := wantClass(t, makes(e, "other", "another"), Conflict, "another token")
		if known.Data.Kind != "domain" || known.Data.Holder != f.name("web-1") {
			t.Errorf("the engine %s says %+v", what, known.Data)
		}
	}
	f.remove(f.name("web-1"), false)
	wantClass(t, makes(f.Engine, "other", "another"), Conflict, f.name("web-2"))
	f.remove(f.name("web-2"), false)
	if err := makes(f.Engine, "other", "another"); err != nil {
		t.Errorf("a domain that is free again: %v", err)
	}
}

func TestOfCreatesForOneDomainThoseOfOneOwnerWin(t *testing.T) {
	f := setUp(t)
	image := f.build("game")
	owners := [2]string{"one", "another"}
	var errs [6]error
	var wg sync.WaitGroup
	for i := range errs {
		wg.Go(func() {
			p := api.CreateParams{Image: image, Name: f.name(fmt.Sprint("web-", i)), Domain: "shop.example.com", Start: ptr(false)}
			_, errs[i] = f.Create(t.Context(), p, owners[i%2])
		})
	}
	wg.Wait()
	won := slices.Index(errs[:], nil) % 2
	for i, err := range errs {
		if i%2 == won && err != nil {
			t.Errorf("a create of the owner that has the domain: %v", err)
		}
		if i%2 != won {
			wantClass(t, err, Conflict, "shop.example.com")
		}
	}
}

func TestACustomDomainThatCameUnderTheBaseDoesNotCount(t *testing.T) {
	e := newEngine(Config{Instance: "dockwire", Base: "example.com"}, nil)
	for custom, want := range map[string]string{
		"": "web.example.com", "shop.example.com": "web.example.com", "example.com": "web.example.com",
		"shop.example.org": "shop.example.org", "notexample.com": "notexample.com",
	} {
		if got := e.domainOf("web", custom); got != want {
			t.Errorf("with the custom domain %q it has %s, want %s", custom, got, want)
		}
	}
}
