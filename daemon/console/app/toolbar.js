// The toolbar over a <dw-lines>: search and filter, what is shown, and what may be done with it.

import { html, nothing } from "../vendor/lit-html.js";
import { failed, say } from "./store.js";

// What one chose holds for the next log too.
const chosen = { wrap: true, times: matchMedia("(min-width: 700px)").matches, only: false, pattern: false };

// toolbar draws it for the <dw-lines> in host, which has a draw method.
export function toolbar(host, { file, streams, pause, paused }) {
  const view = () => host.querySelector("dw-lines");
  const apply = () => {
    view().options = { ...options(host), wrap: chosen.wrap, times: chosen.times, only: chosen.only };
    host.draw();
  };
  prepare(host, view, apply);
  const toggle = (key, label, title, letter) => html`<button class="toggle" data-key=${letter ?? nothing} aria-pressed=${chosen[key]} title=${title}
    @click=${() => { chosen[key] = !chosen[key]; apply(); }}>${label}</button>`;
  return html`<div class="toolbar" role="toolbar" aria-label="Log">
    <label class="search"><span class="unseen">Search the log</span>
      <input type="search" placeholder="Search  /" spellcheck="false" aria-keyshortcuts="/" aria-invalid=${Boolean(host.wrong)}
        @input=${({ target }) => { host.query = target.value; apply(); }}
        @keydown=${(event) => searchKey(event, view(), host)}></label>
    <output class="found">${host.query ? found(host, view()) : nothing}</output>
    ${toggle("only", "Only matches", "Hide the lines that do not match")}
    ${toggle("pattern", ".*", "The search is a regular expression")}
    ${streams ? html`<select aria-label="Streams" @change=${({ target }) => { host.only = target.value; apply(); }}>
      <option value="both">out + err</option><option value="stdout">stdout</option><option value="stderr">stderr</option></select>` : nothing}
    <span class="fill"></span>
    ${toggle("times", "Times", "Show when each line was written")}
    ${toggle("wrap", "Wrap", "Break long lines (w)", "w")}
    <button class="toggle" aria-pressed=${view()?.follow ?? true} title="Stay at the newest line (f)" data-key="f"
      @click=${() => view().setFollow(!view().follow)}>Follow</button>
    ${pause ? html`<button class=${paused ? "toggle held" : "toggle"} aria-pressed=${paused} data-key="p"
      title="Stop reading (p): what comes meanwhile waits at the daemon" @click=${pause}>${paused ? "Paused" : "Pause"}</button>` : nothing}
    <button @click=${({ target }) => copy(view(), target)} title="Copy the lines shown">Copy</button>
    <button @click=${() => download(view(), file)} title="Download the lines shown">Download</button>
  </div>`;
}

function prepare(host, view, apply) {
  if (host.prepared) return;
  host.prepared = true;
  host.query = "";
  queueMicrotask(() => {
    view().addEventListener("follow", () => host.draw());
    apply();
  });
}

function options(host) {
  host.wrong = "";
  host.missing = false;
  let search = null;
  try {
    const source = chosen.pattern ? host.query : RegExp.escape?.(host.query) ?? host.query.replace(/[.*+?^${}()|[\]\\/]/g, "\\$&");
    if (host.query) search = new RegExp(source, "i");
  } catch (error) {
    host.wrong = error.message;
  }
  return { search, stream: host.only ?? "both" };
}

function found(host, view) {
  if (host.wrong) return "no valid expression";
  if (host.missing) return "nothing found";
  if (chosen.only) return html`<span class="hint">matches only</span>`;
  return view?.place ? `line ${view.place.toLocaleString()} of ${view.count.toLocaleString()}` : html`<span class="hint">Enter: next</span>`;
}

function searchKey(event, view, host) {
  if (event.key === "Escape") view.scroller.focus();
  if (event.key !== "Enter") return;
  const place = view.find(event.shiftKey ? -1 : 1);
  say(place ? `Found in line ${place}` : "Nothing found");
  host.missing = !place;
  host.draw();
}

async function copy(view, button) {
  try {
    await navigator.clipboard.writeText([...view.texts()].join("\n"));
    button.textContent = "Copied";
    say("Copied");
    setTimeout(() => { button.textContent = "Copy"; }, 1_500);
  } catch {
    failed(new Error("The browser does not let this page copy. Download the lines instead."));
  }
}

function download(view, file) {
  const url = URL.createObjectURL(new Blob([[...view.texts()].join("\n"), "\n"], { type: "text/plain" }));
  Object.assign(document.createElement("a"), { href: url, download: file }).click();
  setTimeout(() => URL.revokeObjectURL(url), 1_000);
}
