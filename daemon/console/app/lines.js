// Lines is a stretch of a log or a build, bounded in number and in size: the newest, until one
// reads back. A line keeps its number when others go: the first to come has 0, older ones are below.

const MAX_LINES = 100_000;
const MAX_SIZE = 32 << 20; // characters

export class Lines {
  onchange = () => {};
  first = 0; // number of the oldest line that is kept
  cut = Infinity; // from which number on lines were taken off since the view last looked
  shed = false; // the oldest went, or were not taken, since whoever reads back last looked
  #rows = [];
  #head = 0; // where it lies in rows
  #size = 0;

  // end is the number that the next line will have.
  get end() { return this.first + this.#rows.length - this.#head; }
  hasRoom(lines) { return !this.full && this.end - this.first + lines <= MAX_LINES; }
  get full() { return this.end - this.first >= MAX_LINES || this.#size >= MAX_SIZE; }
  at(number) { return this.#rows[this.#head + number - this.first]; }

  // add puts newer lines behind the others; the oldest go.
  add(lines) {
    for (const line of lines) this.#rows.push(line);
    this.#size += size(lines);
    while (this.#excess()) this.#drop();
    if (this.#head > MAX_LINES / 4) this.#rows.splice(0, this.#head), this.#head = 0;
    this.onchange();
  }

  // addOlder puts lines before the others. It says whether the newest had to go.
  addOlder(lines) {
    this.#rows = lines.concat(this.#head ? this.#rows.slice(this.#head) : this.#rows);
    this.#head = 0;
    this.first -= lines.length;
    this.#size += size(lines);
    const { end } = this;
    while (this.#excess()) this.#size -= this.#rows.pop().text.length;
    this.cut = Math.min(this.cut, this.end);
    this.onchange();
    return this.end < end;
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

  #excess() { return this.end - this.first > MAX_LINES || this.#size > MAX_SIZE; }

  #drop() {
    this.#size -= this.#rows[this.#head].text.length;
    this.#rows[this.#head++] = undefined;
    this.first++;
    this.shed = true;
  }
}

function size(lines) { return lines.reduce((sum, { text }) => sum + text.length, 0); }
