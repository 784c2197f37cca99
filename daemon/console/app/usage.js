// Usage is what a container used over the last minutes.

const KEPT = 300; // samples
const INTERVAL = 2; // seconds

export class Usage {
  samples = [];
  #abort = null;

  constructor(name) { this.name = name; }

  get last() { return this.samples.at(-1); }

  // watch follows the usage, if it does not do so already.
  async watch(dw, changed) {
    if (this.#abort) return;
    const abort = this.#abort = new AbortController();
    try {
      for await (const { usage } of dw.stream(`${this.name}/top`, { follow: true, interval: INTERVAL }, { signal: abort.signal })) {
        if (usage) this.#take(usage);
        changed();
      }
    } catch {
      // it does not run any more: the list says so, and says when it does again
    }
    if (this.#abort === abort) this.#abort = null;
  }

  stop() {
    this.#abort?.abort();
    this.#abort = null;
  }

  #take({ time, cpu, memory, network, pids }) {
    const at = Date.parse(time) / 1000, before = this.last;
    const seconds = before ? at - before.at : 0;
    const rate = (now, then) => (seconds > 0 && now >= then ? (now - then) / seconds : 0);
    this.samples.push({
      at, cpu: cpu.percent, memory: memory.usage, limit: memory.limit, cores: cpu.limit, pids, total: network,
      received: rate(network.received, before?.total.received), sent: rate(network.sent, before?.total.sent),
    });
    if (this.samples.length > KEPT) this.samples.shift();
  }
}
