package rpc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// DecodeParams decodes parameters, by position or by name, into the struct
// that v points to. The fields are the parameters: their order is that of the
// positions, their json tags are the names, which match with case, and those
// without omitempty or omitzero are required. A null for one that is not means
// that it is absent; a required json.RawMessage takes it as a value. No params
// are none given.
//
// Everything else is an *Error with CodeInvalidParams, whose data names the
// parameter and says what is wanted: a name that is not there or is there
// twice, too many positions, a value of another type, a required one missing.
func DecodeParams(params json.RawMessage, v any) error {
	target := reflect.ValueOf(v).Elem()
	d := decoder{plan: planOf(target.Type()), target: target}
	d.given = make([]bool, len(d.plan.fields))
	s := scanner{data: params, depth: unlimited}
	var err error
	switch s.peek() {
	case '[':
		err = s.list('[', ']', func() error { return d.position(&s) })
	case '{':
		err = s.object(d.member)
	case 0:
	default:
		err = InvalidParams("params", "params must be an array or an object")
	}
	if err == nil && s.end() {
		return d.missing()
	}
	if known, ok := errors.AsType[*Error](err); ok {
		return known
	}
	return InvalidParams("params", "params must be JSON")
}

// unlimited is a depth that params cannot have: what reads messages has
// bounded it.
const unlimited = 10_000

// decoder decodes the params of one call.
type decoder struct {
	plan   *plan
	target reflect.Value
	given  []bool // by field
	count  int    // of positions
}

// position decodes the next element of an array.
func (d *decoder) position(s *scanner) error {
	value, err := s.value()
	if err != nil {
		return err
	}
	if d.count == len(d.plan.fields) {
		return InvalidParams("params", fmt.Sprintf("too many parameters: %s", d.plan.known()))
	}
	d.count++
	return d.set(d.count-1, value)
}

// member decodes a member of an object.
func (d *decoder) member(name, value []byte) error {
	i, ok := d.plan.index[string(name[1:len(name)-1])]
	if !ok {
		known := unquote(name)
		if i, ok = d.plan.index[known]; !ok {
			return InvalidParams(known, fmt.Sprintf("there is no parameter %q: %s", known, d.plan.known()))
		}
	}
	return d.set(i, value)
}

func (d *decoder) set(i int, value []byte) error {
	f := &d.plan.fields[i]
	if d.given[i] {
		return InvalidParams(f.name, fmt.Sprintf("%q is given twice", f.name))
	}
	d.given[i] = true
	if bytes.Equal(value, null) && !(f.raw && f.required) {
		if f.required {
			return InvalidParams(f.name, f.lacks())
		}
		return nil
	}
	err := json.Unmarshal(value, d.target.FieldByIndex(f.path).Addr().Interface())
	if err == nil && f.filled {
		err = lookForNull(value)
	}
	if err != nil {
		return InvalidParams(f.name, f.wrong(err))
	}
	return nil
}

var errNull = errors.New("null is not allowed here")

// lookForNull finds a null among the elements of a list, which encoding/json
// takes for an empty string, 0 or false.
func lookForNull(list []byte) error {
	s := scanner{data: list, depth: unlimited}
	check := func(_, value []byte) error {
		if bytes.Equal(value, null) {
			return errNull
		}
		return nil
	}
	switch s.peek() {
	case '{':
		return s.object(check)
	case '[':
		return s.list('[', ']', func() error {
			value, err := s.value()
			if err != nil {
				return err
			}
			return check(nil, value)
		})
	}
	return nil // bytes, in base64
}

// missing says which required parameter is not there.
func (d *decoder) missing() error {
	for i := range d.plan.fields {
		if f := &d.plan.fields[i]; f.required && !d.given[i] {
			return InvalidParams(f.name, f.lacks())
		}
	}
	return nil
}

// known lists the parameters, for an error.
func (p *plan) known() string {
	if len(p.fields) == 0 {
		return "the method takes none"
	}
	names := make([]string, len(p.fields))
	for i := range p.fields {
		names[i] = p.fields[i].name
	}
	return "the method takes " + strings.Join(slices.Clip(names), ", ")
}
