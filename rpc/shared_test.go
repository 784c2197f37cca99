package rpc

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

func TestSharedMembersAreWrittenWhole(t *testing.T) {
	sizes := []int{0, 1, 50, 125, 126, 4 * kib, 65_000, 65_535, 65_536, 200_000}
	texts := make([][]byte, len(sizes))
	for i, size := range sizes {
		texts[i] = []byte(strings.Repeat("x", size))
	}
	s := serve(t, nil, acceptFunc(func(call *Call) (Job, error) {
		return Job{Stream: true, Run: func(ctx context.Context) (any, error) {
			for _, text := range texts {
				err := call.NotifyShared(ctx, "event",
					func(buf []byte) []byte { return append(buf, `"text":"`...) }, text,
					func(buf []byte) []byte { return append(buf, `","seq":1`...) })
				if err != nil {
					return nil, err
				}
			}
			return nil, nil
		}}, nil
	}))
	for range 3 {
		p := s.dial(t)
		p.send(request(7, "stream", nil))
		for _, text := range texts {
			p.expect(fmt.Sprintf(`{"jsonrpc":"2.0","method":"event","params":{"id":7,"text":"%s","seq":1}}`, text))
		}
		p.expect(`{"jsonrpc":"2.0","id":7,"result":null}`)
	}
}
