// The form that builds an image, the builds there are, and the output of one.

import { html, nothing } from "../vendor/lit-html.js";
import { state, dw, attempt, changed } from "./store.js";
import { begin, jobOf } from "./jobs.js";
import { age, duration, short } from "./format.js";
import "./output.js";

const IMAGE = /^[a-z0-9]+([._-]+[a-z0-9]+)*$/;

let asking = null; // the job whose build has no id yet
let draft = { name: "", url: "" };

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
      <details><summary>More</summary><div class="more">
        <label for="ref">Ref</label><input id="ref" name="ref" placeholder="a branch, a tag or a commit" spellcheck="false">
        <label for="dir">Directory</label><input id="dir" name="dir" placeholder="the context within the repository" spellcheck="false">
        <label for="dockerfile">Dockerfile</label><input id="dockerfile" name="dockerfile" placeholder="Dockerfile" spellcheck="false">
        <label for="target">Target</label><input id="target" name="target" placeholder="the stage to build" spellcheck="false">
        <label for="args">Arguments</label><textarea id="args" name="args" rows="3" placeholder="KEY=value, one a line" spellcheck="false"></textarea>
        <span></span><div class="ticks"><label class="tick"><input type="checkbox" name="noCache"> build every step anew</label>
        <label class="tick"><input type="checkbox" name="pull"> ask for newer base images</label>
        <label class="tick"><input type="checkbox" name="submodules"> fetch submodules</label></div>
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
  for (const key of ["ref", "dir", "dockerfile", "target"]) if (given.get(key)) params[key] = given.get(key);
  for (const key of ["noCache", "pull", "submodules"]) if (given.has(key)) params[key] = true;
  const pairs = given.get("args").split("\n").filter((line) => line.includes("=")).map((line) => [line.slice(0, line.indexOf("=")).trim(), line.slice(line.indexOf("=") + 1)]);
  if (pairs.length) params.args = Object.fromEntries(pairs);
  const job = asking = begin(params, ({ id }) => {
    if (asking !== job) return;
    asking = null;
    draft = { name: "", url: "" };
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
      <td data-label="State"><span class=${`badge ${b.state}`}>${b.state === "queued" ? `queued, ${b.position}.` : b.state}</span></td>
      <td data-label="Repository" class="url">${b.url}${b.ref && b.ref !== "HEAD" ? `#${b.ref}` : ""}</td><td data-label="Commit"><code>${b.commit.slice(0, 7) || "–"}</code></td>
      <td data-label="Began" class="number">${b.started ? `${age(b.started)} ago` : "–"}</td><td data-label="Took" class="number">${duration(b.seconds)}</td></tr>`)}</tbody></table>`;
}

export function jobView(id) {
  const job = jobOf(id), info = state.builds?.find((b) => b.id === id);
  if (!job) return elsewhere(id, info);
  const running = job.state === "running";
  return html`
    <div class="head"><nav aria-label="Path"><a href="#/build">Builds</a> / </nav><h1>${job.params.name}</h1>
      <span class=${`badge ${running && info?.state === "queued" ? "queued" : job.state}`}>${running ? html`<i class="spinner"></i>` : nothing}${running ? info?.state === "queued" ? `queued, ${info.position}.` : job.phase : job.state}</span>
      <time class="elapsed" role="timer">${duration(job.seconds)}</time>
      <span class="fill"></span>
      ${running ? html`<button class="danger" @click=${() => attempt(() => dw.call("cancelBuild", { id }))}>Cancel the build</button>` : nothing}
      ${["failed", "cancelled"].includes(job.state) ? html`<a class="button primary" href="#/build" @click=${() => { draft = { name: job.params.name, url: job.params.url, named: true }; }}>Build again…</a>` : nothing}
      ${job.state === "succeeded" ? html`<a class="button primary" href=${`#/create/${job.params.name}`}>Create a container</a>` : nothing}
    </div>
    <progress aria-label="Progress" max=${job.steps || 1} value=${running ? job.steps ? job.step - 1 || 0.3 : nothing : job.steps || 1} class=${job.state}></progress>
    <div class="facts">${job.params.url}${job.result ? html` · <code>${job.result.commit.slice(0, 7)}</code> · image <code>${short(job.result.id)}</code>` : nothing}</div>
    ${job.error ? html`<p class="trouble" role="alert">${job.error.reason ?? job.error.message}</p>` : nothing}
    <dw-output .job=${job}></dw-output>`;
}

function elsewhere(id, info) {
  if (!state.builds) return html`<p class="quiet">Loading…</p>`;
  return html`<div class="empty"><h1>${info ? `${info.name}: ${info.state}` : "No such build"}</h1>
    <p>${info ? "This build was begun elsewhere; its output can be followed where it was begun." : "The last ten builds of an image are kept."}</p>
    <p class="actions"><a class="button" href="#/build">All builds</a></p></div>`;
}
