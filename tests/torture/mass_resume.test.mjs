// Ten thousand sessions come back at once after their edge was killed.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { startEdge, stopAll } from '../e2e/support/programs.mjs';
import { RawSocket } from '../e2e/support/raw_socket.mjs';
import { RedisServer } from '../e2e/support/redis.mjs';
import { envelopeText } from '../e2e/support/envelopes.mjs';
import { PATIENCE, until } from '../e2e/support/wait.mjs';

// Node raises its own limit as far as it may; an edge and this process need one descriptor for each.
const LIMIT = Number(execFileSync('sh', ['-c', 'ulimit -Hn']).toString().replace('unlimited', '1000000'));
const SESSIONS = Math.max(100, Math.min(Number(process.env.SESSIONS || 10000), LIMIT - 2000));
const AT_ONCE = 500;
const MISSED = 5;
// What counts as seconds, on two busy cores that also run the clients.
const SOON = 20000 * PATIENCE;

class Session {
  events = [];
  ready = false;

  async open(port, auth, rooms) {
    this.ready = false;
    const raw = await RawSocket.connect(port, {
      quiet: true,
      onText: (text) => {
        if (text.startsWith('0{')) raw.send(`40${auth}`);
        else if (text.startsWith('40{')) this.#connected(JSON.parse(text.slice(2)), rooms);
        else if (text.startsWith('430[{"ok":true')) this.ready = true;
        else if (text.startsWith('42')) this.events.push(JSON.parse(text.slice(2)));
      },
    });
    this.raw = raw;
    raw.upgrade();
  }

  #connected({ pid }, rooms) {
    this.recovered = pid === this.pid;
    this.pid = pid;
    if (this.recovered) this.ready = true;
    else this.raw.send(`420["subscribe",${JSON.stringify({ rooms })}]`);
  }
}

describe('many sessions at once', { timeout: 300000 }, () => {
  let redis, first, second;
  const sessions = [];
  const each = async (work) => {
    for (let i = 0; i < SESSIONS; i += AT_ONCE) await Promise.all(sessions.slice(i, i + AT_ONCE).map(work));
  };
  const publish = (event) => redis.cli('PUBLISH', 'notifications.v1', envelopeText(['graph'], event));
  const calls = async () => Object.fromEntries((await redis.cli('INFO', 'commandstats')).split('\n')
    .map((line) => /^cmdstat_([^:]+):calls=(\d+)/.exec(line)).filter(Boolean).map(([, name, count]) => [name, Number(count)]));

  before(async () => {
    redis = await RedisServer.start();
    [first, second] = await Promise.all([startEdge(redis, { journal: 'on' }), startEdge(redis, { journal: 'on' })]);
    for (let i = 0; i < SESSIONS; ++i) sessions.push(new Session());
  });
  after(async () => {
    for (const { raw } of sessions) raw?.destroy();
    await stopAll(first, second);
    await redis?.stop();
  });

  it(`resume within seconds (${SESSIONS} of them)`, async (t) => {
    await each((session, i) => session.open(first.port, '', ['graph', `run:own-${i}`]));
    await until('all are subscribed', () => sessions.every(({ ready }) => ready), { deadline: 120000 });
    await publish('seen');
    await until('all hear', () => sessions.every(({ events }) => events.length === 1), { deadline: 30000 });
    await first.kill();
    for (let n = 0; n < MISSED; ++n) await publish(`missed-${n}`);
    await until('it is journaled', async () => Number(await redis.cli('XLEN', 'notifications.v1:journal')) === MISSED + 1);

    const before = await calls();
    const began = Date.now();
    await each((session) => session.open(second.port, JSON.stringify({ pid: session.pid, offset: session.events.at(-1).at(-1) })));
    await until('all are back', () => sessions.every(({ ready, events }) => ready && events.length >= MISSED + 1), { deadline: 60000 });
    const took = Date.now() - began;
    const after = await calls();

    assert.equal(sessions.filter(({ recovered }) => recovered).length, SESSIONS);
    const wanted = ['seen', ...Array.from({ length: MISSED }, (_, n) => `missed-${n}`)];
    for (const { events } of sessions) assert.deepEqual(events.map(([event]) => event), wanted);
    const used = Object.fromEntries(Object.entries(after).map(([name, count]) => [name, count - (before[name] ?? 0)]).filter(([, count]) => count > 0));
    t.diagnostic(`${SESSIONS} sessions resumed in ${took} ms; Redis commands: ${JSON.stringify(used)}`);
    assert.ok(took < SOON, `${took} ms`);
    // One look-up each, and now and then a record that is written anew; the past comes from memory.
    assert.equal(used.hincrby, SESSIONS, JSON.stringify(used));
    assert.ok((used.evalsha ?? 0) + (used.eval ?? 0) < SESSIONS * 1.5 + 200, JSON.stringify(used));
    assert.ok((used.xrange ?? 0) + (used.xread ?? 0) + (used.xrevrange ?? 0) < 200, JSON.stringify(used));
  });
});
