package rpc

import (
	"encoding/json"
	"reflect"
)

// skeleton is what Conn decodes instead of a request.
var skeleton = []byte(`{"method":""}`)

// blank makes Conn's messages into requests without content. Conn's decoder is
// slow, and is asked once: all later messages are copies of the first and share
// its Request, which is filled in anew each time and not kept by anyone. It also
// needs a deep stack, which the goroutine that reads should not keep.
type blank struct{ first reflect.Value }

func (b *blank) into(message any) error {
	to := reflect.ValueOf(message).Elem()
	if b.first.IsValid() {
		to.Set(b.first)
		return nil
	}
	decoded := make(chan error)
	go func() { decoded <- message.(json.Unmarshaler).UnmarshalJSON(skeleton) }()
	if err := <-decoded; err != nil {
		return err
	}
	b.first = reflect.New(to.Type()).Elem()
	b.first.Set(to)
	return nil
}
