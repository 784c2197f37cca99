// The page: which view is shown, what is around it, and the keys.

import { html, render, nothing } from "../vendor/lit-html.js";
import { state, signIn, signOut, token, onchange, changed, loadImages, loadBuilds } from "./store.js";
import { containersView } from "./containers.js";
import { containerView, logsView } from "./container.js";
import { imagesView } from "./images.js";
import { buildView, jobView } from "./build.js";
import { createView, prepareCreate } from "./create.js";
import { forgetJobs } from "./jobs.js";
import { help } from "./dialogs.js";
import { onkey } from "./keys.js";

const root = document.getElementById("app");
let route = [];

const views = {
  __proto__: null, // a view is what is named here, and nothing else
  "": () => containersView(),
  c: (name, tab) => containerView(name, tab),
  logs: (names = "", how) => logsView(names.split(",").filter(Boolean), how),
  images: () => imagesView(),
  build: (id) => (id ? jobView(id) : buildView()),
  create: () => createView(),
};

const entering = { __proto__: null, images: loadImages, c: (_, tab) => tab === "update" && loadImages(), build: loadBuilds, create: prepareCreate };
const titles = { __proto__: null, "": "Containers", c: "", logs: "Logs", images: "Images", build: "Build", create: "Create" };

const LINKS = { connecting: "Connecting…", open: "Connected", waiting: "Reconnecting…" };

function page() {
  if (state.link === "signedOut") return signInView();
  const view = views[route[0]] ?? views[""];
  return html`
    <header>
      <a class="brand" href="#/"><img src="icon.svg" alt="" width="24" height="24">dockwire</a>
      <nav aria-label="Main">${[["", "Containers"], ["images", "Images"], ["build", "Builds"]].map(([key, label]) =>
        html`<a href=${`#/${key}`} aria-current=${here(key) ? "page" : "false"}>${label}</a>`)}</nav>
      <span class="fill"></span>
      <span class=${`link ${state.link}`} role="status"><i></i><span>${LINKS[state.link] ?? state.link}</span></span>
      <button class="round" aria-label="Keys and help" title="Keys (?)" @click=${help}>?</button>
      <button class="plain" @click=${leave}>Sign out</button>
    </header>
    ${banner()}
    <main id="main" tabindex="-1">${state.link === "connecting" && !state.loaded && state.engine === "up" ? connecting() : view(...route.slice(1))}</main>`;
}

function here(key) { return key === (route[0] === "c" || route[0] === "logs" || route[0] === "create" ? "" : route[0]); }

function banner() {
  if (state.link === "waiting") return html`<div class="banner warn" role="status"><i class="spinner"></i> The connection to the daemon is gone. What you see may be old; it goes on by itself once the daemon is back.</div>`;
  if (state.engine === "down") return html`<div class="banner bad" role="status">The daemon is there, but its Docker engine does not answer. Start it (<code>systemctl start docker</code>), or see <code>dockwire doctor</code>. This page goes on by itself.</div>`;
  return nothing;
}

function connecting() { return html`<div class="empty"><p><i class="spinner"></i> Connecting to the daemon…</p></div>`; }

function signInView() {
  return html`<main id="main" class="sign-in" tabindex="-1">
    <h1><img src="icon.svg" alt="" width="40" height="40"> dockwire</h1>
    ${state.refused ? html`<p class="trouble" role="alert">${state.refused}</p>` : nothing}
    <form @submit=${submit}>
      <label for="token">Token</label>
      <input id="token" name="token" type="password" autocomplete="off" required spellcheck="false">
      <p class="says">On the daemon's host, <code>dockwire token</code> prints it. It is kept for this tab only.</p>
      <button class="primary">Sign in</button>
    </form></main>`;
}

function submit(event) {
  event.preventDefault();
  enter(new FormData(event.target).get("token").trim());
  goTo();
}

// enter forgets how the builds ended for whoever was here before: by the end of their connection.
function enter(given) {
  forgetJobs();
  signIn(given);
}

function leave() {
  forgetJobs();
  signOut();
}

// goTo reads the fragment of the URL: a token, or a view.
function goTo() {
  const given = /^#token=(.+)$/.exec(location.hash);
  if (given) {
    history.replaceState(null, "", location.pathname);
    enter(decoded(given[1]));
  }
  route = location.hash.replace(/^#\/?/, "").split("/").map(decoded);
  if (state.link !== "signedOut") entering[route[0]]?.(...route.slice(1));
  document.title = [titles[route[0]] || route[1], "dockwire"].filter(Boolean).join(" · ");
  changed();
}

// decoded gives a part of the fragment; one that is not encoded rightly is taken as it is.
function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

onchange(() => render(page(), root));
addEventListener("hashchange", () => {
  goTo();
  requestAnimationFrame(() => {
    document.getElementById("main")?.focus({ preventScroll: true });
    document.querySelector(".tabs [aria-current=page]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
  });
});
addEventListener("keydown", onkey);
setInterval(changed, 1_000); // ages and times go on
setInterval(() => {
  if (route[0] === "build" && state.link === "open") loadBuilds(); // others build too
}, 3_000);
if (token() !== null && !location.hash.startsWith("#token=")) signIn(token());
goTo();
