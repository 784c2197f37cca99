// The text of a line as spans: SGR becomes colours, other control sequences are taken out, and
// what else cannot be seen, or would turn the text around, is shown as a sign.

const CSI = /\x1b\[[0-?]*[ -/]*[@-~]/g;
const TOKEN = /\x1b\[([0-?]*)[ -/]*([@-~])|\t|[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;
const PLAIN = /^[\x20-\x7e]*$/;

// plain gives what is searched, copied and downloaded.
export function plain(text) { return text.includes("\x1b") ? text.replace(CSI, "") : text; }

// spans gives [{text, style, sign}], style as of sgr, sign for what stands for something unseen.
export function spans(text) {
  if (PLAIN.test(text)) return [{ text }];
  const all = [];
  let at = 0, column = 0, style;
  const add = (piece, sign) => {
    if (piece) all.push({ text: piece, style, sign });
    column += piece.length;
  };
  for (const match of text.matchAll(TOKEN)) {
    add(text.slice(at, match.index));
    at = match.index + match[0].length;
    if (match[2]) style = match[2] === "m" ? sgr(match[1], style) : style;
    else if (match[0] === "\t") add(" ".repeat(8 - column % 8));
    else if (match[0] !== "\r" || at < text.length) add(sign(match[0]), true);
  }
  add(text.slice(at));
  return all;
}

// sign shows a character that cannot be seen: ^[ for an escape.
function sign(character) {
  const code = character.codePointAt(0);
  if (code < 0x20 || code === 0x7f) return "^" + String.fromCharCode(code ^ 0x40);
  return `<U+${code.toString(16).toUpperCase().padStart(4, "0")}>`;
}

const FLAGS = { 1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse", 9: "strike" };

// sgr gives the style after a sequence: its flags, and colours as numbers or [r, g, b].
function sgr(parameters, before) {
  const codes = parameters.split(/[;:]/).map(Number);
  let style = { ...before };
  while (codes.length) {
    const code = codes.shift();
    if (code === 0) style = {};
    else if (FLAGS[code]) style[FLAGS[code]] = true;
    else if (code === 22) style.bold = style.dim = false;
    else if (FLAGS[code - 20]) style[FLAGS[code - 20]] = false;
    else if (code >= 30 && code <= 37) style.fg = code - 30;
    else if (code >= 40 && code <= 47) style.bg = code - 40;
    else if (code >= 90 && code <= 97) style.fg = code - 82;
    else if (code >= 100 && code <= 107) style.bg = code - 92;
    else if (code === 38) style.fg = extended(codes);
    else if (code === 48) style.bg = extended(codes);
    else if (code === 39) style.fg = undefined;
    else if (code === 49) style.bg = undefined;
  }
  return style;
}

// extended reads the rest of a colour of 256, or of red, green and blue.
function extended(codes) {
  const kind = codes.shift();
  if (kind === 2) return codes.splice(0, 3);
  if (kind !== 5) return undefined;
  const n = codes.shift();
  if (n < 16) return n;
  if (n >= 232) return Array(3).fill(8 + 10 * (n - 232));
  const level = (i) => (i ? 55 + 40 * i : 0);
  return [level(Math.floor((n - 16) / 36)), level(Math.floor((n - 16) / 6) % 6), level((n - 16) % 6)];
}

// wide says whether a character takes two columns: what East Asia writes, and pictures.
export function wide(code) {
  return code >= 0x1100 && (code <= 0x115f || code >= 0x2e80 && code <= 0xa4cf || code >= 0xac00 && code <= 0xd7a3 ||
    code >= 0xf900 && code <= 0xfaff || code >= 0xfe30 && code <= 0xfe6f || code >= 0xff00 && code <= 0xff60 || code >= 0x1f300 && code <= 0x1faff);
}
