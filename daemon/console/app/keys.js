// The keys. Those of one letter are for whoever is not typing.

import { help } from "./dialogs.js";

const PLACES = { c: "#/", i: "#/images", b: "#/build" };
let going = 0; // when g was pressed

const keys = {
  "?": help,
  g: () => { going = Date.now(); },
  n: () => { location.hash = "#/build"; },
  c: () => { location.hash = "#/create"; },
  j: () => step(1),
  k: () => step(-1),
  l: () => row()?.querySelector("a.name")?.click(),
  "/": () => document.querySelector("input[type=search]")?.focus(),
};

export function onkey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (event.target.closest("input, select, textarea")) return;
  const place = Date.now() - going < 1_000 && PLACES[event.key];
  const button = keyed(event.key);
  if (place) location.hash = place;
  else if (button) button.click();
  else if (keys[event.key]) keys[event.key]();
  else return;
  if (event.key !== "g") going = 0;
  event.preventDefault();
}

// keyed finds the button that a key stands for: that of the row with the focus, or of the first log.
function keyed(key) {
  if (!/^[a-z]$/.test(key)) return null;
  const within = row() ?? document.querySelector(".toolbar");
  return within?.querySelector(`[data-key="${key}"]:not(:disabled)`);
}

function row() { return document.activeElement?.closest("tr[data-name]"); }

function step(by) {
  const names = [...document.querySelectorAll("tr[data-name] a.name")];
  const at = names.indexOf(row()?.querySelector("a.name"));
  names[Math.max(0, Math.min(names.length - 1, at < 0 ? 0 : at + by))]?.focus();
}
