// History reads the log of a container back from its end, or those of several in one, page by page.
// Of several it gives only what no older line of another can still come between.

import { codes } from "../dockwire.js";
import { dw } from "./store.js";

export const PAGE = 5_000; // lines that are asked for at once; the daemon gives as many as one message holds
const OVERLAP = 100; // milliseconds that two pages have in common, for lines are not quite in the order of their times

export class History {
  #sources;
  constructor(names) { this.#sources = names.map((name) => new Source(name, names.length > 1)); }

  // more says whether there are lines that are older than those it gave.
  get more() { return this.#sources.some((source) => source.more || source.ahead.length); }

  // older gives the lines before all that it gave, the newest last, about a page of them.
  async older(signal) {
    await Promise.all(this.#sources.map((source) => source.more && !source.ahead.length && source.load(signal)));
    const open = this.#sources.filter((source) => source.more);
    const from = open.map(({ ahead }) => ahead[0]?.time ?? "").reduce(later, "");
    const lines = this.#sources.flatMap((source) => source.take(from));
    return this.#sources.length > 1 ? lines.sort((a, b) => (a.time < b.time ? -1 : 1)) : lines;
  }

  // rewind has it go on before the oldest of these lines: older ones that it gave are not there any
  // more.
  rewind(lines) {
    const oldest = new Map(); // by container
    for (let i = lines.first; i < lines.end && oldest.size < this.#sources.length; i++) {
      const line = lines.at(i);
      if (line.time && !oldest.has(line.from)) oldest.set(line.from, line);
    }
    const [first] = oldest.values();
    for (const source of this.#sources) source.rewind(oldest.get(source.several ? source.name : undefined), first?.time);
  }

  // cursor gives where the newest of a container's lines ends.
  cursor(name) { return this.#sources.find((source) => source.name === name).cursor; }
}

// Source is the log of one container.
class Source {
  ahead = []; // lines that were read and not given
  more = true;
  #oldest = null; // of the lines that were read
  #until = null; // the time that the first page ends with, if no line of it is known
  #overlap = OVERLAP;

  constructor(name, several) { Object.assign(this, { name, several }); }

  // rewind has it go on before a line, or before a time if there is none.
  rewind(oldest, until) {
    Object.assign(this, { ahead: [], more: true });
    this.#oldest = oldest ?? null;
    this.#until = until;
    this.#overlap = OVERLAP;
  }

  // load reads a page. The one before is asked for with some lines that are known already, so that
  // none between the two is missed: it ends where the known ones begin.
  async load(signal) {
    const { lines, truncated, cursor } = await this.#page(signal);
    const end = this.#oldest ? lines.findLastIndex((line) => same(line, this.#oldest)) : lines.length;
    const full = truncated || lines.length >= PAGE;
    if (end <= 0 && full && this.#overlap > 1) { // all of it is known
      this.#overlap /= 10;
      return this.load(signal);
    }
    this.more = end > 0 && full;
    this.cursor ??= cursor;
    this.ahead = lines.slice(0, Math.max(0, end));
    this.#oldest = this.ahead[0] ?? this.#oldest;
    if (this.several) for (const line of this.ahead) line.from = this.name;
  }

  #page(signal) {
    const params = { tail: PAGE, ...this.#until && { until: this.#until } };
    if (this.#oldest) params.until = new Date(Date.parse(this.#oldest.time) + this.#overlap).toISOString();
    return dw.call(`${this.name}/logs`, params, { signal }).catch(this.#gone);
  }

  // gone takes a container that is not there for one that wrote nothing: the follow says so.
  #gone(error) {
    if (error.code === codes.methodNotFound) return { lines: [] };
    throw error;
  }

  // take gives the lines from a time on.
  take(from) {
    const at = this.ahead.findIndex(({ time }) => time >= from);
    return at < 0 ? [] : this.ahead.splice(at);
  }
}

function later(a, b) { return a > b ? a : b; }

function same(a, b) { return a.time === b.time && a.stream === b.stream && a.text === b.text; }
