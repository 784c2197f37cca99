package torture

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/dockwire/dockwire/client/api"
)

// TestADamagedFileOfTheStateIsNamedAndCostsNoContainer damages the files of the
// state directory, one after the other and in each way, and starts the daemon.
func TestADamagedFileOfTheStateIsNamedAndCostsNoContainer(t *testing.T) {
	d := startEngine(t, "").startDaemon()
	c := d.client()
	build(t, c, "app", "EXPOSE 8080\nCMD [\"serve\"]\n")
	made := must[api.Container](t)(c.Create(t.Context(), api.CreateParams{Image: "app", Name: "app"}))
	if out, err := d.run("token", "create", "--state-dir", d.dir, "--scope", "read"); err != nil {
		t.Fatalf("a token cannot be made: %s", out)
	}
	found, _ := filepath.Glob(filepath.Join(d.dir, "builds", "app", "*", "record"))
	if len(found) != 1 {
		t.Fatalf("there are the records %q", found)
	}
	for _, path := range []string{found[0], filepath.Join(d.dir, "tokens.json")} {
		whole := must[[]byte](t)(os.ReadFile(path))
		for damage, data := range map[string]string{
			"truncated": string(whole[:len(whole)/2]),
			"empty":     "",
			"newer":     `{"Version":99,"version":99}`,
		} {
			t.Run(filepath.Base(path)+" "+damage, func(t *testing.T) {
				d.kill()
				if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
					t.Fatal(err)
				}
				d.log.Forget()
				d.start()
				all := must[[]api.Container](t)(c.List(t.Context()))
				if len(all) != 1 || all[0].ID != made.ID || all[0].State != api.StateRunning {
					t.Errorf("list gives %+v", all)
				}
				d.serves("app.localhost", http.StatusOK)
				if said := d.lines(func(line string) bool { return strings.Contains(line, path) }); len(said) == 0 {
					t.Error("the log does not name the file")
				} else {
					t.Log(said[len(said)-1])
				}
				if now := must[[]byte](t)(os.ReadFile(path)); string(now) != data {
					t.Errorf("the file has become %q", now)
				}
			})
		}
		d.kill()
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
		d.log.Forget()
		d.start()
		if said := d.lines(func(line string) bool { return strings.Contains(line, path) }); len(said) > 0 {
			t.Errorf("the file is whole again, and the log says %s", said)
		}
	}
}

// TestAnEmptyFileOfTheAdminTokenIsSaid sees that the daemon refuses to let in
// whoever shows nothing.
func TestAnEmptyFileOfTheAdminTokenIsSaid(t *testing.T) {
	dir := t.TempDir()
	path := api.TokenFile(dir)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(binary, "serve", "--listen", "127.0.0.1:0", "--ingress", "127.0.0.1:0", "--state-dir", dir).CombinedOutput()
	if err == nil || !strings.Contains(string(out), path) || !strings.Contains(string(out), "remove it") {
		t.Errorf("the daemon says %v: %s", err, out)
	}
}
