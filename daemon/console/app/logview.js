// <dw-lines> shows Lines: of any number of them only those in sight are in the document. Every row
// is one text line high; a line that is wrapped takes several rows, which are cut here, not by the
// browser, so that where a row lies is known without asking.

import { plain, spans, wide } from "./ansi.js";
import { Lines } from "./lines.js";

const ROW = 20; // pixels; log.css says so too
const MAX_HEIGHT = 8_000_000; // pixels; beyond, the scroll bar is a proportion
const MAX_UNWRAPPED = 4_000; // characters shown of a line that is not wrapped
const MAX_CUT = 400; // lines whose rows are kept cut

const PRINTABLE = /^[\x20-\x7e]*$/;

class LinesView extends HTMLElement {
  follow = true;
  #lines = new Lines();
  #options = { wrap: true, times: true, only: false, stream: "both", search: null };
  #shown = []; // numbers of the lines that pass the filters
  #tops = []; // the row at which each begins
  #head = 0; // of both
  #rows = 0; // in all, those that are gone included
  #next = 0; // number of the line to look at
  #columns = 80;
  #cut = new Map();
  #frame = 0;
  #wanted = null; // the line to scroll to
  hit = -1; // number of the line that the search stands at

  connectedCallback() {
    if (!this.scroller) this.#build();
    this.#observer = new ResizeObserver(() => this.#measure());
    this.#observer.observe(this.scroller);
  }
  disconnectedCallback() {
    this.#observer.disconnect();
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
  }
  #observer;

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

