package daemon

import (
	"context"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/daemon/access"
)

// openRPC is an OpenRPC 1.3.2 document, as far as this daemon needs one.
type openRPC struct {
	OpenRPC    string     `json:"openrpc"`
	Info       info       `json:"info"`
	Methods    []document `json:"methods"`
	Components components `json:"components"`
}

type info struct {
	Title       string `json:"title"`
	Description string `json:"description"`
	Version     string `json:"version"`
	License     link   `json:"license"`
}

type link struct {
	Name string `json:"name"`
	URL  string `json:"url,omitempty"`
}

type components struct {
	Schemas map[string]*jsonschema.Schema `json:"schemas"`
	Errors  map[string]errorDoc           `json:"errors"`
}

// document describes a method, or a notification that the daemon sends.
type document struct {
	Name           string        `json:"name"`
	Summary        string        `json:"summary"`
	ParamStructure string        `json:"paramStructure"`
	Params         []descriptor  `json:"params"`
	Result         *descriptor   `json:"result,omitempty"`
	Errors         []ref         `json:"errors,omitempty"`
	Examples       []examplePair `json:"examples,omitempty"`
	Scope          string        `json:"x-scope,omitempty"`     // the scope that a token needs
	Stream         string        `json:"x-stream,omitempty"`    // the notification that a call sends before it answers
	Direction      string        `json:"x-direction,omitempty"` // of a notification: who sends it
}

type descriptor struct {
	Name        string             `json:"name"`
	Description string             `json:"description,omitempty"`
	Required    bool               `json:"required,omitempty"`
	Schema      *jsonschema.Schema `json:"schema"`
}

type errorDoc struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

type ref struct {
	Ref string `json:"$ref"`
}

type examplePair struct {
	Name   string    `json:"name"`
	Params []example `json:"params"`
	Result example   `json:"result"`
}

type example struct {
	Name  string `json:"name"`
	Value any    `json:"value"`
}

// maxDiscovery is the size from which on NAME/… stands for the methods of all
// containers, so that common clients still take the answer.
const maxDiscovery = 1 << 20

// discover answers rpc.discover: the method table, with the methods of each
// container that there is now.
func discover(ctx context.Context, d *Daemon, c *call, _ *api.NoParams) (json.RawMessage, error) {
	var names []string
	if containers, err := d.engine.Containers(ctx); err == nil { // the methods are as they are, engine or not
		for _, container := range seenContainers(c.caller, containers) {
			names = append(names, container.Name)
		}
	}
	return discovery(d.methods, names, c.caller.Scope, d.cfg.Version)
}

// leastDescribed is less than what a container's methods take in the document, so
// that what is far too large is not made first.
const leastDescribed = 6 << 10

// discovery gives the document that describe makes, as JSON.
func discovery(table methodTable, containers []string, scope access.Scope, version string) (json.RawMessage, error) {
	if len(containers) > maxDiscovery/leastDescribed {
		containers = nil
	}
	data, err := json.Marshal(describe(table, containers, scope, version))
	if err == nil && len(data) > maxDiscovery {
		return json.Marshal(describe(table, nil, scope, version))
	}
	return data, err
}

// describe makes the document of the methods that a scope allows. Without
// containers, NAME/… stands for the methods of any.
func describe(table methodTable, containers []string, scope access.Scope, version string) openRPC {
	if len(containers) == 0 {
		containers = []string{"NAME"}
	}
	doc := openRPC{
		OpenRPC: "1.3.2",
		Info: info{
			Title:       "dockwire",
			Description: "Builds images from git URLs, and runs and watches containers made from them. Parameters go by position or by name. A call with x-stream sends that notification until it answers.",
			Version:     version,
			License:     link{Name: "Apache-2.0"},
		},
		Components: components{Schemas: schemas(), Errors: errorDocs()},
	}
	for _, name := range slices.Sorted(maps.Keys(table)) {
		m := table[name]
		switch {
		case !scope.Allows(m.scope):
		case m.ofContainer():
			one := m.document(m.name)
			for _, container := range containers {
				one.Name = container + strings.TrimPrefix(m.name, "NAME")
				doc.Methods = append(doc.Methods, one)
			}
		default:
			doc.Methods = append(doc.Methods, m.document(m.name))
		}
	}
	doc.Methods = append(doc.Methods, notifications()...)
	return doc
}

func (m *method) document(name string) document {
	return document{
		Name:           name,
		Summary:        m.summary,
		ParamStructure: "either",
		Params:         descriptors(m.params),
		Result:         &descriptor{Name: "result", Schema: schemaOf(m.result)},
		Errors:         m.errorRefs(),
		Examples:       examples[m.name],
		Scope:          m.scope.String(),
		Stream:         m.event,
	}
}

// descriptors describes the fields of a parameter struct, in their order.
func descriptors(t reflect.Type) []descriptor {
	params := []descriptor{}
	s := infer(t)
	for _, name := range s.PropertyOrder {
		property := s.Properties[name].CloneSchemas()
		description := property.Description
		property.Description = ""
		field, _ := fieldOf(t, name)
		if value := field.Tag.Get("default"); value != "" {
			property.Default = defaultOf(property, value)
		}
		params = append(params, descriptor{Name: name, Description: description,
			Required: slices.Contains(s.Required, name), Schema: property})
	}
	return params
}

