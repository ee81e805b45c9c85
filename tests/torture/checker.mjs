// Holds histories against the truth. Pure: what it is given decides what it says.
//
// A consumer's history is `keys`, the events in the order they came, and `marks`, what came between
// them, each with `at`, the number of events before it:
//   {type: 'start', position}              live (and resumable) from there: SSE, gRPC
//   {type: 'gap', after, resumesAt, time}  SSE, gRPC: what lies between may be missing
//   {type: 'fresh', ackAt, awayMs, again, story}  Socket.IO: a new session; its rooms were acknowledged at
//                                          `ackAt` (undefined: never); `again`: it had one before
//                                          and was away for so long

// How much earlier than the retention a gap may begin: clocks of several processes, rounding.
const SLACK_MS = 3000;

export class Report {
  violations = [];
  figures = { events: 0, lost: 0, doubled: 0, reordered: 0, strangers: 0, gaps: 0, excused: 0, overlaps: 0, fresh: 0, late: 0 };

  violate(who, what) { this.violations.push(`${who}: ${what}`); }
  get ok() { return this.violations.length === 0; }
}

// Walks through what a consumer of these entries ought to have got.
class Walk {
  #skipped = new Map();  // index -> position in the list of expectations
  next = 0;
  last = -1;

  constructor(report, truth, who, expected) {
    Object.assign(this, { report, truth, who, expected });
  }

  // Nothing up to `index` is expected any more.
  skipTo(index, onSkipped) {
    while (this.next < this.expected.length && this.expected[this.next] <= index) onSkipped?.(this.expected[this.next++]);
  }

  #describe(index) {
    const entry = this.truth.entries[index];
    return `event ${entry.key} at ${entry.position}`;
  }

  lose(index) {
    this.#skipped.set(index, this.report.violations.length);
    ++this.report.figures.lost;
    this.report.violate(this.who, `lost ${this.#describe(index)} in ${this.truth.entries[index].rooms}`);
  }

  // `excusable(index)`: whether an event may be missing before the one that came.
  take(key, excusable) {
    const { report } = this;
    ++report.figures.events;
    const index = this.truth.indexOfKey.get(key);
    if (index === undefined) {
      ++report.figures.strangers;
      return report.violate(this.who, `got event ${key}, which stands nowhere`);
    }
    if (this.#skipped.has(index)) {
      ++report.figures.reordered;
      this.#skipped.delete(index);
      return report.violate(this.who, `got ${this.#describe(index)} behind later ones`);
    }
    if (this.next > 0 && index <= this.expected[this.next - 1]) {
      ++report.figures.doubled;
      return report.violate(this.who, `got ${this.#describe(index)} again`);
    }
    while (this.next < this.expected.length && this.expected[this.next] < index) {
      const missing = this.expected[this.next++];
      if (!excusable?.(missing)) this.lose(missing);
    }
    if (this.expected[this.next] !== index) {
      ++report.figures.strangers;
      return report.violate(this.who, `got ${this.#describe(index)}, which is not for it`);
    }
    ++this.next;
    this.last = index;
  }

  finish(excusable) {
    for (; this.next < this.expected.length; ++this.next) {
      if (!excusable?.(this.expected[this.next])) this.lose(this.expected[this.next]);
    }
  }
}

// Consumers with positions: SSE and gRPC.
function checkPositioned(report, truth, consumer, { retention }) {
  const walk = new Walk(report, truth, consumer.name, truth.of(consumer.rooms));
  const marks = [...consumer.marks];
  let started = false;
  for (let at = 0; at <= consumer.keys.length; ++at) {
    while (marks.length && marks[0].at === at) {
      const mark = marks.shift();
      if (mark.type === 'start') {
        const place = truth.place(mark.position);
        if (place === undefined) report.violate(consumer.name, `is live from ${mark.position}, which stands nowhere`);
        else walk.skipTo(place);
        started = true;
      } else {
        ++report.figures.gaps;
        checkGap(report, truth, consumer, mark, retention);
        const place = truth.place(mark.resumesAt);
        if (place !== undefined) walk.skipTo(place, () => ++report.figures.excused);
      }
    }
    if (at < consumer.keys.length) walk.take(consumer.keys[at]);
  }
  if (started) walk.finish();
}

