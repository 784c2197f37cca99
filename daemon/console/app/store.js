// What the console knows, and how it comes to know it. Whoever changes something says changed();
// the page is then drawn once, in the next frame.

import { connect, codes } from "../dockwire.js";
import { Usage } from "./usage.js";

const MAX_CHARTS = 40; // containers whose usage is watched at once; a connection may have 64 streams
const AGAIN = 2_000; // milliseconds, after which what failed is asked for again

export const state = {
  link: "signedOut", // or a state of the connection
  engine: "up", // or "down"
  loaded: false, // whether containers holds all that there are
  containers: new Map(),
  usage: new Map(),
  busy: new Map(), // what is being done to a container, by its name
  changes: new Map(), // the last update or rollback of a container
  images: null,
  builds: null,
  refused: "",
};

export let dw = null;
let session = null; // aborted by signing out
let draw = () => {};
let frame = 0;

export function onchange(f) { draw = f; }

export function changed() {
  frame ||= requestAnimationFrame(() => {
    frame = 0;
    draw();
  });
}

// signIn connects with a token, or without one where none is asked for.
export function signIn(token) {
  signOut();
  sessionStorage.setItem("token", token);
  session = new AbortController();
  state.refused = "";
  state.link = "connecting";
  dw = connect(null, { token, onstate: linked });
  followList(dw, session.signal);
  changed();
}

export function signOut() {
  session?.abort();
  dw?.close();
  dw = null;
  sessionStorage.removeItem("token");
  Object.assign(state, { link: "signedOut", engine: "up", loaded: false, images: null, builds: null });
  for (const usage of state.usage.values()) usage.stop();
  for (const map of [state.containers, state.usage, state.busy, state.changes]) map.clear();
  changed();
}

export function token() { return sessionStorage.getItem("token"); }

function linked(link) {
  if (link === "closed") return;
  if (link === "refused") {
    signOut();
    state.refused = "The daemon refused this token, or this page's origin. “dockwire token” prints a token that works.";
  } else {
    state.link = link;
  }
  changed();
}

async function followList(dw, signal) {
  while (!signal.aborted) {
    try {
      takeList({ containers: await dw.call("list", [], { signal }), gap: true });
      for await (const event of dw.stream("list", { follow: true }, { signal })) takeList(event);
    } catch (error) {
      if (signal.aborted || error.code === "refused") return;
      if (error.code === codes.unavailable) state.engine = "down";
      else failed(error);
      changed();
    }
    await pause(AGAIN);
  }
}

function takeList({ containers, gap, state: engine }) {
  if (engine) state.engine = engine === "paused" ? "down" : "up";
  if (containers) state.engine = "up";
  if (gap) state.containers.clear();
  for (const container of containers ?? []) {
    if (container.state === "removed") state.containers.delete(container.name);
    else state.containers.set(container.name, container);
  }
  state.loaded = true;
  watchUsage();
  changed();
}

function watchUsage() {
  for (const [name, usage] of state.usage) {
    const running = state.containers.get(name)?.state === "running";
    if (!running) usage.stop();
    if (!state.containers.has(name)) state.usage.delete(name);
  }
  for (const { name, state: is } of sorted()) {
    if (is !== "running") continue;
    if (!state.usage.has(name) && state.usage.size < MAX_CHARTS) state.usage.set(name, new Usage(name));
    state.usage.get(name)?.watch(dw, changed);
  }
}

// sorted gives the containers by name.
export function sorted() {
  return [...state.containers.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

export async function loadImages() {
  state.images = await attempt(() => dw.call("images")) ?? state.images;
  changed();
}

export async function loadBuilds() {
  state.builds = await attempt(() => dw.call("builds")) ?? state.builds;
  changed();
}

// act does something to a container, and says so meanwhile.
export async function act(name, word, method, params) {
  state.busy.set(name, word);
  changed();
  const done = await attempt(() => dw.call(method, params));
  state.busy.delete(name);
  if (done?.state === "removed") state.containers.delete(name);
  else if (done?.name) state.containers.set(name, done);
  if (done) say(`${name}: ${done.state}`);
  changed();
  return done;
}

// attempt gives what a call answers, or undefined when it failed, which is told.
export async function attempt(call) {
  try {
    return await call();
  } catch (error) {
    failed(error);
  }
}

export function failed(error) {
  if (["closed", "refused"].includes(error.code) || error.name === "AbortError") return;
  notice(error.reason ?? error.message);
}

// notice shows a sentence until it is dismissed.
function notice(text) {
  const list = document.getElementById("notices");
  if ([...list.children].some((shown) => shown.firstChild.textContent === text)) return;
  const box = document.createElement("div");
  const words = document.createElement("span");
  const close = document.createElement("button");
  words.textContent = text;
  close.textContent = "Dismiss";
  close.onclick = () => box.remove();
  box.append(words, close);
  list.append(box);
}

// say tells a screen reader.
export function say(text) { document.getElementById("spoken").textContent = text; }

export function pause(ms) { return new Promise((resolve) => setTimeout(resolve, ms)); }
