// Replacing a container by one of a newer image, and going back, with how that goes.

import { html, nothing } from "../vendor/lit-html.js";
import { state, dw, changed, say } from "./store.js";
import { Environment } from "./environment.js";
import { Lines } from "./lines.js";
import { age, duration } from "./format.js";
import "./output.js";

const drafts = new Map(); // by container: what one has filled in

// Change is an update or a rollback, until the next one of that container. It goes on when one
// leaves its view.
class Change {
  state = "running";
  error = null;
  ended = 0;
  lines = new Lines();
  begun = Date.now();

  constructor(name, word) { Object.assign(this, { name, word }); }

  get seconds() { return ((this.ended || Date.now()) - this.begun) / 1000; }

  async run(method, params) {
    state.changes.set(this.name, this);
    state.busy.set(this.name, this.word);
    changed();
    try {
      const stream = dw.stream(`${this.name}/${method}`, params);
      for await (const event of stream) {
        this.lines.take(event);
        changed();
      }
      state.containers.set(this.name, await stream.result);
      this.state = "succeeded";
    } catch (error) {
      this.#fails(error);
    }
    this.ended = Date.now();
    state.busy.delete(this.name);
    say(`${this.name}: ${this.word} ${this.state}`);
    changed();
  }

  #fails(error) {
    Object.assign(this, { state: "failed", error });
    const { lines } = error.data ?? {};
    if (lines?.length) this.lines.mark("What the new container wrote last:");
    this.lines.add(lines ?? []);
  }
}

// updateView shows the form, and the last change. Details is what inspect told, or null.
export function updateView(c, details) {
  const change = state.changes.get(c.name), busy = state.busy.has(c.name), previous = details?.previous;
  return html`
    ${change ? progress(change) : nothing}
    <form class="form" @submit=${(event) => submit(event, c)}>
      <p class="lead">A new container takes over once it is up, without a failed request. The one before is kept, stopped, to go back to.</p>
      <label for="image">Image</label>
      <div><select id="image" name="image">${choices(c)}</select>
        <p class="says">${c.name} runs ${c.image} <code>${c.commit?.slice(0, 7)}</code></p></div>
      <label for="environment">Environment</label>
      <div>${environment(c)}</div>
      <div class="actions">
        ${previous ? html`<button type="button" ?disabled=${busy} @click=${() => new Change(c.name, "rolling back").run("rollback")}>Go back to <code>${previous.commit?.slice(0, 7)}</code>, of ${age(previous.created)} ago</button>` : nothing}
        <button class="primary" ?disabled=${busy}>Update ${c.name}</button></div>
    </form>`;
}

function choices({ image }) {
  const names = [...new Set((state.images ?? []).map(({ name }) => name))], own = image.replace(/:.*/, "");
  const newest = (name) => state.images?.find((i) => i.name === name)?.commit.slice(0, 7);
  return html`<option value="">the newest build of ${own}${newest(own) ? `, ${newest(own)}` : ""}</option>
    ${names.filter((name) => name !== own).map((name) => html`<option value=${name}>${name}, ${newest(name)}</option>`)}`;
}

function environment({ name }) {
  const draft = drafts.get(name);
  return html`<select id="environment" @change=${({ target }) => choose(name, target.value)}>
      <option value="" ?selected=${!draft}>as it is</option><option value="new" ?selected=${Boolean(draft)}>these variables instead</option></select>
    ${draft ? html`<fieldset class="apart"><legend class="unseen">Environment</legend>${draft.view()}</fieldset>` : nothing}`;
}

function choose(name, value) {
  if (value) drafts.set(name, new Environment());
  else drafts.delete(name);
  changed();
}

function submit(event, { name }) {
  event.preventDefault();
  const params = {}, image = new FormData(event.target).get("image"), draft = drafts.get(name);
  if (image) params.image = image;
  if (draft) params.environment = draft.values;
  drafts.delete(name);
  new Change(name, "updating").run("update", params);
}

const WORDS = { running: "", succeeded: "It is done.", failed: "It failed, and what ran before goes on running." };

function progress(change) {
  const { word, lines, error, name } = change, running = change.state === "running";
  return html`<section class="change" aria-label=${`Progress of ${name}`}>
    <h2><span class=${`badge ${running ? "busy" : change.state}`}>${running ? html`<i class="spinner"></i>${word}…` : change.state}</span>
      <time class="elapsed" role="timer">${duration(change.seconds)}</time> <span class="quiet">${WORDS[change.state]}</span></h2>
    ${running ? html`<progress aria-label="Progress"></progress>` : nothing}
    ${error ? html`<p class="trouble" role="alert">${error.reason ?? error.message}</p>` : nothing}
    <dw-output .lines=${lines} file=${`${word.replace(" ", "-")}-${name}.log`} label=${`Progress of ${name}`}></dw-output></section>`;
}
