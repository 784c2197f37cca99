// One container: its log, usage, configuration, and what it changed in its file system.

import { html, nothing } from "../vendor/lit-html.js";
import { state, attempt, dw, changed } from "./store.js";
import { actions, badge, domain } from "./containers.js";
import { age, bytes, moment, short } from "./format.js";
import { updateView } from "./update.js";
import "./logs.js";
import "./charts.js";

const TABS = { logs: "Log", usage: "Usage", inspect: "Inspect", diff: "Changed files", update: "Update" };
let asked = ""; // what was asked for: NAME/inspect or NAME/diff
let answer = null; // undefined when there was none, which was told

export function containerView(name, tab = "logs") {
  const c = state.containers.get(name);
  if (!state.loaded) return html`<p class="quiet">Loading…</p>`;
  if (!c) return html`<div class="empty"><h1>No container ${name}</h1><p>It was removed, or never made. Its name is free.</p>
    <p class="actions"><a class="button" href="#/">All containers</a></p></div>`;
  return html`
    <div class="head">
      <nav aria-label="Path"><a href="#/">Containers</a> / </nav><h1>${name}</h1>${badge(c)}${domain(c)}
      <span class="fill"></span><span class="does" data-name=${name}>${actions(c)}</span>
    </div>
    <div class="facts">${c.image} <code>${c.commit?.slice(0, 7)}</code> · age ${age(c.created)} · ${c.restarts} restarts${c.state === "running" ? ` · up ${age(c.started)}` : nothing}${family(c)}</div>
    <nav class="tabs" aria-label="Views of the container">${Object.entries(TABS).map(([key, label]) =>
      key === "update" && c.replicaOf ? nothing : html`<a href=${`#/c/${name}/${key}`} aria-current=${key === tab ? "page" : "false"}>${label}</a>`)}
      <span class="fill"></span>${tab === "logs" ? beside(name) : nothing}</nav>
    ${views[tab]?.(c) ?? nothing}`;
}

// family says of a replica whose it is, and leads from a container to the logs of its replicas.
function family({ name, replicaOf }) {
  if (replicaOf) return html` · a replica of <a href=${`#/c/${replicaOf}/logs`}>${replicaOf}</a>`;
  const siblings = [...state.containers.values()].filter((other) => other.replicaOf === name).map((other) => other.name).sort();
  return siblings.length ? html` · <a href=${`#/logs/${[name, ...siblings].join()}/merged`}>the logs of all ${siblings.length + 1} replicas</a>` : nothing;
}

