// dockwire.js talks to a dockwire daemon, from a page or from Node:
//
//   const dw = connect("ws://127.0.0.1:7420", { token });
//   await dw.call("create", ["shop", "web"]);
//   for await (const event of dw.stream("web/logs", { follow: true })) console.log(event.lines);
//
// A connection that breaks is made anew. Streams then go on where they were, without a lost or a
// repeated line; calls that only read are made again. The types are in dockwire.d.ts.

const MIN_PAUSE = 100; // milliseconds, before the first attempt to connect again
const MAX_PAUSE = 5_000; // before any later one
const TIMEOUT = 10_000; // for a connection to open, and for a sign of life
const SILENCE = 20_000; // after which the daemon is asked for a sign of life
const MAX_CALLS = 32; // in flight at once; the daemon takes 64, streams apart
const MAX_QUEUE = 4 << 20; // characters of events that wait for a slow consumer
const REFUSALS = 3; // by a daemon that can be reached, after which it is not asked again

const READS = /^(list|images|builds|rpc\.discover)$|\/(inspect|diff|logs|top|image)$/;

// The positional parameters of what is taken up by cursor: "after" has to be added by name.
const ORDER = {
  build: "name url ref dir dockerfile args target noCache pull submodules after credential".split(" "),
  logs: "follow tail since until stream grep after".split(" "),
};

export const codes = Object.freeze({
  methodNotFound: -32601, invalidParams: -32602, internal: -32603, notFound: -32001, conflict: -32002,
  forbidden: -32003, unavailable: -32004, buildFailed: -32005, notRunning: -32006, tooBusy: -32007,
  logsUnavailable: -32008, startFailed: -32009, cancelled: -32800,
});

// DockwireError is what the daemon answered, with a number as code, or what became of the
// connection: "lost", "refused", "closed", "incomplete" or "tooLarge".
export class DockwireError extends Error {
  constructor(code, message, data) {
    const standard = code <= -32600; // its message is always the same words
    super(standard && data?.reason ? `${message}: ${data.reason}` : message);
    this.name = "DockwireError";
    this.code = code;
    this.data = data;
    this.reason = data?.reason ?? (code < 0 ? message.replace(/^[^:]*: /, "") : message);
  }
}

const lost = () => new DockwireError("lost",
  "the connection broke before the answer came: it may have been done or not", { outcome: "unknown" });
const incomplete = () => new DockwireError("incomplete", "the stream does not add up: lines got lost on the way, or came twice");
const cancelled = () => new DockwireError(codes.cancelled, "Request cancelled");

// connect begins to connect, and gives what calls are made on at once.
export function connect(url, options) {
  return new Dockwire(new Link(url, options));
}

