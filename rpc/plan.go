package rpc

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"sync"
)

// plan is what DecodeParams knows of a struct.
type plan struct {
	fields []field
	index  map[string]int // by name
}

// field is one parameter.
type field struct {
	name     string
	path     []int
	required bool
	raw      bool   // takes null as a value
	filled   bool   // its elements have a type, which null is not of
	want     string // what it must be, in words of JSON; empty if its type says so itself
}

var plans sync.Map // from reflect.Type to *plan

func planOf(t reflect.Type) *plan {
	if known, ok := plans.Load(t); ok {
		return known.(*plan)
	}
	p := &plan{index: make(map[string]int)}
	for _, f := range reflect.VisibleFields(t) {
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if f.Anonymous || !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		p.index[name] = len(p.fields)
		p.fields = append(p.fields, field{
			name:     name,
			path:     f.Index,
			required: !strings.Contains(options, "omitempty") && !strings.Contains(options, "omitzero"),
			raw:      f.Type == rawMessage,
			filled:   isFilled(f.Type),
			want:     describe(f.Type),
		})
	}
	known, _ := plans.LoadOrStore(t, p)
	return known.(*plan)
}

// wrong says why the value that gave err is not right.
func (f *field) wrong(err error) string {
	if f.want == "" {
		return fmt.Sprintf("%q: %s", f.name, err)
	}
	return fmt.Sprintf("%q must be %s", f.name, f.want)
}

// lacks says that a required parameter is not there.
func (f *field) lacks() string {
	if f.want == "" {
		return fmt.Sprintf("%q is missing", f.name)
	}
	return fmt.Sprintf("%q is missing: it must be %s", f.name, f.want)
}

var (
	unmarshaler = reflect.TypeFor[json.Unmarshaler]()
	rawMessage  = reflect.TypeFor[json.RawMessage]()
)

// describe says in words of JSON what a type takes.
func describe(t reflect.Type) string {
	if t == rawMessage || t.Kind() == reflect.Interface {
		return "a value"
	}
	if t.Kind() == reflect.Pointer {
		return describe(t.Elem())
	}
	if reflect.PointerTo(t).Implements(unmarshaler) {
		return ""
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Array:
		return "an array" + describeEach(t.Elem())
	case reflect.Map:
		return "an object" + describeEach(t.Elem())
	}
	return describeKind(t.Kind())
}

// isFilled says whether a type is that of a list whose elements have a type that
// null is not of: an array, or an object of any names.
func isFilled(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		return t != rawMessage && describe(t) != "" && describeEach(t.Elem()) != ""
	}
	return false
}

func describeKind(kind reflect.Kind) string {
	switch kind {
	case reflect.String:
		return "a string"
	case reflect.Bool:
		return "true or false"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Struct:
		return "an object"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, 0 or more"
	}
	return "a whole number"
}

// describeEach says what the elements of a list are.
func describeEach(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return " of strings"
	case reflect.Bool:
		return " of booleans"
	case reflect.Interface, reflect.Struct, reflect.Map, reflect.Slice, reflect.Pointer:
		return ""
	}
	return " of numbers"
}
