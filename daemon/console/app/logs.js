// <dw-logs> is the log of a container, live, with what one does to a log.

import { html, render } from "../vendor/lit-html.js";
import { dw, say, pause } from "./store.js";
import { codes } from "../dockwire.js";
import { Lines } from "./lines.js";
import { toolbar } from "./toolbar.js";
import "./logview.js";

const TAIL = 20_000; // lines that are shown of what is there already
const AGAIN = 2_000; // milliseconds

class Logs extends HTMLElement {
  #name = "";
  #abort = null;
  #go = null; // resolves when a pause ends
  #over = "";

  set name(name) {
    if (name === this.#name) return;
    this.#name = name;
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
    this.#read(this.lines, this.#abort.signal);
  }

  async #read(lines, signal) {
    const params = { follow: true, tail: TAIL };
    while (!signal.aborted) {
      try {
        for await (const event of dw.stream(`${this.#name}/logs`, params, { signal })) {
          if (event.cursor) params.after = event.cursor;
          lines.take(event);
          await this.#go?.promise;
        }
        this.#end("The container was removed; its log ends here");
        return;
      } catch (error) {
        if (signal.aborted || error.code === "refused" || error.code === "closed") return;
        if (error.code !== codes.unavailable) return this.#end(error.reason ?? error.message);
      }
      await pause(AGAIN);
    }
  }

  #end(text) {
    this.#over = text;
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
    render(html`
      ${toolbar(this, { name: this.#name, file: `${this.#name}.log`, streams: true, pause: this.#over ? null : () => this.pause(), paused: this.paused })}
      <dw-lines label=${`Log of ${this.#name}`} .lines=${this.lines}></dw-lines>`, this);
  }
}

customElements.define("dw-logs", Logs);