func fieldOf(t reflect.Type, name string) (reflect.StructField, bool) {
	return t.FieldByNameFunc(func(field string) bool {
		f, _ := t.FieldByName(field)
		tag, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		return tag == name
	})
}

// defaultOf gives a default as JSON: strings stand in the tag without quotes.
func defaultOf(s *jsonschema.Schema, value string) json.RawMessage {
	if s.Type == "string" || s.Type == "" && len(s.Types) == 0 {
		value = string(api.AppendString(nil, value))
	}
	return json.RawMessage(value)
}

// notifications describes what the daemon sends. Their params are by name, and
// id is that of the call that they belong to.
func notifications() []document {
	var docs []document
	for _, n := range []struct {
		name, summary string
		params        reflect.Type
	}{
		{api.EventBuild, "Lines of a build's output.", reflect.TypeFor[api.Output]()},
		{api.EventList, "First all containers, then those that changed.", reflect.TypeFor[api.ListOutput]()},
		{api.EventLogs, "Lines of a container's log.", reflect.TypeFor[api.Output]()},
		{api.EventRollback, "How a rollback goes.", reflect.TypeFor[api.ProgressOutput]()},
		{api.EventTop, "What a container uses.", reflect.TypeFor[api.TopOutput]()},
		{api.EventUpdate, "How an update goes.", reflect.TypeFor[api.ProgressOutput]()},
	} {
		id := descriptor{Name: "id", Description: "the id of the call, verbatim", Required: true, Schema: &jsonschema.Schema{}}
		docs = append(docs, document{Name: n.name, Summary: n.summary, ParamStructure: "by-name",
			Params: append([]descriptor{id}, descriptors(n.params)...), Direction: "server-to-client"})
	}
	return docs
}

// errorRefs names the errors that any call can get; those of one kind of call
// only come with the calls that name it.
func (m *method) errorRefs() []ref {
	codes := []api.Code{api.CodeInvalidParams, api.CodeInternal, api.CodeForbidden, api.CodeUnavailable, api.CodeTooBusy, api.CodeCancelled}
	codes = append(codes, m.errors...)
	if m.ofContainer() {
		codes = append(codes, api.CodeMethodNotFound)
	}
	refs := make([]ref, len(codes))
	for i, code := range codes {
		refs[i] = ref{Ref: "#/components/errors/" + errorName(code)}
	}
	return refs
}

func errorDocs() map[string]errorDoc {
	docs := map[string]errorDoc{}
	for _, code := range api.Codes() {
		docs[errorName(code)] = errorDoc{Code: int(code), Message: code.Error()}
	}
	return docs
}

// errorName gives the name of a code in the document: "Not found" is NotFound.
func errorName(code api.Code) string {
	var name strings.Builder
	for word := range strings.FieldsSeq(code.Error()) {
		name.WriteString(strings.ToUpper(word[:1]) + word[1:])
	}
	return name.String()
}

// shared are the types that the document describes once, under components.
var shared = []reflect.Type{
	reflect.TypeFor[api.Build](), reflect.TypeFor[api.BuildInfo](), reflect.TypeFor[api.Change](),
	reflect.TypeFor[api.Container](), reflect.TypeFor[api.Image](), reflect.TypeFor[api.Inspect](),
	reflect.TypeFor[api.Line](), reflect.TypeFor[api.LogsResult](), reflect.TypeFor[api.Usage](),
}

// schemas gives the schemas of the shared types by their names.
var schemas = sync.OnceValue(func() map[string]*jsonschema.Schema {
	all := map[string]*jsonschema.Schema{}
	for _, t := range shared {
		all[t.Name()] = infer(t)
	}
	return all
})

// schemaOf gives the schema of a result: a reference, if its type is shared.
func schemaOf(t reflect.Type) *jsonschema.Schema {
	switch {
	case t.Kind() == reflect.Slice && t != reflect.TypeFor[json.RawMessage]():
		return &jsonschema.Schema{Type: "array", Items: schemaOf(t.Elem())}
	case slices.Contains(shared, t):
		return &jsonschema.Schema{Ref: "#/components/schemas/" + t.Name()}
	}
	return infer(t)
}

// infer gives the schema of a type as it is on the wire.
func infer(t reflect.Type) *jsonschema.Schema {
	s, err := jsonschema.ForType(t, &jsonschema.ForOptions{TypeSchemas: wireSchemas()})
	if err != nil {
		panic(err) // a type of package api that has no schema is a defect; a test describes them all
	}
	return s
}

// wireSchemas are those of the types that write themselves.
func wireSchemas() map[reflect.Type]*jsonschema.Schema {
	zero := 0.0
	return map[reflect.Type]*jsonschema.Schema{
		reflect.TypeFor[api.Time]():        {Types: []string{"string", "null"}, Description: "RFC 3339 in UTC with nanoseconds; null when it has not happened"},
		reflect.TypeFor[api.Tail]():        {AnyOf: []*jsonschema.Schema{{Type: "integer", Minimum: &zero}, {Enum: []any{"all"}}}},
		reflect.TypeFor[json.RawMessage](): {Type: "object"},
	}
}
