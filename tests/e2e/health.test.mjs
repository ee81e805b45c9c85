// Readiness tells the truth: /readyz and gRPC health say yes only while what a process writes to Redis
// comes back to it, whatever the connections look like; /healthz is no part of that.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { RawClient } from './support/clients.mjs';
import { envelopeText } from './support/envelopes.mjs';
import { freePort, RedisServer } from './support/redis.mjs';
import { notifyctl, startEdge, startServer, stopAll } from './support/programs.mjs';
import { TcpRelay } from './support/tcp_relay.mjs';
import { until } from './support/wait.mjs';

const FLAGS = { probe_interval: '150ms', canary_timeout: '600ms' };

const TROUBLES = {
  'its connections are half-open': {
    begin: ({ relay }) => relay.goSilent(),
    end: ({ relay }) => relay.pass(),
  },
  'Redis is stopped': {
    begin: ({ redis }) => redis.freeze(),
    end: ({ redis }) => redis.thaw(),
  },
  'Redis has become a replica that takes no writes': {
    begin: async ({ redis }) => redis.cli('REPLICAOF', '127.0.0.1', String(await freePort())),
    end: ({ redis }) => redis.cli('REPLICAOF', 'NO', 'ONE'),
  },
  'Redis pauses its clients': {
    begin: ({ redis }) => redis.cli('CLIENT', 'PAUSE', '3000', 'ALL'),
    end: async () => {},  // by itself
  },
};

for (const journal of ['off', 'on']) {
  describe(`readiness with the journal ${journal}`, { timeout: 120000 }, () => {
    const world = {};
    let edge, server, browser;
    before(async () => {
      world.redis = await RedisServer.start();
      world.relay = await TcpRelay.start(world.redis.port);
      const through = { url: `redis://127.0.0.1:${world.relay.port}/0` };
      [edge, server] = await Promise.all([
        startEdge(through, { ...FLAGS, journal }), startServer(through, { ...FLAGS, journal })]);
      browser = await RawClient.subscribe(edge.port, 'graph');
    });
    after(async () => {
      browser?.close();
      await stopAll(edge, server);
      await world.relay?.stop();
      await world.redis?.stop();
    });

    const health = async () => {
      const { code, stdout } = await notifyctl(server.grpcAddress, ['health']);
      return `${code} ${stdout}`;
    };
    const service = async () => {
      const { stdout } = await notifyctl(server.grpcAddress, ['health', '--service', 'notifications.v1.NotificationsGateway']);
      return stdout;
    };

    for (const [what, trouble] of Object.entries(TROUBLES)) {
      it(`ends while ${what}, and comes back`, async () => {
        await until('both are ready', async () => await edge.isReady() && await server.isReady());
        assert.equal(await health(), '0 SERVING');

        await trouble.begin(world);
        await until('neither is ready', async () => !await edge.isReady() && !await server.isReady());
        assert.equal(await health(), '1 NOT_SERVING');
        assert.equal(await service(), 'NOT_SERVING');
        const { status, body } = await edge.admin('/readyz');
        assert.deepEqual({ status, body }, { status: 503, body: 'not ready: no events flow from the broker\n' });
        // A restart would not help, and would throw everybody out.
        for (const one of [edge, server]) assert.equal((await one.admin('/healthz')).status, 200);
        const { ready, redis } = JSON.parse((await edge.admin('/health/realtime')).body);
        assert.deepEqual([ready, redis.flowing], [false, false]);

        await trouble.end(world);
        await until('both are ready again', async () => await edge.isReady() && await server.isReady(), { deadline: 15000 });
        assert.equal(await health(), '0 SERVING');
        assert.equal(await service(), 'SERVING');
        // It is no empty word: an event published now arrives.
        const seen = browser.inbox.items.length;
        const { code, stderr } = await notifyctl(server.grpcAddress, ['publish', '--event', 'back', '--room', 'graph']);
        assert.equal(code, 0, stderr);
        await browser.inbox.count('the event', seen + 1);
        assert.ok(!browser.closed, 'a browser was disconnected');
      });
    }
  });
}

describe('readiness of a process that drains', { timeout: 30000 }, () => {
  it('ends at once, while what is connected is still served', async () => {
    const redis = await RedisServer.start();
    const edge = await startEdge(redis, { drain: '20s' });
    const browsers = await Promise.all(Array.from({ length: 30 }, () => RawClient.subscribe(edge.port, 'graph')));
    try {
      edge.signal('SIGTERM');
      await until('not ready', async () => (await edge.admin('/readyz')).status === 503);
      assert.equal((await edge.admin('/readyz')).body, 'not ready: draining\n');
      assert.equal((await edge.admin('/healthz')).status, 200);
      assert.equal(await edge.metric('notifications_draining'), 1);
      const left = await edge.metric('notifications_drain_connections');
      assert.ok(left > 0 && left <= 30, `${left} connections left`);
      await until('fewer are left', async () => await edge.metric('notifications_drain_connections') < left);
      await redis.cli('PUBLISH', 'notifications.v1', envelopeText(['graph'], 'late'));
      await until('somebody hears', () => browsers.some((browser) => browser.inbox.items.length > 0));
    } finally {
      for (const browser of browsers) browser.close();
      await edge.stop();
      await redis.stop();
    }
  });
});
