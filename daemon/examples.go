package daemon

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/dockwire/dockwire/client/api"
)

// examples are the examples in the document of each method. They tell one
// story, in the order of exampleOrder, that a test acts out against a real
// engine: what it answers has the shape that is shown here, and equals it but
// for ids, times, sizes and usage.
var examples = map[string][]examplePair{
	"build": {pair("build an image", build1,
		param("name", "shop"), param("url", "https://git.example.com/shop.git"))},
	"builds": {pair("list the builds", []api.BuildInfo{{
		ID: exampleBuild, Name: "shop", URL: "https://git.example.com/shop.git", Ref: "HEAD", Commit: exampleCommit,
		State: api.BuildSucceeded, Started: exampleTime(0), Seconds: 4.2, Cursor: exampleBuild + "-0"}})},
	"cancelBuild": {pair("stop a build that has ended: nothing happens", api.BuildInfo{
		ID: exampleBuild, Name: "shop", URL: "https://git.example.com/shop.git", Ref: "HEAD", Commit: exampleCommit,
		State: api.BuildSucceeded, Started: exampleTime(0), Seconds: 4.2, Cursor: exampleBuild + "-0"},
		param("id", exampleBuild))},
	"images": {pair("list the images", []api.Image{image1("web")})},
	"create": {pair("create a container", container1(api.StateRunning),
		param("image", "shop"), param("name", "web"), param("environment", map[string]string{"MODE": "production"}))},
	"list":         {pair("list the containers", []api.Container{container1(api.StateRunning)})},
	"NAME/start":   {pair("start a container that runs: nothing happens", container1(api.StateRunning))},
	"NAME/scale":   {pair("run one replica, as it does: nothing happens", container1(api.StateRunning), param("replicas", 1))},
	"NAME/stop":    {pair("stop a container within five seconds", ended(api.StateExited), param("timeout", 5))},
	"NAME/restart": {pair("restart a container", ended(api.StateRunning))},
	"NAME/diff":    {pair("list the changes below /data", []api.Change{}, param("path", "/data"))},
	"NAME/image":   {pair("show the image", image1("web"))},
	"NAME/inspect": {pair("show everything", inspect1)},
	"NAME/logs": {pair("read the last line", api.LogsResult{
		Name: "web", Lines: []api.Line{{Time: exampleTime(5), Stream: api.Stdout, Text: "ready"}}, Truncated: false, Cursor: "AZx3kQ"},
		param("tail", 1))},
	"NAME/top": {pair("show the usage", api.Usage{Name: "web", Time: exampleTime(6),
		CPU:    api.CPUUsage{Percent: 1.3, Limit: 1},
		Memory: api.MemoryUsage{Usage: 7340032, Limit: 536870912, Percent: 1.37},
		Pids:   5})},
	"NAME/update": {pair("replace a container by one of the newest build", container1(api.StateRunning),
		param("environment", map[string]string{"MODE": "production"}))},
	"NAME/rollback": {pair("go back to the container before", ended(api.StateRunning))},
	"remove":        {pair("remove a container", ended(api.StateRemoved), param("name", "web"))},
	"removeImage":   {pair("remove an image", image1(), param("name", "shop"))},
}

// exampleOrder is the order in which the examples are true.
var exampleOrder = strings.Fields("build builds cancelBuild create list NAME/start NAME/scale images NAME/image NAME/inspect NAME/diff NAME/logs NAME/top NAME/update NAME/rollback NAME/stop NAME/restart remove removeImage")

const (
	exampleBuild  = "5f0c2a9be41d"
	exampleCommit = "2c26b46b68ffc68ff99b453c1d30413413422d70"
	exampleImage  = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
	exampleID     = "4355a46b19d348dc2f57c046f8ef63d4538ebb936000f3c9ee954a27460dd865"
)

func exampleTime(second int) api.Time {
	return api.Time{Time: time.Date(2026, 3, 14, 9, 26, second, 535897932, time.UTC)}
}

var build1 = api.Build{Name: "shop", ID: exampleImage, Build: exampleBuild, URL: "https://git.example.com/shop.git",
	Ref: "HEAD", Commit: exampleCommit, Size: 5242880, Seconds: 4.2, Seq: 42, Cursor: exampleBuild + "-16"}

func image1(containers ...string) api.Image {
	return api.Image{Name: "shop", ID: exampleImage, Size: 5242880, Created: exampleTime(1),
		URL: "https://git.example.com/shop.git", Ref: "HEAD", Commit: exampleCommit, Containers: append([]string{}, containers...)}
}

func container1(state string) api.Container {
	return api.Container{Name: "web", ID: exampleID, Image: "shop", State: state, Health: api.HealthNone,
		Created: exampleTime(4), Started: exampleTime(5), Domain: "web.localhost",
		URL: "http://web.localhost:8420/", Port: 8080, Commit: exampleCommit}
}

// ended is the container after it has ended once.
func ended(state string) api.Container {
	c := container1(state)
	c.Finished = exampleTime(9)
	return c
}

var inspect1 = api.Inspect{
	Container: container1(api.StateRunning),
	Configuration: api.Configuration{Command: []string{"/shop"}, WorkingDir: "/", Restart: "unless-stopped",
		Environment: map[string]*string{"MODE": text("production"), "PORT": text("8080"),
			"DOMAIN": text("web.localhost"), "URL": text("http://web.localhost:8420/")},
		Init: true, StopSignal: "SIGTERM", Profile: "default"},
	Limits: api.Limits{Memory: 512 << 20, CPUs: 1, Pids: 512, Files: 8192, Shm: 64 << 20, LogMax: 30 << 20},
	Pool:   []api.PoolMember{{Name: "web", State: api.PoolServing}},
	Security: api.Security{NoNewPrivileges: true, Seccomp: "default", Runtime: "runc",
		Capabilities: strings.Fields("CHOWN DAC_OVERRIDE FOWNER FSETID KILL NET_BIND_SERVICE SETFCAP SETGID SETPCAP SETUID SYS_CHROOT")},
	Network: api.Network{Name: "web", Address: "10.231.0.2", Gateway: "10.231.0.1", Subnet: "10.231.0.0/29"},
	Mounts:  []api.Mount{}, ImageDetails: image1("web"),
	Engine: json.RawMessage("{}"),
}

func pair(name string, result any, params ...example) examplePair {
	return examplePair{Name: name, Params: append([]example{}, params...), Result: example{Name: "result", Value: result}}
}

func param(name string, value any) example { return example{Name: name, Value: value} }

func text(value string) *string { return &value }
