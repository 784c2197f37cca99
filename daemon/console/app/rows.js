// The rows of a line, as they are cut and as they are drawn.

import { spans, wide } from "./ansi.js";

const MAX_UNWRAPPED = 4_000; // characters shown of a line that is not wrapped

// pieces gives the spans of each row of a line: of one row if columns is 0.
export function pieces(line, columns) {
  const rows = columns ? cut(line, columns) : [spans(line.text.slice(0, MAX_UNWRAPPED))];
  const more = line.text.length - MAX_UNWRAPPED;
  if (!columns && more > 0) rows[0].push({ text: `… ${more.toLocaleString()} more characters: wrap to see them`, sign: true });
  if (line.cut) rows.at(-1).push({ text: "… cut here", sign: true });
  return rows;
}

// cut gives the rows of a line that is wrapped at a column.
export function cut(line, columns) {
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

// draw makes the element of a row: the first of its line, or not.
export function draw(line, spans, { first, found, times, search }) {
  const row = element("div", `row ${line.stream}${line.step ? " step" : ""}${found ? " found" : ""}`);
  if (line.stream === "mark") {
    row.textContent = spans.map(({ text }) => text).join("");
    return row;
  }
  if (times) row.append(element("time", "", first && line.time ? clock(line.time) : ""));
  if (line.from) row.append(element("span", "from", first ? line.from : ""));
  const text = row.appendChild(element("span", "text"));
  for (const span of spans) drawSpan(text, span, search);
  return row;
}

function drawSpan(parent, { text, style, sign }, search) {
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
