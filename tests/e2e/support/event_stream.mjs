// A client of /events: reads the stream as the HTML standard says, keeps the exact text too.
// See: https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
import http from 'node:http';
import { StringDecoder } from 'node:string_decoder';
import { Inbox, within } from './wait.mjs';

// Interprets a stream: calls onEvent({event, data, id}), onComment(text), onRetry(ms), and onBlock()
// behind each empty line. `lastEventId` moves with every block that has an id, an event or not.
export class EventStreamParser {
  lastEventId = '';
  #rest = '';
  #decoder = new StringDecoder('utf8');
  #data = [];
  #event = '';
  #id;
  #skipNewline = false;

  constructor({ onEvent, onComment, onRetry, onBlock } = {}) {
    Object.assign(this, { onEvent, onComment, onRetry, onBlock });
  }

  push(bytes) {
    let text = this.#rest + this.#decoder.write(bytes);
    if (this.#skipNewline && text.length) {
      if (text[0] === '\n') text = text.slice(1);
      this.#skipNewline = false;
    }
    let from = 0;
    for (let i = 0; i < text.length; ++i) {
      const c = text[i];
      if (c !== '\n' && c !== '\r') continue;
      this.#line(text.slice(from, i));
      if (c === '\r') {
        if (i + 1 === text.length) this.#skipNewline = true;
        else if (text[i + 1] === '\n') ++i;
      }
      from = i + 1;
    }
    this.#rest = text.slice(from);
  }

  #line(line) {
    if (line === '') return this.#dispatch();
    if (line[0] === ':') return this.onComment?.(line.slice(1).trimStart());
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? '' : line.slice(colon + 1);
    if (value[0] === ' ') value = value.slice(1);
    if (field === 'data') this.#data.push(value);
    else if (field === 'event') this.#event = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) this.onRetry?.(Number(value));
  }

  #dispatch() {
    if (this.#id !== undefined) this.lastEventId = this.#id;
    const data = this.#data;
    const event = this.#event || 'message';
    this.#data = [];
    this.#event = '';
    if (data.length) this.onEvent?.({ event, data: data.join('\n'), id: this.lastEventId });
    this.onBlock?.();
  }
}

// One request to /events: `events`, `comments` and `text` as they come. It never comes back by
// itself: `ended` settles when the stream is over.
export class EventStream {
  events = new Inbox();
  comments = new Inbox();
  text = '';
  retry = undefined;

  // Settles when the head of the answer is there; any status will do.
  static async open(url, query, { lastEventId, headers = {}, method = 'GET', agent } = {}) {
    const stream = new EventStream();
    stream.parser = new EventStreamParser({
      onEvent: (event) => stream.events.push(event),
      onComment: (comment) => stream.comments.push(comment),
      onRetry: (ms) => { stream.retry = ms; },
    });
    const all = { Accept: 'text/event-stream', ...headers };
    if (lastEventId !== undefined) all['Last-Event-ID'] = lastEventId;
    const target = `${url}/events${query === '' ? '' : `?${query}`}`;
    const request = http.request(target, { method, headers: all, agent: agent ?? false });
    stream.request = request;
    const response = await within(10000, `an answer to ${target}`, new Promise((resolve, reject) => {
      request.on('response', resolve).on('error', reject).end();
    }));
    request.on('error', () => {});
    stream.status = response.statusCode;
    stream.headers = response.headers;
    stream.response = response;
    response.on('data', (bytes) => {
      stream.text += bytes;
      stream.parser.push(bytes);
    });
    stream.ended = new Promise((resolve) => {
      response.on('end', () => resolve('end')).on('error', () => resolve('error')).on('close', () => resolve('close'));
    });
    return stream;
  }

  // Opens one and waits until its rooms are live.
  static async live(url, query, options) {
    const stream = await EventStream.open(url, query, options);
    if (stream.status !== 200) throw new Error(`/events?${query}: ${stream.status}`);
    await stream.comments.waitFor('": connected"', (items) => items.includes('connected'), 10000);
    return stream;
  }

  get lastEventId() { return this.parser.lastEventId; }

  // Waits until so many events of these names (any, if none is given) have come; returns them.
  async hears(count, ...names) {
    const wanted = () => this.events.items.filter(({ event }) => !names.length || names.includes(event));
    await this.events.waitFor(`${count} events`, () => wanted().length >= count, 10000);
    return wanted();
  }

  end(ms = 10000) { return within(ms, () => `the end of the stream behind ${this.text.slice(-300)}`, this.ended); }
  close() { this.request.destroy(); }
}
