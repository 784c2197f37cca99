// Layout knows which of the Lines pass the filters, and at which row each of them begins.

export class Layout {
  #lines;
  #passes;
  #height;
  #shown = []; // numbers of the lines that pass
  #tops = []; // the row at which each begins
  #head = 0; // of both
  #rows = 0; // where the next will begin
  #from; // number of the oldest line that was looked at
  #next; // number of the line to look at

  // passes says whether a line does, height how many rows it takes.
  constructor(lines, passes, height) {
    this.#lines = lines;
    this.#passes = passes;
    this.#height = height;
    this.#from = this.#next = lines.first;
  }

  get count() { return this.#shown.length - this.#head; }
  // base is the row at which the first line begins, end the one behind the last.
  get base() { return this.#tops[this.#head] ?? this.#rows; }
  get end() { return this.#rows; }

  // number gives that of the line at a place; the first place is 0.
  number(place) { return this.#shown[this.#head + place]; }
  // top gives the row at which the line at a place begins.
  top(place) { return this.#tops[this.#head + place] ?? this.#rows; }
  // place gives that of the line with a number, or of the last one before.
  place(number) { return this.#index(this.#shown, number); }
  // placeAt gives that of the line which is at a row.
  placeAt(row) { return this.#index(this.#tops, row); }

  // extend looks at the lines that came, and forgets those that went.
  extend() {
    const lines = this.#lines;
    for (; this.count && this.#shown.at(-1) >= lines.cut; this.#shown.pop()) this.#rows = this.#tops.pop();
    this.#next = Math.min(this.#next, lines.cut);
    lines.cut = Infinity;
    if (lines.first < this.#from) this.#extendBack(lines.first);
    for (this.#next = Math.max(this.#next, lines.first); this.#next < lines.end; this.#next++) this.#look(this.#next);
    while (this.#head < this.#shown.length && this.#shown[this.#head] < lines.first) this.#head++;
    this.#from = lines.first;
    if (this.#head > 25_000) this.#trim();
  }

  #look(number) {
    const line = this.#lines.at(number);
    if (!this.#passes(line)) return;
    this.#shown.push(number);
    this.#tops.push(this.#rows);
    this.#rows += this.#height(line);
  }

  // extendBack looks at older lines: their rows lie above the first, at numbers below.
  #extendBack(first) {
    this.#trim();
    const { base } = this, newer = { shown: this.#shown, tops: this.#tops, rows: this.#rows };
    [this.#shown, this.#tops, this.#rows] = [[], [], 0];
    for (let number = first; number < Math.min(this.#from, this.#lines.end); number++) this.#look(number);
    const shift = base - this.#rows;
    this.#shown = this.#shown.concat(newer.shown);
    this.#tops = this.#tops.map((top) => top + shift).concat(newer.tops);
    this.#rows = newer.rows;
  }

  #trim() {
    this.#shown.splice(0, this.#head);
    this.#tops.splice(0, this.#head);
    this.#head = 0;
  }

  // index gives the last place in an ascending list whose value is not above the one given.
  #index(list, value) {
    let low = this.#head, high = list.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (list[middle] <= value) low = middle;
      else high = middle - 1;
    }
    return low - this.#head;
  }
}
