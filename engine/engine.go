// Package engine drives a Docker Engine in dockwire's terms: names, images,
// containers, lines and usage. It is the only importer of the engine's client
// library and shows nothing of it.
//
// Everything that it makes carries its labels, one of them the instance, and it
// touches nothing that does not carry its own. These labels are the database:
// nothing about containers or images is kept elsewhere.
//
// Errors are of type *Error, or those of the context that was given.
package engine

import (
	"sync/atomic"

	dockersystem "github.com/docker/docker/api/types/system"
	"github.com/docker/docker/client"
	"go.uber.org/zap"
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

	hints    hints                             // looks at containers that may have changed
	refresh  locks                             // by container id: one look at a time, so that none overwrites a later one
	mutating locks                             // by kind and name: one change of a thing at a time
	hosts    reservations                      // hosts of containers that are being created
	subnets  pending                           // subnets of networks that are being created
	hubs     hubs                              // readers of logs that are followed
	samplers shared[sampler]                   // readers of usage that is watched
	away     atomic.Pointer[Error]             // why the engine was away, the last time that it was
	info     atomic.Pointer[dockersystem.Info] // what the engine said of itself at the last connect
}

func newEngine(cfg Config, cli *client.Client) *Engine {
	return &Engine{cfg: cfg, cli: cli, log: cfg.Log, state: newState()}
}
