package engine

import "testing"

func TestAnAddressSaysWhetherTheEngineIsOnAnotherHost(t *testing.T) {
	for address, want := range map[string]bool{
		"unix:///var/run/docker.sock": false,
		"tcp://127.0.0.1:2375":        false,
		"tcp://[::1]:2375":            false,
		"tcp://localhost:2375":        false,
		"tcp://192.0.2.7:2375":        true,
		"tcp://[2001:db8::1]:2375":    true,
		"https://engine.example":      true,
	} {
		if got := remote(address); got != want {
			t.Errorf("%s: remote is %v", address, got)
		}
	}
}

func TestTheSourceOfTheAddressIsNamed(t *testing.T) {
	dockerConfig(t)
	for _, test := range []struct {
		host, variable, context string
		want                    string
		fails                   bool
	}{
		{want: ""},
		{host: "unix:///x", variable: "unix:///y", want: "--docker-host"},
		{variable: "unix:///y", context: "nosuch", want: "DOCKER_HOST"},
		{context: "default", want: ""},
		{context: "nosuch", want: "the Docker context nosuch", fails: true},
		{host: "ssh://there", want: "--docker-host", fails: true},
	} {
		t.Setenv("DOCKER_HOST", test.variable)
		t.Setenv("DOCKER_CONTEXT", test.context)
		if got, err := Source(test.host); got != test.want || (err != nil) != test.fails {
			t.Errorf("%+v: %q, %v", test, got, err)
		}
	}
}
