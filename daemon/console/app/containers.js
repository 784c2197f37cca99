// The list of containers.

import { html, svg, render, nothing } from "../vendor/lit-html.js";
import { state, sorted, act, changed } from "./store.js";
import { ask } from "./dialogs.js";
import { age, bytes, link, percent } from "./format.js";

let filter = "";
const rows = new Map(); // the row of each container: it stays the same, so that it keeps the focus
const body = document.createElement("tbody");

export function containersView() {
  if (!state.loaded) return html`<p class="quiet">Loading…</p>`;
  if (!state.containers.size) return nothingYet();
  fill(matching());
  return html`
    <div class="head">
      <h1>Containers <span class="count">${state.containers.size}</span></h1>
      <label class="search"><span class="unseen">Filter by name or image</span>
        <input type="search" placeholder="Filter  /" .value=${filter} @input=${({ target }) => { filter = target.value; changed(); }}></label>
      <span class="fill"></span>
      <a class="button" href="#/build">Build</a><a class="button primary" href="#/create">Create</a>
    </div>
    <table class="list containers">
      <thead><tr><th>Name</th><th>State</th><th>Image</th><th>CPU</th><th>Memory</th><th>Restarts</th><th>Age</th><th><span class="unseen">Actions</span></th></tr></thead>
      ${body}
    </table>
    ${rows.size ? nothing : html`<p class="quiet">No container has “${filter.trim()}” in its name or image.</p>`}`;
}

function matching() {
  const part = filter.trim();
  return sorted().filter(({ name, image }) => name.includes(part) || image.includes(part));
}

function fill(shown) {
  const names = new Set(shown.map(({ name }) => name));
  for (const [name, row] of rows) if (!names.has(name)) row.remove(), rows.delete(name);
  shown.forEach((container, i) => {
    let row = rows.get(container.name);
    if (!row) {
      row = document.createElement("tr");
      row.dataset.name = container.name;
      rows.set(container.name, row);
    }
    if (body.children[i] !== row) body.insertBefore(row, body.children[i] ?? null);
    render(cells(container), row);
  });
}

function cells(c) {
  const usage = state.usage.get(c.name), live = c.state === "running" && usage?.last;
  return html`
    <th scope="row"><a class="name" href=${`#/c/${c.name}/logs`}>${c.name}</a>${domain(c)}</th>
    <td data-label="State">${badge(c)}</td>
    <td data-label="Image"><span class="image">${c.image}</span> <code class="commit" title=${c.commit}>${c.commit?.slice(0, 7)}</code></td>
    <td data-label="CPU" class="chart">${live ? html`${spark(usage.samples.map(({ cpu }) => cpu), 10, `CPU of ${c.name}`)}<span>${percent(usage.last.cpu)}</span>` : "–"}</td>
    <td data-label="Memory" class="chart">${live ? html`${spark(usage.samples.map(({ memory }) => memory), usage.last.memory * 1.5, `Memory of ${c.name}`)}<span>${bytes(usage.last.memory)}</span>` : "–"}</td>
    <td data-label="Restarts" class=${c.restarts ? "number warn" : "number"}>${c.restarts}</td>
    <td data-label="Age" class="number" title=${c.created}>${age(c.created)}</td>
    <td class="does">${actions(c)}</td>`;
}

export function domain(c) {
  const url = link(c.url);
  if (!url || !c.domain) return nothing;
  return html`<a class="domain" href=${url} target="_blank" rel="noreferrer">${c.domain}<span aria-hidden="true"> ↗</span></a>`;
}

// badge says the state in a word, with a colour that says no more than the word.
export function badge(c) {
  const busy = state.busy.get(c.name);
  if (busy) return html`<span class="badge busy"><i class="spinner"></i>${busy}…</span>`;
  const failed = c.state === "exited" && c.exitCode !== 0;
  const words = c.oomKilled && c.state !== "running" ? "out of memory" : failed ? `exited ${c.exitCode}` : c.state;
  return html`<span class=${`badge ${failed || c.oomKilled ? "failed" : c.state}`}>${words}</span>
    ${c.replicas > 1 ? html`<span class=${`badge ${c.serving === c.replicas ? "healthy" : "starting"}`} title="replicas that serve, of those that are to">${c.serving ?? 0}/${c.replicas}</span>` : nothing}
    ${c.health === "none" || c.state !== "running" ? nothing : html`<span class=${`badge ${c.health}`}>${c.health}</span>`}`;
}

// actions are the buttons of a container.
export function actions(c) {
  const busy = state.busy.has(c.name), runs = ["running", "restarting", "paused"].includes(c.state);
  const button = (word, does, key, kind) => html`<button ?disabled=${busy} class=${kind ?? ""} data-key=${key}
    aria-label=${`${word} ${c.name}`} title=${`${word} (${key})`} @click=${does}>${word}</button>`;
  return html`
    ${runs ? button("Stop", () => act(c.name, "stopping", `${c.name}/stop`), "s") : button("Start", () => act(c.name, "starting", `${c.name}/start`), "s")}
    ${button("Restart", () => act(c.name, "restarting", `${c.name}/restart`), "r")}
    ${c.replicaOf ? nothing : html`<a class="button" href=${`#/c/${c.name}/update`} data-key="u" aria-label=${`Update ${c.name}`} title="Update (u)">Update</a>`}
    ${button("Remove", () => remove(c), "x", "danger")}`;
}

async function remove({ name }) {
  const answer = await ask({
    title: `Remove ${name}?`, yes: "Remove", danger: true, tick: "its volumes too",
    text: "The container, its log and what it wrote are gone then, and its domain is free. Its image stays.",
  });
  if (answer) act(name, "removing", "remove", { name, volumes: answer.ticked });
}

// spark draws the last minutes, from 0 to at least a value.
export function spark(values, least, label) {
  const shown = values.slice(-60), most = Math.max(least, ...shown) || 1;
  const points = shown.map((value, i) => `${((i + 60 - shown.length) / 59 * 80).toFixed(1)},${(23 - value / most * 22).toFixed(1)}`);
  const first = points[0]?.split(",")[0];
  return svg`<svg class="spark" viewBox="0 0 80 24" preserveAspectRatio="none" role="img" aria-label=${label}>
    <polygon points=${`${first},24 ${points.join(" ")} 80,24`}></polygon><polyline points=${points.join(" ")}></polyline></svg>`;
}

function nothingYet() {
  return html`<div class="empty">
    <h1>Nothing here yet</h1>
    <p>Build an image from a git repository that has a Dockerfile, then create a container of it. It gets a domain of its own.</p>
    <p class="actions"><a class="button primary" href="#/build">Build an image</a> <a class="button" href="#/create">Create a container</a></p>
    <p>Or paste this, with a URL of yours:</p>
    <pre tabindex="0">dockwire build hello https://github.com/you/hello.git
dockwire create hello hello
dockwire logs -f hello</pre>
  </div>`;
}
