// <dw-logs> is the log of a container, or of several in one, live, with what one does to a log.

import { html, render, nothing } from "../vendor/lit-html.js";
import { dw, failed, say, pause } from "./store.js";
import { codes } from "../dockwire.js";
import { History, PAGE } from "./history.js";
import { Lines } from "./lines.js";
import { toolbar } from "./toolbar.js";
import "./logview.js";

const TAIL = 20_000; // lines that are shown of what is there already, before one reads back
const AGAIN = 2_000; // milliseconds

class Logs extends HTMLElement {
  #names = "";
  #abort = null;
  #go = null; // resolves when a pause ends
  #over = "";
  #history = null;
  #reading = false; // back
  #behind = false; // the newest lines are left out, so that what one reads back stays

  constructor() {
    super();
    this.addEventListener("early", () => this.#readBack());
    this.addEventListener("follow", () => this.#behind && this.view.follow && this.#begin());
  }

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

  get view() { return this.querySelector("dw-lines"); }

  async #begin() {
    this.disconnectedCallback();
    const { signal } = this.#abort = new AbortController();
    const names = this.#names.split(","), lines = this.lines = new Lines(), history = this.#history = new History(names);
    this.#over = "";
    this.#behind = false;
    this.#go = null;
    this.draw();
    if (!await this.#newest(signal)) return;
    for (const name of names) this.#read(name, names.length > 1, history.cursor(name), lines, signal);
    while (history.more && lines.end - lines.first < TAIL && await this.#readBack());
  }

  // newest shows the end of what is there already, and says whether it goes on from there.
  async #newest(signal) {
    while (!signal.aborted) {
      try {
        this.lines.add(await this.#history.older(signal));
        return !signal.aborted;
      } catch (error) {
        if (this.#ends(error, signal)) return false;
      }
      await pause(AGAIN);
    }
    return false;
  }

  // readBack shows a page of older lines, and says whether it could.
  async #readBack() {
    const { lines } = this, { signal } = this.#abort, history = this.#history;
    if (this.#reading || this.#crowded(PAGE)) return false;
    if (lines.shed) history.rewind(lines);
    lines.shed = false;
    if (!history.more) return false;
    this.#reading = true;
    try {
      const older = await history.older(signal);
      if (signal.aborted || this.#discarded(older)) return false;
      if (lines.addOlder(older)) this.#leaveBehind();
      return true;
    } catch (error) {
      if (!signal.aborted) failed(error);
      return false;
    } finally {
      this.#reading = false;
    }
  }

  // crowded says whether so many older lines would drive newer ones out that one looks at.
  #crowded(count) { return !this.lines.hasRoom(count) && (this.view.follow || this.view.inSight); }

  // discarded says whether lines that came meanwhile have left no place for a page of older ones, or
  // driven those out that it goes before. It is read again when one asks for it.
  #discarded(older) {
    this.lines.shed ||= this.#crowded(older.length);
    if (this.lines.shed) this.view.repaint();
    return this.lines.shed;
  }

  // leaveBehind stops reading what is new: there is no room for it beside what one reads back.
  #leaveBehind() {
    if (this.#behind) return;
    this.#behind = true;
    this.#abort.abort();
    this.#abort = new AbortController();
    this.draw();
  }

  async #read(name, several, after, lines, signal) {
    const params = { follow: true, after };
    while (!signal.aborted) {
      try {
        for await (const event of dw.stream(`${name}/logs`, params, { signal })) {
          if (lines.full && !this.view.follow) return this.#leaveBehind();
          params.after = event.cursor ?? params.after;
          if (several) for (const line of event.lines ?? []) line.from = name;
          lines.take(event);
          await this.#go?.promise;
        }
        return this.#end(`${name} was removed; its log ends here`);
      } catch (error) {
        if (this.#ends(error, signal)) return;
      }
      await pause(AGAIN);
    }
  }

  // ends says whether an error is the end of the log, and shows it if it is.
  #ends(error, signal) {
    if (signal.aborted || error.code === "refused" || error.code === "closed") return true;
    if (error.code === codes.unavailable) return false;
    this.#end(error.reason ?? error.message);
    return true;
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
      ${toolbar(this, { file: `${names}.log`, streams: true, pause: this.#over || this.#behind ? null : () => this.pause(), paused: this.paused })}
      <dw-lines label=${`Log of ${names}`} ?several=${this.#names.includes(",")} .lines=${this.lines} .behind=${this.#behind}></dw-lines>
      ${this.#behind ? html`<button class="newest" @click=${() => this.view.setFollow(true)}>Newer lines are left out. Go to the newest</button>` : nothing}`, this);
  }
}

customElements.define("dw-logs", Logs);
