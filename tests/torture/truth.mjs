// What really stands in the journal: read from the stream all the while, by nobody's leave, and
// checked link by link. The checker holds everybody's history against it.
import { setTimeout as delay } from 'node:timers/promises';

export class Truth {
  entries = [];             // {position, ms, key, rooms, room numbers}
  byRoom = new Map();       // room -> indices of entries
  indexOf = new Map();      // position -> index
  indexOfKey = new Map();   // event -> index
  problems = [];
  #last = '0-0';
  #running = true;

  constructor(redis, channel) {
    this.redis = redis;
    this.stream = `${channel}:journal`;
  }

  start() { this.done = this.#follow(); }

  async #follow() {
    while (this.#running) {
      try {
        while (await this.#read() > 0);
      } catch { /* Redis is away */ }
      await delay(100);
    }
  }

  // Reads what is there by now; how many entries that was.
  async #read() {
    const answer = await this.redis.xrange(this.stream, `(${this.#last}`, '+', 'COUNT', 2000);
    for (const [id, fields] of answer) this.#add(id, fields);
    return answer.length;
  }

  // Entries up to the end, once nothing is published any more.
  async finish() {
    this.#running = false;
    await this.done;
    while (await this.#read() > 0);
  }

  #add(id, fields) {
    this.#last = id;
    const { x, p, e } = Object.fromEntries(fields.flatMap((value, i) => (i % 2 ? [] : [[value, fields[i + 1]]])));
    const position = `${x}.${id}`;
    const before = this.entries.at(-1)?.position;
    this.base ??= p;
    if (before !== undefined && p !== before) this.problems.push(`${position} names ${p} as its predecessor, which is ${before}`);
    const envelope = JSON.parse(e);
    const { k: key, n: numbers } = envelope.payload;
    const index = this.entries.length;
    if (this.indexOfKey.has(key)) this.problems.push(`event ${key} stands twice: ${this.entries[this.indexOfKey.get(key)].position} and ${position}`);
    this.entries.push({ position, ms: Number(id.split('-')[0]), key, rooms: envelope.rooms, numbers });
    this.indexOf.set(position, index);
    this.indexOfKey.set(key, index);
    for (const room of envelope.rooms) {
      if (!this.byRoom.has(room)) this.byRoom.set(room, []);
      this.byRoom.get(room).push(index);
    }
  }

  // Where a position stands: -1 for the journal's very beginning, undefined for none of it.
  place(position) { return position === this.base || position?.endsWith('.0-0') ? -1 : this.indexOf.get(position); }

  // Indices of the entries that go to one of these rooms, in order.
  of(rooms) {
    const all = new Set();
    for (const room of rooms) for (const index of this.byRoom.get(room) ?? []) all.add(index);
    return [...all].sort((a, b) => a - b);
  }
}
