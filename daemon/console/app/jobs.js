// The builds that this page watches. They belong to the daemon: leaving a view, or the page, does
// not end them, and after a reload they are taken up again from their first line.

import { dw, changed, failed, loadBuilds, say } from "./store.js";
import { Lines } from "./lines.js";

const REMEMBERED = "builds"; // in the storage of the tab: by id, what it takes to take a build up again

// How a step begins, as BuildKit's lines say it and as the classic builder's do.
const STEP = /^(?:Step |(?:CACHED )?\[(?:\S+ )?)(\d+)\/(\d+)(?:\] | : )/;

const jobs = new Map();

// begin builds, and calls back with the job once the build has an id.
export function begin(params, started) {
  const job = new Job(params);
  job.run(params, () => {
    remember(job);
    loadBuilds();
    started(job);
  });
  return job;
}

// jobOf gives the job of a build that this tab began, before a reload too.
export function jobOf(id) {
  if (jobs.has(id)) return jobs.get(id);
  const kept = remembered()[id];
  if (!kept || !dw) return undefined;
  const job = new Job(kept.params, id, kept.begun);
  jobs.set(id, job);
  job.take(kept.first);
  job.run({ name: kept.params.name, url: kept.params.url, after: kept.first.cursor }, () => {});
  return job;
}

export function forgetJobs() {
  jobs.clear();
  sessionStorage.removeItem(REMEMBERED);
}

class Job {
  state = "running";
  phase = "Asking"; // in a word
  step = 0;
  steps = 0;
  error = null;
  result = null;
  lines = new Lines();

  constructor(params, id = "", begun = Date.now()) { Object.assign(this, { params, id, begun, ended: 0 }); }

  get seconds() { return this.result?.seconds ?? ((this.ended || Date.now()) - this.begun) / 1000; }

  async run(params, started) {
    try {
      const stream = dw.stream("build", params);
      for await (const event of stream) {
        this.take(event);
        if (!this.id) {
          this.id = event.build;
          this.first = event;
          jobs.set(this.id, this);
          started(this);
        }
        changed();
      }
      this.result = await stream.result;
      this.#end("succeeded");
    } catch (error) {
      this.#end(error.data?.outcome === "cancelled" || error.code === -32800 ? "cancelled" : "failed", error);
    }
  }

  take(event) {
    for (const line of event.lines ?? []) this.#progress(line);
    this.lines.take(event);
  }

  #progress(line) {
    const step = line.stream !== "git" && STEP.exec(line.text);
    if (step) {
      line.step = true;
      [this.step, this.steps] = [Number(step[1]), Number(step[2])];
    }
    if (line.stream === "git") this.phase = /queue/i.test(line.text) ? "Queued" : "Fetching";
    else this.phase = this.steps ? `Step ${this.step} of ${this.steps}` : "Building";
  }

  #end(state, error) {
    Object.assign(this, { state, error, ended: Date.now() });
    say(`Build of ${this.params.name}: ${state}`);
    if (!this.id && error) failed(error);
    if (dw) loadBuilds();
    changed();
  }
}

function remembered() { return JSON.parse(sessionStorage.getItem(REMEMBERED) ?? "{}"); }

function remember({ id, params, begun, first }) {
  const { name, url } = params, { lines, cursor } = first;
  const all = Object.entries(remembered()).slice(-9);
  sessionStorage.setItem(REMEMBERED, JSON.stringify(Object.fromEntries([...all, [id, { params: { name, url }, begun, first: { lines, cursor } }]])));
}
