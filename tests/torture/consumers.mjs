// The crowd: stock Socket.IO clients, EventSources and gRPC streams that drop and come back, and
// write down all that reaches them.
import http from 'node:http';
import { io } from 'socket.io-client';
import { EventStreamParser } from '../e2e/support/event_stream.mjs';
import { GrpcClient } from '../e2e/support/grpc.mjs';

class Consumer {
  keys = [];
  marks = [];
  problems = [];
  resumes = 0;
  connected = false;
  stopped = false;

  constructor(crowd, name, rooms) {
    Object.assign(this, { crowd, name, rooms });
  }

  took(key, position) {
    const { positions } = this.crowd;
    const known = positions.get(key);
    if (known === undefined) positions.set(key, position);
    else if (known !== position) this.problems.push(`got event ${key} at ${position}, others at ${known}`);
    this.crowd.spoil(this, key);
  }

  get state() { return `cursor ${this.cursor}`; }

  mark(mark) {
    this.marks.push({ at: this.keys.length, ...mark });
    return this.marks.at(-1);
  }

  later(ms, work) {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => { if (!this.stopped) work(); }, ms);
  }
}

// A stock socket.io-client, which resumes by itself.
class SocketIoConsumer extends Consumer {
  kind = 'socketio';
  notes = [];
  heardAt = 0;

  start() {
    this.socket = io(this.crowd.edgeUrl, {
      transports: ['websocket'], forceNew: true, timeout: 3000, reconnectionDelay: 30, reconnectionDelayMax: 400,
    });
    this.socket.on('connect', () => this.#onConnect());
    this.socket.on('disconnect', (reason) => {
      this.#note(reason);
      this.connected = false;
      this.leftAt ??= Date.now();
      // What the client says of itself ends its reconnecting; nothing here may.
      if (!this.socket.active && !this.away) this.problems.push('was disconnected for good');
      if (!this.away) this.later(2000, () => this.#comeBack());
    });
    this.socket.onAny((event, payload, position) => {
      if (event !== 'torture') return;
      this.heardAt = Date.now();
      this.took(payload.k, position);
    });
  }

  // What happened to it of late, for whoever looks into a violation.
  #note(what) {
    this.notes.push(`${what} ${Date.now() - this.crowd.began}`);
    if (this.notes.length > 12) this.notes.shift();
  }

  get state() {
    const { socket } = this;
    return `connected ${socket.connected}, manager ${socket.io._readyState}, engine ${socket.io.engine?.readyState}, ` +
      `reconnecting ${socket.io._reconnecting}, session ${JSON.stringify(this.session)}, away ${this.away}`;
  }

  #onConnect() {
    const awayMs = this.leftAt === undefined ? 0 : Date.now() - this.leftAt;
    this.leftAt = undefined;
    this.#note(this.socket.recovered ? 'recovered' : 'fresh');
    if (this.socket.recovered) {
      ++this.resumes;
      if (this.session === undefined) this.problems.push('was given a session back that it never had');
      if (this.session?.ackAt !== undefined) return void (this.connected = true);
    } else {
      const again = this.session?.ackAt !== undefined;
      const story = `heard last ${Date.now() - this.heardAt} ms before; ${this.notes.join(', ')}; offset ${this.socket._lastOffset}`;
      this.session = this.mark({ type: 'fresh', ackAt: undefined, awayMs, again, story });
    }
    this.#subscribe();
  }

  #subscribe() {
    const { session } = this;
    this.socket.timeout(3000).emit('subscribe', { rooms: this.rooms }, (error, answer) => {
      if (session !== this.session || session.ackAt !== undefined || this.stopped) return;
      if (error) {
        if (this.socket.connected) this.#subscribe();
      } else if (answer.ok) {
        session.ackAt = Date.now();
        this.connected = true;
      } else {
        this.problems.push(`was refused: ${JSON.stringify(answer)}`);
      }
    });
  }

  drop(awayMs, graceful) {
    const { engine } = this.socket.io;
    if (engine?.readyState !== 'open') return false;
    this.away = true;
    this.leftAt ??= Date.now();
    this.connected = false;
    this.socket.io.reconnection(false);
    if (graceful) engine.close();
    else engine.transport.ws.terminate();
    this.later(awayMs, () => {
      this.away = false;
      this.socket.io.reconnection(true);
      this.#comeBack();
    });
    return true;
  }

  // A client that was told to stop reconnecting may give up on its first failure.
  #comeBack() {
    if (this.socket.connected) return;
    if (this.socket.io._readyState === 'closed' && !this.socket.io._reconnecting) this.socket.connect();
    this.later(1000, () => this.#comeBack());
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    this.away = true;
    this.socket.disconnect();
  }
}

// What the HTML standard calls an EventSource, which asks again with the id it saw last.
class EventSourceConsumer extends Consumer {
  kind = 'sse';
  cursor = '';
  retry = 100;

