// The torture test: publishers, a crowd of consumers and a fleet that is harmed all the while; then
// everybody's history is held against the journal.
import { setTimeout as delay } from 'node:timers/promises';
import { seeded } from '../e2e/support/envelopes.mjs';
import { PATIENCE } from '../e2e/support/wait.mjs';
import { check } from './checker.mjs';
import { Crowd } from './consumers.mjs';
import { Fleet } from './fleet.mjs';
import { Proxy } from './proxy.mjs';
import { CarelessPublisher, ClientPublisher, GrpcPublisher, LegacyPublisher, Published, ScriptPublisher } from './publishers.mjs';
import { Truth } from './truth.mjs';

const CHANNEL = 'notifications.v1';
const ROOMS = Array.from({ length: 36 }, (_, i) => `run:r${i}`);

export const DEFAULTS = {
  seconds: 60,
  seed: Math.floor(Math.random() * 2 ** 31),
  sizes: { socketio: 300, sse: 50, grpc: 50 },
  perSecond: 70,       // events, of all publishers together
  retention: 20000,    // ms; some consumers stay away for longer
  sessionTtl: 30000,
  harm: true,          // whether anything but the consumers misbehaves
  // What is broken on purpose, to see that it is found: drop, double, swap (in what clients wrote
  // down), append (a publisher that is not atomic), sessions (records vanish), or a fault that the
  // programs know by name (gate).
  broken: '',
  say: console.log,
};

export async function torture(options = {}) {
  const o = { ...DEFAULTS, ...options };
  const random = seeded(o.seed);
  const run = new Run(o, random);
  o.say(`torture: seed ${o.seed}, ${o.seconds} s, ${JSON.stringify(o.sizes)}${o.broken && `, broken: ${o.broken}`}`);
  try {
    return await run.all();
  } finally {
    await run.stop();
  }
}

class Run {
  counts = {};
  timeline = [];
  work = [];

  constructor(options, random) {
    Object.assign(this, options, { random });
  }

  async all() {
    this.proxy = await Proxy.start('edge', 'server');
    const flags = {
      journal: 'on', journal_retention: `${this.retention}ms`, session_ttl: `${this.sessionTtl}ms`, replay_window: 65536,
    };
    const env = this.broken === 'gate' ? { NOTIFICATIONS_TEST_FAULT: 'no_gate' } : {};
    this.fleet = new Fleet(this.proxy, { flags, env });
    await this.fleet.start();
    await this.fleet.ready();
    this.truth = new Truth(this.fleet.redis.client({ enableOfflineQueue: false }), CHANNEL);
    this.truth.start();
    this.crowd = new Crowd({
      edgeUrl: `http://127.0.0.1:${this.proxy.ports.edge}`, serverPort: this.proxy.ports.server, sizes: this.sizes,
      rooms: ROOMS, random: this.random, spoils: ['drop', 'double', 'swap'].includes(this.broken) ? this.broken : '',
    });
    await this.crowd.start();
    await this.#until('everybody is connected', () => this.crowd.consumers.every(({ connected }) => connected), 30000);
    this.#publish();
    this.began = Date.now();
    const end = this.began + this.seconds * 1000;
    const lag = this.#measureLag();
    await Promise.all([this.#dropAndReturn(end), this.#harm(end), this.#sleepers(end), this.#vanish(end)]);
    const worstLag = lag();
    await this.#calm();
    return this.#judge(worstLag);
  }

  #publish() {
    const published = this.published = new Published();
    const { redis } = this.fleet;
    const common = { rooms: ROOMS, random: this.random, perSecond: this.perSecond / 7, channel: CHANNEL, options: { retention: this.retention } };
    const client = () => redis.client({ maxRetriesPerRequest: 0, enableOfflineQueue: false });
    const Script = this.broken === 'append' ? CarelessPublisher : ScriptPublisher;
    const address = `127.0.0.1:${this.proxy.ports.server}`;
    const make = [
      (i) => new Script(published, i, { ...common, redis: client() }),
      (i) => new Script(published, i, { ...common, redis: client() }),
      (i) => new GrpcPublisher(published, i, { ...common, address }),
      (i) => new GrpcPublisher(published, i, { ...common, address }),
      (i) => new ClientPublisher(published, i, { ...common, redisUrl: redis.url }),
      (i) => new LegacyPublisher(published, i, { ...common, redis: client() }),
      (i) => new LegacyPublisher(published, i, { ...common, redis: client() }),
    ];
    this.publishers = make.map((one, i) => one(i));
    published.names = this.publishers.map(({ name }, i) => `${name}-${i}`);
    this.publishing = this.publishers.map((publisher) => publisher.run());
    for (const one of this.publishing) one.catch((error) => { this.broke ??= error; });
  }

  // The consumers' own doing: each drops every dozen seconds or so.
  async #dropAndReturn(end) {
    const { consumers } = this.crowd;
    while (Date.now() < end) {
      await delay(50);
      const count = consumers.length * 0.05 / 12;
      for (let n = Math.floor(count + this.random()); n > 0; --n) {
        const consumer = consumers[Math.floor(this.random() * consumers.length)];
        if (consumer.sleeping) continue;
        const awayMs = this.random() < 0.85 ? this.random() * 1000 : 1000 + this.random() * 4000;
        if (consumer.drop(awayMs, this.random() < 0.3)) this.#count('consumer drops');
      }
    }
  }