class Dockwire {
  #link;
  constructor(link) { this.#link = link; }
  get state() { return this.#link.state; }
  get onstate() { return this.#link.onstate; }
  set onstate(listener) { this.#link.onstate = listener; }

  // A build outlives its connection, so it is called as a stream that nobody reads.
  async call(method, params, { signal } = {}) {
    const call = method === "build" ? new Feed(this.#link, method, params, signal, false) : new Call(this.#link, method, params, signal);
    return this.#link.start(call).result;
  }

  stream(method, params, { signal } = {}) {
    return new Stream(this.#link.start(new Feed(this.#link, method, params, signal, true)));
  }

  close() { this.#link.end("closed", new DockwireError("closed", "the connection was closed")); }
}

// Stream is an async generator of events, which returns the result.
class Stream {
  #feed;
  constructor(feed) {
    this.#feed = feed;
    this.result = feed.result;
    this.result.catch(() => {}); // who iterates is told there
  }
  [Symbol.asyncIterator]() { return this; }
  next() { return this.#feed.next(); }
  async return(value) {
    this.#feed.leave();
    return { done: true, value };
  }
  async throw(error) {
    this.#feed.leave();
    throw error;
  }
}

// Call is a call until it is over; what comes for it later is ignored.
class Call {
  over = false;
  constructor(link, method, params, signal) {
    Object.assign(this, { link, method, signal, repeats: READS.test(method) });
    this.params = params && JSON.parse(JSON.stringify(params)); // it may be sent much later, or again
    this.result = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    this.aborted = () => this.cancel(signal.reason);
    signal?.addEventListener("abort", this.aborted);
  }

  body() { return this.params; }
  event() {}
  answer({ error, result }) {
    if (error) this.fail(new DockwireError(error.code, error.message, error.data));
    else this.succeed(result);
  }
  succeed(result) { this.finish(() => this.resolve(result)); }
  fail(error) { this.finish(() => this.reject(error)); }
  finish(settle) {
    if (this.over) return;
    this.over = true;
    this.signal?.removeEventListener("abort", this.aborted);
    settle();
  }
  cancel(reason) {
    if (this.over) return;
    this.fail(reason);
    this.link.cancel(this);
  }
}

// Feed is the call of a stream: it checks the numbers, and keeps the events until they are read.
class Feed extends Call {
  streams = true;
  attempts = 0;
  seq = 0; // as the consumer counts, through all connections
  wire = 0; // as the daemon counts
  queue = [];
  size = 0; // of the queue, in characters
  readers = []; // who wait for an event

  constructor(link, method, params, signal, read) {
    super(link, method, params, signal);
    const kind = method.replace(/.*\//, "");
    Object.assign(this, { kind, read, repeats: this.repeats || kind === "build", begun: Date.now() });
    if (Array.isArray(this.params) && ORDER[kind]) {
      this.params = Object.fromEntries(this.params.map((value, i) => [ORDER[kind][i] ?? i, value]));
    }
    if (kind === "build" && this.params?.after) this.wire = undefined; // it begins midway
  }

  // A build that was left while the connection was broken is still to be told so.
  get lingers() { return this.over && this.kind === "build" && this.cursor; }

  // body gives the parameters of the next attempt, which goes on after the last event.
  body() {
    const again = this.attempts++ > 0;
    if (this.kind !== "build") this.wire = 0;
    this.anew = again && this.kind === "list";
    if (!again || !ORDER[this.kind]) return this.params;
    const params = { ...this.params };
    if (this.cursor) params.after = this.cursor;
    if (this.cursor && this.kind === "logs") params.since = params.tail = undefined;
    for (const key of ["since", "until"]) { // what is so far back from now is further back by now
      if (/^[\d.]+[a-zµ]/.test(params[key])) params[key] += `${(Date.now() - this.begun) / 1000}s`;
    }
    return params;
  }

  event({ method, params: { id, ...event } }, size) {
    if (this.over || method !== this.kind + "/output") return;
    const count = (event.dropped ?? 0) + (event.lines ?? event.containers ?? (event.usage ? [1] : [])).length;
    this.wire ??= this.seq = event.seq - count;
    if (event.seq !== this.wire + count) {
      this.fail(incomplete()); // what came before it can still be read
      return this.link.cancel(this);
    }
    this.wire = event.seq;
    event.seq = this.seq += count;
    this.cursor = event.cursor ?? this.cursor;
    if (this.anew && event.containers) { // the whole list again
      event.gap = true;
      this.anew = false;
    }
    if (this.read) this.deliver(event, size);
  }

  deliver(event, size) {
    const reader = this.readers.shift();
    if (reader) return reader({ done: false, value: event });
    this.queue.push({ event, size });
    this.size += size;
    if (this.size > MAX_QUEUE && this.kind !== "build") this.pause(); // a build would be cancelled
  }

  pause() {
    this.paused = true;
    this.link.cancel(this);
    this.link.forget(this);
  }

  async next() {
    if (!this.queue.length) return this.over ? this.last() : new Promise((resolve) => this.readers.push(resolve));
    const { event, size } = this.queue.shift();
    this.size -= size;
    if (this.paused && !this.queue.length) {
      this.paused = false;
      this.link.start(this);
    }
    return { done: false, value: event };
  }

  // last gives the result or the error once, to who reads on after the events.
  async last() {
    const value = this.told ? undefined : this.result;
    this.told = true;
    return { done: true, value: await value };
  }

  finish(settle) {
    super.finish(settle);
    for (const reader of this.readers.splice(0)) reader(this.last());
  }

  // A follow that has begun waits for an engine that is away.
  answer(message) {
    const away = message.error?.code === codes.unavailable && this.attempts > 1 && this.kind !== "build";
    if (away) setTimeout(() => this.over || this.link.start(this), MAX_PAUSE / 5);
    else super.answer(message);
  }

  succeed(result) {
    if (result?.seq !== undefined && this.wire !== undefined) {
      if (result.seq !== this.wire) return this.fail(incomplete());
      result.seq = this.seq;
    }
    super.succeed(result);
  }

  cancel(reason) {
    if (!this.over) this.queue = [];
    super.cancel(reason);
  }

  leave() {
    this.told = true;
    this.queue = [];
    this.cancel(cancelled());
  }
}

// Link is the connection, made anew whenever it breaks.
class Link {
  ids = 0;
  sent = new Map(); // calls without an answer, by id
  waiting = []; // calls that are still to be sent
  busy = 0; // calls in sent that are no streams
  delay = 0;
  refusals = 0;

  constructor(url, { token, WebSocket = globalThis.WebSocket, onstate } = {}) {
    if (!WebSocket) throw new TypeError("there is no WebSocket here: give connect the constructor of a library's");
    const target = new URL(url ?? "/", globalThis.location?.href);
    target.protocol = target.protocol.replace("http", "ws");
    target.hash = "";
    this.health = new URL("healthz", target);
    this.health.protocol = target.protocol.replace("ws", "http");
    const bearer = token && "bearer." + base64url(token);
    Object.assign(this, { WebSocket, onstate, url: target.href, protocols: ["jsonrpc", bearer].filter(Boolean) });
    this.connect();
    globalThis.addEventListener?.("online", this.wake);
    globalThis.document?.addEventListener("visibilitychange", this.wake);
  }

  set(state) {
    if (state === this.state) return;
    this.state = state;
    queueMicrotask(() => this.onstate?.(state));
  }

  connect() {
    clearTimeout(this.timer);
    const socket = new this.WebSocket(this.url, this.protocols);
    socket.onopen = () => this.opened();
    socket.onmessage = ({ data }) => this.receive(data);
    socket.onclose = ({ code }) => this.closed(code);
    socket.onerror = () => {}; // a close follows
    this.socket = socket;
    this.timer = idle(setTimeout(() => this.abandon(), TIMEOUT));
    this.set("connecting");
  }

  opened() {
    clearTimeout(this.timer);
    this.heard = performance.now();
    this.timer = idle(setInterval(() => performance.now() - this.heard > SILENCE && this.ask(), SILENCE));
    this.known = true;
    this.refusals = 0;
    this.set("open");
    this.pump();
  }

  // start sends a call as soon as it can be sent.
  start(call) {
    if (call.signal?.aborted) call.fail(call.signal.reason);
    else if (this.final) call.fail(this.final);
    else this.waiting.push(call);
    if (this.state === "waiting") this.timer?.ref?.();
    this.pump();
    return call;
  }

  pump() {
    while (this.state === "open" && this.waiting.length && this.busy < MAX_CALLS) this.send(this.waiting.shift());
  }

  send(call) {
    call.id = ++this.ids;
    this.sent.set(call.id, call);
    if (!call.streams) this.busy++;
    call.length = this.write({ id: call.id, method: call.method, params: call.body() });
    if (call.over) this.cancel(call);
  }

  write(message) {
    const text = JSON.stringify({ jsonrpc: "2.0", ...message });
    this.socket.send(text);
    return text.length;
  }

  cancel(call) {
    if (this.sent.get(call.id) === call) this.write({ method: "$/cancelRequest", params: [call.id] });
    this.waiting = this.waiting.filter((other) => other !== call || call.lingers);
  }

  forget(call) {
    if (this.sent.delete(call.id) && !call.streams) this.busy--;
  }

  receive(data) {
    this.heard = performance.now();
    this.delay = 0;
    const message = JSON.parse(data);
    const call = this.sent.get(message.method ? message.params?.id : message.id);
    if (message.method) return call?.event(message, data.length);
    if (!call) return;
    this.forget(call);
    call.answer(message);
    this.pump();
  }

  // closed takes back what can be called again, and fails the rest.
  closed(code) {
    const opened = this.state === "open";
    const calls = [...this.sent.values()].filter((call) => !call.over || call.lingers);
    this.sent.clear();
    this.busy = 0;
    if (code === 1009) largest(calls)?.fail(new DockwireError("tooLarge", "the daemon takes no message as large as this call"));
    for (const call of calls) if (!call.repeats) call.fail(lost());
    this.waiting.unshift(...calls.filter((call) => !call.over || call.lingers));
    if (code === 1013) this.delay = MAX_PAUSE; // "try again later"
    clearTimeout(this.timer);
    this.retry(opened);
  }

  // retry connects again after a pause that doubles, and is up to a half shorter.
  async retry(opened) {
    const { socket } = this;
    this.set("waiting");
    const refused = !opened && await this.refused();
    if (this.socket !== socket || this.final) return;
    if (refused) {
      return this.end("refused", new DockwireError("refused",
        "the daemon refuses the connection: its token is wrong, or pages of this origin may not call; the daemon's log says which"));
    }
    this.delay = Math.min(Math.max(2 * this.delay, MIN_PAUSE), MAX_PAUSE);
    this.timer = setTimeout(() => this.connect(), this.delay * (1 - Math.random() / 2));
    if (!this.waiting.length) idle(this.timer);
  }

  // A browser does not say why a handshake failed. So a daemon that answers otherwise, time and
  // again, refuses. Of another site only that it answers can be seen: it may be a proxy whose
  // daemon is away, so one that we knew is given more time. So is a 503, which some proxies say
  // then, and a daemon whose engine is away.
  async refused() {
    const answer = await fetch(this.health, { method: "HEAD", mode: "no-cors", cache: "no-store", signal: AbortSignal.timeout(TIMEOUT) }).catch(() => {});
    const away = !answer || answer.status === 502 || answer.status === 504;
    const doubt = this.known && (answer?.type === "opaque" || answer?.status === 503);
    this.refusals = away ? 0 : this.refusals + (doubt ? 0.1 : 1);
    return this.refusals >= REFUSALS;
  }

  // ask wants a sign of life: a network that went away does not close connections.
  ask() {
    const { socket } = this, asked = performance.now();
    this.write({ id: 0, method: "$/cancelRequest", params: [0] });
    idle(setTimeout(() => {
      if (socket === this.socket && this.state === "open" && this.heard < asked) this.abandon();
    }, TIMEOUT));
  }

  wake = () => {
    if (globalThis.document?.visibilityState === "hidden") return;
    if (this.state === "open") this.ask();
    if (this.state !== "waiting") return;
    this.delay = 0;
    this.connect();
  };

  // abandon gives up a connection that does not answer.
  abandon() {
    this.hangUp();
    this.closed(1006);
  }

  hangUp() {
    const { socket } = this;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  // end is for good.
  end(state, error) {
    if (this.final) return;
    this.final = error;
    clearTimeout(this.timer);
    globalThis.removeEventListener?.("online", this.wake);
    globalThis.document?.removeEventListener("visibilitychange", this.wake);
    this.hangUp();
    this.set(state);
    const calls = [...this.sent.values(), ...this.waiting];
    this.sent.clear();
    this.waiting = [];
    for (const call of calls) call.fail(error);
  }
}

// idle keeps a timer from keeping Node alive.
function idle(timer) {
  timer.unref?.();
  return timer;
}

function base64url(text) {
  const bytes = String.fromCharCode(...new TextEncoder().encode(text));
  return btoa(bytes).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

function largest(calls) {
  return calls.reduce((most, call) => (most?.length > call.length ? most : call), undefined);
}
