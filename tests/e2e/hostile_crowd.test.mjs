// 200 good clients beside 200 that misbehave in 17 ways: the good ones lose nothing, none of them is
// disconnected, and when all are gone, the process is what it was before.
//
// CROWD_SECONDS: how long the crowd stays (20); CROWD_CLIENTS: of each sort (200).
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { envelopeText } from './support/envelopes.mjs';
import { BIN, startEdge, startStock } from './support/programs.mjs';
import { RawSocket } from './support/raw_socket.mjs';
import { RedisServer } from './support/redis.mjs';
import { until, within } from './support/wait.mjs';

const STOCK = process.env.TARGET === 'stock';
const SECONDS = Number(process.env.CROWD_SECONDS ?? 20);
const CLIENTS = Number(process.env.CROWD_CLIENTS ?? 200);
const RATE = 20;                       // events per second that the good ones hear
const BIG = JSON.stringify('x'.repeat(400000));  // for those that never read

// Of an instrumented program the numbers of the system's allocator say nothing.
const INSTRUMENTED = /build-(asan|tsan)/.test(BIN);
// What is left behind may differ by so much: caches of the threads, pieces that are too small to be given back.
const LIVE_SLACK = 8 * 1024 * 1024;
const RESIDENT_SLACK_KB = 24 * 1024;

const descriptors = (pid) => readdirSync(`/proc/${pid}/fd`).length;
const residentKb = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

class GoodClient {
  heard = [];
  latencies = [];

