package engine

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/docker/docker/api/types/container"

	"github.com/dockwire/dockwire/client/api"
)

// asked is what a create was asked, as the container's label keeps it. Values of
// the environment may be secrets, and stand nowhere but in the environment.
type asked struct {
	api.CreateParams
	Variables []string `json:"variables,omitempty"`
}

func askedLabel(p api.CreateParams) string {
	a := asked{CreateParams: p, Variables: slices.Sorted(maps.Keys(p.Environment))}
	a.Environment = nil
	text, err := json.Marshal(a)
	if err != nil {
		panic(err) // numbers and texts always can be
	}
	return string(text)
}

// askedOf gives what a container's create was asked. It is not known of those
// that are older than the label.
func askedOf(c container.InspectResponse) (p api.CreateParams, known bool) {
	var a asked
	if json.Unmarshal([]byte(c.Config.Labels[labelCreate]), &a) != nil {
		return p, false
	}
	values := variablesOf(c.Config.Env)
	a.Environment = map[string]string{}
	for _, key := range a.Variables {
		a.Environment[key] = valueOf(values[key])
	}
	return a.CreateParams, true
}
