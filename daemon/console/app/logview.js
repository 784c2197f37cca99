// <dw-lines> shows Lines: of any number of them only those in sight are in the document. Every row
// is one text line high; a line that is wrapped takes several rows, which are cut here, not by the
// browser, so that where a row lies is known without asking.

import { plain } from "./ansi.js";
import { Layout } from "./layout.js";
import { Lines } from "./lines.js";
import { cut, draw, pieces } from "./rows.js";

const ROW = 20; // pixels; log.css says so too
const MAX_HEIGHT = 8_000_000; // pixels; beyond, the scroll bar is a proportion
const MAX_CUT = 400; // lines whose rows are kept cut
const EARLY = 3; // heights of the view from the first row, at which the log is read back

const PRINTABLE = /^[\x20-\x7e]*$/;

class LinesView extends HTMLElement {
  follow = true;
  behind = false; // newer lines are left out, so the end is not followed
  #lines = new Lines();
  #options = { wrap: true, times: true, only: false, stream: "both", search: null };
  #layout = null;
  #columns = 80;
  #cut = new Map();
  #frame = 0;
  #hit = null; // number of the line that the search stands at
  #wanted = null; // the number of the line to scroll to, and how many rows to leave above it
  #base = 0; // the layout's, when it was drawn
  #first = 0; // the row that was drawn first
  #moved = false; // the scroll position, by us
  #observer = new ResizeObserver(() => this.#measure());

  constructor() {
    super();
    this.#restart();
  }

  connectedCallback() {
    if (!this.scroller) this.#build();
    this.#observer.observe(this.scroller);
  }
  disconnectedCallback() {
    this.#observer.disconnect();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }

  #build() {
    const div = (name, parent) => parent.appendChild(Object.assign(document.createElement("div"), { className: name }));
    this.scroller = div("scroller", this);
    this.spacer = div("spacer", this.scroller);
    this.sheet = div("sheet", this.scroller);
    this.gauge = div("gauge", this.scroller);
    this.gauge.textContent = "0".repeat(100);
    this.gauge.ariaHidden = "true";
    this.scroller.tabIndex = 0;
    this.scroller.setAttribute("role", "log");
    this.scroller.ariaLive = "off"; // a log that is read aloud as it comes is of no use to anybody
    this.scroller.ariaLabel = this.getAttribute("label") ?? "Output";
    this.scroller.onscroll = () => this.#scrolled();
  }

