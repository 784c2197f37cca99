// How values are written.

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

export function bytes(n) {
  let unit = 0;
  while (n >= 1024 && unit < UNITS.length - 1) {
    n /= 1024;
    unit++;
  }
  return `${unit === 0 || n >= 100 ? Math.round(n) : n.toFixed(1)} ${UNITS[unit]}`;
}

export function percent(n) { return `${n < 10 ? n.toFixed(1) : Math.round(n)} %`; }

// duration writes seconds with their one or two largest units.
export function duration(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  if (s < 60) return `${s}s`;
  if (s < 3600) return `${Math.floor(s / 60)}m ${s % 60}s`;
  if (s < 86_400) return `${Math.floor(s / 3600)}h ${Math.floor(s % 3600 / 60)}m`;
  return `${Math.floor(s / 86_400)}d ${Math.floor(s % 86_400 / 3600)}h`;
}

export function age(time) { return time ? duration((Date.now() - Date.parse(time)) / 1000) : "–"; }

export function moment(time) { return time ? new Date(time).toLocaleString() : "–"; }

export function short(id) { return id?.replace(/^sha256:/, "").slice(0, 12) || "–"; }

// link gives a URL that may be followed, or undefined.
export function link(url) { return /^https?:\/\//.test(url ?? "") ? url : undefined; }

// size reads "512m" or "2 GiB" as bytes, and gives NaN for what is none.
export function size(text) {
  const [, number, unit] = /^\s*([\d.]+)\s*([kmgt]?)i?b?\s*$/i.exec(text) ?? [];
  return number ? Math.round(Number(number) * 1024 ** " kmgt".indexOf(unit.toLowerCase() || " ")) : NaN;
}
