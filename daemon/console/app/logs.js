// <dw-logs> is the log of a container, or of several in one, live, with what one does to a log.

import { html, render } from "../vendor/lit-html.js";
import { dw, say, pause } from "./store.js";
import { codes } from "../dockwire.js";
import { Lines } from "./lines.js";
import { toolbar } from "./toolbar.js";
import "./logview.js";

const TAIL = 20_000; // lines that are shown of what is there already
const AGAIN = 2_000; // milliseconds

class Logs extends HTMLElement {
  #names = "";
  #abort = null;
  #go = null; // resolves when a pause ends
  #over = "";

  // names are those of the containers, with commas between them.
  set names(names) {
    if (names === this.#names) return;
    this.#names = names;
    if (this.isConnected) this.#begin();
  }

  connectedCallback() { this.#begin(); }
  disconnectedCallback() {
    this.#abort?.abort();
    this.#go?.resolve();
  }

  #begin() {
    this.disconnectedCallback();
    this.#abort = new AbortController();
    this.#over = "";
    this.lines = new Lines();
    this.draw();
    const names = this.#names.split(",");
    if (names.length > 1) this.#merge(names, this.lines, this.#abort.signal);
    else this.#read(names[0], false, this.lines, this.#abort.signal);
  }

  // merge begins with what is there already, in order, and goes on as lines come.
  async #merge(names, lines, signal) {
    const all = await Promise.all(names.map(async (name) => {
      const { lines, cursor } = await dw.call(`${name}/logs`, { tail: Math.floor(TAIL / names.length) }, { signal }).catch(() => ({ lines: [] }));
      for (const line of lines) line.from = name;
      return { lines, cursor };
    }));
    if (signal.aborted) return;
    lines.add(all.flatMap(({ lines }) => lines).sort((a, b) => (a.time < b.time ? -1 : 1)));
    names.forEach((name, i) => this.#read(name, true, lines, signal, all[i].cursor));
  }

  async #read(name, several, lines, signal, after) {
    const params = { follow: true, ...(after ? { after } : { tail: TAIL }) };
    while (!signal.aborted) {
      try {
        for await (const event of dw.stream(`${name}/logs`, params, { signal })) {
          if (event.cursor) params.after = event.cursor;
          if (several) for (const line of event.lines ?? []) line.from = name;
          lines.take(event);
          await this.#go?.promise;
        }
        return this.#end(`${name} was removed; its log ends here`);
      } catch (error) {
        if (signal.aborted || error.code === "refused" || error.code === "closed") return;
        if (error.code !== codes.unavailable) return this.#end(error.reason ?? error.message);
      }
      await pause(AGAIN);
    }
  }

  #end(text) {
    if (!this.#names.includes(",")) this.#over = text;
    this.lines.mark(text);
    this.draw();
  }

  get paused() { return this.#go !== null; }

  // pause stops reading: the lines that come meanwhile wait at the daemon.
  pause() {
    if (this.#go) {
      this.#go.resolve();
      this.#go = null;
    } else {
      this.#go = Promise.withResolvers();
    }
    say(this.paused ? "Paused" : "Going on");
    this.draw();
  }

  draw() {
    const names = this.#names.replaceAll(",", "+");
    render(html`
      ${toolbar(this, { file: `${names}.log`, streams: true, pause: this.#over ? null : () => this.pause(), paused: this.paused })}
      <dw-lines label=${`Log of ${names}`} ?several=${this.#names.includes(",")} .lines=${this.lines}></dw-lines>`, this);
  }
}

customElements.define("dw-logs", Logs);
