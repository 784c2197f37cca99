package api

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
)

// BuildParams are the parameters of build.
type BuildParams struct {
	Name       string            `json:"name" jsonschema:"the name of the image: lower-case letters, digits, -, _ and ."`
	URL        string            `json:"url" jsonschema:"the http or https URL of a git repository; URL#ref and URL#ref:dir work as in Docker"`
	Ref        string            `json:"ref,omitempty" jsonschema:"a branch, a tag or a commit; the repository's HEAD when absent"`
	Dir        string            `json:"dir,omitempty" jsonschema:"the directory in the repository that is the build's context"`
	Dockerfile string            `json:"dockerfile,omitempty" jsonschema:"the path of the Dockerfile within the context; Dockerfile when absent"`
	Args       map[string]string `json:"args,omitempty" jsonschema:"build arguments"`
	Target     string            `json:"target,omitempty" jsonschema:"the stage to build"`
	NoCache    bool              `json:"noCache,omitempty" jsonschema:"build though nothing has changed, and every step anew"`
	Pull       bool              `json:"pull,omitempty" jsonschema:"build though nothing has changed, and ask the registry for newer base images"`
	Submodules bool              `json:"submodules,omitempty" jsonschema:"fetch the repository's submodules too"`
	After      string            `json:"after,omitempty" jsonschema:"a cursor of a build of this name: goes on exactly there, whether the build runs or has ended"`
	Credential *Credential       `json:"credential,omitempty" jsonschema:"the login for a private repository; shown to the host of the URL alone, and kept nowhere"`
}

// Credential is the login for a private git repository. It does not print.
type Credential struct {
	Username string `json:"username,omitempty" jsonschema:"the user; git when absent, for servers that look at the token alone"`
	Password string `json:"password" jsonschema:"the password, or a token"`
}

// String hides the credential from whoever prints it.
func (Credential) String() string { return "[hidden]" }

// GoString hides the credential from whoever prints it.
func (Credential) GoString() string { return "[hidden]" }

// CreateParams are the parameters of create.
type CreateParams struct {
	Image       string            `json:"image" jsonschema:"the name of an image that build made; NAME:COMMIT names one build of it"`
	Name        string            `json:"name" jsonschema:"the name of the container, a DNS label of 2 to 63 characters: a-z, 0-9 and -"`
	Environment map[string]string `json:"environment,omitempty" jsonschema:"environment variables"`
	Command     []string          `json:"command,omitempty" jsonschema:"the command to run instead of the image's"`
	Port        *int              `json:"port,omitempty" jsonschema:"the port that the container serves HTTP on; 0 for a worker that serves none; when absent the one port that the image EXPOSEs, else 8080"`
	Domain      string            `json:"domain,omitempty" jsonschema:"a custom domain, besides NAME.BASE, which containers of one token may share"`
	Network     string            `json:"network,omitempty" jsonschema:"containers that give the same network reach each other by name"`
	Memory      int64             `json:"memory,omitempty" jsonschema:"the memory limit in bytes"`
	CPUs        float64           `json:"cpus,omitempty" jsonschema:"the CPU limit in cores"`
	Pids        int64             `json:"pids,omitempty" jsonschema:"how many processes and threads it may have"`
	Restart     string            `json:"restart,omitempty" jsonschema:"no, on-failure or unless-stopped" default:"unless-stopped"`
	Volumes     []string          `json:"volumes,omitempty" jsonschema:"named volumes, each NAME:/path"`
	Profile     string            `json:"profile,omitempty" jsonschema:"default or strict" default:"default"`
	Init        *bool             `json:"init,omitempty" jsonschema:"run an init as process 1; false for an image that brings its own" default:"true"`
	Start       *bool             `json:"start,omitempty" jsonschema:"start the container at once" default:"true"`
	Replicas    int               `json:"replicas,omitempty" jsonschema:"how many of it run: on a single engine it and its siblings NAME-2, NAME-3 and so on, up to 100" default:"1"`
}

