package engine

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/dockwire/dockwire/client/api"
)

func TestAContainerLivesAsTheSeedSays(t *testing.T) {
	f := setUp(t)
	image, name := f.build("game", "EXPOSE 8123"), f.name("prod")
	c := f.create(api.CreateParams{Image: image, Name: name, Environment: map[string]string{"MODE": "prod"}, Command: []string{"serve"}})
	if c.State != api.StateRunning || c.Port != 8123 || c.Commit != testCommit || c.Image != image {
		t.Errorf("create answered %+v", c)
	}
	if want := "http://" + name + ".test.localhost:8420/"; c.URL != want {
		t.Errorf("its URL is %s, want %s", c.URL, want)
	}
	environment := fetchEnvironment(t, f, c)
	for key, want := range map[string]string{"MODE": "prod", "PORT": "8123", "DOMAIN": c.Domain, "URL": c.URL} {
		if environment[key] != want {
			t.Errorf("%s is %q in the container, want %q", key, environment[key], want)
		}
	}
	again, err := f.Start(t.Context(), name)
	if err != nil || again != c {
		t.Errorf("start of what runs answered %+v, %v", again, err)
	}
	stopped, err := f.Stop(t.Context(), name, ptr(3.5))
	if err != nil || stopped.State != api.StateExited || stopped.Finished.IsZero() {
		t.Errorf("stop answered %+v, %v", stopped, err)
	}
	if addr := addrOf(f, c.Domain); addr.IsValid() {
		t.Errorf("a stopped container is reached at %v", addr)
	}
	if again, err = f.Stop(t.Context(), name, nil); err != nil || again != stopped {
		t.Errorf("stop of what is stopped answered %+v, %v", again, err)
	}
	restarted, err := f.Restart(t.Context(), name, ptr(1.0))
	if err != nil || restarted.State != api.StateRunning || !restarted.Started.After(c.Started.Time) {
		t.Errorf("restart answered %+v, %v", restarted, err)
	}
	last := f.remove(name, false)
	restarted.State = api.StateRemoved
	if last != restarted {
		t.Errorf("remove answered %+v, want %+v", last, restarted)
	}
	if _, known := f.Container(name); known {
		t.Error("it is still known after remove")
	}
	_, err = f.Stop(t.Context(), name, nil)
	wantClass(t, err, NotFound, name)
	f.mustBeClean()
}

// fetchEnvironment asks the probe, as the ingress would, for its environment.
func fetchEnvironment(t *testing.T, f *fixture, c api.Container) map[string]string {
	t.Helper()
	f.output(c.ID, "serving")
	resp, err := http.Get("http://" + addrOf(f, c.Domain).String() + "/")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Environment map[string]string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		t.Fatal(err)
	}
	return answer.Environment
}
