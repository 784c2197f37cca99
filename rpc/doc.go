// Package rpc is JSON-RPC 2.0 over WebSocket: a server and a client, with
// streams, cancellation and limits. It knows nothing of what the methods do.
//
// # Messages
//
// A message is one text frame with one JSON value, in either direction, without
// a trailing newline. The server sends nothing before the first request, does
// not compress, and chooses the subprotocol "jsonrpc" where it is offered.
//
// JSON-RPC 2.0 is kept to the letter. An id is a string, a number or null, and
// comes back byte for byte: 1.0 as 1.0, "\u0041" as "\u0041". A request without
// an id is a notification and is never answered, whatever is wrong with its
// method or parameters. Params are an array or an object; null is taken as
// absent. Unknown members are ignored. Names match with case, and the members
// of the envelope must be there once.
//
// What is not JSON is answered with -32700 and a null id: an empty message, data
// behind the value, text that is not UTF-8, a binary frame, more levels than
// MaxDepth. JSON that is not a request is answered with -32600, and with its id
// if it has one. Neither closes the connection. Responses are ignored, for the
// server asks nothing, and so is whatever else has a result or an error and no
// method.
//
// The answers to a batch come in one array, in the order of the requests, when
// the last of them is there. An empty batch is answered with one error, and one
// that has nothing to be answered with nothing.
//
// A response has exactly one of result and error. The message of a standard
// error is the standard's, and data.reason is a sentence for a person. Panics
// and errors that are not meant for the caller become -32603 with a data.ref,
// which the server's log has too.
//
// # Order
//
// Requests are accepted (Handler.Accept) one after another, in the order in
// which they were read. Then they run side by side, and each is answered when
// it is done, so answers may come in any order. Whoever wants order among calls
// makes it in Accept.
//
// # Streams
//
// A stream is a call that has not answered yet. Meanwhile it sends
// notifications whose params have the call's id, as it was written:
//
//	> {"jsonrpc":"2.0","id":8,"method":"logs","params":[true]}
//	< {"jsonrpc":"2.0","method":"logs/output","params":{"id":8,"seq":1}}
//	< {"jsonrpc":"2.0","id":8,"result":{"seq":1}}
//
// The notifications of a call keep their order, and its response, which there
// is exactly one of, follows the last. A connection that ends without it has
// not seen the end of the stream. Notify waits while the writer is busy, one or
// two frames ahead of it: so the source of a stream sees how fast its reader
// is, and gathers or leaves out what it must.
//
// # Cancel
//
// $/cancelRequest with {"id":ID} or [ID] ends the context of the latest call
// with that id that has not ended; ids are compared as they are written. It
// never overtakes its call. As a notification it is not answered, with an id of
// its own it answers whether there was such a call. The cancelled call is
// answered all the same, once: with -32800, or with what it makes of it.
//
// # Limits
//
// Each is a field of Options. A message longer than MaxMessage closes the
// connection with 1009. A call beyond MaxCalls or MaxStreams, a batch of more
// than MaxBatch members and a result larger than MaxAnswer are answered with
// -32007. The members of a batch wait for a free place instead, first come
// first, and so does a notification, which could not be told; what waits is
// bounded by MaxQueue bytes, past which it is refused as well.
//
// The reader of a connection never waits, so that a cancel always gets through.
// Responses are never dropped: one that finds MaxQueue bytes queued, or
// MaxQueueTotal on all connections together, waits in its place among the
// MaxCalls until there is room. Connections that have little queued are not held
// up by those that have much. Only the results in a batch cannot wait for room,
// since the batch would wait for them: where they pass MaxAnswer and MaxQueue
// together, an error takes their place. A peer that goes on asking for errors
// and reads none is closed with 1008.
//
// # Life of a connection
//
// A write during which the peer takes nothing for WriteTimeout ends the
// connection, and so does silence: the server pings every PingInterval, and
// wants something, a pong or any message, within three. The contexts of all
// calls end with their connection.
//
// Close frames: 1000 after ?close=idle, once every call so far is answered; 1001
// on Shutdown; 1002 for what is not WebSocket; 1008 and 1009 for the limits. The
// peer's own code is echoed. After its Close frame the server reads on until the
// peer's, for CloseGrace at most, so that nobody sees a reset instead.
//
// # How it is built
//
// Each connection is a jsonrpc2.Conn of sourcegraph, which keeps the order of
// reading, handling and sending, over an ObjectStream of ours (session), which
// keeps the specification. A frame is parsed once (split), and encoded once. One
// writer (outbox) owns what goes out: while it is busy frames gather, and leave
// together in one system call. It relies on the order in which Conn calls its
// hooks: received between ReadObject and Handle, on the goroutine that reads;
// sending before WriteObject, one response at a time. The scripts in testdata
// fail if another version does otherwise.
package rpc
