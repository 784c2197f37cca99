package main

import (
	"bytes"
	"encoding/json"
	"io"

	"github.com/spf13/cobra"
)

func (a *app) call() *cobra.Command {
	return &cobra.Command{
		Use:   "call METHOD [JSON]",
		Short: "Call any method; JSON is its parameters, an object or an array",
		Long: `Call any method and print its result as JSON. JSON is its parameters, an object or
an array; - reads them from standard input. The notifications of a call that
streams are printed before its result, one a line.`,
		Example: "  dockwire call list\n  dockwire call prodbackend/logs '{\"follow\":true}'\n  dockwire call rpc.discover",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			params, err := a.params(args[1:])
			if err != nil {
				return err
			}
			var result json.RawMessage
			if err := a.client.Call(cmd.Context(), args[0], params, &result, a.printEvent); err != nil {
				return err
			}
			return a.printJSON(result)
		},
	}
}

// params gives the parameters of a call; nil is none.
func (a *app) params(args []string) (any, error) {
	if len(args) == 0 {
		return nil, nil
	}
	text := []byte(args[0])
	if args[0] == "-" {
		var err error
		if text, err = io.ReadAll(a.stdin); err != nil {
			return nil, err
		}
	}
	if !json.Valid(text) {
		return nil, usagef("the parameters are not JSON: %s", text)
	}
	if first := bytes.TrimLeft(text, " \t\r\n")[0]; first != '{' && first != '[' {
		return nil, usagef("the parameters are no object and no array: %s", text)
	}
	return json.RawMessage(text), nil
}

func (a *app) printEvent(method string, params json.RawMessage) error {
	return a.printJSON(struct {
		Method string          `json:"method"`
		Params json.RawMessage `json:"params"`
	}{method, params})
}
