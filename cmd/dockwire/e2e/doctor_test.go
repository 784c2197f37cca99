package e2e

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// finding is a check of dockwire doctor.
type finding struct{ Check, State, Detail, Fix string }

// examination is how to call dockwire doctor.
type examination struct {
	flags []string
	env   []string
	as    []string // a command that runs it
}

// examine runs doctor on free ports and a state directory of the test's own,
// unless flags say otherwise.
func examine(t *testing.T, e examination) (found []finding, code int) {
	t.Helper()
	args := append([]string{binary, "doctor", "--json", "--listen", "127.0.0.1:0", "--ingress", "127.0.0.1:0", "--instance", "e2e-doctor"}, e.flags...)
	args = append(e.as, args...)
	cmd := exec.Command(args[0], args[1:]...)
	cmd.Env = append(append(os.Environ(), "DOCKER_HOST=", "DOCKER_CONTEXT=", "DOCKWIRE_STATE_DIR="+t.TempDir()), e.env...)
	out, err := cmd.Output()
	var answer struct {
		OK     bool
		Checks []finding
	}
	if json.Unmarshal(out, &answer) != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	code = cmd.ProcessState.ExitCode()
	if answer.OK != (code == 0) {
		t.Errorf("ok is %v and the exit code %d", answer.OK, code)
	}
	return answer.Checks, code
}

// deadSocket gives a socket that nobody listens at any more.
func deadSocket(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "dead.sock")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	return path
}

// nobody runs a command as a user who is in no group. Such a one has to reach
// the binary.
func nobody(t *testing.T) []string {
	t.Helper()
	if err := os.Chmod(filepath.Dir(binary), 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=-all"}
}

func TestDoctorTellsApartWhatCanBeWrong(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	open, broken := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(broken, "config.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		what  string
		how   examination
		check string
		state string
		says  string
		mend  string
	}{
		{"all is well", examination{}, "engine", "ok", "Docker ", ""},
		{"git is there", examination{}, "git", "ok", "git version 2.", ""},
		{"a port is free", examination{}, "listen 127.0.0.1:0", "ok", "free", ""},
		{"no engine", examination{flags: []string{"--docker-host", "unix://" + open + "/no.sock"}},
			"engine", "fail", "there is no engine at unix://" + open + "/no.sock: install or start it, or say where it is with --docker-host (where --docker-host says that it is)",
			"give another --docker-host (DOCKWIRE_DOCKER_HOST), or none: an engine answers at the usual socket"},
		{"an engine that has ended", examination{flags: []string{"--docker-host", deadSocket(t)}},
			"engine", "fail", "nothing listens at", "give another --docker-host"},
		{"no permission", examination{as: nobody(t), env: []string{"HOME=/"}}, "engine", "fail", "this user may not connect to the engine at", "usermod -aG docker "},
		{"no such context", examination{env: []string{"DOCKER_CONTEXT=nosuch"}},
			"engine", "fail", "the Docker context nosuch cannot be read", "unset DOCKER_CONTEXT, or set it to one that docker context ls shows"},
		{"a Docker configuration that cannot be read", examination{env: []string{"DOCKER_CONFIG=" + broken}},
			"engine", "fail", "the Docker configuration cannot be read", "mend that file"},
		{"DOCKER_HOST leads elsewhere", examination{env: []string{"DOCKER_HOST=tcp://127.0.0.1:1"}},
			"engine", "fail", "nothing listens at tcp://127.0.0.1:1: start the engine (where DOCKER_HOST says that it is)",
			"unset DOCKER_HOST, or correct it: an engine answers at the usual socket"},
		{"no tools", examination{env: []string{"PATH=" + open}}, "git", "fail", "not found", "install git"},
		{"no iptables", examination{env: []string{"PATH=" + open}}, "iptables", "warn", "not found", "install iptables"},
		{"a containment that is given up", examination{flags: []string{"--firewall", "off"}}, "containment", "warn", "the firewall", "leave out --firewall off"},
		{"no permission for the state", examination{as: nobody(t), flags: []string{"--state-dir", "/var/lib/dockwire-none"}},
			"state directory", "fail", "this user may not make it in /var/lib", "run this as the daemon's user"},
		{"a state that others can read", examination{flags: []string{"--state-dir", open}}, "state directory", "warn", "others can look into " + open, "chmod 700"},
		{"a port that is taken", examination{flags: []string{"--ingress", taken.Addr().String()}},
			"ingress " + taken.Addr().String(), "fail", fmt.Sprintf("e2e.test listens there, process %d", os.Getpid()), "stop it"},
		{"a flag that is refused", examination{flags: []string{"--listen", "0.0.0.0:0"}}, "configuration", "fail", "can be reached from other machines", ""},
	} {
		t.Run(test.what, func(t *testing.T) {
			found, code := examine(t, test.how)
			for _, f := range found {
				if f.Check == test.check && f.State == test.state && strings.Contains(f.Detail, test.says) && strings.HasPrefix(f.Fix, test.mend) {
					if test.state == "fail" && code != 1 {
						t.Errorf("the exit code is %d", code)
					}
					return
				}
			}
			t.Errorf("there is no %s: %s %s\n%+v", test.state, test.check, test.says, found)
		})
	}
}

func TestDoctorKnowsARunningDaemon(t *testing.T) {
	d := startDaemon(t)
	if err := os.Chmod(d.dir, 0o700); err != nil { // it was there before the daemon, which makes it so
		t.Fatal(err)
	}
	_, address, _ := strings.Cut(d.url, "://")
	found, _ := examine(t, examination{flags: []string{"--state-dir", d.dir, "--listen", address, "--listen", "unix://" + d.socket(), "--ingress", d.ingress}})
	pid := fmt.Sprint("dockwire listens there, process ", d.cmd.Process.Pid)
	for check, detail := range map[string]string{
		"listen " + address:           pid,
		"listen unix://" + d.socket(): pid,
		"ingress " + d.ingress:        pid,
		"state directory":             d.dir + ", which a daemon uses now",
	} {
		ok := false
		for _, f := range found {
			ok = ok || f.Check == check && f.Detail == detail && (f.State == "ok")
		}
		if !ok {
			t.Errorf("there is no %q: %q in\n%+v", check, detail, found)
		}
	}
}

// It tries the firewall for real. In a network namespace of its own nobody else
// changes the tables.
func TestDoctorLeavesTheHostAsItWas(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "state")
	out, err := exec.Command("unshare", "--net", "sh", "-c", `"$@"; iptables -t mangle -S | grep -v ^-P`, "sh",
		binary, "doctor", "--json", "--state-dir", dir, "--firewall", "manage").Output()
	if _, rest, _ := strings.Cut(string(out), "\n"); rest != "" || !strings.HasPrefix(string(out), "{") {
		t.Errorf("%v; it left in the firewall:\n%s", err, out)
	}
	if _, err := os.Stat(dir); err == nil {
		t.Error("it made the state directory")
	}
}
