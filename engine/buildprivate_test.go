package engine

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client/api"
)

const repositoryPassword = "r3po-s3cr3t"

// shows gives where the password of the repository can be read: in what a build
// said, in its answer, or in the image.
func (w *workshop) shows(name string, out *transcript, answer ...any) (places []string) {
	w.t.Helper()
	ref, _ := ownReference(repository, name)
	history, err := w.docker.ImageHistory(w.t.Context(), ref)
	if err != nil {
		w.t.Fatal(err)
	}
	image, err := w.docker.ImageInspect(w.t.Context(), ref)
	if err != nil {
		w.t.Fatal(err)
	}
	for place, text := range map[string]string{
		"the history": fmt.Sprintf("%+v", history), "the image": fmt.Sprintf("%+v %+v", image, image.Config), "its files": fmt.Sprint(w.filesOf(name)),
		"the output": strings.Join(out.lines, "\n"), "the answer": fmt.Sprintf("%+v", answer),
	} {
		if strings.Contains(text, repositoryPassword) {
			places = append(places, place)
		}
	}
	return places
}

func TestAPrivateRepositoryIsBuiltAndItsPasswordIsNowhere(t *testing.T) {
	bothBuilders(t, func(t *testing.T, w *workshop) {
		repo := w.Repo("app", map[string]string{"Dockerfile": "FROM scratch\nCOPY . /\n"})
		w.Require("user", repositoryPassword)
		p := api.BuildParams{Name: w.name("app"), URL: repo.URL, Credential: &api.Credential{Username: "user", Password: repositoryPassword}}
		b, out := w.mustBuild(p)
		if places := w.shows(p.Name, out, b, p); len(places) > 0 {
			t.Errorf("it is in %v", places)
		}

		p.Credential.Username = "nobody"
		_, _, err := w.try(p)
		wrong := wantClass(t, err, NotFound, "does not take the credential")
		if text := fmt.Sprintf("%s %+v %+v", wrong.Reason, wrong.Data, wrong.Err); strings.Contains(text, repositoryPassword) {
			t.Errorf("it is in the error: %s", text)
		}
		p.Credential = nil
		_, _, err = w.try(p)
		if missing := wantClass(t, err, NotFound, "give a credential"); missing.Data.Kind != "repository" {
			t.Errorf("the kind is %s", missing.Data.Kind)
		}
	})
}

func TestALoginForAHostIsReadFromAFileEachTime(t *testing.T) {
	w := newWorkshop(t, "auto")
	repo := w.Repo("app", map[string]string{"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
	w.Require("user", repositoryPassword)
	w.cfg.GitCredentials = filepath.Join(t.TempDir(), "credentials")
	p := api.BuildParams{Name: w.name("app"), URL: repo.URL}
	write := func(password string, mode os.FileMode) {
		t.Helper()
		if err := os.WriteFile(w.cfg.GitCredentials, []byte("http://user:"+password+"@"+w.Host+"\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("0ld", 0o600)
	_, _, err := w.try(p)
	wantClass(t, err, NotFound, "does not take the credential")
	write(repositoryPassword, 0o600)
	_, out := w.mustBuild(p)
	if places := w.shows(p.Name, out); len(places) > 0 {
		t.Errorf("it is in %v", places)
	}
	if err := os.Chmod(w.cfg.GitCredentials, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := w.try(p); err == nil {
		t.Error("a file that anybody can read was used")
	}
	if _, err := New(w.cfg); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("a daemon with it starts: %v", err)
	}
}

func TestAPasswordIsNotSentInClear(t *testing.T) {
	w := newWorkshop(t, "auto")
	w.cfg.AllowGit = []string{"127.0.0.0/8"}
	_, _, err := w.try(api.BuildParams{Name: w.name("app"), URL: "http://git.example.com/x.git", Credential: &api.Credential{Password: repositoryPassword}})
	if unsafe := wantClass(t, err, Invalid, "https"); unsafe.Data.Param != "url" {
		t.Errorf("the parameter is %s", unsafe.Data.Param)
	}
}
