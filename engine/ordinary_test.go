package engine

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/go-connections/nat"

	"github.com/dockwire/dockwire/client/api"
	"github.com/dockwire/dockwire/engine/enginetest"
)

// ordinary makes an image of a Debian, as if it had been built, the way that the
// usual images of its kind are made.
func (f *fixture) ordinary(d *enginetest.Debian, base string, config container.Config, files map[string]string) string {
	f.t.Helper()
	name := f.name(base)
	config.Labels = f.labels(kindImage, name)
	config.Env = []string{"PATH=" + defaultPath}
	d.Image(f.t, repository+name+":latest", &config, files)
	f.t.Cleanup(f.cleanUp) // before the image goes
	return name
}

// eventually waits for a command in a container to write the text.
func (f *fixture) eventually(id, want string, command ...string) {
	f.t.Helper()
	var got string
	for late := time.Now().Add(patience); time.Now().Before(late); {
		if got = f.execAny(id, command...); strings.Contains(got, want) {
			return
		}
	}
	f.t.Errorf("%v wrote %q, want %q in it", command, got, want)
}

// users gives who runs the processes of a container whose command line has the
// text, as the host numbers them.
func (f *fixture) users(id, text string) (uids []string) {
	f.t.Helper()
	top, err := f.docker.ContainerTop(f.t.Context(), id, []string{"-eo", "pid,uid,args"})
	if err != nil {
		f.t.Fatal(err)
	}
	for _, process := range top.Processes {
		if line := strings.Join(process, " "); strings.Contains(line, text) {
			uids = append(uids, process[1])
		}
	}
	return uids
}

const redisEntrypoint = `#!/bin/sh
set -e
if [ "$(id -u)" = 0 ]; then
	find /data ! -user redis -exec chown redis {} +
	exec setpriv --reuid=redis --regid=redis --init-groups "$0" "$@"
fi
cd /data
exec "$@"
`

const postgresEntrypoint = `#!/bin/sh
set -e
export PGDATA=/var/lib/postgresql/data
bin=$(echo /usr/lib/postgresql/*/bin)
if [ "$(id -u)" = 0 ]; then
	mkdir -p $PGDATA /var/run/postgresql
	chmod 700 $PGDATA
	chown -R postgres $PGDATA /var/run/postgresql
	exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi
if [ ! -s $PGDATA/PG_VERSION ]; then
	$bin/initdb --auth=trust >/dev/null
	echo "host all all all trust" >>$PGDATA/pg_hba.conf
	$bin/pg_ctl -w -o "-c listen_addresses=''" start >/dev/null
	for script in /docker-entrypoint-initdb.d/*; do $bin/psql -v ON_ERROR_STOP=1 -f $script; done
	$bin/pg_ctl -w -m fast stop >/dev/null
fi
exec $bin/postgres -c "listen_addresses=*"
`

func TestOrdinaryImagesRunUnderTheDefaultProfile(t *testing.T) {
	f := setUp(t)
	d := enginetest.NewDebian(t)
	for name, test := range map[string]func(*testing.T, *fixture, *enginetest.Debian){
		"a web server that steps down":          testNginx,
		"a store that chowns its data":          testRedis,
		"a database and its app":                testPostgres,
		"one with its own init":                 testTini,
		"one with USER, VOLUME and HEALTHCHECK": testHealth,
	} {
		t.Run(name, func(t *testing.T) {
			own := *f
			own.t = t
			test(t, &own, d)
		})
	}
	f.mustBeClean()
}

func testNginx(t *testing.T, f *fixture, d *enginetest.Debian) {
	image := f.ordinary(d, "nginx", container.Config{
		Cmd: []string{"nginx", "-g", "daemon off;"}, StopSignal: "SIGQUIT", ExposedPorts: nat.PortSet{"80/tcp": {}},
	}, map[string]string{"/var/www/html/index.html": "it works"})
	c := f.create(api.CreateParams{Image: image, Name: f.name("web")})
	defer f.remove(c.Name, false)
	if c.Port != 80 {
		t.Errorf("the port is %d", c.Port)
	}
	if got := f.get(c); got != "it works" {
		t.Errorf("the page is %q", got)
	}
	var master, workers []string
	for late := time.Now().Add(20 * time.Second); time.Now().Before(late) && len(master) != 1; { // a worker is called a master until it has told its name
		master, workers = f.users(c.ID, "nginx: master"), f.users(c.ID, "nginx: worker")
	}
	if len(master) != 1 || master[0] != "0" || len(workers) == 0 || workers[0] != "33" {
		t.Errorf("the master runs as %v, the workers as %v", master, workers)
	}
	if stopped, err := f.Stop(t.Context(), c.Name, nil); err != nil || stopped.ExitCode != 0 {
		t.Errorf("it stopped with %d, %v", stopped.ExitCode, err)
	}
}

// get fetches a container's page, once it serves.
func (f *fixture) get(c api.Container) string {
	f.t.Helper()
	for late := time.Now().Add(patience); ; {
		response, err := http.Get("http://" + addrOf(f, c.Domain).String() + "/")
		if err != nil && time.Now().Before(late) {
			continue
		}
		if err != nil {
			f.t.Fatal(err)
		}
		defer response.Body.Close()
		page, err := io.ReadAll(response.Body)
		if err != nil {
			f.t.Fatal(err)
		}
		return string(page)
	}
}

