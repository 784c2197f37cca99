// Package engine drives a Docker Engine, or a Swarm of them, in dockwire's terms:
// names, images, containers, lines and usage. It is the only importer of the
// engine's client library and shows nothing of it.
//
// Everything that it makes carries its labels, one of them the instance, and it
// touches nothing that does not carry its own. These labels are the database:
// nothing about containers or images is kept elsewhere.
//
// Errors are of type *Error, or those of the context that was given.
package engine

import (
	"sync"
	"sync/atomic"
	"time"

	dockersystem "github.com/docker/docker/api/types/system"
	"github.com/docker/docker/client"
	"go.uber.org/zap"

	"github.com/dockwire/dockwire/engine/firewall"
	"github.com/dockwire/dockwire/engine/git"
)

// Config says which engine to drive, and how. All fields but Instance may be
// zero.
type Config struct {
	Host     string // the engine's address; when empty DOCKER_HOST, the current Docker context or the usual sockets
	Instance string // the value of our instance label
	Base     string // the domain under which containers get theirs, NAME.BASE; localhost when empty
	Ingress  string // the URL of the ingress, such as http://localhost:8420; container URLs take its scheme and port

	AllowImages []string // patterns of images that create takes though we did not build them
	AllowGit    []string // HOST[:PORT] and CIDRs that a git URL may point to though they are not public
	Builder     string   // auto, buildkit or classic

	GitCredentials string // a file of logins for private repositories, as git credential-store keeps it
	KeepBuilds     int    // how many builds of an image are kept, besides those that containers use; 5 when 0
	KeepCache      int64  // bytes of the engine's build cache, all of its users' together, that are kept; 0 leaves it alone
	BuildLimits    BuildLimits
	MinFree        int64 // bytes of a disk that builds and pulls leave free; when 0 1 GiB, or 5 % of a small disk

	Firewall      string // FirewallAuto when empty
	StrictRuntime string // the runtime of strict containers, runsc or kata say; the engine's default when empty

	UpdateTime time.Duration // how long the new container of an update has until it serves; 1 min when 0

	Reach  string        // how HTTP gets to the containers; ReachAuto when empty
	Router Router        // carries HTTP to the containers, if anything does
	Drain  time.Duration // how long Router.Drain may take

	CacheDir          string // where clones are kept between builds, on the disk of TempDir; not at all when empty
	CacheBytes        int64  // of the clones that are kept: 2 GiB when 0
	CacheRepositories int    // how many are kept: 100 when 0, none when negative

	Swarm SwarmConfig // of a Swarm only

	TempDir string // where clones live while a build runs
	Log     *zap.Logger
}

// Engine is a Docker Engine. Its methods may be called at the same time from
// anywhere.
type Engine struct {
	cfg   Config
	cli   *client.Client
	log   *zap.Logger
	state *state

	hints     hints                             // looks at containers that may have changed
	refresh   locks                             // by container id: one look at a time, so that none overwrites a later one
	mutating  locks                             // by kind and name: one change of a thing at a time
	hosts     reservations                      // hosts of containers that are being created
	subnets   pending                           // subnets of networks that are being created
	hubs      hubs                              // readers of logs that are followed
	building  sync.Map                          // ids of the builds that run
	samplers  shared[sampler]                   // readers of usage that is watched
	lingering lingering                         // those of them that nobody watches any more
	firewall  *firewall.Firewall                // what cuts the bridges off from this host
	silence   silence                           // tells when the engine falls silent
	away      atomic.Pointer[Error]             // why the engine was away, the last time that it was
	info      atomic.Pointer[dockersystem.Info] // what the engine said of itself at the last connect

	repositories *git.Cache // clones that are kept; nil for none

	firewallMode atomic.Pointer[firewallMode] // what the configuration means at this engine

	repository string           // the beginning of the tags of images that are built
	elsewhere  func() []*record // containers that are not this engine's and use its images
}

func newEngine(cfg Config, cli *client.Client) *Engine {
	e := &Engine{cfg: cfg, cli: cli, log: cfg.Log, state: newState(), firewall: firewall.New(cfg.Instance, subnetPool),
		repository: repository, elsewhere: func() []*record { return nil }}
	e.state.route = e.route
	e.hubs.readings.places = make(chan struct{}, mostReadings)
	return e
}