// UpdateParams are the parameters of NAME/update.
type UpdateParams struct {
	Image       string            `json:"image,omitempty" jsonschema:"the image of the new container; when absent the newest build of the one that it has"`
	Environment map[string]string `json:"environment,omitzero" jsonschema:"environment variables in place of those that it has; when absent they are kept"`
}

// ListParams are the parameters of list.
type ListParams struct {
	Follow bool `json:"follow,omitempty" jsonschema:"stream the list, then what changes in it"`
}

// RemoveParams are the parameters of remove.
type RemoveParams struct {
	Name    string `json:"name" jsonschema:"the name of the container"`
	Volumes bool   `json:"volumes,omitempty" jsonschema:"remove its named volumes too, those that no other container has"`
}

// RemoveImageParams are the parameters of removeImage.
type RemoveImageParams struct {
	Name string `json:"name" jsonschema:"the name of the image; NAME:COMMIT removes one build of it"`
}

// CancelBuildParams are the parameters of cancelBuild.
type CancelBuildParams struct {
	ID string `json:"id" jsonschema:"the id of the build"`
}

// DiffParams are the parameters of NAME/diff.
type DiffParams struct {
	Path string `json:"path,omitempty" jsonschema:"only what lies at or below this path"`
}

// StopParams are the parameters of NAME/stop and NAME/restart.
type StopParams struct {
	Timeout *float64 `json:"timeout,omitempty" jsonschema:"seconds to wait before the container is killed" default:"10"`
}

// ScaleParams are the parameters of NAME/scale.
type ScaleParams struct {
	Replicas int `json:"replicas" jsonschema:"how many are to run, itself included; 0 stops it"`
}

// TopParams are the parameters of NAME/top.
type TopParams struct {
	Follow   bool    `json:"follow,omitempty" jsonschema:"stream the usage"`
	Interval float64 `json:"interval,omitempty" jsonschema:"seconds between two samples of a stream, 1 at the least" default:"1"`
}

// LogsParams are the parameters of NAME/logs. Every one combines with every
// other.
type LogsParams struct {
	Follow bool   `json:"follow,omitempty" jsonschema:"stream the lines, until the container is removed"`
	Tail   Tail   `json:"tail,omitzero" jsonschema:"how many of the newest lines, counted after the filters, or all" default:"all"`
	Since  string `json:"since,omitempty" jsonschema:"lines at or after this time: RFC 3339, or a duration back from now such as 10m"`
	Until  string `json:"until,omitempty" jsonschema:"lines before this time: RFC 3339, or a duration back from now"`
	Stream string `json:"stream,omitempty" jsonschema:"stdout, stderr or both" default:"both"`
	Grep   string `json:"grep,omitempty" jsonschema:"only lines that match this RE2 expression"`
	After  string `json:"after,omitempty" jsonschema:"a cursor of this log: goes on exactly there"`
}

// NoParams are the parameters of a method that takes none.
type NoParams struct{}

// Tail is how many of the newest lines are asked for. The zero Tail asks for
// all of them.
type Tail struct {
	limited bool
	lines   int
}

// TailLines asks for the n newest lines.
func TailLines(n int) Tail { return Tail{limited: true, lines: n} }

// Lines gives the number of lines, and whether there is such a limit at all.
func (t Tail) Lines() (n int, limited bool) { return t.lines, t.limited }

// IsZero says that all lines are asked for.
func (t Tail) IsZero() bool { return !t.limited }

// MarshalJSON implements json.Marshaler.
func (t Tail) MarshalJSON() ([]byte, error) {
	if !t.limited {
		return []byte(`"all"`), nil
	}
	return strconv.AppendInt(nil, int64(t.lines), 10), nil
}

// UnmarshalJSON implements json.Unmarshaler. It takes a number of lines, or
// "all".
func (t *Tail) UnmarshalJSON(data []byte) error {
	if bytes.Equal(data, []byte(`"all"`)) {
		*t = Tail{}
		return nil
	}
	var n int
	if err := json.Unmarshal(data, &n); err != nil || n < 0 {
		return fmt.Errorf(`a number of lines or "all" is wanted`)
	}
	*t = TailLines(n)
	return nil
}
