// Lines is the newest lines of a log or a build, bounded in number and in size. A line keeps its
// number, counted from 0, when older ones go.

const MAX_LINES = 100_000;
const MAX_SIZE = 32 << 20; // characters

export class Lines {
  onchange = () => {};
  first = 0; // number of the oldest line that is kept
  #rows = [];
  #head = 0; // where it lies in rows
  #size = 0;

  // end is the number that the next line will have.
  get end() { return this.first + this.#rows.length - this.#head; }
  at(number) { return this.#rows[this.#head + number - this.first]; }

  add(lines) {
    for (const line of lines) {
      this.#rows.push(line);
      this.#size += line.text.length;
    }
    while (this.end - this.first > MAX_LINES || this.#size > MAX_SIZE) this.#drop();
    if (this.#head > MAX_LINES / 4) this.#rows.splice(0, this.#head), this.#head = 0;
    this.onchange();
  }

  // mark says something in between the lines.
  mark(text) { this.add([{ time: null, stream: "mark", text }]); }

  // take adds what an event of a stream brings.
  take({ lines, dropped, gap, state }) {
    if (gap) this.mark("Lines are missing here; nobody knows how many");
    if (dropped) this.mark(`${dropped.toLocaleString()} lines were dropped here`);
    if (state === "paused") this.mark("Paused: the engine is away");
    if (state === "resumed") this.mark("Resumed: the engine is back");
    if (lines) this.add(lines);
  }

  clear() {
    this.first = this.end;
    this.#rows = [];
    this.#head = this.#size = 0;
    this.onchange();
  }

  #drop() {
    this.#size -= this.#rows[this.#head].text.length;
    this.#rows[this.#head++] = undefined;
    this.first++;
  }
}
