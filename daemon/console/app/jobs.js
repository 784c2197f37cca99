// The builds that this page watches. They belong to the daemon: leaving a view, or the page, does
// not end them, and any that the daemon knows is taken up from its first line, whoever began it.

import { dw, state, changed, failed, loadBuilds, say } from "./store.js";
import { codes } from "../dockwire.js";
import { Lines } from "./lines.js";

// How a step begins, as BuildKit's lines say it and as the classic builder's do.
const STEP = /^(?:Step |(?:CACHED )?\[(?:\S+ )?)(\d+)\/(\d+)(?:\] | : )/;

const jobs = new Map();

// begin builds, and calls back with the job once the build has an id.
export function begin(params, started) {
  const job = new Job(params);
  job.run(params, () => {
    loadBuilds();
    started(job);
  });
  return job;
}

// jobOf gives the job of a build that the daemon has told of.
export function jobOf(id) {
  const info = state.builds?.find((build) => build.id === id);
  if (!jobs.has(id) && info && dw) {
    const { name, url, ref, cursor } = info, job = new Job({ name, url, ref }, info);
    jobs.set(id, job);
    job.run({ name, url, after: cursor });
  }
  return jobs.get(id);
}

export function forgetJobs() { jobs.clear(); }

// goesOn says whether a build, as the daemon tells of it, has not ended.
export function goesOn({ state: is }) { return is === "queued" || is === "running"; }

class Job {
  state = "running";
  phase = "Asking"; // in a word
  step = 0;
  steps = 0;
  error = null;
  result = null;
  lines = new Lines();

  constructor(params, info) {
    const seconds = info?.seconds ?? 0, begun = Date.now() - seconds * 1000;
    Object.assign(this, { params, id: info?.id, begun, ended: !info || goesOn(info) ? 0 : Date.now() });
  }

  get seconds() { return this.result?.seconds ?? ((this.ended || Date.now()) - this.begun) / 1000; }

  async run(params, started) {
    try {
      const stream = dw.stream("build", params);
      for await (const event of stream) {
        this.take(event);
        if (!this.id) {
          this.id = event.build;
          jobs.set(this.id, this);
          started(this);
        }
        changed();
      }
      this.result = await stream.result;
      this.#end("succeeded");
    } catch (error) {
      this.#end(error.code === codes.cancelled ? "cancelled" : "failed", error);
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
    if (line.stream === "git") this.phase = line.text.startsWith("Waiting for other builds:") ? "Queued" : "Fetching";
    else this.phase = this.steps ? `Step ${this.step} of ${this.steps}` : "Building";
  }

  #end(state, error) {
    if (!this.ended) say(`Build of ${this.params.name}: ${state}`);
    Object.assign(this, { state, error, ended: this.ended || Date.now() });
    if (!this.id && error) failed(error);
    if (dw) loadBuilds();
    changed();
  }
}
