package rpc

import "time"

// Options are the limits of a Server and what it asks of its owner. A nil
// *Options and zero fields mean the defaults, which each field names.
type Options struct {
	MaxMessage     int // bytes of a message from a client, 1 MiB; a longer one closes the connection with 1009
	MaxAnswer      int // bytes of a result, 16 MiB; a larger one is answered with an error
	MaxEvent       int // bytes of a notification, 1 MiB
	MaxBatch       int // members of a batch, 100
	MaxDepth       int // levels of arrays and objects in a message, 64
	MaxCalls       int // calls of a connection that run at once, streams apart, 64
	MaxStreams     int // streams of a connection, 64
	MaxQueue       int // bytes of a connection that wait to be written, 4 MiB
	MaxQueueTotal  int // bytes of all connections that wait to be written, 256 MiB
	MaxConnections int // connections, 10,000

	WriteTimeout time.Duration // how long a write may make no progress, 10 s
	PingInterval time.Duration // between two pings, 20 s; a peer that is silent for three is gone
	IdleGrace    time.Duration // how long a ?close=idle connection stays without a call, 100 ms, so that a second request on its way is still served
	CloseGrace   time.Duration // how long a closed connection is read on for the peer's Close, 1 s

	// MapError gives what is answered for a handler's error that is not an
	// *Error. Where it is nil or gives nil, the answer is -32603.
	MapError func(error) *Error

	// Internal is told of every panic, with its stack, and of every error
	// that MapError does not know. What it returns is the data.ref of the
	// answer, by which a report finds the log line.
	Internal func(call *Call, err error, stack []byte) (ref string)

	// Done is told of every call once it is answered, and of every
	// notification once it has run: what answered it, nil for a result, and
	// how long it took from the moment it was read. It runs on the
	// connection's reader at times and must not block.
	Done func(call *Call, err *Error, took time.Duration)

	// LimitError makes the error for a limit that was reached: "calls",
	// "streams", "batch", "queue" or "answer". The default is -32007, "Too
	// busy: REASON", with data.limit.
	LimitError func(limit, reason string) *Error
}

const (
	kib = 1 << 10
	mib = 1 << 20
)

// withDefaults gives a copy of o, which may be nil, with every zero filled in.
func (o *Options) withDefaults() Options {
	var opts Options
	if o != nil {
		opts = *o
	}
	for _, limit := range []struct {
		value    *int
		fallback int
	}{
		{&opts.MaxMessage, 1 * mib},
		{&opts.MaxAnswer, 16 * mib},
		{&opts.MaxEvent, 1 * mib},
		{&opts.MaxBatch, 100},
		{&opts.MaxDepth, 64},
		{&opts.MaxCalls, 64},
		{&opts.MaxStreams, 64},
		{&opts.MaxQueue, 4 * mib},
		{&opts.MaxQueueTotal, 256 * mib},
		{&opts.MaxConnections, 10_000},
	} {
		orDefault(limit.value, limit.fallback)
	}
	orDefault(&opts.WriteTimeout, 10*time.Second)
	orDefault(&opts.PingInterval, 20*time.Second)
	orDefault(&opts.IdleGrace, 100*time.Millisecond)
	orDefault(&opts.CloseGrace, time.Second)
	if opts.LimitError == nil {
		opts.LimitError = tooBusy
	}
	return opts
}

func orDefault[T int | time.Duration](value *T, fallback T) {
	if *value == 0 {
		*value = fallback
	}
}
