// Publishers of every kind. Each numbers its events per room and sends one after the other; what was
// acknowledged and what stayed unknown is written down.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { GrpcClient } from '../e2e/support/grpc.mjs';
import { ROOT, programPath } from '../e2e/support/programs.mjs';

const KEYS_EACH = 1e8;

class Publisher {
  #numbers = new Map();
  #count = 0;

  constructor(published, index, { rooms, random, perSecond }) {
    Object.assign(this, { published, index, rooms, random, perSecond });
  }

  // The next event: its key, its rooms with their numbers, its envelope.
  #next() {
    const key = this.index * KEYS_EACH + this.#count++;
    const chosen = new Set();
    for (let n = 1 + Math.floor(this.random() * 3); n > 0; --n) chosen.add(this.rooms[Math.floor(this.random() * this.rooms.length)]);
    const numbers = {};
    for (const room of chosen) {
      numbers[room] = this.#numbers.get(room) ?? 0;
      this.#numbers.set(room, numbers[room] + 1);
    }
    const payload = JSON.stringify({ k: key, n: numbers, pad: 'x'.repeat(Math.floor(this.random() * 200)) });
    const id = `torture-${key}`;
    const ts = new Date().toISOString();
    const text = `{"id":"${id}","ts":"${ts}","source":"torture","rooms":${JSON.stringify([...chosen])},"event":"torture","payload":${payload}}`;
    return { key, id, ts, rooms: [...chosen], payload, text };
  }

  async run() {
    this.running = true;
    while (this.running) {
      const began = Date.now();
      await this.publish(this.#next());
      ++this.published.sent;
      await delay(Math.max(0, (1000 / this.perSecond) * (0.5 + this.random()) - (Date.now() - began)));
    }
  }

  // Tries until the outcome is known, always with the same id; some give up after the first unknown.
  async insist(event, attempt) {
    const patient = this.random() < 0.9;
    for (let tries = 0; ; ++tries) {
      try {
        const position = await attempt(event, tries);
        if (tries) ++this.published.retried;
        this.published.acknowledged.set(event.key, position);
        return;
      } catch (error) {
        if (error.refused) throw error;
        ++this.published.unknownAnswers;
        if (!patient && this.running) {
          this.published.unknown.add(event.key);
          return;
        }
        await delay(50);
      }
    }
  }

  stop() { this.running = false; }
}

// Calls the documented script, as a platform in any language may.
export class ScriptPublisher extends Publisher {
  name = 'script';

  constructor(published, index, { redis, channel, options, ...rest }) {
    super(published, index, rest);
    Object.assign(this, { redis, channel, options });
    const script = readFileSync(join(ROOT, 'core/redis/scripts/append.lua'), 'utf8');
    this.redis.defineCommand('append', { numberOfKeys: 3, lua: script });
  }

  publish(event) {
    return this.insist(event, async () => {
      const { channel } = this;
      const answer = this.redis.append(
        `${channel}:journal`, `${channel}:meta`, `${channel}:id:${event.id}`,
        event.text, event.ts, channel, 1000000, this.options.retention, 300000, `torture${this.index}${Date.now()}`, 1);
      const [position] = await limited(1000, answer);
      return position;
    });
  }
}

// Appends in steps, as nobody should: what the script prevents.
export class CarelessPublisher extends ScriptPublisher {
  name = 'careless';

  publish(event) {
    return this.insist(event, async () => {
      const { channel } = this;
      const [epoch, head] = await limited(1000, this.redis.hmget(`${channel}:meta`, 'epoch', 'head'));
      await delay(5);
      const id = await limited(1000, this.redis.xadd(`${channel}:journal`, '*', 'x', epoch, 'p', head, 'e', event.text));
      await limited(1000, this.redis.hset(`${channel}:meta`, 'head', `${epoch}.${id}`));
      return `${epoch}.${id}`;
    });
  }
}

export class GrpcPublisher extends Publisher {
  name = 'grpc';

  constructor(published, index, { address, ...rest }) {
    super(published, index, rest);
    this.address = address;
  }

  publish(event) {
    return this.insist(event, async () => {
      this.client ??= new GrpcClient(this.address);
      try {
        const answer = await this.client.publish(
          { id: event.id, event: 'torture', rooms: event.rooms, payload_json: event.payload, source: 'torture' }, { deadline: 1500 });
        if (answer.id !== event.id || answer.position === '') throw Object.assign(new Error(`answer ${JSON.stringify(answer)}`), { refused: true });
        return answer.position;
      } catch (error) {
        this.client.close();  // the next attempt may meet another process
        this.client = undefined;
        if (error.code === 3) error.refused = true;
        throw error;
      }
    });
  }
}

// publisher-client, in a process of its own: it queues, pipelines and asks again by itself.
export class ClientPublisher extends Publisher {
  name = 'client';

  constructor(published, index, { redisUrl, options, ...rest }) {
    super(published, index, rest);
    Object.assign(this, { redisUrl, options });
  }

  async run() {
    const child = this.child = spawn(programPath('torture-publisher'), [this.redisUrl, String(this.options.retention)], { stdio: ['pipe', 'pipe', 'inherit'] });
    child.stdin.on('error', () => {});
    const over = new Promise((resolve, reject) => child.on('error', reject).on('close', resolve));
    createInterface({ input: child.stdout }).on('line', (line) => this.#told(line));
    await super.run();
    child.stdin.end();
    await over;
    if (this.problem) throw this.problem;
  }

  #told(line) {
    const [key, outcome, position] = line.split(' ');
    if (outcome === 'delivered') this.published.acknowledged.set(Number(key), position);
    else if (outcome === 'unknown') this.published.unknown.add(Number(key));
    else this.problem = new Error(`publisher-client: ${line}`);
  }

  publish({ key, rooms, payload }) { this.child.stdin.write(`${key} ${rooms.join(',')} ${payload}\n`); }
}

// Knows of no journal: a plain PUBLISH. What nobody's fault touched must be journaled all the same.
export class LegacyPublisher extends Publisher {
  name = 'legacy';

  constructor(published, index, { redis, channel, troubled, ...rest }) {
    super(published, index, rest);
    Object.assign(this, { redis, channel, troubled });
  }

  async publish(event) {
    const at = Date.now();
    try {
      const heardBy = await limited(1000, this.redis.publish(this.channel, event.text));
      this.published.legacy.set(event.key, { at, heardBy, sure: false });
    } catch {
      this.published.legacy.set(event.key, { at, heardBy: 0, sure: false });
    }
  }
}

function limited(ms, promise) {
  let timer;
  const limit = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('no answer')), ms); });
  promise.catch(() => {});
  return Promise.race([promise, limit]).finally(() => clearTimeout(timer));
}

// What all publishers know.
export class Published {
  acknowledged = new Map();  // event -> position in the answer
  unknown = new Set();       // given up
  legacy = new Map();        // event -> {at, heardBy, sure}
  names = [];
  sent = 0;
  retried = 0;
  unknownAnswers = 0;

  publisherOf(key) { return this.names[Math.floor(key / KEYS_EACH)]; }
}
