// The rows in which one gives an environment: there is always an empty one at the end.

import { html } from "../vendor/lit-html.js";
import { changed } from "./store.js";

export class Environment {
  #rows = [["", ""]];

  get values() { return Object.fromEntries(this.#rows.filter(([key]) => key)); }

  view() {
    return this.#rows.map(([key, value], i) => html`<div class="pair">
      <input aria-label=${`Variable ${i + 1}`} placeholder="KEY" .value=${key} autocapitalize="off" spellcheck="false" @input=${({ target }) => this.#edit(i, 0, target.value)}>
      <input aria-label=${`Value ${i + 1}`} placeholder="value" .value=${value} autocapitalize="off" spellcheck="false" @input=${({ target }) => this.#edit(i, 1, target.value)}>
      <button type="button" aria-label=${`Remove variable ${i + 1}`} ?disabled=${this.#rows.length === 1 && !key && !value} @click=${() => this.#drop(i)}>×</button></div>`);
  }

  #edit(i, part, value) {
    this.#rows[i][part] = value;
    if (i === this.#rows.length - 1 && value) this.#rows.push(["", ""]);
    changed();
  }

  #drop(i) {
    this.#rows.splice(i, 1);
    if (!this.#rows.length) this.#rows.push(["", ""]);
    changed();
  }
}
