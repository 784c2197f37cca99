package api

import "encoding/json"

// The states of a container.
const (
	StateCreated    = "created"
	StateRunning    = "running"
	StateRestarting = "restarting"
	StatePaused     = "paused"
	StateExited     = "exited"
	StateDead       = "dead"
	StateRemoved    = "removed" // it is gone: only in the answer of remove and in a stream of list
)

// The healths of a container.
const (
	HealthNone      = "none" // its image has no HEALTHCHECK
	HealthStarting  = "starting"
	HealthHealthy   = "healthy"
	HealthUnhealthy = "unhealthy"
)

// Container is what is known of a container.
type Container struct {
	Name      string `json:"name"`
	ID        string `json:"id"`
	Image     string `json:"image"`
	State     string `json:"state"`
	Health    string `json:"health"`
	ExitCode  int    `json:"exitCode"`
	Restarts  int    `json:"restarts"`
	OOMKilled bool   `json:"oomKilled"`
	Created   Time   `json:"created"`
	Started   Time   `json:"started"`  // null before the first start
	Finished  Time   `json:"finished"` // null before the first end
	Domain    string `json:"domain"`
	URL       string `json:"url"`
	Port      int    `json:"port"` // 0: serves none
	Commit    string `json:"commit"`

	// A container may be several, its replicas. On a single engine these are it and
	// its siblings, NAME-2, NAME-3 and so on, which are in the list themselves; all
	// is 0 there of a container that has none.
	Replicas  int    `json:"replicas,omitempty"`  // that there are; on a swarm: that are to run
	Serving   int    `json:"serving,omitempty"`   // that run
	Orphans   int    `json:"orphans,omitempty"`   // on a swarm: that were replaced and may run on, on nodes that are down
	ReplicaOf string `json:"replicaOf,omitempty"` // of a sibling: whose it is
}

// Running says whether a process of the container runs.
func (c Container) Running() bool {
	return c.State == StateRunning || c.State == StatePaused
}

// Inspect is what NAME/inspect answers.
type Inspect struct {
	Container
	Configuration Configuration   `json:"configuration"`
	Limits        Limits          `json:"limits"`
	Security      Security        `json:"security"`
	Network       Network         `json:"network"`
	Mounts        []Mount         `json:"mounts"`
	ImageDetails  Image           `json:"imageDetails"`
	Previous      *Previous       `json:"previous,omitempty"` // what rollback goes back to
	Pool          []PoolMember    `json:"pool,omitempty"`     // all that serve its domain, itself included
	Tasks         []Task          `json:"tasks,omitempty"`    // its replicas, if it is to be several; on a swarm the last ones that ended too
	Nodes         []Node          `json:"nodes,omitempty"`    // of the swarm, that have or had one
	Engine        json.RawMessage `json:"engine,omitempty"`   // the engine's own document, for the admin scope
}

// Previous is the container that an update replaced. It is stopped.
type Previous struct {
	ID       string `json:"id"`
	Image    string `json:"image"`
	Commit   string `json:"commit"`
	Created  Time   `json:"created"`
	Finished Time   `json:"finished"`
}

// Task is one run of a replica, on a swarm on a node of it.
type Task struct {
	ID       string `json:"id"`
	Name     string `json:"name,omitempty"` // on a single engine: the name that the replica has as a container
	Replica  int    `json:"replica"`        // from 1
	Node     string `json:"node"`           // its name; "" before one was chosen, and on a single engine
	Address  string `json:"address"`        // HOST:PORT where it is reached; "" while nothing is served there
	State    string `json:"state"`          // as the swarm, or the engine, calls it
	Wanted   string `json:"wanted"`         // the state that it is to have
	Since    Time   `json:"since"`          // when it came into its state
	ExitCode int    `json:"exitCode"`
	Error    string `json:"error,omitempty"`
	Commit   string `json:"commit"`
	Orphan   bool   `json:"orphan,omitempty"` // it was replaced, and may run on, on a node that is down
}

// Node is an engine of a swarm.
type Node struct {
	Name         string `json:"name"`
	ID           string `json:"id"`
	Address      string `json:"address"`
	State        string `json:"state"`        // ready, down, disconnected or unknown
	Availability string `json:"availability"` // active, pause or drain
	Manager      bool   `json:"manager"`
}

// Configuration is how a container is run.
type Configuration struct {
	Command     []string           `json:"command"`
	Environment map[string]*string `json:"environment"` // values are null for the read scope
	WorkingDir  string             `json:"workingDir"`
	Restart     string             `json:"restart"`
	Init        bool               `json:"init"`
	StopSignal  string             `json:"stopSignal"`
	Profile     string             `json:"profile"`
}

// Limits are what a container may use.
type Limits struct {
	Memory int64   `json:"memory"`
	CPUs   float64 `json:"cpus"`
	Pids   int64   `json:"pids"`
	Files  int64   `json:"files"`  // open files of a process
	Shm    int64   `json:"shm"`    // size of /dev/shm
	LogMax int64   `json:"logMax"` // bytes of log that are kept
}

// Security is what a container may do.
type Security struct {
	User            string   `json:"user"` // as the image says; "" is root
	Capabilities    []string `json:"capabilities"`
	NoNewPrivileges bool     `json:"noNewPrivileges"`
	Seccomp         string   `json:"seccomp"`
	AppArmor        string   `json:"appArmor"`
	ReadOnly        bool     `json:"readOnly"` // of the root file system
	Runtime         string   `json:"runtime"`
}

