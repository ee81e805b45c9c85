// Redis goes away under a trickle of events and comes back: readiness falls and rises, clients stay
// connected, events after the recovery arrive, and the log says so in a few lines.
// FULL=1: an outage of ten seconds instead of two.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { RawClient, SocketIoClient } from './support/clients.mjs';
import { envelopeText } from './support/envelopes.mjs';
import { GrpcClient, status } from './support/grpc.mjs';
import { startEdge, startServer, stopAll } from './support/programs.mjs';
import { RedisServer } from './support/redis.mjs';
import { until } from './support/wait.mjs';

const OUTAGE = process.env.FULL ? 10000 : 2000;
const FLAGS = { probe_interval: '300ms', canary_timeout: '600ms' };

for (const [kind, down, up] of [
  ['is killed', (redis) => redis.down(), (redis) => redis.restart()],
  ['stops answering', async (redis) => redis.freeze(), async (redis) => redis.thaw()],
]) {
  describe(`when Redis ${kind}`, { timeout: 120000 }, () => {
    let redis, edge, server, grpc, browser, client, stream, trickle;
    before(async () => {
      redis = await RedisServer.start();
      [edge, server] = await Promise.all([startEdge(redis, FLAGS), startServer(redis, FLAGS)]);
      grpc = new GrpcClient(server.grpcAddress);
      browser = await RawClient.subscribe(edge.port, 'graph');
      client = await SocketIoClient.connect(edge.url);
      await client.subscribe('graph');
      stream = await grpc.stream('graph');
      const publisher = redis.client({ maxRetriesPerRequest: 0, retryStrategy: () => 50 });
      let n = 0;
      trickle = setInterval(() => publisher.publish('notifications.v1', envelopeText(['graph'], 'n', String(++n))).catch(() => {}), 20);
    });
    after(async () => {
      clearInterval(trickle);
      browser?.close();
      client?.close();
      grpc?.close();
      await stopAll(edge, server);
      await redis?.stop();
    });

    it('recovers, and nobody is disconnected', async (t) => {
      await browser.inbox.count('events before', 3);
      const logged = { edge: edge.stderr.items.length, server: server.stderr.items.length };
      await down(redis);
      const since = Date.now();
      await until('readiness falls', async () => !await edge.isReady() && !await server.isReady(), { deadline: 5000 });
      t.diagnostic(`not ready after ${Date.now() - since} ms`);

      // While it is away: new clients get in and are acknowledged; Publish answers in time.
      const late = await RawClient.subscribe(edge.port, 'graph', 'threads');
      const began = Date.now();
      await assert.rejects(grpc.publish({ event: 'x', rooms: ['graph'], payload_json: '1' }, { deadline: 1000 }),
        ({ code }) => code === status.UNAVAILABLE || code === status.DEADLINE_EXCEEDED);
      assert.ok(Date.now() - began < 4000, 'Publish hangs');
      assert.equal((await edge.admin('/healthz')).status, 200);
      await delay(Math.max(0, OUTAGE - (Date.now() - since)));  // the length of the outage is what is tested

      const counts = [browser, client, stream, late].map((one) => one.inbox.items.length);
      await up(redis);
      const back = Date.now();
      await until('readiness rises', async () => await edge.isReady() && await server.isReady(), { deadline: 15000 });
      t.diagnostic(`ready ${Date.now() - back} ms after Redis was back`);
      for (const [i, one] of [browser, client, stream, late].entries()) {
        await one.inbox.count('events after', counts[i] + 3, 10000);
      }
      await grpc.publish({ event: 'after', rooms: ['graph'], payload_json: '1' });
      await browser.inbox.waitFor('the event published after', (items) => items.includes('42["after",1]'));

      assert.ok(!browser.closed && !late.closed, 'a raw client was disconnected');
      assert.deepEqual(client.disconnects, []);
      assert.equal(stream.error, undefined);
      late.close();
      for (const [name, program] of Object.entries({ edge, server })) {
        const lines = program.stderr.items.slice(logged[name]);
        t.diagnostic(`${name} logged ${lines.length} lines`);
        assert.ok(lines.length >= 2, `${name} does not say what happened`);
        assert.ok(lines.length <= 5, `${name} says it in ${lines.length} lines:\n${lines.slice(0, 20).join('\n')}`);
      }
      // Numbers only grow: nothing was delivered twice or out of order.
      const numbers = browser.inbox.items.filter((text) => text.startsWith('42["n"')).map((text) => JSON.parse(text.slice(2))[1]);
      assert.ok(numbers.every((n, i) => i === 0 || n > numbers[i - 1]), 'an event came twice or late');
    });
  });
}

describe('when Redis is not there at the start', { timeout: 60000 }, () => {
  it('starts all the same, is not ready, and is once Redis comes', async () => {
    const redis = await RedisServer.start();
    await redis.down();
    const edge = await startEdge(redis, FLAGS, { ready: false });
    const browser = await RawClient.subscribe(edge.port, 'graph');
    try {
      assert.equal((await edge.admin('/readyz')).status, 503);
      await redis.restart();
      await edge.ready(15000);
      await redis.cli('PUBLISH', 'notifications.v1', envelopeText(['graph'], 'hello'));
      await browser.inbox.count('the event', 1);
    } finally {
      browser.close();
      await edge.stop();
      await redis.stop();
    }
  });
});