  set lines(lines) {
    if (lines === this.#lines) return;
    this.#lines.onchange = () => {};
    this.#lines = lines;
    lines.onchange = () => this.repaint();
    this.follow = true;
    this.#restart();
  }
  get lines() { return this.#lines; }

  // options are wrap, times, search (an expression or null), only (what it matches), and stream.
  set options(options) {
    const before = this.#options;
    this.#options = { ...before, ...options };
    const same = Object.keys(options).every((key) => String(options[key]) === String(before[key]));
    if (same) return;
    this.toggleAttribute("wrapped", this.#options.wrap);
    this.toggleAttribute("timed", this.#options.times);
    this.#measure();
    this.#restart();
  }
  get options() { return this.#options; }

  // inSight says whether all lines that pass the filters are seen without scrolling.
  get inSight() { return (this.#layout.end - this.#layout.base) * ROW <= this.scroller.clientHeight; }

  // count is how many lines pass the filters.
  get count() { return this.#layout.count; }

  // *texts gives the lines that pass the filters, as they are copied.
  *texts() {
    this.#layout.extend();
    for (let place = 0; place < this.count; place++) {
      const { time, text, from } = this.#lines.at(this.#layout.number(place));
      yield (this.#options.times && time ? time + " " : "") + (from ? from + " " : "") + plain(text);
    }
  }

  // place gives which of the lines the search stands at, counted from 1, or 0.
  get place() { return this.#hit === null ? 0 : this.#layout.place(this.#hit) + 1; }

  // find goes to the next line that matches, or to the one before, and gives its place.
  find(step) {
    const { search } = this.#options, layout = this.#layout;
    layout.extend(); // a key may come before the next frame
    const { count } = layout, from = this.#hit === null ? (step > 0 ? -1 : count) : layout.place(this.#hit);
    for (let n = 1; search && n <= count; n++) {
      const number = layout.number((((from + step * n) % count) + count) % count);
      if (!search.test(plain(this.#lines.at(number).text))) continue;
      this.#hit = number;
      this.#wanted = { number, above: this.scroller.clientHeight / ROW / 2 };
      this.setFollow(false);
      return this.place;
    }
    this.#hit = null;
    return 0;
  }

  setFollow(follow) {
    this.follow = follow;
    this.repaint();
    this.dispatchEvent(new Event("follow", { bubbles: true }));
  }

  repaint() {
    if (this.isConnected) this.#frame ||= requestAnimationFrame(() => this.#paint());
  }

  // restart lays out anew; what is read stays where it is.
  #restart() {
    const number = this.#layout?.number(this.#layout.placeAt(this.#first)); // none before the layout was drawn
    if (this.follow) this.#wanted = null;
    else if (number !== undefined) this.#wanted = { number, above: 0 };
    this.#base = 0;
    this.#layout = new Layout(this.#lines, (line) => this.#passes(line), (line) => this.#height(line));
    this.#cut.clear();
    this.#hit = null;
    this.repaint();
  }

  #measure() {
    const width = this.gauge.getBoundingClientRect().width / 100;
    const gutter = (this.#options.times ? 15 : 2) + (this.hasAttribute("several") ? 14 : 0); // characters; log.css says so too
    const columns = Math.max(20, Math.floor((this.scroller.clientWidth - 24) / width) - gutter) || 80;
    if (columns !== this.#columns && this.#options.wrap) {
      this.#columns = columns;
      this.#restart();
    }
    this.repaint();
  }

  #passes(line) {
    const { stream, only, search } = this.#options;
    if (line.stream === "mark") return true;
    if (stream !== "both" && line.stream !== stream) return false;
    return !only || !search || search.test(plain(line.text));
  }

  #height(line) {
    if (!this.#options.wrap) return 1;
    const text = plain(line.text);
    if (text.length <= this.#columns / 8) return 1; // however wide its characters are shown
    if (PRINTABLE.test(text)) return Math.max(1, Math.ceil(text.length / this.#columns));
    return cut(line, this.#columns).length;
  }

  #paint() {
    this.#frame = 0;
    this.#layout.extend();
    const { base, end } = this.#layout, rows = end - base, view = this.scroller.clientHeight, inView = Math.floor(view / ROW);
    const height = Math.min(rows * ROW + 8, MAX_HEIGHT), exact = height < MAX_HEIGHT;
    const scale = exact ? ROW : (height - view) / (rows - inView); // pixels of the scroll bar for a row
    this.spacer.style.height = `${height}px`;
    const top = Math.max(0, Math.min(this.#top(base, scale, height - view), height - view));
    this.#base = base;
    this.#scrollTo(top);
    const first = Math.floor(top / scale);
    this.#first = base + first;
    this.#show(this.#first, inView + 3, exact ? first * ROW : top);
    if (!this.follow && first < EARLY * inView) this.dispatchEvent(new Event("early", { bubbles: true }));
  }

  // top gives where to scroll to, in pixels.
  #top(base, scale, bottom) {
    const { scrollTop } = this.scroller, wanted = this.#wanted;
    this.#wanted = null;
    if (wanted) return (this.#layout.top(this.#layout.place(wanted.number)) - base - wanted.above) * scale;
    if (this.follow) return bottom;
    if (base === this.#base) return scrollTop;
    return scale === ROW ? scrollTop - (base - this.#base) * ROW : (this.#first - base) * scale;
  }

  #scrollTo(top) {
    if (Math.abs(top - this.scroller.scrollTop) <= 0.5) return;
    this.#moved = true;
    this.scroller.scrollTop = top;
  }

  // show draws so many rows from a row on, at so many pixels.
  #show(first, count, top) {
    const sheet = document.createDocumentFragment(), layout = this.#layout, { times, search } = this.#options;
    let place = layout.placeAt(first), k = first - layout.top(place);
    for (; count > 0 && place < layout.count; place++, k = 0) {
      const number = layout.number(place), line = this.#lines.at(number), rows = this.#pieces(line);
      for (; k < rows.length && count > 0; k++, count--) {
        sheet.append(draw(line, rows[k], { first: k === 0, found: number === this.#hit, times, search }));
      }
    }
    this.sheet.replaceChildren(sheet);
    this.sheet.style.top = `${top}px`;
  }

  #pieces(line) {
    let rows = this.#cut.get(line);
    if (rows) return rows;
    rows = pieces(line, this.#options.wrap ? this.#columns : 0);
    if (this.#cut.size > MAX_CUT) this.#cut.clear();
    this.#cut.set(line, rows);
    return rows;
  }

  #scrolled() {
    if (this.#moved) {
      this.#moved = false;
    } else {
      const { scrollTop, clientHeight, scrollHeight } = this.scroller;
      const follow = scrollTop + clientHeight >= scrollHeight - ROW && !this.behind;
      if (follow !== this.follow) this.setFollow(follow);
    }
    this.repaint();
  }
}

customElements.define("dw-lines", LinesView);