  // A few stay away for longer than anything is kept: they must be told of a gap.
  async #sleepers(end) {
    const awayMs = this.retention + 8000;
    if (Date.now() + awayMs + 4000 > end) return;
    await delay(3000);
    for (let i = 0; i < this.crowd.consumers.length; i += 40) {
      const consumer = this.crowd.consumers[i];
      consumer.sleeping = consumer.drop(awayMs, false);
    }
    await delay(awayMs);
    for (const consumer of this.crowd.consumers) consumer.sleeping = false;
  }

  async #harm(end) {
    if (!this.harm) return;
    const { fleet, proxy } = this;
    const pick = (list) => list[Math.floor(this.random() * list.length)];
    const any = (listener) => pick(fleet.names(listener));
    const upTo = (ms) => Math.floor(this.random() * ms);
    const kinds = {
      'edge killed': () => fleet.replace(any('edge'), 'SIGKILL', upTo(2000)),
      'server killed': () => fleet.replace(any('server'), 'SIGKILL', upTo(2000)),
      'edge drained': () => fleet.replace(any('edge'), 'SIGTERM', upTo(1000)),
      'server drained': () => fleet.replace(any('server'), 'SIGTERM', upTo(1000)),
      'edge stopped': () => fleet.freeze(any('edge'), 500 + upTo(3500)),
      'server stopped': () => fleet.freeze(any('server'), 500 + upTo(3500)),
      'redis killed': () => fleet.restartRedis('SIGKILL', upTo(1500)),
      'redis restarted': () => fleet.restartRedis('SIGTERM', upTo(1500)),
      'redis stopped': () => fleet.freezeRedis(200 + upTo(1500)),
      'redis connections killed': () => fleet.killConnections('normal'),
      'redis subscribers killed': () => fleet.killConnections('pubsub'),
      'client leg cut': async () => proxy.harm('edge', 'cut', 0.3),
      'client leg lossy': async () => proxy.harm('edge', 'swallow', 0.3, 1500),
      'client leg stalled': async () => proxy.harm('edge', 'stall', 0.3, 3000),
      'stream leg cut': async () => proxy.harm('server', 'cut', 0.3),
      'stream leg lossy': async () => proxy.harm('server', 'swallow', 0.3, 1500),
    };
    // Every kind in turn, shuffled; two may overlap, unless Redis is one of them.
    let bag = [];
    const under_way = new Set();
    while (Date.now() < end) {
      if (!bag.length) bag = Object.keys(kinds).map((kind) => [this.random(), kind]).sort(([a], [b]) => a - b).map(([, kind]) => kind);
      const kind = bag.pop();
      if (kind.startsWith('redis')) await Promise.all(under_way);
      this.#count(kind);
      const work = kinds[kind]().catch((error) => { this.broke ??= error; }).finally(() => under_way.delete(work));
      under_way.add(work);
      if (kind.startsWith('redis')) await work;
      if (under_way.size >= 2) await Promise.race(under_way);
      await delay(700 + upTo(1000));
    }
    await Promise.all(under_way);
  }

  // The session write, removed.
  async #vanish(end) {
    if (this.broken !== 'sessions') return;
    const client = this.fleet.redis.client({ enableOfflineQueue: false });
    while (Date.now() < end) {
      try {
        const keys = await client.keys(`${CHANNEL}:session:*`);
        if (keys.length) await client.del(...keys);
      } catch { /* Redis is away */ }
      await delay(200);
    }
  }

  #measureLag() {
    let worst = 0;
    let last = performance.now();
    const timer = setInterval(() => {
      const now = performance.now();
      worst = Math.max(worst, now - last - 20);
      last = now;
    }, 20);
    return () => { clearInterval(timer); return Math.round(worst); };
  }

  // All faults over: publishers finish what they began, consumers catch up.
  async #calm() {
    for (const publisher of this.publishers) publisher.stop();
    await Promise.race([Promise.all(this.publishing), delay(20000 * PATIENCE).then(() => { throw new Error('publishers cannot finish'); })]);
    await this.fleet.ready();
    await this.#until('everybody is back', () => this.crowd.consumers.every(({ connected }) => connected), 20000).catch((error) => this.say(error.message));
    // What was only PUBLISHed may still be on its way into the journal.
    await delay(4000);
    await this.truth.finish();
    const wanted = new Map(this.crowd.consumers.map((consumer) => [consumer, this.truth.of(consumer.rooms).at(-1)]));
    const caughtUp = ([consumer, last]) => last === undefined || this.truth.indexOfKey.get(consumer.keys.at(-1)) >= last;
    await this.#until('everybody has caught up', () => [...wanted].every(caughtUp), this.broken ? 4000 : 15000).catch((error) => this.say(error.message));
  }

  #judge(worstLag) {
    if (this.broke) throw this.broke;
    const { published, truth, crowd } = this;
    const report = check({
      truth, consumers: crowd.consumers, retention: this.retention, sessionTtl: this.sessionTtl,
      published: Object.assign(published, { positions: crowd.positions }),
    });
    for (const problem of this.fleet.problems) report.violate('fleet', problem);
    const legacyLost = [...published.legacy].filter(([key]) => !truth.indexOfKey.has(key));
    const legacyHeard = legacyLost.filter(([, { heardBy }]) => heardBy > 0);
    if (process.env.VERBOSE) this.say(JSON.stringify({ lost: legacyHeard.map(([key, { at, heardBy }]) => [key, at - this.began, heardBy]), faults: this.timeline }));
    const unknownThere = [...published.unknown].filter((key) => truth.indexOfKey.has(key)).length;
    report.figures = {
      faults: Object.entries(this.counts).reduce((sum, [kind, n]) => sum + (kind === 'consumer drops' ? 0 : n), 0),
      ...this.counts, 'connections harmed': this.proxy.harmed,
      published: published.sent, journaled: truth.entries.length, acknowledged: published.acknowledged.size, retried: published.retried,
      'given up, unknown': `${published.unknown.size} (${unknownThere} journaled)`,
      'only PUBLISHed': `${published.legacy.size} (${legacyLost.length} not journaled, ${legacyHeard.length} of them heard)`,
      resumes: crowd.resumes, ...report.figures, spoiled: crowd.spoiled, 'lag of the harness, ms': worstLag,
    };
    for (const [name, value] of Object.entries(report.figures)) this.say(`  ${String(value).padStart(9)}  ${name}`);
    if (!report.ok) {
      this.say(`  logs in ${this.fleet.saveLogs()}`);
      for (const violation of report.violations.slice(0, 20)) this.say(`  VIOLATION ${violation}`);
    }
    this.say(`torture: ${report.violations.length} violations, seed ${this.seed}`);
    return report;
  }

  #count(kind) {
    if (kind !== 'consumer drops') this.timeline.push([Date.now() - this.began, kind]);
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
  }

  async #until(what, condition, ms) {
    const end = Date.now() + ms * PATIENCE;
    while (!condition()) {
      if (Date.now() > end) {
        const missing = this.crowd.consumers.filter(({ connected }) => !connected).map(({ name, state }) => `${name} (${state})`);
        throw new Error(`${what}: not so within ${ms} ms; not connected: ${missing.length}: ${missing.slice(0, 5).join('; ')}`);
      }
      await delay(50);
    }
  }

  async stop() {
    for (const publisher of this.publishers ?? []) publisher.stop();
    this.crowd?.stop();
    this.proxy?.stop();
    await this.fleet?.stop();
  }
}