  // count is how many lines pass the filters.
  get count() { return this.#shown.length - this.#head; }

  // *texts gives the lines that pass the filters, as they are copied.
  *texts() {
    for (let i = this.#head; i < this.#shown.length; i++) {
      const { time, text, from } = this.#lines.at(this.#shown[i]);
      yield (this.#options.times && time ? time + " " : "") + (from ? from + " " : "") + plain(text);
    }
  }

  // find goes to the next line that matches, or to the one before, and gives its number or -1.
  find(step) {
    const { search } = this.#options;
    this.#extend(); // a key may come before the next frame
    if (!search || !this.count) return -1;
    const from = this.hit < 0 ? (step > 0 ? this.#head - 1 : this.#shown.length) : this.#index(this.#shown, this.hit);
    for (let n = 1; n <= this.count; n++) {
      const i = this.#head + (((from - this.#head + step * n) % this.count) + this.count) % this.count;
      if (!search.test(plain(this.#lines.at(this.#shown[i]).text))) continue;
      this.hit = this.#wanted = this.#shown[i];
      this.setFollow(false);
      return this.hit;
    }
    return this.hit = -1;
  }

  setFollow(follow) {
    this.follow = follow;
    this.repaint();
    this.dispatchEvent(new Event("follow"));
  }

  repaint() {
    if (this.isConnected) this.#frame ||= requestAnimationFrame(() => this.#paint());
  }

  #restart() {
    this.#shown = [];
    this.#tops = [];
    this.#cut.clear();
    this.#head = this.#rows = 0;
    this.#next = this.#lines.first;
    this.hit = -1;
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

  // extend looks at the lines that came, and forgets those that went. It gives how many rows went.
  #extend() {
    const lines = this.#lines, before = this.#base();
    for (this.#next = Math.max(this.#next, lines.first); this.#next < lines.end; this.#next++) {
      const line = lines.at(this.#next);
      if (!this.#passes(line)) continue;
      this.#shown.push(this.#next);
      this.#tops.push(this.#rows);
      this.#rows += this.#height(line);
    }
    while (this.#head < this.#shown.length && this.#shown[this.#head] < lines.first) this.#head++;
    const gone = this.#base() - before;
    if (this.#head > 25_000) {
      this.#shown.splice(0, this.#head);
      this.#tops.splice(0, this.#head);
      this.#head = 0;
    }
    return gone;
  }

  #base() { return this.#tops[this.#head] ?? this.#rows; }

  #paint() {
    this.#frame = 0;
    const gone = this.#extend(), rows = this.#rows - this.#base();
    const view = this.scroller.clientHeight, height = Math.min(rows * ROW + 8, MAX_HEIGHT);
    this.spacer.style.height = `${height}px`;
    let top = this.scroller.scrollTop;
    if (this.#wanted !== null) {
      const row = this.#tops[this.#index(this.#shown, this.#wanted)] - this.#base();
      this.#wanted = null;
      top = (rows * ROW + 8 > MAX_HEIGHT ? row / rows * height : row * ROW) - view / 2;
    } else if (this.follow) top = height - view;
    else if (height < MAX_HEIGHT) top -= gone * ROW;
    top = Math.max(0, Math.min(top, height - view));
    if (Math.abs(top - this.scroller.scrollTop) > 0.5) {
      this.#moved = true;
      this.scroller.scrollTop = top;
    }
    this.#show(this.#rowAt(top, view, height, rows), Math.ceil(view / ROW) + 2, top, height < MAX_HEIGHT);
    this.dispatchEvent(new Event("painted"));
  }
  #moved = false;

  #rowAt(top, view, height, rows) {
    if (height < MAX_HEIGHT) return Math.floor(top / ROW);
    return Math.floor(top / (height - view) * Math.max(0, rows - Math.floor(view / ROW)));
  }

  #show(first, count, top, exact) {
    const sheet = document.createDocumentFragment(), base = this.#base();
    let i = this.#index(this.#tops, first + base);
    let skip = first + base - this.#tops[i];
    for (let left = count; left > 0 && i < this.#shown.length; i++, skip = 0) {
      const number = this.#shown[i], line = this.#lines.at(number);
      const pieces = this.#pieces(line, number);
      for (let k = skip; k < pieces.length && left > 0; k++, left--) sheet.append(this.#row(line, number, pieces[k], k));
    }
    this.sheet.replaceChildren(sheet);
    this.sheet.style.top = `${exact ? first * ROW : top}px`;
  }

  // index gives the last place in an ascending list whose value is not above the one given.
  #index(list, value) {
    let low = this.#head, high = list.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (list[middle] <= value) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #pieces(line, number) {
    let pieces = this.#cut.get(number);
    if (pieces) return pieces;
    pieces = this.#options.wrap ? cut(line, this.#columns) : [spans(line.text.slice(0, MAX_UNWRAPPED))];
    const more = line.text.length - MAX_UNWRAPPED;
    if (!this.#options.wrap && more > 0) pieces[0].push({ text: `… ${more.toLocaleString()} more characters: wrap to see them`, sign: true });
    if (line.cut) pieces.at(-1).push({ text: "… cut here", sign: true });
    if (this.#cut.size > MAX_CUT) this.#cut.clear();
    this.#cut.set(number, pieces);
    return pieces;
  }

  #row(line, number, piece, k) {
    const row = element("div", `row ${line.stream}${line.step ? " step" : ""}${number === this.hit ? " found" : ""}`);
    if (line.stream === "mark") {
      row.textContent = line.text;
      return row;
    }
    if (this.#options.times) row.append(element("time", "", k === 0 && line.time ? clock(line.time) : ""));
    if (line.from) row.append(element("span", "from", k === 0 ? line.from : ""));
    const text = row.appendChild(element("span", "text"));
    for (const span of piece) this.#span(text, span);
    return row;
  }

  #span(parent, { text, style, sign }) {
    const { search } = this.#options;
    let at = 0;
    const add = (piece, hit) => piece && parent.append(styled(piece, style, sign, hit));
    for (const match of search && !sign ? text.matchAll(new RegExp(search, "gi")) : []) {
      if (!match[0]) continue;
      add(text.slice(at, match.index), false);
      add(match[0], true);
      at = match.index + match[0].length;
    }
    add(text.slice(at), false);
  }

  #scrolled() {
    if (this.#moved) {
      this.#moved = false;
    } else {
      const { scrollTop, clientHeight, scrollHeight } = this.scroller;
      const follow = scrollTop + clientHeight >= scrollHeight - ROW;
      if (follow !== this.follow) this.setFollow(follow);
    }
    this.repaint();
  }
}

// cut gives the rows of a line that is wrapped at a column.
function cut(line, columns) {
  const rows = [[]];
  let column = 0;
  for (const span of spans(line.text)) {
    let from = 0;
    const { text } = span;
    for (let at = 0; at < text.length;) {
      const code = text.codePointAt(at), width = wide(code) ? 2 : 1;
      if (column + width > columns) {
        if (at > from) rows.at(-1).push({ ...span, text: text.slice(from, at) });
        rows.push([]);
        from = at;
        column = 0;
      }
      column += width;
      at += code > 0xffff ? 2 : 1;
    }
    if (from < text.length) rows.at(-1).push({ ...span, text: text.slice(from) });
  }
  return rows;
}

function element(tag, name, text) {
  const made = document.createElement(tag);
  if (name) made.className = name;
  if (text !== undefined) made.textContent = text;
  return made;
}

function styled(text, style, sign, hit) {
  if (!style && !sign && !hit) return document.createTextNode(text);
  const made = element(hit ? "mark" : "span", sign ? "sign" : "", text);
  if (!style) return made;
  for (const flag of ["bold", "dim", "italic", "underline", "inverse", "strike"]) if (style[flag]) made.classList.add(flag);
  const { fg, bg } = style;
  if (Array.isArray(bg)) {
    made.style.backgroundColor = `rgb(${bg.join()})`;
    made.style.color = bg[0] * 0.3 + bg[1] * 0.59 + bg[2] * 0.11 > 128 ? "#000" : "#fff"; // whatever the program chose: it has to be read
  } else if (bg !== undefined) made.classList.add(`b${bg}`);
  else if (Array.isArray(fg)) made.style.color = `color-mix(in srgb, rgb(${fg.join()}) 45%, var(--text))`;
  if (fg >= 0 && !Array.isArray(bg)) made.classList.add(`f${fg}`);
  return made;
}

function clock(time) {
  const date = new Date(time), two = (n) => String(n).padStart(2, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${String(date.getMilliseconds()).padStart(3, "0")}`;
}

customElements.define("dw-lines", LinesView);
