package main

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/rpc"
)

func TestUpdateAndRollbackPrintHowTheyGo(t *testing.T) {
	want := ""
	exchange := func(event string) func(context.Context, *rpc.Call) (any, error) {
		return func(ctx context.Context, call *rpc.Call) (any, error) {
			if string(call.Params()) != want {
				t.Errorf("the parameters are %s, want %s", call.Params(), want)
			}
			err := call.Notify(ctx, event, []byte(`"name":"prod","seq":1,"lines":[{"time":null,"stream":"update","text":"Starting \u001b[2J"}]`))
			return api.Container{Name: "prod", State: api.StateRunning}, err
		}
	}
	serve(t, methods{"prod/update": exchange(api.EventUpdate), "prod/rollback": exchange(api.EventRollback)})
	for args, params := range map[string]string{
		"update prod":                    `{}`,
		"update prod game -e A=1 -e B=2": `{"image":"game","environment":{"A":"1","B":"2"}}`,
		"rollback prod":                  `{}`,
	} {
		want = params
		code, stdout, stderr := dockwire(t, strings.Fields(args)...)
		if code != 0 || stdout != "Starting ^[[2J\nprod running\n" {
			t.Errorf("%s: exit %d, %q%s", args, code, stdout, stderr)
		}
		_, stdout, _ = dockwire(t, append(strings.Fields(args), "--json")...)
		event, result, _ := strings.Cut(stdout, "\n")
		var container api.Container
		if err := json.Unmarshal([]byte(result), &container); err != nil || container.Name != "prod" || !strings.HasPrefix(event, `{"name":"prod","seq":1,"lines":[`) {
			t.Errorf("%s --json prints %s", args, stdout)
		}
	}
}