  static async connect(port) {
    const client = new GoodClient();
    client.raw = await RawSocket.connect(port, { onText: (string) => client.#hear(string) });
    await client.raw.connect();
    client.raw.send('421["subscribe",{"room":"graph"}]');
    await client.raw.receive('431[');
    client.raw.quiet = true;
    return client;
  }

  #hear(string) {
    if (!string.startsWith('42["n"')) return;
    const [n, sentAt] = JSON.parse(string.slice(2))[1];
    this.heard.push(n);
    this.latencies.push(performance.timeOrigin + performance.now() - sentAt);
  }

  get lost() { return this.raw.ended || this.raw.closing; }
}

function percentile(clients, p) {
  const all = clients.flatMap(({ latencies }) => latencies).sort((a, b) => a - b);
  return all[Math.min(all.length - 1, Math.floor(all.length * p))]?.toFixed(1);
}

describe('a hostile crowd', { timeout: (SECONDS * 3 + 120) * 1000 }, () => {
  let redis, edge, crowd;
  before(async () => {
    redis = await RedisServer.start();
    edge = STOCK ? await startStock(redis, { CONNECT_TIMEOUT: '2000', PING_INTERVAL: '2000', PING_TIMEOUT: '2000', QUIET: '1' }) : await startEdge(redis, {
      connect_timeout: '2s', ping_interval: '2s', ping_timeout: '2s', write_timeout: '3s', max_outbound_bytes: '524288',
    });
  });
  after(async () => {
    crowd?.kill('SIGKILL');
    await edge?.stop();
    await redis?.stop();
  });

  // Publishes at a steady rate for a while; every client must hear every event, once, in order.
  async function run(clients, seconds, alsoBig) {
    const publisher = redis.client();
    await publisher.ping();  // what is asked of it while it connects may be sent in another order
    const count = Math.round(seconds * RATE);
    for (const client of clients) { client.heard.length = 0; client.latencies.length = 0; }
    const began = performance.now();
    for (let n = 0; n < count; ++n) {
      const late = began + n * (1000 / RATE) - performance.now();
      if (late > 0) await delay(late);
      publisher.publish('notifications.v1', envelopeText(['graph'], 'n', JSON.stringify([n, performance.timeOrigin + performance.now()])));
      if (alsoBig && n % 5 === 0) publisher.publish('notifications.v1', envelopeText(['threads'], 'big', BIG));
    }
    await until('all good clients heard all', () => clients.every((client) => client.lost || client.heard.length >= count), { deadline: 15000 }).catch(() => {});
    const wanted = Array.from({ length: count }, (_, n) => n);
    const losers = clients.filter((client) => client.lost);
    assert.equal(losers.length, 0, `${losers.length} good clients were disconnected: ${losers[0]?.raw.lines.slice(-3)}`);
    for (const [i, client] of clients.entries()) assert.deepEqual(client.heard, wanted, `good client ${i}`);
    return { p50: percentile(clients, 0.5), p99: percentile(clients, 0.99) };
  }

  it(`leaves ${CLIENTS} good clients alone for ${SECONDS} s`, async (t) => {
    const calm = { files: descriptors(edge.pid), kb: residentKb(edge.pid) };
    const GAUGES = ['notifications_connections', 'notifications_rooms', 'notifications_subscriptions', 'notifications_outbound_queued_bytes'];
    const gauges = async () => Object.fromEntries(await Promise.all(GAUGES.map(async (name) => [name, await edge.metric(name)])));
    if (!STOCK) {
      calm.gauges = await gauges();
      calm.live = await edge.metric('notifications_heap_live_bytes');
    }
    let mostQueued = 0;
    const watch = STOCK ? undefined : setInterval(async () => {
      mostQueued = Math.max(mostQueued, await edge.metric('notifications_outbound_queued_bytes').catch(() => 0));
    }, 500);
    const clients = [];
    for (let i = 0; i < CLIENTS; ++i) clients.push(await GoodClient.connect(edge.port));

    const alone = await run(clients, Math.min(5, SECONDS), false);
    crowd = fork(fileURLToPath(new URL('./support/crowd.mjs', import.meta.url)));
    const told = new Promise((resolve) => crowd.once('message', resolve));
    crowd.send({ port: edge.port, clients: CLIENTS });
    const beside = await run(clients, SECONDS, true);
    crowd.send({ stop: true });
    const { kinds } = await within(30000, 'the crowd leaves', told).finally(() => clearInterval(watch));
    const crowded = { kb: residentKb(edge.pid), live: STOCK ? 0 : await edge.metric('notifications_heap_live_bytes') };

    t.diagnostic(`good clients alone:            p50 ${alone.p50} ms, p99 ${alone.p99} ms`);
    t.diagnostic(`good clients beside the crowd: p50 ${beside.p50} ms, p99 ${beside.p99} ms`);
    t.diagnostic(`the crowd tried: ${Object.entries(kinds).map(([name, n]) => `${name} ${n}`).join(', ')}`);
    assert.ok(Object.keys(kinds).length >= Math.min(15, CLIENTS), `only ${Object.keys(kinds).length} kinds`);

    for (const client of clients) client.raw.destroy();
    await until(() => `file descriptors are back at ${calm.files}, now ${descriptors(edge.pid)}`, () => descriptors(edge.pid) <= calm.files, { deadline: 20000, every: 100 });
    if (STOCK) return t.diagnostic(`resident memory: ${calm.kb} KB before, ${residentKb(edge.pid)} KB after`);
    await until('connections, rooms, subscriptions and queued bytes are back', async () =>
      JSON.stringify(await gauges()) === JSON.stringify(calm.gauges), { deadline: 20000, every: 100 });
    assert.ok(mostQueued > 0, 'the deaf ones never made anything wait');
    t.diagnostic(`bytes queued for sockets: ${calm.gauges.notifications_outbound_queued_bytes} before, ${mostQueued} at most, 0 after`);
    t.diagnostic(`closed, by reason: ${(await edge.metrics()).filter(({ name, value }) => name === 'notifications_disconnects_total' && value > 0).map(({ labels, value }) => `${/reason="([^"]*)"/.exec(labels)?.[1] ?? labels} ${value}`).join(', ')}`);
    assert.ok(edge.running);
    if (INSTRUMENTED) return;
    // The program gives memory back by itself once a crowd has gone.
    let live, kb;
    await until(() => `memory is back: live ${calm.live} before, ${live} now; resident ${calm.kb} KB before, ${kb} KB now`, async () => {
      [live, kb] = [await edge.metric('notifications_heap_live_bytes'), residentKb(edge.pid)];
      return live <= calm.live + LIVE_SLACK && kb <= calm.kb + RESIDENT_SLACK_KB;
    }, { deadline: 20000, every: 250 });
    t.diagnostic(`live bytes: ${calm.live} before, ${crowded.live} with the crowd, ${live} after; slack ${LIVE_SLACK}`);
    t.diagnostic(`resident memory: ${calm.kb} KB before, ${crowded.kb} KB with the crowd, ${kb} KB after; slack ${RESIDENT_SLACK_KB} KB`);
  });
});
