// The form that builds an image, the builds there are, and the output of one.

import { html, nothing } from "../vendor/lit-html.js";
import { state, dw, attempt, changed } from "./store.js";
import { begin, goesOn, jobOf } from "./jobs.js";
import { age, duration, short } from "./format.js";
import "./output.js";

const FIELDS = [
  ["ref", "Ref", "a branch, a tag or a commit"], ["dir", "Directory", "the context within the repository"],
  ["dockerfile", "Dockerfile", "Dockerfile"], ["target", "Target", "the stage to build"],
];
const TICKS = [["noCache", "build every step anew"], ["pull", "ask for newer base images"], ["submodules", "fetch submodules"]];

const IMAGE = /^[a-z0-9]+([._-]+[a-z0-9]+)*$/;

const EMPTY = { name: "", url: "" };

let asking = null; // the job whose build has no id yet
let draft = EMPTY;

export function buildView() {
  const wrong = draft.name && !IMAGE.test(draft.name);
  return html`
    <div class="head"><h1>Build an image</h1></div>
    <form class="form" novalidate @submit=${submit}>
      <label for="url">Git URL</label>
      <div><input id="url" name="url" type="url" required placeholder="https://github.com/you/app.git" .value=${draft.url} autocapitalize="off" spellcheck="false" @input=${typeUrl}>
        <p class="says">The repository has a Dockerfile. URL#ref:dir works as in Docker.</p></div>
      <label for="name">Name</label>
      <div><input id="name" name="name" required autocomplete="off" autocapitalize="off" spellcheck="false" .value=${draft.name} aria-invalid=${Boolean(wrong)} aria-describedby="name-says"
          @input=${({ target }) => { draft = { ...draft, name: target.value, named: true }; changed(); }}>
        <p id="name-says" class=${wrong ? "says wrong" : "says"} aria-live="polite">${wrong ? "Lower-case letters and digits, with -, _ or . between them." : "What the image will be called."}</p></div>
      <details ?open=${Boolean(draft.ref || draft.dir || draft.dockerfile || draft.target || draft.args)}><summary>More</summary><div class="more">
        ${FIELDS.map(([key, label, hint]) => html`<label for=${key}>${label}</label><input id=${key} name=${key} placeholder=${hint} .value=${draft[key] ?? ""} autocapitalize="off" spellcheck="false">`)}
        <label for="args">Arguments</label><textarea id="args" name="args" rows="3" placeholder="KEY=value, one a line" spellcheck="false"
          .value=${Object.entries(draft.args ?? {}).map((pair) => pair.join("=")).join("\n")}></textarea>
        <span></span><div class="ticks">${TICKS.map(([key, label]) => html`<label class="tick"><input type="checkbox" name=${key} .checked=${Boolean(draft[key])}> ${label}</label>`)}</div>
      </div></details>
      <div class="actions"><a class="button" href="#/">Cancel</a>
        <button class="primary" ?disabled=${Boolean(asking) || !draft.name || !draft.url || wrong}>${asking ? html`<i class="spinner"></i> Asking…` : "Build"}</button></div>
    </form>
    ${recent()}`;
}

// typeUrl suggests the repository's name as that of the image.
function typeUrl({ target }) {
  draft = { ...draft, url: target.value };
  const last = target.value.replace(/#.*/, "").replace(/\/+$/, "").replace(/\.git$/, "").split("/").at(-1).toLowerCase();
  if (!draft.named && IMAGE.test(last)) draft = { ...draft, name: last };
  changed();
}

function submit(event) {
  event.preventDefault();
  const given = new FormData(event.target), params = { name: draft.name, url: draft.url };
  for (const [key] of FIELDS) if (given.get(key)) params[key] = given.get(key);
  for (const [key] of TICKS) if (given.has(key)) params[key] = true;
  const pairs = given.get("args").split("\n").filter((line) => line.includes("=")).map((line) => [line.slice(0, line.indexOf("=")).trim(), line.slice(line.indexOf("=") + 1)]);
  if (pairs.length) params.args = Object.fromEntries(pairs);
  const job = asking = begin(params, ({ id }) => {
    if (asking !== job) return;
    asking = null;
    draft = EMPTY;
    location.hash = `#/build/${id}`;
  });
  changed();
}

function recent() {
  if (asking?.ended) asking = null; // refused before it had an id
  if (!state.builds?.length) return nothing;
  return html`<h2 class="sub">Builds</h2>
    <table class="list builds"><thead><tr><th>Image</th><th>State</th><th>Repository</th><th>Commit</th><th>Began</th><th>Took</th></tr></thead>
    <tbody>${state.builds.map((b) => html`<tr><th scope="row"><a href=${`#/build/${b.id}`}>${b.name}</a></th>
      <td data-label="State"><span class=${`badge ${b.state}`}>${b.state === "queued" ? place(b) : b.state}</span></td>
      <td data-label="Repository" class="url">${b.url}${b.ref && b.ref !== "HEAD" ? `#${b.ref}` : ""}</td><td data-label="Commit"><code>${b.commit.slice(0, 7) || "–"}</code></td>
      <td data-label="Began" class="number">${b.started ? `${age(b.started)} ago` : "–"}</td><td data-label="Took" class="number">${duration(b.seconds)}</td></tr>`)}</tbody></table>`;
}

export function jobView(id) {
  const job = jobOf(id), info = state.builds?.find((b) => b.id === id);
  if (!job) return unknown();
  const running = job.state === "running", queued = running && info?.state === "queued";
  const is = queued ? "queued" : !running && info && !goesOn(info) ? info.state : job.state; // the daemon tells more ends apart
  return html`
    <div class="head"><nav aria-label="Path"><a href="#/build">Builds</a> / </nav><h1>${job.params.name}</h1>
      <span class=${`badge ${is}`}>${running ? html`<i class="spinner"></i>` : nothing}${queued ? place(info) : running ? job.phase : is}</span>
      <time class="elapsed" role="timer">${duration(job.seconds)}</time>
      <span class="fill"></span>
      ${running ? html`<button class="danger" @click=${() => attempt(() => dw.call("cancelBuild", { id }))}>Cancel the build</button>` : nothing}
      ${running || is === "succeeded" ? nothing : html`<a class="button primary" href="#/build" @click=${() => { draft = { ...job.params, named: true }; }}>Build again…</a>`}
      ${is === "succeeded" ? html`<a class="button primary" href=${`#/create/${job.params.name}`}>Create a container</a>` : nothing}
    </div>
    <progress aria-label="Progress" max=${job.steps || 1} value=${running ? job.steps ? job.step - 1 || 0.3 : nothing : job.steps || 1} class=${is}></progress>
    <div class="facts">${job.params.url}${job.params.ref && job.params.ref !== "HEAD" ? `#${job.params.ref}` : nothing}${job.result ? html` · <code>${job.result.commit.slice(0, 7)}</code> · image <code>${short(job.result.id)}</code>` : nothing}</div>
    ${job.error ? html`<p class="trouble" role="alert">${job.error.reason ?? job.error.message}</p>` : nothing}
    <dw-output .lines=${job.lines} label=${`Output of the build of ${job.params.name}`} file=${`build-${job.params.name}.log`}></dw-output>`;
}

function place({ position }) { return `queued, number ${position}`; }

function unknown() {
  if (!state.builds) return html`<p class="quiet"><i class="spinner"></i> Loading…</p>`;
  return html`<div class="empty"><h1>No such build</h1><p>The last ten builds of an image are kept.</p>
    <p class="actions"><a class="button" href="#/build">All builds</a></p></div>`;
}
