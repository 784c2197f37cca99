package engine

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client/api"
)

func TestEqualBuildsHaveEqualParameters(t *testing.T) {
	const url = "https://example.com/game.git"
	e := &Engine{}
	for _, equal := range [][]api.BuildParams{
		{{URL: url}, {URL: "HTTPS://EXAMPLE.com:443/game.git"}, {URL: url + "#"}, {URL: url, Ref: "HEAD"}, {URL: url, Dir: "."}, {URL: url, Dockerfile: "./Dockerfile", Args: map[string]string{}}},
		{{URL: url, Ref: "v1", Dir: "a/b"}, {URL: url + "#v1:a/b"}, {URL: url + "#v1", Dir: "a/b/"}, {URL: url + "#v1:a/b", Ref: "v1"}, {URL: url + "#:a//b", Ref: "v1"}},
		{{URL: url, Credential: &api.Credential{Password: "x"}}, {URL: url, Credential: &api.Credential{Username: "git", Password: "x"}}},
	} {
		equal[0].Name = "game"
		want, err := e.CheckBuild(equal[0])
		if err != nil {
			t.Fatal(err)
		}
		if again, err := e.CheckBuild(want); err != nil || !reflect.DeepEqual(again, want) {
			t.Errorf("checked again it is %+v, %v", again, err)
		}
		for _, p := range equal[1:] {
			p.Name = "game"
			if got, err := e.CheckBuild(p); err != nil || !reflect.DeepEqual(got, want) {
				t.Errorf("%+v became %+v, %v", p, got, err)
			}
		}
	}
}

func TestABadParameterOfABuildIsNamed(t *testing.T) {
	const url = "https://example.com/game.git"
	for _, test := range []struct {
		p     api.BuildParams
		param string
	}{
		{api.BuildParams{Name: "Game", URL: url}, "name"},
		{api.BuildParams{Name: "game:1", URL: url}, "name"},
		{api.BuildParams{Name: "game"}, "url"},
		{api.BuildParams{Name: "game", URL: "git@example.com:game.git"}, "url"},
		{api.BuildParams{Name: "game", URL: "https://user:secret@example.com/game.git"}, "url"},
		{api.BuildParams{Name: "game", URL: "--upload-pack=id"}, "url"},
		{api.BuildParams{Name: "game", URL: url + "#-x"}, "ref"},
		{api.BuildParams{Name: "game", URL: url, Ref: "a..b"}, "ref"},
		{api.BuildParams{Name: "game", URL: url + "#v1", Ref: "v2"}, "ref"},
		{api.BuildParams{Name: "game", URL: url + "#v1:/etc"}, "dir"},
		{api.BuildParams{Name: "game", URL: url, Dir: "../x"}, "dir"},
		{api.BuildParams{Name: "game", URL: url, Dockerfile: "/etc/passwd"}, "dockerfile"},
		{api.BuildParams{Name: "game", URL: url, Dockerfile: "../Dockerfile"}, "dockerfile"},
		{api.BuildParams{Name: "game", URL: url, Target: "a b"}, "target"},
		{api.BuildParams{Name: "game", URL: url, Credential: &api.Credential{}}, "credential"},
		{api.BuildParams{Name: "game", URL: url, Credential: &api.Credential{Username: "a:b", Password: "secret"}}, "credential"},
		{api.BuildParams{Name: "game", URL: url, Credential: &api.Credential{Password: "secret\nhost=evil.example"}}, "credential"},
		{api.BuildParams{Name: "game", URL: url, Credential: &api.Credential{Password: "secret" + strings.Repeat("x", 2000)}}, "credential"},
		{api.BuildParams{Name: "game", URL: url, Args: map[string]string{"A=B": ""}}, "args"},
		{api.BuildParams{Name: "game", URL: url, Args: map[string]string{"A": strings.Repeat("x", maxArgs)}}, "args"},
	} {
		_, err := (&Engine{}).CheckBuild(test.p)
		var known *Error
		if !errors.As(err, &known) || known.Class != Invalid || known.Data.Param != test.param {
			t.Errorf("%+v: %v, want %s to be refused", test.p, err, test.param)
		} else if strings.Contains(known.Reason, "secret") {
			t.Errorf("a password is shown: %s", known.Reason)
		}
	}
}