func testRedis(t *testing.T, f *fixture, d *enginetest.Debian) {
	image := f.ordinary(d, "redis", container.Config{
		Entrypoint: []string{"/entrypoint.sh"}, Cmd: []string{"redis-server", "--bind", "*", "--protected-mode", "no"},
		Volumes: map[string]struct{}{"/data": {}}, ExposedPorts: nat.PortSet{"6379/tcp": {}},
	}, map[string]string{"/entrypoint.sh": redisEntrypoint})
	p := api.CreateParams{Image: image, Name: f.name("store"), Volumes: []string{f.name("data") + ":/data"}}
	c := f.create(p)
	f.eventually(c.ID, "PONG", "redis-cli", "ping")
	if got := f.execAny(c.ID, "redis-cli", "set", "kept", "yes"); !strings.Contains(got, "OK") {
		t.Errorf("set wrote %q", got)
	}
	if got := f.users(c.ID, "redis-server"); len(got) == 0 || got[len(got)-1] == "0" {
		t.Errorf("it runs as %v", got)
	}
	if stopped, err := f.Stop(t.Context(), c.Name, nil); err != nil || stopped.ExitCode != 0 {
		t.Errorf("it stopped with %d, %v", stopped.ExitCode, err)
	}
	f.remove(c.Name, false)
	c = f.create(p)
	defer f.remove(c.Name, true)
	f.eventually(c.ID, "yes", "redis-cli", "get", "kept")
	conn, err := net.Dial("tcp", addrOf(f, c.Domain).String())
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}

func testPostgres(t *testing.T, f *fixture, d *enginetest.Debian) {
	image := f.ordinary(d, "postgres", container.Config{
		Entrypoint: []string{"/entrypoint.sh"}, StopSignal: "SIGINT",
		Volumes: map[string]struct{}{"/var/lib/postgresql/data": {}}, ExposedPorts: nat.PortSet{"5432/tcp": {}},
	}, map[string]string{"/entrypoint.sh": postgresEntrypoint, "/docker-entrypoint-initdb.d/1.sql": "CREATE TABLE shelf AS SELECT 'a book' AS thing;"})
	app := f.ordinary(d, "app", container.Config{User: "nobody", Cmd: []string{"sleep", "infinity"}}, nil)
	network := f.name("shop")
	db := f.create(api.CreateParams{Image: image, Name: f.name("db"), Network: network, Port: ptr(0)})
	defer f.remove(db.Name, false)
	client := f.create(api.CreateParams{Image: app, Name: f.name("app"), Network: network})
	defer f.remove(client.Name, false)
	stranger := f.create(api.CreateParams{Image: app, Name: f.name("stranger")})
	defer f.remove(stranger.Name, false)
	query := func(host string) []string {
		return []string{"env", "PGCONNECT_TIMEOUT=3", "psql", "-h", host, "-U", "postgres", "-Atc", "SELECT thing FROM shelf"}
	}
	f.eventually(client.ID, "a book", query(db.Name)...)
	for _, host := range []string{db.Name, addressIn(f, db.Name)} {
		if got := f.execAny(stranger.ID, query(host)...); !strings.Contains(got, "error") {
			t.Errorf("a stranger asked %s and got %q", host, got)
		}
	}
	for _, uid := range f.users(db.ID, "postgres") {
		if uid == "0" {
			t.Error("some of postgres runs as root")
		}
	}
}

func addressIn(f *fixture, name string) string {
	f.t.Helper()
	inspect, err := f.Inspect(f.t.Context(), name, false)
	if err != nil {
		f.t.Fatal(err)
	}
	return inspect.Network.Address
}

func testTini(t *testing.T, f *fixture, d *enginetest.Debian) {
	image := f.ordinary(d, "tini", container.Config{
		Entrypoint: []string{"tini", "--"}, Cmd: []string{"sh", "-c", "trap 'exit 7' TERM; (sleep 0.01 &) ; echo ready; while :; do sleep 0.1; done"},
	}, nil)
	c := f.create(api.CreateParams{Image: image, Name: f.name("own"), Init: ptr(false)})
	defer f.remove(c.Name, false)
	f.output(c.ID, "ready")
	if got := f.execAny(c.ID, "cat", "/proc/1/comm"); got != "tini\n" {
		t.Errorf("process 1 is %q", got)
	}
	f.eventually(c.ID, "0", "sh", "-c", "grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l")
	if stopped, err := f.Stop(t.Context(), c.Name, nil); err != nil || stopped.ExitCode != 7 {
		t.Errorf("it stopped with %d, %v", stopped.ExitCode, err)
	}
}

func testHealth(t *testing.T, f *fixture, d *enginetest.Debian) {
	image := f.ordinary(d, "health", container.Config{
		User: "redis", Volumes: map[string]struct{}{"/var/lib/redis": {}}, WorkingDir: "/var/lib/redis", // which is that user's
		Cmd:         []string{"sh", "-c", "touch alive && exec sleep infinity"},
		Healthcheck: &container.HealthConfig{Test: []string{"CMD-SHELL", "test -w alive"}, Interval: time.Millisecond},
	}, nil)
	for _, profile := range []string{profileDefault, profileStrict} {
		c := f.create(api.CreateParams{Image: image, Name: f.name(profile), Profile: profile, Port: ptr(0)})
		defer f.remove(c.Name, false)
		if c.Health != "starting" {
			t.Errorf("its health is %s at first", c.Health)
		}
	}
	for _, profile := range []string{profileDefault, profileStrict} {
		waitFor(t, f.Engine, 30*time.Second, profile+" being well", func() bool { c, _ := f.Container(f.name(profile)); return c.Health == "healthy" })
	}
}
