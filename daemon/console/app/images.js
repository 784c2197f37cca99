// The list of images.

import { html } from "../vendor/lit-html.js";
import { state, dw, attempt, loadImages } from "./store.js";
import { ask } from "./dialogs.js";
import { age, bytes } from "./format.js";

export function imagesView() {
  const { images } = state;
  if (!images) return html`<p class="quiet">Loading…</p>`;
  if (!images.length) return html`<div class="empty"><h1>No images yet</h1><p>An image is built from a git repository with a Dockerfile.</p>
    <p class="actions"><a class="button primary" href="#/build">Build an image</a></p></div>`;
  return html`<div class="head"><h1>Images <span class="count">${images.length}</span></h1><span class="fill"></span><a class="button primary" href="#/build">Build</a></div>
    <table class="list images"><thead><tr><th>Name</th><th>Commit</th><th>Repository</th><th>Size</th><th>Age</th><th>Containers</th><th><span class="unseen">Actions</span></th></tr></thead>
    <tbody>${images.map((image) => html`<tr>
      <th scope="row">${image.name}</th><td data-label="Commit"><code>${image.commit.slice(0, 7)}</code></td>
      <td data-label="Repository" class="url">${image.url}</td><td data-label="Size" class="number">${bytes(image.size)}</td>
      <td data-label="Age" class="number">${age(image.created)}</td>
      <td data-label="Containers">${image.containers?.length ? image.containers.map((name, i) => html`${i ? ", " : ""}<a href=${`#/c/${name}/logs`}>${name}</a>`) : "–"}</td>
      <td class="does"><a class="button" aria-label=${`Create a container of ${image.name}`} href=${`#/create/${image.name}`}>Create</a>
        <button class="danger" ?disabled=${Boolean(image.containers?.length)} title=${image.containers?.length ? "Containers use it: remove those first" : ""}
          aria-label=${`Remove image ${image.name}`} @click=${() => remove(image)}>Remove</button></td></tr>`)}</tbody></table>`;
}

async function remove({ name }) {
  if (!await ask({ title: `Remove image ${name}?`, text: "It can be built again from its repository.", yes: "Remove", danger: true })) return;
  await attempt(() => dw.call("removeImage", { name }));
  loadImages();
}
