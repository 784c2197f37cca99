package rpc

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
)

type sample struct {
	Name    string            `json:"name"`
	URL     string            `json:"url"`
	Args    map[string]string `json:"args,omitempty"`
	Port    *int              `json:"port,omitempty"`
	Memory  float64           `json:"memory,omitempty"`
	Words   []string          `json:"words,omitempty"`
	Flag    bool              `json:"flag,omitempty"`
	Size    uint              `json:"size,omitempty"`
	Choice  choice            `json:"choice,omitzero"`
	Numbers []int             `json:"numbers,omitempty"`
	_       int
	Left    string `json:"-"`
}

// choice says itself what it takes.
type choice string

func (c *choice) UnmarshalJSON(data []byte) error {
	if string(data) != `"a"` && string(data) != `"b"` {
		return fmt.Errorf(`"a" or "b" is wanted`)
	}
	*c = choice(data[1:2])
	return nil
}

func TestParamsAreDecodedByPositionAndByName(t *testing.T) {
	port := 0
	want := sample{Name: "n", URL: "u", Args: map[string]string{"k": "v"}, Port: &port, Memory: 1.5, Words: []string{"w"}, Flag: true, Size: 2, Choice: "b", Numbers: []int{1}}
	for _, params := range []string{
		`["n","u",{"k":"v"},0,1.5,["w"],true,2,"b",[1]]`,
		` { "numbers":[1],"choice":"b","size":2,"flag":true,"words":["w"],"memory":15e-1,"port":0,"args":{"k":"v"},"url":"u","n\u0061me":"n" } `,
	} {
		var got sample
		if err := DecodeParams(json.RawMessage(params), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", params, got, err)
		}
	}
}

func TestNullAndMissingOptionalParamsAreAbsent(t *testing.T) {
	for _, params := range []string{
		`["n","u"]`, `["n","u",null,null,null,null,null,null,null]`, `{"name":"n","url":"u","args":null,"choice":null}`,
	} {
		var got sample
		if err := DecodeParams(json.RawMessage(params), &got); err != nil || !reflect.DeepEqual(got, sample{Name: "n", URL: "u"}) {
			t.Errorf("%s: %+v, %v", params, got, err)
		}
	}
	var none struct{}
	for _, params := range []string{``, `[]`, `{}`} {
		if err := DecodeParams(json.RawMessage(params), &none); err != nil {
			t.Errorf("%q: %v", params, err)
		}
	}
}

func TestWrongParamsAreNamed(t *testing.T) {
	const takes = "the method takes name, url, args, port, memory, words, flag, size, choice, numbers"
	for params, want := range map[string]errorData{
		``:                            {Param: "name", Reason: `"name" is missing: it must be a string`},
		`[]`:                          {Param: "name", Reason: `"name" is missing: it must be a string`},
		`["n"]`:                       {Param: "url", Reason: `"url" is missing: it must be a string`},
		`["n",null]`:                  {Param: "url", Reason: `"url" is missing: it must be a string`},
		`{"url":"u"}`:                 {Param: "name", Reason: `"name" is missing: it must be a string`},
		`[1,"u"]`:                     {Param: "name", Reason: `"name" must be a string`},
		`["n","u",["k"]]`:             {Param: "args", Reason: `"args" must be an object of strings`},
		`["n","u",{"k":1}]`:           {Param: "args", Reason: `"args" must be an object of strings`},
		`["n","u",{"j":"","k":null}]`: {Param: "args", Reason: `"args" must be an object of strings`},
		`{"name":"n","url":"u","words":["w",null]}`:          {Param: "words", Reason: `"words" must be an array of strings`},
		`{"name":"n","url":"u","numbers":[null]}`:            {Param: "numbers", Reason: `"numbers" must be an array of numbers`},
		`["n","u",{},1.5]`:                                   {Param: "port", Reason: `"port" must be a whole number`},
		`{"name":"n","url":"u","port":"1"}`:                  {Param: "port", Reason: `"port" must be a whole number`},
		`{"name":"n","url":"u","port":99999999999999999999}`: {Param: "port", Reason: `"port" must be a whole number`},
		`{"name":"n","url":"u","memory":"1g"}`:               {Param: "memory", Reason: `"memory" must be a number`},
		`{"name":"n","url":"u","words":"w"}`:                 {Param: "words", Reason: `"words" must be an array of strings`},
		`{"name":"n","url":"u","numbers":["w"]}`:             {Param: "numbers", Reason: `"numbers" must be an array of numbers`},
		`{"name":"n","url":"u","flag":1}`:                    {Param: "flag", Reason: `"flag" must be true or false`},
		`{"name":"n","url":"u","size":-1}`:                   {Param: "size", Reason: `"size" must be a whole number, 0 or more`},
		`{"name":"n","url":"u","choice":"c"}`:                {Param: "choice", Reason: `"choice": "a" or "b" is wanted`},
		`{"name":"n","url":"u","Flag":true}`:                 {Param: "Flag", Reason: `there is no parameter "Flag": ` + takes},
		`{"name":"n","url":"u","_":1}`:                       {Param: "_", Reason: `there is no parameter "_": ` + takes},
		`{"name":"n","url":"u","Left":""}`:                   {Param: "Left", Reason: `there is no parameter "Left": ` + takes},
		`{"name":"n","url":"u","name":"n"}`:                  {Param: "name", Reason: `"name" is given twice`},
		`{"name":"n","url":"u","n\u0061me":"n"}`:             {Param: "name", Reason: `"name" is given twice`},
		`["n","u",{},1,2,[],true,1,"a",[],11]`:               {Param: "params", Reason: "too many parameters: " + takes},
		`"n"`:                                                {Param: "params", Reason: "params must be an array or an object"},
		`null`:                                               {Param: "params", Reason: "params must be an array or an object"},
		`["n","u"`:                                           {Param: "params", Reason: "params must be JSON"},
		`["n","u"]x`:                                         {Param: "params", Reason: "params must be JSON"},
	} {
		err := DecodeParams(json.RawMessage(params), new(sample))
		got, ok := err.(*Error)
		if !ok || got.Code != CodeInvalidParams || got.Message != "Invalid params" || got.Data != want {
			t.Errorf("%s:\n got %+v\nwant %+v", params, err, want)
		}
	}
	if err := DecodeParams(json.RawMessage(`[1]`), new(struct{})); err.(*Error).Data.(errorData).Reason != "too many parameters: the method takes none" {
		t.Error(err)
	}
}

func TestRequiredRawParamTakesNull(t *testing.T) {
	var got struct {
		ID json.RawMessage `json:"id"`
	}
	if err := DecodeParams(json.RawMessage(`{"id": null}`), &got); err != nil || string(got.ID) != "null" {
		t.Errorf("%q, %v", got.ID, err)
	}
	if err := DecodeParams(json.RawMessage(`[[null]]`), &got); err != nil || string(got.ID) != "[null]" {
		t.Errorf("%q, %v", got.ID, err)
	}
	if err := DecodeParams(json.RawMessage(`[1.0]`), &got); err != nil || string(got.ID) != "1.0" {
		t.Errorf("%q, %v", got.ID, err)
	}
}