// beside offers the logs of other containers next to this one's.
function beside(name) {
  const others = [...state.containers.keys()].filter((other) => other !== name).sort();
  if (!others.length) return nothing;
  return html`<select aria-label="Show another log beside" @change=${({ target }) => { location.hash = `#/logs/${name},${target.value}`; }}>
    <option value="">Beside…</option>${others.map((other) => html`<option>${other}</option>`)}</select>`;
}

// logsView shows several logs, side by side or merged.
export function logsView(names, how) {
  const others = [...state.containers.keys()].filter((other) => !names.includes(other)).sort();
  const to = (list) => `#/logs/${list.join()}`;
  return html`<div class="head"><nav aria-label="Path"><a href="#/">Containers</a> / </nav><h1>Logs</h1>
      <a class="button toggle" aria-current=${how ? "false" : "true"} href=${to(names)}>Side by side</a><a class="button toggle" aria-current=${how ? "true" : "false"} href=${`${to(names)}/merged`}>Merged</a>
      <span class="fill"></span>
      ${others.length ? html`<select aria-label="Add a log" @change=${({ target }) => { location.hash = to([...names, target.value]); }}>
        <option value="">Add…</option>${others.map((other) => html`<option>${other}</option>`)}</select>` : nothing}</div>
    ${how ? html`<dw-logs .names=${names.join()}></dw-logs>` : html`<div class="beside">${names.map((name) => html`<section aria-label=${`Log of ${name}`}>
      <h2><a href=${`#/c/${name}/logs`}>${name}</a> <a class="close" aria-label=${`Close the log of ${name}`} href=${to(names.filter((other) => other !== name))}>×</a></h2>
      <dw-logs .names=${name}></dw-logs></section>`)}</div>`}`;
}

const views = {
  logs: ({ name }) => html`<dw-logs .names=${name}></dw-logs>`,
  usage: ({ name }) => html`<dw-usage .usage=${state.usage.get(name)} .count=${state.usage.get(name)?.samples.length}></dw-usage>`,
  inspect: (c) => fetched(c, "inspect", inspect),
  diff: (c) => fetched(c, "diff", diff),
  update: (c) => updateView(c, latest(c, "inspect")),
};

// fetched shows what a method tells of the container, when it is there.
function fetched(c, method, view) {
  const answer = latest(c, method);
  if (answer) return view(answer, c.name);
  return answer === null ? html`<p class="quiet"><i class="spinner"></i> Asking the engine…</p>`
    : html`<p class="quiet">There was no answer. <button @click=${again}>Ask again</button></p>`;
}

// latest asks for something once for each state of the container, and gives it when it is there.
function latest(c, method) {
  const key = `${c.name}/${method} ${c.id} ${c.state} ${c.started}`;
  if (key !== asked) {
    asked = key;
    answer = null;
    load(key, `${c.name}/${method}`);
  }
  return answer;
}

async function load(key, method) {
  const got = await attempt(() => dw.call(method));
  if (key !== asked) return;
  answer = got;
  changed();
}

function again() {
  asked = "";
  changed();
}

function inspect(i) {
  const { configuration: run, limits, security, network, imageDetails: image } = i;
  return html`<div class="cards">
    ${card("State", { State: i.state, Health: i.health, "Exit code": i.exitCode, Restarts: i.restarts, "Out of memory": yes(i.oomKilled), Created: moment(i.created), Started: moment(i.started), Finished: moment(i.finished) })}
    ${card("Image", { Name: image?.name, Commit: image?.commit, Repository: image?.url, Ref: image?.ref, Size: bytes(image?.size ?? 0), Id: short(image?.id) })}
    ${card("Run", { Command: run.command?.join(" "), Directory: run.workingDir, Restart: run.restart, Init: yes(run.init), "Stop signal": run.stopSignal, Profile: run.profile, Port: i.port || "none" })}
    ${card("Environment", Object.fromEntries(Object.entries(run.environment ?? {}).map(([key, value]) => [key, value ?? "(not shown to this token)"])), true)}
    ${card("Limits", { Memory: bytes(limits.memory), CPUs: limits.cpus, Processes: limits.pids, "Open files": limits.files, "/dev/shm": bytes(limits.shm), "Log kept": bytes(limits.logMax) })}
    ${card("Security", { User: security.user || "root", Capabilities: security.capabilities?.join(", ") || "none", "No new privileges": yes(security.noNewPrivileges), Seccomp: security.seccomp, AppArmor: security.appArmor || "none", "Read-only root": yes(security.readOnly), Runtime: security.runtime })}
    ${card("Network", { Network: network.name, Address: network.address, Gateway: network.gateway, Subnet: network.subnet, "Way out": yes(!network.internal) })}
    ${card("Volumes", Object.fromEntries((i.mounts ?? []).map(({ volume, path }) => [path, volume])), true)}
  </div>
  ${i.engine ? html`<details class="raw"><summary>The engine's own document</summary><pre tabindex="0">${JSON.stringify(i.engine, null, 2)}</pre></details>` : nothing}`;
}

function card(title, values, code) {
  const entries = Object.entries(values);
  return html`<section class="card"><h2>${title}</h2>
    ${entries.length ? html`<dl>${entries.map(([key, value]) => html`<dt class=${code ? "code" : ""}>${key}</dt><dd>${value === "" || value === undefined || value === null ? "–" : value}</dd>`)}</dl>` : html`<p class="quiet">None</p>`}</section>`;
}

function yes(is) { return is ? "yes" : "no"; }

const SIGNS = { added: "+", modified: "~", deleted: "−" };

function diff(changes, name) {
  const count = (kind) => changes.filter((change) => change.kind === kind).length;
  return html`<div class="facts">${changes.length ? html`<b class="added">${count("added")} added</b>, <b class="modified">${count("modified")} modified</b>, <b class="deleted">${count("deleted")} deleted</b>, compared with the image`
    : `${name} has changed no file of its image.`} <button @click=${again}>Ask again</button></div>
    <ul class="changes" aria-label="Changed files">${changes.map(({ path, kind }) => html`<li class=${kind}><span aria-hidden="true">${SIGNS[kind]}</span><span class="unseen">${kind}</span> ${path}</li>`)}</ul>`;
}
