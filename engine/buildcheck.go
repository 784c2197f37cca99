package engine

import (
	"cmp"
	"regexp"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/git"
)

// CheckBuild says what is wrong with p, or gives it written in one way, so that
// two equal builds have equal parameters: URL#REF:DIR is taken apart into URL,
// Ref and Dir, and defaults are filled in. It touches nothing. An error is of
// the class Invalid.
func (e *Engine) CheckBuild(p api.BuildParams) (api.BuildParams, error) {
	if err := checkImageName("name", p.Name); err != nil {
		return p, err
	}
	for _, check := range []func(*api.BuildParams) error{checkSource, checkDirs, checkArgs, checkCredential} {
		if err := check(&p); err != nil {
			return p, err
		}
	}
	return p, nil
}

const defaultRef = "HEAD"

func checkSource(p *api.BuildParams) error {
	location, ref, dir, err := git.ParseURL(p.URL)
	if err != nil {
		return invalid("url", "the url %s", err)
	}
	p.URL = location
	if err := fill("ref", &p.Ref, ref); err != nil {
		return err
	}
	if err := fill("dir", &p.Dir, dir); err != nil {
		return err
	}
	if p.Ref == "" {
		p.Ref = defaultRef
	}
	if err := git.CheckRef(p.Ref); err != nil {
		return invalid("ref", "the ref %s %s", quote(p.Ref), err)
	}
	return nil
}

// fill sets a parameter to what the URL says.
func fill(param string, value *string, ofURL string) error {
	if *value != "" && ofURL != "" && *value != ofURL {
		return invalid(param, "the %s is %s, and %s after the # of the URL: give one of them", param, quote(*value), quote(ofURL))
	}
	if ofURL != "" {
		*value = ofURL
	}
	return nil
}

func checkDirs(p *api.BuildParams) (err error) {
	dir, file := p.Dir, p.Dockerfile
	if p.Dir, err = git.CleanPath(dir); err != nil {
		return invalid("dir", "the dir %s %s", quote(dir), err)
	}
	if p.Dockerfile, err = git.CleanPath(file); err != nil {
		return invalid("dockerfile", "the dockerfile %s %s", quote(file), err)
	}
	if p.Dockerfile == "" {
		p.Dockerfile = "Dockerfile"
	}
	return nil
}

var (
	stageName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)
	argName   = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.-]{0,127}$`)
)

// maxArgs bounds the names and values of args together: the engine takes them
// in the head of a request.
const maxArgs = 64 << 10

func checkArgs(p *api.BuildParams) error {
	if p.Target != "" && !stageName.MatchString(p.Target) {
		return invalid("target", "the target %s is not the name of a stage", quote(p.Target))
	}
	size := 0
	for name, value := range p.Args {
		if !argName.MatchString(name) {
			return invalid("args", "the name %s in args is not allowed: use letters, digits, _, . and -, beginning with a letter or _", quote(name))
		}
		size += len(name) + len(value)
	}
	if size > maxArgs {
		return invalid("args", "the args are larger than %d KiB in all", maxArgs>>10)
	}
	if len(p.Args) == 0 {
		p.Args = nil
	}
	return nil
}

const defaultUsername = "git"

func checkCredential(p *api.BuildParams) error {
	if p.Credential == nil {
		return nil
	}
	login := git.Login(*p.Credential)
	if err := login.Check(); err != nil {
		return invalid("credential", "the credential %s", err)
	}
	p.Credential = &api.Credential{Username: cmp.Or(login.Username, defaultUsername), Password: login.Password}
	return nil
}
