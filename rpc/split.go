package rpc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// frame is what a text frame holds: one message, or a batch.
type frame struct {
	messages []message
	batch    bool
	count    int // members of the batch, those past the limit too
}

// split parses a frame, once. The messages point into text and are appended to
// room, which may be nil. An error is for the frame as a whole.
func split(text []byte, depth, maxBatch int, room []message) (frame, *Error) {
	f := frame{messages: room}
	if !utf8.Valid(text) {
		return f, ParseError("the message is not valid UTF-8")
	}
	s := scanner{data: text, depth: depth}
	var err error
	if f.batch = s.peek() == '['; f.batch {
		err = s.list('[', ']', func() error {
			m, err := readMessage(&s)
			if f.count++; err == nil && f.count <= maxBatch {
				f.messages = append(f.messages, m)
			}
			return err
		})
	} else {
		var m message
		m, err = readMessage(&s)
		f.messages = append(f.messages, m)
	}
	if err == nil && s.end() {
		return f, nil
	}
	return f, frameError(&s, err, depth)
}

// frameError says what is wrong with a frame that is not one JSON text.
func frameError(s *scanner, err error, depth int) *Error {
	switch {
	case err == errDepth:
		return ParseError(fmt.Sprintf("the message is nested deeper than %d levels", depth))
	case len(s.data) == 0:
		return ParseError("the message is empty")
	case err == nil:
		return ParseError(fmt.Sprintf("something follows the JSON, at byte %d: a message holds one value", s.pos))
	case s.end():
		return ParseError("the JSON ends too early")
	}
	return ParseError(fmt.Sprintf("byte %d is not expected in JSON here", s.pos))
}

// message is one request of a frame, or says why it is none.
type message struct {
	method string
	params json.RawMessage // nil when absent or null
	id     json.RawMessage // as it is written; nil for a notification
	bad    *Error          // the answer to what is not a request
	ignore bool            // a response: this side asked nothing

	result json.RawMessage // of a response: what a client reads
	err    json.RawMessage
}

// answered says whether a response is owed.
func (m *message) answered() bool {
	return !m.ignore && (m.bad != nil || m.id != nil)
}

// readMessage reads the next value as a message. An error is one of JSON; what
// is wrong with the message otherwise is in bad.
func readMessage(s *scanner) (message, error) {
	if s.peek() != '{' {
		_, err := s.value()
		return message{id: null, bad: InvalidRequest("a request is an object")}, err
	}
	var e envelope
	err := s.object(func(name, value []byte) error {
		e.set(name, value)
		return nil
	})
	if err != nil {
		return message{}, err
	}
	return e.message(), nil
}

var null = json.RawMessage("null")

// envelope holds the members of a message as they are written.
type envelope struct {
	version, id, method, params, result, err []byte
	twice                                    string // a member that is there twice
}

func (e *envelope) set(name, value []byte) {
	if bytes.IndexByte(name, '\\') >= 0 {
		name = quote(unquote(name))
	}
	var member *[]byte
	switch string(name) {
	case `"jsonrpc"`:
		member = &e.version
	case `"id"`:
		member = &e.id
	case `"method"`:
		member = &e.method
	case `"params"`:
		member = &e.params
	case `"result"`:
		member = &e.result
	case `"error"`:
		member = &e.err
	default:
		return
	}
	if *member != nil {
		e.twice = unquote(name)
	}
	*member = value
}

// message checks the envelope of a request or a response.
func (e *envelope) message() message {
	m := message{id: e.id, result: e.result, err: e.err}
	if e.method == nil && (e.result != nil || e.err != nil) {
		m.ignore = true
		return m
	}
	reason := e.wrong()
	if reason == "" {
		m.method = unquote(e.method)
		if !bytes.Equal(e.params, null) {
			m.params = e.params
		}
		return m
	}
	m.bad = InvalidRequest(reason)
	if e.id == nil || e.twice == "id" || !isID(e.id) {
		m.id = null
	}
	return m
}

// wrong says why the envelope is not that of a request.
func (e *envelope) wrong() string {
	switch {
	case e.twice != "":
		return fmt.Sprintf("the member %q is there twice", e.twice)
	case e.version == nil:
		return `the member "jsonrpc" is missing: it must be "2.0"`
	case string(e.version) != `"2.0"` && (e.version[0] != '"' || unquote(e.version) != "2.0"):
		return `the member "jsonrpc" must be "2.0"`
	case e.id != nil && !isID(e.id):
		return "an id is a string, a number or null"
	case e.method == nil:
		return `the member "method" is missing`
	case e.method[0] != '"':
		return "a method is a string"
	case e.params != nil && !isParams(e.params):
		return "params are an array or an object"
	}
	return ""
}

func isID(value []byte) bool {
	return value[0] == '"' || value[0] == '-' || isDigit(value[0]) || value[0] == 'n'
}

func isParams(value []byte) bool {
	return value[0] == '[' || value[0] == '{' || value[0] == 'n'
}

// unquote gives the text of a JSON string that the scanner has checked.
func unquote(value []byte) string {
	if bytes.IndexByte(value, '\\') < 0 {
		return string(value[1 : len(value)-1])
	}
	var text string
	_ = json.Unmarshal(value, &text) // cannot fail: the scanner has seen it
	return text
}

// quote writes text as a JSON string.
func quote(text string) []byte {
	value, _ := json.Marshal(text) // cannot fail
	return value
}
