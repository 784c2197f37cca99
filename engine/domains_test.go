package engine

import (
	"fmt"
	"regexp"
	"slices"
	"sync"
	"testing"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
	"github.com/dockwire/dockwire/engine/enginetest/faults"
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

// An image may take minutes to be pulled.
func TestADomainIsReservedBeforeTheImageIsLookedFor(t *testing.T) {
	proxy := enginetest.NewProxy(t)
	f := setUp(t, func(cfg *Config) { cfg.Host, cfg.AllowImages = proxy.Socket(), []string{"localhost:1/*"} })
	pulls, ends := make(chan struct{}), make(chan struct{})
	end := sync.OnceFunc(func() { close(ends) })
	defer end()
	proxy.Inject(0, faults.Rule{Match: regexp.MustCompile("^POST /images/create"), Before: func() { close(pulls); <-ends }, Fail: true})
	p := api.CreateParams{Image: "localhost:1/game", Name: f.name("web"), Domain: "shop.example.com"}
	first := make(chan error, 1)
	go func() {
		_, err := f.Create(t.Context(), p, "one")
		first <- err
	}()
	<-pulls
	other := api.CreateParams{Image: f.build("game"), Name: f.name("other"), Domain: p.Domain, Start: ptr(false)}
	_, err := f.Create(t.Context(), other, "another")
	if known := wantClass(t, err, Conflict, "another token"); known.Data.Holder != p.Name {
		t.Errorf("the data are %+v", known.Data)
	}
	same := api.CreateParams{Image: other.Image, Name: p.Name, Domain: "else.example.com"}
	_, err = f.Create(t.Context(), same, "another")
	wantClass(t, err, Conflict, p.Name)
	end()
	wantClass(t, <-first, NotFound, "could not be pulled")
	if _, err := f.Create(t.Context(), other, "another"); err != nil {
		t.Errorf("when the first has failed: %v", err)
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
