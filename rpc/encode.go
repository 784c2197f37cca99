package rpc

import (
	"bytes"
	"encoding/json"
	"sync"

	"github.com/sourcegraph/jsonrpc2"
)

// keepBuffer is the largest buffer that goes back to a pool: one large answer
// must not stay in memory.
const keepBuffer = 128 * kib

// buffer holds the bytes of one frame on their way to the writer.
type buffer struct{ data []byte }

var buffers = sync.Pool{New: func() any { return new(buffer) }}

func newBuffer() *buffer { return buffers.Get().(*buffer) }

func (b *buffer) free() {
	if cap(b.data) <= keepBuffer {
		b.data = b.data[:0]
		buffers.Put(b)
	}
}

// encoder is a json.Encoder that can be used again. It does not escape <, >
// and &.
type encoder struct {
	buf  bytes.Buffer
	json *json.Encoder
}

var encoders = sync.Pool{New: func() any {
	e := new(encoder)
	e.json = json.NewEncoder(&e.buf)
	e.json.SetEscapeHTML(false)
	return e
}}

func newEncoder() *encoder { return encoders.Get().(*encoder) }

func (e *encoder) free() {
	if e.buf.Cap() <= keepBuffer {
		e.buf.Reset()
		encoders.Put(e)
	}
}

// encode gives the JSON of v, valid until the encoder is freed. A
// json.RawMessage is passed on as it is; nil and an empty one are null.
func (e *encoder) encode(v any) (json.RawMessage, error) {
	switch raw := v.(type) {
	case nil:
		return null, nil
	case json.RawMessage:
		if len(raw) == 0 {
			return null, nil
		}
		return raw, nil
	}
	if err := e.json.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(e.buf.Bytes(), []byte("\n")), nil
}

// appendResponse appends the response to the request with that id.
func appendResponse(to []byte, id json.RawMessage, resp *jsonrpc2.Response) []byte {
	to = append(to, `{"jsonrpc":"2.0","id":`...)
	to = append(to, id...)
	if resp.Error != nil {
		to = append(to, `,"error":`...)
		to = appendJSON(to, resp.Error)
	} else {
		to = append(to, `,"result":`...)
		to = append(to, *resp.Result...)
	}
	return append(to, '}')
}

func appendJSON(to []byte, v any) []byte {
	e := newEncoder()
	defer e.free()
	data, _ := e.encode(v) // only called for what always encodes
	return append(to, data...)
}

// typed gives the error in the form of the library. Data that does not encode
// is left out.
func (e *Error) typed() *jsonrpc2.Error {
	t := &jsonrpc2.Error{Code: int64(e.Code), Message: e.Message}
	if e.Data == nil {
		return t
	}
	enc := newEncoder()
	defer enc.free()
	if data, err := enc.encode(e.Data); err == nil && json.Valid(data) {
		clone := json.RawMessage(bytes.Clone(data))
		t.Data = &clone
	}
	return t
}
