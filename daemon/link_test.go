package daemon

import "testing"

func TestTheLinkToTheConsoleHasTheTokenInItsFragment(t *testing.T) {
	for address, want := range map[string]string{
		"ws://127.0.0.1:7420":          "http://127.0.0.1:7420/#token=secret",
		"wss://[::]:443":               "https://localhost:443/#token=secret",
		"ws://0.0.0.0:1":               "http://localhost:1/#token=secret",
		"unix:///run/dockwire.sock":    "",
		"unix:///run/ws/dockwire.sock": "",
	} {
		if got := consoleLink(address, "secret"); got != want {
			t.Errorf("%s: %q", address, got)
		}
	}
}
