package api

// The notifications of the calls that stream.
const (
	EventBuild    = "build/output"
	EventLogs     = "logs/output"
	EventTop      = "top/output"
	EventList     = "list/output"
	EventUpdate   = "update/output"
	EventRollback = "rollback/output"
)

// The states of a stream.
const (
	StreamPaused  = "paused"  // the engine is away
	StreamResumed = "resumed" // it is back
)

// Output is the params member of build/output and logs/output.
//
// Seq is the number of the last line here, counted from 1 at the start of the
// stream, left-out lines included: it is the Seq before, plus Dropped, plus the
// number of Lines.
type Output struct {
	Name    string `json:"name"`
	Build   string `json:"build,omitempty"` // id of the build, in build/output
	Seq     int64  `json:"seq"`
	Lines   []Line `json:"lines,omitempty"`
	Dropped int64  `json:"dropped,omitempty"` // lines left out just before these
	Gap     bool   `json:"gap,omitempty"`     // lines are missing, nobody knows how many
	State   string `json:"state,omitempty"`   // StreamPaused or StreamResumed
	Cursor  string `json:"cursor,omitempty"`  // goes on after the last line here
}

// ProgressOutput is the params member of update/output and rollback/output.
type ProgressOutput struct {
	Name  string `json:"name"`
	Seq   int64  `json:"seq"`
	Lines []Line `json:"lines"`
}

// TopOutput is the params member of top/output.
type TopOutput struct {
	Name    string `json:"name"`
	Seq     int64  `json:"seq"`
	Usage   Usage  `json:"usage,omitzero"`
	Dropped int64  `json:"dropped,omitempty"` // samples left out just before this one
	State   string `json:"state,omitempty"`
}

// ListOutput is the params member of list/output: first all containers, then
// those that changed. One that is gone has the state StateRemoved.
type ListOutput struct {
	Seq        int64       `json:"seq"` // counts containers
	Containers []Container `json:"containers"`
	Gap        bool        `json:"gap,omitempty"` // changes were missed: these begin the whole list anew
	State      string      `json:"state,omitempty"`
}
