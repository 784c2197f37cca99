// What dockwire.js has to do, in a browser as in Node. Each scenario is given:
//
//   connect, DockwireError, codes   the module's
//   url, token                      of the daemon, through a network that can break
//   WebSocket                       the constructor, where there is none
//   repos                           URLs of repositories: app, steps (numbered lines), slow (never ends), failing
//   unique                          a word that the names of images and containers begin with
//   network(action)                 cut, refuse, silence or restore

function assert(condition, ...what) {
  if (!condition) throw new Error(what.map((w) => (typeof w === "string" ? w : JSON.stringify(w))).join(" "));
}

function same(got, want, what) {
  assert(JSON.stringify(got) === JSON.stringify(want), what ?? "", "got", got, "instead of", want);
}

// rejects gives the error of a promise that has to fail.
async function rejects(promise) {
  const value = await promise.then((v) => v, (error) => ({ error }));
  assert(value && "error" in value, "it did not fail, but gave", value);
  return value.error;
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function until(condition, what) {
  for (let i = 0; i < 600; i++) {
    if (await condition()) return;
    await pause(50);
  }
  throw new Error("it does not happen: " + what);
}

// reach waits for a state of the connection.
const reach = (dw, state) => until(() => dw.state === state, `the state ${state}, it is ${dw.state}`);

const opened = [];

function open(env, options) {
  const dw = env.connect(env.url, { token: env.token, WebSocket: env.WebSocket, ...options });
  opened.push(dw);
  return dw;
}

// play plays a scenario, and leaves nothing open.
export async function play(name, env) {
  let timer;
  const late = new Promise((_, reject) => (timer = setTimeout(() => reject(new Error("it takes too long")), 60_000)));
  try {
    await Promise.race([scenarios[name](env), late]);
  } finally {
    clearTimeout(timer);
    for (const dw of opened.splice(0)) dw.close();
    await env.network("restore");
  }
}

// container makes a container of the probe, with that command, and gives its name.
async function container(env, dw, ...command) {
  const image = env.unique + "-app", name = env.unique + "-container";
  await dw.call("build", [image, env.repos.app]);
  await dw.call("create", { image, name, command, port: 0 });
  return name;
}

// build gives the parameters of a build of one of the repositories, by position.
const build = (env, name) => [`${env.unique}-${name}`, env.repos[name]];
const buildAnew = (env, name) => [...build(env, name), "", "", "", {}, "", true];

// scripted gives the constructor of a WebSocket to a daemon that does what serve does with a message.
function scripted(serve) {
  return class {
    constructor() { setTimeout(() => this.onopen?.()); }
    send(text) { setTimeout(() => serve(JSON.parse(text), this)); }
    close() {}
    say(message) { this.onmessage?.({ data: JSON.stringify({ jsonrpc: "2.0", ...message }) }); }
    event(id, params) { this.say({ method: "logs/output", params: { id, ...params } }); }
    cut() { this.onclose?.({ code: 1006 }); }
  };
}

// faster lets a clock run faster for the module, and for those who wait here.
async function faster(factor, play) {
  const real = { setTimeout, setInterval }, [once, again, now] = [setTimeout, setInterval, performance.now.bind(performance)];
  globalThis.setTimeout = (f, ms, ...rest) => once(f, ms / factor, ...rest);
  globalThis.setInterval = (f, ms, ...rest) => again(f, ms / factor, ...rest);
  performance.now = () => now() * factor;
  try {
    await play();
  } finally {
    Object.assign(globalThis, real);
    delete performance.now;
  }
}

const numberOf = (line) => Number(/^line (\d+)/.exec(line.text)?.[1]);

// Checks that the lines of each stream are all there, once, in order.
class Numbered {
  counts = { stdout: -1, stderr: 0 }; // stdout has the odd ones, stderr the even ones
  seq = 0;
  lines = 0;
  add(event) {
    assert(!event.gap && !event.dropped, "lines are missing", { ...event, lines: undefined });
    for (const line of event.lines ?? []) {
      const want = (this.counts[line.stream] += 2);
      assert(numberOf(line) === want, line.stream, line.text, "where line", want, "was due");
      this.lines++;
    }
    this.seq += event.lines?.length ?? 0;
    assert(event.seq === this.seq, "seq is", event.seq, "after", this.seq, "lines");
  }
}

export const scenarios = {
  async "a call is answered, by position and by name, and errors have their types"(env) {
    const dw = open(env);
    same(await dw.call("list"), []);
    const bad = await rejects(dw.call("create", { image: "none", name: "Bad_Name" }));
    assert(bad instanceof env.DockwireError && bad instanceof Error && bad.name === "DockwireError", bad.name);
    same([bad.code, bad.data.param], [env.codes.invalidParams, "name"]);
    assert(bad.message === `Invalid params: ${bad.reason}` && bad.reason === bad.data.reason, bad.message);
    const missing = await rejects(dw.call("create", ["none", "web"]));
    same([missing.code, missing.data.kind, missing.data.name], [env.codes.notFound, "image", "none"]);
    assert(missing.message === `Not found: ${missing.reason}`, missing.message);
    same((await rejects(dw.call("nobody/start"))).code, env.codes.methodNotFound);
    same((await rejects(dw.call("rpc.nothing", [], {}))).code, env.codes.methodNotFound);
    same((await dw.call("rpc.discover")).openrpc, "1.3.2");
    const cyclic = {};
    cyclic.self = cyclic;
    assert(await rejects(dw.call("list", cyclic)) instanceof TypeError, "what is no JSON");
  },

  async "a hundred calls at once are all answered, though the daemon takes fewer"(env) {
    const dw = open(env);
    const answers = await Promise.all(Array.from({ length: 200 }, () => dw.call("list")));
    same(answers.length, 200);
  },

  async "a log loses and repeats nothing across 20 cuts"(env) {
    const dw = open(env);
    const total = 8000, cuts = 20;
    const name = await container(env, dw, "lines", "-n", String(total), "-every", "1ms", "-stream", "both", "-then", "wait");
    const numbered = new Numbered();
    let cut = 0;
    let next = 100;
    for await (const event of dw.stream(name + "/logs", { follow: true, since: "1h", tail: "all" })) {
      numbered.add(event);
      if (cut < cuts && numbered.lines >= next) {
        cut++;
        next = numbered.lines + Math.random() * ((1.6 * (total - numbered.lines)) / (cuts - cut + 1));
        await pause(Math.random() * 20);
        await env.network("cut");
      }
      if (numbered.lines === total) break;
    }
    same([cut, numbered.lines, numbered.counts.stdout, numbered.counts.stderr], [cuts, total, total - 1, total]);
    await dw.call("remove", [name]);
  },

  async "a build goes on across cuts, and its output is whole"(env) {
    const dw = open(env);
    const stream = dw.stream("build", buildAnew(env, "steps"));
    let last = 0, seq = 0, cut = 0;
    let step = await stream.next();
    for (; !step.done; step = await stream.next()) {
      const event = step.value;
      seq += event.lines?.length ?? 0;
      assert(event.seq === seq && event.build && event.name === `${env.unique}-steps`, event);
      for (const line of event.lines ?? []) {
        const number = numberOf(line);
        if (!number) continue;
        assert(number === last + 1, line.text, "came after", last);
        last = number;
      }
      if (cut < 8 && last > 150 * (cut + 1)) {
        cut++;
        await env.network("cut");
      }
    }
    same([last, cut], [1500, 8]);
    same([step.value.name, step.value.seq], [`${env.unique}-steps`, seq]);
    same(await stream.result, step.value);
    same(await stream.next(), { done: true });
  },

  async "a build that is called without its output goes on across cuts too"(env) {
    const dw = open(env);
    const [name, url] = build(env, "steps");
    const built = dw.call("build", { name, url, noCache: true });
    for (let i = 0; i < 5; i++) {
      await pause(200);
      await env.network("cut");
    }
    assert((await built).commit.length === 40);
    const failed = await rejects(dw.call("build", build(env, "failing")));
    same([failed.code, failed.data.exitCode], [env.codes.buildFailed, 7]);
  },

  async "a signal that is aborted cancels the build, when nobody else waits for it"(env) {
    const dw = open(env);
    const one = new AbortController(), other = new AbortController();
    const streams = [one, other].map(({ signal }) => dw.stream("build", build(env, "slow"), { signal }));
    const state = async () => (await dw.call("builds")).find((b) => b.url === env.repos.slow)?.state;
    const running = async (stream) => {
      for await (const event of stream) if (event.lines?.some((line) => line.text.startsWith("line "))) return;
    };
    // Without leaving the loop, which would cancel too.
    for (const stream of streams) {
      for (let seen = false; !seen;) seen = (await stream.next()).value.lines?.some((line) => numberOf(line));
    }
    one.abort(new Error("enough"));
    same((await rejects(streams[0].next())).message, "enough");
    same(await state(), "running");
    other.abort();
    same((await rejects(streams[1].result)).name, "AbortError");
    await until(async () => (await state()) === "cancelled", "the end of the build");

    const late = dw.call("build", build(env, "slow"), { signal: AbortSignal.timeout(300) });
    same((await rejects(late)).name, "TimeoutError");
    await until(async () => (await state()) === "cancelled", "the end of the second build");
    await running(dw.stream("build", build(env, "slow"))); // ends by leaving the loop
    await until(async () => (await state()) === "cancelled", "the end of the third build");
  },

  async "a build that is left while the connection is broken is cancelled all the same"(env) {
    const dw = open(env);
    const leave = new AbortController();
    const stream = dw.stream("build", build(env, "slow"), { signal: leave.signal });
    for (let seen = false; !seen;) seen = (await stream.next()).value.lines?.some((line) => numberOf(line));
    await env.network("refuse");
    await reach(dw, "waiting");
    leave.abort();
    same((await rejects(stream.next())).name, "AbortError");
    await env.network("restore");
    await until(async () => (await dw.call("builds")).find((b) => b.url === env.repos.slow).state === "cancelled", "the end of the build");
  },

  async "a call that changes something is lost with its connection, one that reads is made again"(env) {
    const dw = open(env);
    const name = await container(env, dw, "wait");
    await env.network("silence");
    const calls = [rejects(dw.call(name + "/restart", [1])), dw.call("list"), dw.call(name + "/top"), dw.call(name + "/logs", { tail: 1 })];
    await pause(50);
    await env.network("cut");
    const [error, list, usage, logs] = await Promise.all(calls);
    same([error.code, error.data.outcome, error instanceof env.DockwireError], ["lost", "unknown", true]);
    same([list[0].name, usage.name, logs.name], [name, name, name]);
    await dw.call("remove", { name });
  },

  async "calls wait for a connection, or until their signal is aborted"(env) {
    await env.network("refuse");
    const states = [];
    const dw = open(env, { onstate: (state) => states.push(state) });
    const early = new AbortController();
    const calls = [rejects(dw.call("list", [], { signal: early.signal })), dw.call("images"), dw.call("list")];
    await until(() => states.filter((s) => s === "connecting").length > 3, "further attempts");
    early.abort("too long");
    same(await calls[0], "too long");
    same(await rejects(dw.call("list", [], { signal: early.signal })), "too long");
    same(await rejects(dw.stream("list", [true], { signal: early.signal }).next()), "too long");
    same(dw.state === "refused", false, "it cannot be reached");
    await env.network("restore");
    await Promise.all(calls);
    same([states[0], states[1], states.at(-1), dw.state], ["connecting", "waiting", "open", "open"]);
    await env.network("cut");
    await until(() => states.at(-2) === "connecting" && states.at(-3) === "waiting" && states.at(-1) === "open", "another connection");
    dw.close();
    await pause(0);
    same([dw.state, states.at(-1)], ["closed", "closed"]);
  },

  async "what is left when it is closed fails"(env) {
    const dw = open(env);
    await dw.call("list");
    const stream = dw.stream("list", { follow: true });
    same((await stream.next()).value.containers, []);
    await env.network("silence");
    const calls = [rejects(stream.next()), rejects(dw.call("list"))];
    dw.close();
    for (const error of [...(await Promise.all(calls)), await rejects(dw.call("list")), await rejects(dw.stream("list").result)]) {
      same([error.code, error instanceof env.DockwireError], ["closed", true]);
    }
    await env.network("cut");
  },

  async "a daemon that does not want us is told from one that cannot be reached"(env) {
    const dw = open(env, { token: "wrong" });
    const begin = performance.now();
    const error = await rejects(dw.call("list"));
    same([error.code, dw.state], ["refused", "refused"]);
    same((await rejects(dw.call("list"))).code, "refused");
    assert(performance.now() - begin < 5000, "that took", performance.now() - begin);
  },

  async "a proxy whose daemon is away does not refuse whom it let in before"(env) {
    let attempts = 0;
    class Away { // lets in once
      constructor() {
        const first = attempts++ === 0;
        setTimeout(() => (first ? this.onopen?.() : this.onclose?.({ code: 1006 })), 1);
        if (first) setTimeout(() => this.onclose?.({ code: 1006 }), 10);
      }
      send() {}
      close() {}
    }
    const { fetch } = globalThis;
    globalThis.fetch = async () => ({ status: 503, type: "basic" });
    try {
      const dw = open(env, { WebSocket: Away });
      await until(() => attempts > 5 || dw.state === "refused", "further attempts");
      same(dw.state === "refused", false, "the proxy's 503 was taken for a refusal");
      dw.close();
    } finally {
      globalThis.fetch = fetch;
    }
  },

  async "a slow consumer of a log gets every line, and what waits is bounded"(env) {
    const total = 60_000;
    const sent = [];
    const Real = env.WebSocket ?? WebSocket;
    class Spied extends Real {
      send(text) {
        sent.push(JSON.parse(text));
        super.send(text);
      }
    }
    const dw = open(env, { WebSocket: Spied });
    const name = await container(env, dw, "lines", "-n", String(total), "-size", "150", "-then", "wait");
    const cancels = () => sent.filter((message) => message.method === "$/cancelRequest").length;
    let next = 1, stops = 0;
    for await (const event of dw.stream(name + "/logs", { follow: true })) {
      assert(!event.gap && !event.dropped, "lines are missing");
      for (const line of event.lines) assert(numberOf(line) === next++, line.text, "before", next);
      if (next > stops * 25_000 && next < total / 2) {
        await until(() => cancels() > stops, `a pause after line ${next}`);
        stops++;
      }
      if (next > total) break;
    }
    const asked = sent.filter((message) => message.method === name + "/logs");
    assert(stops >= 2 && asked.length > stops && asked.slice(1).every((message) => message.params.after), stops, asked);
    await dw.call("remove", [name]);
  },

  async "a slow consumer does not cancel a build"(env) {
    const dw = open(env);
    const stream = dw.stream("build", buildAnew(env, "steps"));
    await stream.next();
    await stream.result;
    let lines = 0;
    for await (const event of stream) lines += event.lines?.filter((line) => numberOf(line)).length ?? 0;
    same(lines, 1500);
  },

  async "a list and usage are followed through a cut"(env) {
    const dw = open(env);
    const list = dw.stream("list", [true]);
    same((await list.next()).value.containers, []);
    const name = await container(env, dw, "wait");
    for (let state; state !== "running";) state = (await list.next()).value.containers.at(-1).state;
    const top = dw.stream(name + "/top", { follow: true });
    const first = (await top.next()).value;
    same([first.seq, first.usage.name], [1, name]);
    await env.network("cut");
    const again = (await list.next()).value;
    same([again.gap, again.containers.map((c) => c.name)], [true, [name]]);
    same((await top.next()).value.seq, 2);
    await dw.call("remove", [name]);
    for (let state; state !== "removed";) state = (await list.next()).value.containers.at(-1).state;
    same((await top.next()).done, true);
    same((await top.result).name, name);
    same(await list.return("seen"), { done: true, value: "seen" });
    same(await list.next(), { done: true });
  },

  async "a log ends with its container, and one that is not there is an error of the loop"(env) {
    const dw = open(env);
    const name = await container(env, dw, "lines", "-n", "3", "-then", "wait");
    const stream = dw.stream(name + "/logs", [true, "all"]);
    let lines = 0;
    while (lines < 3) lines += (await stream.next()).value.lines.length;
    const end = stream.next();
    await dw.call("remove", [name]);
    same([(await end).done, (await end).value.name, (await stream.result).seq], [true, name, 3]);
    const error = await rejects((async () => { for await (const _ of dw.stream(name + "/logs", [true])); })());
    same(error.code, env.codes.methodNotFound);
  },

  async "a call that is too large fails alone"(env) {
    const dw = open(env);
    const list = dw.stream("list", { follow: true });
    await list.next();
    const error = await rejects(dw.call("create", ["app", "large", { BIG: "x".repeat(2 << 20) }]));
    same(error.code, "tooLarge");
    same((await list.next()).value.gap, true);
    same(await dw.call("list"), []);
  },

  async "numbers that do not add up are an error, and what is not known is ignored"(env) {
    const dw = open(env, { WebSocket: scripted(({ id, method }, socket) => {
      socket.say({ method: "news/output", params: { id } });
      socket.say({ method: "news/output" });
      socket.say({ id: 99, result: 1 });
      socket.event(id, { seq: 2, lines: [{ text: "one" }, { text: "two" }] });
      socket.event(id, { seq: 5, dropped: 2, lines: [{ text: "five" }] });
      if (method === "end/logs") socket.say({ id, result: { seq: 6 } });
      else socket.event(id, { seq: 7, lines: [{ text: "seven" }] });
    }) });
    for (const method of ["middle/logs", "end/logs"]) {
      const texts = [];
      const error = await rejects((async () => {
        for await (const { lines, dropped } of dw.stream(method, [true])) texts.push(dropped ?? 0, ...lines.map((l) => l.text));
      })());
      same([error.code, error instanceof env.DockwireError], ["incomplete", true]);
      if (method === "end/logs") same(texts, [0, "one", "two", 2, "five"]);
    }
  },

  async "a follow that has begun waits for an engine that is away, and asks for what is left"(env) {
    const away = { code: env.codes.unavailable, message: "Engine unavailable: it is away", data: { reason: "it is away" } };
    const asked = [];
    const dw = open(env, { WebSocket: scripted(({ id, method, params }, socket) => {
      if (method === "none/logs") return socket.say({ id, error: away });
      asked.push(params);
      if (asked.length === 1) return socket.cut();
      if (asked.length === 3) return socket.say({ id, error: away });
      socket.event(id, { seq: 1, lines: [{ text: String(asked.length) }], cursor: "c" + asked.length });
      if (asked.length === 2) return socket.cut();
      socket.say({ id, result: { name: "web", seq: 1 } });
    }) });
    same((await rejects(dw.stream("none/logs", [true]).next())).reason, "it is away");
    const stream = dw.stream("web/logs", { follow: true, tail: 5, since: "1h10m", until: "2030-01-01T00:00:00Z" });
    const texts = [];
    for await (const event of stream) texts.push(event.lines[0].text, event.seq);
    same(texts, ["2", 1, "4", 2]);
    same((await stream.result).seq, 2);
    assert(/^1h10m[\d.]+s$/.test(asked[1].since) && asked[1].tail === 5, asked[1]);
    same(asked[3], { follow: true, until: "2030-01-01T00:00:00Z", after: "c2" });
  },

  async "a connection on which nothing comes any more is given up, one that answers is not"(env) {
    let made = 0;
    const Real = env.WebSocket ?? WebSocket;
    class Counted extends Real {
      constructor(...args) {
        super(...args);
        made++;
      }
    }
    await faster(20, async () => {
      const dw = open(env, { WebSocket: Counted });
      const list = dw.stream("list", [true]); // nothing changes in it
      await list.next();
      await pause(90_000); // longer than it takes to ask four times
      same([dw.state, made], ["open", 1]);
      await env.network("silence");
      await pause(30_000); // it is asked for a sign of life, and given time for it
      await until(() => dw.state !== "open", "the end of the connection");
      await env.network("restore");
      same((await list.next()).value.gap, true);
      assert(made > 1, made);
    });
  },

  async "a daemon that says to try again later is asked later"(env) {
    const times = [];
    class Busy {
      constructor() {
        times.push(performance.now());
        setTimeout(() => {
          this.onopen();
          if (times.length < 3) this.onclose({ code: 1013 });
        });
      }
      send(text) { setTimeout(() => this.onmessage({ data: JSON.stringify({ id: JSON.parse(text).id, result: [] }) })); }
      close() {}
    }
    await faster(20, async () => {
      same(await open(env, { WebSocket: Busy }).call("list"), []);
      const [first, second, third] = times;
      assert(second - first > 2_400 && third - second > 2_400, times);
    });
  },

  async "a network that went away unnoticed is found out"(env) {
    if (!globalThis.addEventListener) return; // Node has no events of the network
    const dw = open(env);
    await dw.call("list");
    await env.network("silence");
    const call = dw.call("images");
    dispatchEvent(new Event("online"));
    await until(() => dw.state !== "open", "the end of the connection");
    await env.network("refuse");
    await pause(1000);
    await env.network("restore");
    dispatchEvent(new Event("online")); // at once, not after the pause
    await reach(dw, "open");
    await call;
  },
};
