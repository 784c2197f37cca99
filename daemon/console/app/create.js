// The form that creates a container.

import { html, nothing } from "../vendor/lit-html.js";
import { state, act, changed, loadImages } from "./store.js";
import { Environment } from "./environment.js";
import { size } from "./format.js";

const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])$/;

let image = "", name = "", touched = false, environment = new Environment(), sending = false;

// prepare fills in the image that was picked elsewhere.
export function prepareCreate(picked) {
  image = picked ?? image;
  if (!touched) name = picked && !state.containers.has(picked) ? suggestion(picked) : "";
  loadImages();
}

function suggestion(text) { return NAME.test(text) ? text : ""; }

// nameTrouble says what is wrong with a name, or "".
export function nameTrouble(name) {
  if (!name) return "";
  if (/[^a-z0-9-]/.test(name)) return "Only a–z, 0–9 and - may be in a name: it becomes a domain.";
  if (name.startsWith("-") || name.endsWith("-")) return "A name neither begins nor ends with -.";
  if (name.length < 2) return "A name has at least 2 characters.";
  if (name.length > 63) return "A name has at most 63 characters.";
  if (name === "rpc") return "rpc is reserved.";
  return state.containers.has(name) ? `There is a container ${name} already.` : "";
}

export function createView() {
  const trouble = nameTrouble(name), names = [...new Set((state.images ?? []).map((i) => i.name))];
  if (state.images && !names.length) return html`<div class="empty"><h1>There is no image yet</h1>
    <p>A container is made of an image that was built here.</p><p class="actions"><a class="button primary" href="#/build">Build an image</a></p></div>`;
  return html`
    <div class="head"><h1>Create a container</h1></div>
    <form class="form" novalidate @submit=${submit}>
      <label for="image">Image</label>
      <select id="image" name="image" required @change=${({ target }) => { image = target.value; if (!touched) name = suggestion(image); changed(); }}>
        ${names.map((n) => html`<option value=${n} ?selected=${n === image}>${n}</option>`)}</select>
      <label for="name">Name</label>
      <div><input id="name" name="name" required autocomplete="off" autocapitalize="off" spellcheck="false" maxlength="80" .value=${name}
          aria-invalid=${Boolean(trouble)} aria-describedby="name-says" @input=${({ target }) => { name = target.value; touched = true; changed(); }}>
        <p id="name-says" class=${trouble ? "says wrong" : "says"} aria-live="polite">${trouble || html`Its domain will ${base() ? "be" : "begin with"} <b>${name || "NAME"}${base()}</b>`}</p></div>
      <fieldset><legend>Environment</legend>
        ${environment.view()}
      </fieldset>
      <details><summary>Limits, profile and more</summary><div class="more">
        ${field("memory", "Memory", "512m, 2g; the daemon's default when empty")}
        ${field("cpus", "CPUs", "cores, such as 0.5", "decimal")}
        ${field("pids", "Processes", "how many at once", "numeric")}
        ${field("port", "Port", "that it serves HTTP on; 0 for a worker", "numeric")}
        ${field("domain", "Domain", "a custom one, besides its own")}
        ${field("network", "Network", "containers that give the same reach each other")}
        <label for="restart">Restart</label><select id="restart" name="restart"><option value="unless-stopped">unless stopped</option><option value="on-failure">on failure</option><option value="no">never</option></select>
        <label for="profile">Profile</label><select id="profile" name="profile"><option value="default">default</option><option value="strict">strict: read-only root, no capabilities</option></select>
      </div></details>
      <div class="actions"><a class="button" href="#/">Cancel</a>
        <button class="primary" ?disabled=${sending || !name || Boolean(trouble)}>${sending ? html`<i class="spinner"></i> Creating…` : "Create and start"}</button></div>
    </form>`;
}

// base gives the domain that names are put before, as far as that can be told.
function base() {
  const known = [...state.containers.values()].find((c) => c.domain.startsWith(`${c.name}.`));
  return known ? known.domain.slice(known.name.length) : "";
}

function field(key, label, hint, mode) {
  return html`<label for=${key}>${label}</label><input id=${key} name=${key} placeholder=${hint} inputmode=${mode ?? nothing} autocapitalize="off" spellcheck="false">`;
}

async function submit(event) {
  event.preventDefault();
  const form = event.target, given = new FormData(form);
  const params = { image: given.get("image"), name, restart: given.get("restart"), profile: given.get("profile") };
  params.environment = environment.values;
  for (const key of ["domain", "network"]) if (given.get(key)) params[key] = given.get(key);
  for (const key of ["cpus", "pids", "port"]) if (given.get(key)) params[key] = Number(given.get(key).replace(",", "."));
  if (given.get("memory")) params.memory = size(given.get("memory"));
  const bad = Object.keys(params).find((key) => Number.isNaN(params[key]));
  if (bad) {
    form.elements[bad].setCustomValidity(bad === "memory" ? "A size such as 512m or 2g" : "A number");
    form.elements[bad].oninput = ({ target }) => target.setCustomValidity("");
    form.querySelector("details").open = true;
    return form.elements[bad].reportValidity();
  }
  sending = true;
  changed();
  const made = await act(name, "creating", "create", params);
  sending = false;
  if (made) {
    location.hash = `#/c/${name}/logs`;
    [name, touched, environment] = ["", false, new Environment()];
  }
  changed();
}