  start() { this.#connect(); }

  #connect() {
    const query = this.rooms.map((room) => `room=${encodeURIComponent(room)}`).join('&');
    const headers = { Accept: 'text/event-stream' };
    if (this.cursor !== '') {
      headers['Last-Event-ID'] = this.cursor;
      ++this.resumes;
    }
    const brought = this.cursor;
    const parser = new EventStreamParser({
      onEvent: ({ event, data, id }) => {
        if (event === 'notifications.gap') {
          const { after, resumes_at: resumesAt } = JSON.parse(data);
          if (brought !== '' && after !== this.cursor) this.problems.push(`was told of a gap behind ${after}, it was at ${this.cursor}`);
          if (id !== resumesAt) this.problems.push(`was told of a gap to ${resumesAt} under the id ${id}`);
          this.mark({ type: 'gap', after, resumesAt, time: Date.now() });
          this.cursor = id;
        } else if (event === 'torture') {
          this.took(JSON.parse(data).k, id);
        }
      },
      onBlock: () => {
        if (parser.lastEventId === '') return;
        if (this.cursor === '') this.mark({ type: 'start', position: parser.lastEventId });
        this.cursor = parser.lastEventId;
      },
    });
    parser.lastEventId = this.cursor;
    const request = http.get(`${this.crowd.edgeUrl}/events?${query}`, { headers, agent: false }, (response) => {
      if (response.statusCode !== 200) this.problems.push(`was answered with ${response.statusCode}`);
      response.on('data', (bytes) => {
        if (request !== this.request) return;
        this.connected = true;
        parser.push(bytes);
      });
      response.on('error', () => {}).on('close', () => this.#over(request));
    });
    request.on('error', () => this.#over(request)).on('close', () => this.#over(request));
    this.request = request;
  }

  #over(request, ms = 50 + Math.random() * 400) {
    if (request !== this.request || this.stopped) return;
    this.request = undefined;
    this.connected = false;
    this.later(ms, () => this.#connect());
  }

  drop(awayMs) {
    const { request } = this;
    if (request === undefined) return false;
    this.#over(request, awayMs);
    request.destroy();
    return true;
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    this.request?.destroy();
  }
}

// A gRPC stream that resumes behind the position it saw last.
class GrpcConsumer extends Consumer {
  kind = 'grpc';
  cursor = '';

  start() { this.#connect(); }

  #connect() {
    const client = new GrpcClient(`127.0.0.1:${this.crowd.serverPort}`);
    const call = client.stub.Stream({ rooms: this.rooms, resume_after: this.cursor });
    const fresh = this.cursor === '';
    if (!fresh) ++this.resumes;
    let opened = false;
    const one = { client, call };
    this.current = one;
    call.on('data', (response) => {
      if (one !== this.current) return;
      if (!opened && response.kind !== 'opened') this.problems.push(`first got ${response.kind}`);
      if (response.kind === 'opened') {
        opened = true;
        this.connected = true;
        if (fresh) {
          this.mark({ type: 'start', position: response.opened.position });
          this.cursor = response.opened.position;
        }
      } else if (response.kind === 'envelope') {
        const { payload_json: text, position } = response.envelope;
        this.took(JSON.parse(text).k, position);
        this.cursor = position;
      } else if (response.kind === 'gap') {
        const { after, resumes_at: resumesAt } = response.gap;
        if (after !== this.cursor) this.problems.push(`was told of a gap behind ${after}, it was at ${this.cursor}`);
        this.mark({ type: 'gap', after, resumesAt, time: Date.now() });
        this.cursor = resumesAt;
      } else if (response.kind === 'checkpoint') {
        this.cursor = response.checkpoint.position;
      }
    });
    call.on('error', (error) => {
      // Away or leaving; anything else is no answer to give to a good stream.
      if (![1, 14].includes(error.code) && one === this.current) this.problems.push(`ended with ${error.code} ${error.details}`);
      this.#over(one);
    });
    call.on('end', () => this.#over(one));
  }

  #over(one, ms = 50 + Math.random() * 400) {
    if (one !== this.current || this.stopped) return;
    this.current = undefined;
    this.connected = false;
    one.client.close();
    this.later(ms, () => this.#connect());
  }

  drop(awayMs) {
    const one = this.current;
    if (one === undefined) return false;
    this.#over(one, awayMs);
    one.call.cancel();
    return true;
  }

  stop() {
    this.stopped = true;
    clearTimeout(this.timer);
    this.current?.call.cancel();
    this.current?.client.close();
  }
}

const KINDS = { socketio: SocketIoConsumer, sse: EventSourceConsumer, grpc: GrpcConsumer };

export class Crowd {
  began = Date.now();
  consumers = [];
  positions = new Map();  // event -> where it stands, as its consumers were told
  spoiled = 0;

  // `sizes`: {socketio, sse, grpc}; `spoils`: '' | 'drop' | 'double' | 'swap', what is done to some
  // of the histories, to see that it is found.
  constructor({ edgeUrl, serverPort, sizes, rooms, random, spoils = '' }) {
    Object.assign(this, { edgeUrl, serverPort, random, spoils });
    for (const [kind, count] of Object.entries(sizes)) {
      for (let i = 0; i < count; ++i) {
        const mine = new Set();
        while (mine.size < 3) mine.add(rooms[Math.floor(random() * rooms.length)]);
        this.consumers.push(new KINDS[kind](this, `${kind}-${i}`, [...mine]));
      }
    }
  }

  async start() {
    for (const [i, consumer] of this.consumers.entries()) {
      consumer.start();
      if (i % 20 === 19) await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  spoil(consumer, key) {
    const now = this.spoils !== '' && consumer.keys.length > 10 && Math.random() < 0.001;
    if (now) ++this.spoiled;
    if (now && this.spoils === 'drop') return;
    consumer.keys.push(key);
    if (now && this.spoils === 'double') consumer.keys.push(key);
    if (now && this.spoils === 'swap') consumer.keys.push(consumer.keys.splice(-2, 1)[0]);
  }

  get resumes() { return this.consumers.reduce((sum, { resumes }) => sum + resumes, 0); }
  get received() { return this.consumers.reduce((sum, { keys }) => sum + keys.length, 0); }
  stop() { for (const consumer of this.consumers) consumer.stop(); }
}
