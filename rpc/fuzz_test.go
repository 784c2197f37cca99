package rpc

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// depthOf gives the levels of a JSON text that is valid.
func depthOf(text []byte) int {
	deepest, depth, inString := 0, 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case inString:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}

// FuzzSplit holds what split accepts against encoding/json.
func FuzzSplit(f *testing.F) {
	for _, seed := range []string{
		``, ` `, `null`, `0`, `-0.5e+10`, `01`, `"a\u00e9\n"`, `"\ud800"`, "\"\x00\"", "\"\xff\"", `{}`, `[]`, `[[]]`, `{"a":}`, `[1,]`, `tru`,
		`{"jsonrpc":"2.0","id":1,"method":"m","params":[1,{"a":null}]}`,
		`{"jsonrpc":"2.0","id":"x","result":{"a":[true,false]}}`,
		`{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":""}}`,
		`[{"jsonrpc":"2.0","method":"m"},1,{"id":1,"id":2}]`,
		`{"\u006asonrpc":"2.0","ID":1,"method":"m"} x`,
		`[[[[[[[[[[]]]]]]]]]]`, "\ufeff{}", "{\"a\":1}\n", `{"a":1}{"b":2}`,
	} {
		f.Add([]byte(seed))
	}
	const depth, members = 8, 4
	f.Fuzz(func(t *testing.T, text []byte) {
		got, bad := split(text, depth, members, nil)
		valid := json.Valid(text) && utf8.Valid(text)
		if valid {
			valid = depthOf(text) <= depth
		}
		if valid != (bad == nil) {
			t.Fatalf("%q: valid is %t, split said %v", text, valid, bad)
		}
		if bad != nil {
			if bad.Code != CodeParseError {
				t.Fatalf("%q: %v", text, bad)
			}
			return
		}
		parts := []json.RawMessage{text}
		if got.batch {
			if err := json.Unmarshal(text, &parts); err != nil {
				t.Fatalf("%q is no batch: %v", text, err)
			}
			if len(parts) != got.count {
				t.Fatalf("%q: %d members, want %d", text, got.count, len(parts))
			}
			parts = parts[:min(len(parts), members)]
		}
		if len(parts) != len(got.messages) {
			t.Fatalf("%q: %d messages, want %d", text, len(got.messages), len(parts))
		}
		for i, part := range parts {
			checkMessage(t, part, got.messages[i])
		}
	})
}

// checkMessage holds a message against what encoding/json makes of it.
func checkMessage(t *testing.T, text []byte, m message) {
	var members map[string]json.RawMessage
	if json.Unmarshal(text, &members) != nil || members == nil {
		if m.bad == nil || m.bad.Code != CodeInvalidRequest {
			t.Fatalf("%q: no object is a good request", text)
		}
		return
	}
	if m.ignore {
		if _, ok := members["method"]; ok {
			t.Fatalf("%q: a request is ignored", text)
		}
		return
	}
	if m.bad != nil {
		return
	}
	var version, method string
	if json.Unmarshal(members["jsonrpc"], &version) != nil || version != "2.0" {
		t.Fatalf("%q: the version is not checked", text)
	}
	if json.Unmarshal(members["method"], &method) != nil || method != m.method {
		t.Fatalf("%q: method %q, want %q", text, m.method, method)
	}
	if id := members["id"]; !bytes.Equal(m.id, id) {
		t.Fatalf("%q: id %q, want %q", text, m.id, id)
	}
	if params := members["params"]; !bytes.Equal(m.params, params) && string(params) != "null" {
		t.Fatalf("%q: params %q, want %q", text, m.params, params)
	}
}

// FuzzID sends an id through a request and back: it must come back byte for
// byte, or be refused.
func FuzzID(f *testing.F) {
	for _, seed := range []string{`1`, `-1`, `0.10`, `1e400`, `""`, `"\u0000"`, `"é"`, `null`, `true`, `[1]`, `{}`, `1,"id":2`, `"`, ``} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, id []byte) {
		text := append(append([]byte(`{"jsonrpc":"2.0","method":"m","id":`), id...), '}')
		got, bad := split(text, 64, 10, nil)
		if bad != nil || got.messages[0].bad != nil {
			return
		}
		m := got.messages[0]
		if trimmed := bytes.Trim(id, " \t\r\n"); !bytes.HasPrefix(trimmed, m.id) {
			t.Fatalf("id %q came back as %q", id, m.id)
		}
		answer := appendResponse(nil, m.id, resultOf("x"))
		if !json.Valid(answer) {
			t.Fatalf("the answer %s", answer)
		}
		back, bad := split(answer, 64, 10, nil)
		if bad != nil || !back.messages[0].ignore || !bytes.Equal(back.messages[0].id, m.id) {
			t.Fatalf("the answer %s has id %q", answer, back.messages[0].id)
		}
	})
}

// FuzzParams holds DecodeParams against encoding/json: what it accepts by name
// has the same meaning there.
func FuzzParams(f *testing.F) {
	for _, seed := range []string{
		``, `[]`, `{}`, `null`, `["x"]`, `["x",1,true,{"a":"b"},["c"]]`, `{"name":"x","count":3}`, `{"Name":"x"}`, `{"name":"x","name":"y"}`,
		`["x",null,null]`, `["x",1.5]`, `{"name":1}`, `{"name":"x","args":{"a":1}}`, `{"n\u0061me":"x"}`, `[1,2,3,4,5,6,7]`, `["x"`, `{"name":"x"}}`,
	} {
		f.Add([]byte(seed))
	}
	type params struct {
		Name  string            `json:"name"`
		Count int               `json:"count,omitempty"`
		Flag  *bool             `json:"flag,omitempty"`
		Args  map[string]string `json:"args,omitempty"`
		Words []string          `json:"words,omitzero"`
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var got, want params
		err := DecodeParams(text, &got)
		if err != nil {
			if e, ok := err.(*Error); !ok || e.Code != CodeInvalidParams {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if text = bytes.TrimSpace(text); text[0] != '{' {
			return
		}
		if err := json.Unmarshal(text, &want); err != nil {
			t.Fatalf("%q was decoded, though %v", text, err)
		}
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		if !bytes.Equal(a, b) {
			t.Fatalf("%q: %s, want %s", text, a, b)
		}
	})
}