function checkGap(report, truth, consumer, { after, resumesAt, time }, retention) {
  const from = truth.place(after);
  const to = truth.place(resumesAt);
  if (from === undefined || to === undefined || to <= from) {
    return report.violate(consumer.name, `was told of a gap from ${after} to ${resumesAt}, which is none`);
  }
  const age = time - truth.entries[from + 1].ms;
  if (age < retention - SLACK_MS) {
    report.violate(consumer.name, `was told of a gap from ${after} to ${resumesAt}, but the first of it was ${age} ms old`);
  }
}

// Socket.IO: a session that cannot be continued is followed by a fresh one.
function checkSessions(report, truth, consumer, { retention, sessionTtl }) {
  const { marks, keys } = consumer;
  const expected = truth.of(consumer.rooms);
  let seen = -1;
  for (const [i, mark] of marks.entries()) {
    ++report.figures.fresh;
    const end = marks[i + 1]?.at ?? keys.length;
    if (mark.again) {
      ++report.figures.gaps;
      if (mark.awayMs < Math.min(retention, sessionTtl) - SLACK_MS) {
        report.violate(consumer.name, `was given a fresh session though it was away for ${mark.awayMs} ms only (${mark.story})`);
      }
    }
    const walk = new Walk(report, truth, consumer.name, expected);
    // What was published before the client knew that its rooms are live may be there or not.
    const early = (index) => mark.ackAt === undefined || truth.entries[index].ms <= mark.ackAt;
    const firstKey = keys[mark.at];
    const first = mark.at < end ? truth.indexOfKey.get(firstKey) : undefined;
    if (first !== undefined) {
      if (first <= seen) ++report.figures.overlaps;
      walk.skipTo(first - 1, (index) => { if (!early(index)) walk.lose(index); });
    }
    for (let at = mark.at; at < end; ++at) walk.take(keys[at], early);
    seen = Math.max(seen, walk.last);
    if (i + 1 === marks.length) walk.finish(early);
  }
  if (keys.length && (!marks.length || marks[0].at > 0)) report.violate(consumer.name, 'got events before its first session');
}

// What publishers were told.
//   acknowledged: Map key -> {position, publisher, rooms' numbers}; unknown: Set of keys;
//   legacy: Map key -> {sure: bool}
function checkPublished(report, truth, published) {
  for (const [key, position] of published.acknowledged) {
    const index = truth.indexOfKey.get(key);
    if (index === undefined) {
      ++report.figures.lost;
      report.violate('publisher', `event ${key} was acknowledged and stands nowhere`);
    } else if (position && truth.entries[index].position !== position) {
      report.violate('publisher', `event ${key} was acknowledged at ${position} and stands at ${truth.entries[index].position}`);
    }
  }
  for (const [key, { sure }] of published.legacy) {
    if (truth.indexOfKey.has(key)) continue;
    if (sure) report.violate('publisher', `event ${key}, only PUBLISHed, was heard and not journaled`);
  }
  // Each publisher numbers its events of each room; one after the other.
  const last = new Map();
  for (const { key, position, numbers } of truth.entries) {
    const publisher = published.publisherOf(key);
    if (publisher === undefined) {
      report.violate('journal', `event ${key} at ${position} was published by nobody`);
      continue;
    }
    for (const [room, number] of Object.entries(numbers)) {
      const at = `${publisher} ${room}`;
      if (number <= (last.get(at) ?? -1)) {
        // A new holder of the lease appends what the old one left: late is better than never.
        if (published.legacy.has(key)) ++report.figures.late;
        else report.violate('journal', `event ${key} at ${position} is number ${number} of ${at}, behind ${last.get(at)}`);
      } else {
        last.set(at, number);
      }
    }
  }
}

// `published.positions`: what consumers said where an event stands, key -> position.
export function check({ truth, published, consumers, retention, sessionTtl }) {
  const report = new Report();
  for (const problem of truth.problems) report.violate('journal', problem);
  checkPublished(report, truth, published);
  for (const [key, position] of published.positions) {
    const index = truth.indexOfKey.get(key);
    if (index !== undefined && truth.entries[index].position !== position) {
      report.violate('consumers', `event ${key} came as ${position} and stands at ${truth.entries[index].position}`);
    }
  }
  for (const consumer of consumers) {
    for (const problem of consumer.problems) report.violate(consumer.name, problem);
    if (consumer.kind === 'socketio') checkSessions(report, truth, consumer, { retention, sessionTtl });
    else checkPositioned(report, truth, consumer, { retention });
  }
  return report;
}