// Network is where a container is reached.
type Network struct {
	Name     string `json:"name"`
	Address  string `json:"address"` // "" when it does not run
	Gateway  string `json:"gateway"`
	Subnet   string `json:"subnet"`
	Internal bool   `json:"internal"` // no way out
}

// Mount is a volume in a container.
type Mount struct {
	Volume string `json:"volume"`
	Path   string `json:"path"`
}

// PoolMember says whether HTTP for a domain goes to a container.
type PoolMember struct {
	Name    string `json:"name"`
	Replica int    `json:"replica,omitempty"` // which one of it, on a swarm
	State   string `json:"state"`
	Reason  string `json:"reason,omitempty"` // why it is not PoolServing
}

// The states of a PoolMember.
const (
	PoolServing  = "serving"  // requests go to it
	PoolStarting = "starting" // they will, or do so already while there is none better
	PoolDraining = "draining" // it finishes what it answers
	PoolOut      = "out"      // it does not run, or does not work
)

// Image is an image that the daemon built.
type Image struct {
	Name       string   `json:"name"`
	ID         string   `json:"id"`
	Size       int64    `json:"size"`
	Created    Time     `json:"created"`
	URL        string   `json:"url"`
	Ref        string   `json:"ref"`
	Commit     string   `json:"commit"`
	Containers []string `json:"containers"`
}

// Build is what build answers.
type Build struct {
	Name    string  `json:"name"`
	ID      string  `json:"id"`    // of the image
	Build   string  `json:"build"` // id of the build
	URL     string  `json:"url"`
	Ref     string  `json:"ref"`
	Commit  string  `json:"commit"`
	Size    int64   `json:"size"`
	Seconds float64 `json:"seconds"`
	Seq     int64   `json:"seq"` // of the last line of the output
	Cursor  string  `json:"cursor"`
}

// The states of a build.
const (
	BuildQueued      = "queued"
	BuildRunning     = "running"
	BuildSucceeded   = "succeeded"
	BuildFailed      = "failed"
	BuildCancelled   = "cancelled"
	BuildInterrupted = "interrupted" // the daemon ended while it ran
)

// BuildInfo is one build in the answer of builds.
type BuildInfo struct {
	ID       string  `json:"id"`
	Name     string  `json:"name"`
	URL      string  `json:"url"`
	Ref      string  `json:"ref"`
	Commit   string  `json:"commit"` // "" until it is known
	State    string  `json:"state"`
	Position int     `json:"position"` // in the queue, from 1; 0 when it does not wait
	Started  Time    `json:"started"`  // null while it waits
	Seconds  float64 `json:"seconds"`  // so far, or in all
	Cursor   string  `json:"cursor"`   // before the first line of its output: build takes it up after that
}

// The kinds of a Change.
const (
	ChangeAdded    = "added"
	ChangeModified = "modified"
	ChangeDeleted  = "deleted"
)

// Change is a path that differs from the image's.
type Change struct {
	Path    string `json:"path"`
	Kind    string `json:"kind"`
	Replica int    `json:"replica,omitempty"` // whose file it is, on a swarm
}

// LogsResult is what NAME/logs answers; with follow, Lines is empty, for they
// went before it.
type LogsResult struct {
	Name      string `json:"name"`
	Lines     []Line `json:"lines"`
	Truncated bool   `json:"truncated"` // there are more lines than fit
	Cursor    string `json:"cursor"`
	Seq       int64  `json:"seq,omitempty"` // of the stream's last line
	Gap       bool   `json:"gap,omitempty"` // lines after the cursor are gone
}

// Usage is what a container uses at a moment.
type Usage struct {
	Name    string       `json:"name"`
	Time    Time         `json:"time"`
	CPU     CPUUsage     `json:"cpu"`
	Memory  MemoryUsage  `json:"memory"`
	Network NetworkUsage `json:"network"`
	Disk    DiskUsage    `json:"disk"`
	Pids    int64        `json:"pids"`

	// Replicas has each one's, on a swarm; the others are their sums.
	Replicas []ReplicaUsage `json:"replicas,omitempty"`
}

// ReplicaUsage is what one replica uses.
type ReplicaUsage struct {
	Replica int          `json:"replica"`
	Node    string       `json:"node"`
	Error   string       `json:"error,omitempty"` // why it is not known
	CPU     CPUUsage     `json:"cpu"`
	Memory  MemoryUsage  `json:"memory"`
	Network NetworkUsage `json:"network"`
	Disk    DiskUsage    `json:"disk"`
	Pids    int64        `json:"pids"`
}

// CPUUsage is the use of the processor.
type CPUUsage struct {
	Percent float64 `json:"percent"` // of one core, since the sample before
	Limit   float64 `json:"limit"`   // cores
}

// MemoryUsage is the use of memory in bytes, page cache that can be dropped
// left out.
type MemoryUsage struct {
	Usage   int64   `json:"usage"`
	Limit   int64   `json:"limit"`
	Percent float64 `json:"percent"` // of the limit
}

// NetworkUsage is what went through the container's interfaces, in bytes since
// its start.
type NetworkUsage struct {
	Received int64 `json:"received"`
	Sent     int64 `json:"sent"`
}

// DiskUsage is what went to and from block devices, in bytes since its start.
type DiskUsage struct {
	Read    int64 `json:"read"`
	Written int64 `json:"written"`
}
