// The waits of the contract at full length, with no setting changed: about two minutes.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { envelopeText } from '../support/envelopes.mjs';
import { GrpcClient, status } from '../support/grpc.mjs';
import { startEdge, startServer } from '../support/programs.mjs';
import { RawSocket } from '../support/raw_socket.mjs';
import { RedisServer } from '../support/redis.mjs';
import { until } from '../support/wait.mjs';

// The default of --drain counts, too.
const DEFAULTS = { drain: undefined };
const near = (ms, wanted, slack = 2000) => assert.ok(ms > wanted - 500 && ms < wanted + slack, `${ms} ms instead of ${wanted}`);

describe('default waits', { timeout: 180000, concurrency: true }, () => {
  let redis, edge;
  before(async () => {
    redis = await RedisServer.start();
    edge = await startEdge(redis, DEFAULTS);
  });
  after(async () => {
    await edge?.kill();
    await redis?.stop();
  });

  it('pings after 25 s, closes 20 s after an unanswered ping', async () => {
    const raw = await RawSocket.connect(edge.port);
    raw.autoPong = false;
    await raw.connect();
    const began = Date.now();
    await raw.waitFor('a ping', (lines) => lines.includes('text 2'), 30000);
    near(Date.now() - began, 25000);
    const pinged = Date.now();
    await raw.waitFor('the close', () => raw.closing || raw.ended, 30000);
    near(Date.now() - pinged, 20000);
    raw.destroy();
  });

  it('closes a client that does not CONNECT after 45 s', async () => {
    const raw = await RawSocket.connect(edge.port);
    await raw.open();
    const began = Date.now();
    await raw.waitFor('the close', () => raw.closing || raw.ended, 60000);
    near(Date.now() - began, 45000);
    raw.destroy();
  });

  it('notices within three probe intervals that Redis does not answer, and recovers', async () => {
    const frozen = await RedisServer.start();
    const other = await startEdge(frozen, DEFAULTS);
    frozen.freeze();
    const began = Date.now();
    await until('readiness falls', async () => !await other.isReady(), { deadline: 25000, every: 100 });
    assert.ok(Date.now() - began < 17000, `it took ${Date.now() - began} ms`);
    frozen.thaw();
    await until('readiness rises', () => other.isReady(), { deadline: 30000, every: 100 });
    await other.kill();
    await frozen.stop();
  });

  it('closes a client that reads nothing for 10 s', async () => {
    const raw = await RawSocket.connect(edge.port);
    await raw.connect();
    raw.send('420["subscribe",{"room":"node:slow"}]');
    await raw.waitFor('the ack', (lines) => lines.some((line) => line.startsWith('text 430')));
    raw.socket.pause();
    // One event, larger than what the kernel holds: what is cut off is the wait, not the queue.
    await redis.client().publish('notifications.v1', envelopeText(['node:slow'], 'large', `"${'x'.repeat(8000000)}"`));
    const began = Date.now();
    await until('the slow client is closed', async () => await edge.metric('notifications_slow_evictions_total') === 1, { deadline: 20000, every: 100 });
    near(Date.now() - began, 10000);
    raw.destroy();
  });

  it('answers Publish after 10 s when Redis does not', async () => {
    const gone = await RedisServer.start();
    const server = await startServer(gone, DEFAULTS);
    const grpc = new GrpcClient(server.grpcAddress);
    await gone.down();
    const began = Date.now();
    await assert.rejects(grpc.publish({ event: 'x', rooms: ['graph'] }, { deadline: 30000 }), ({ code }) => code === status.UNAVAILABLE);
    near(Date.now() - began, 10000);
    grpc.close();
    await server.kill();
    await gone.stop();
  });

  it('drains for 10 s', async () => {
    const other = await startEdge(redis, DEFAULTS);
    const raws = [];
    for (let i = 0; i < 30; ++i) {
      raws.push(await RawSocket.connect(other.port));
      await raws.at(-1).connect();
    }
    const began = Date.now();
    other.signal('SIGTERM');
    const times = await Promise.all(raws.map((raw) => raw.eof(20000).then(() => Date.now() - began)));
    assert.equal((await other.ended(20000)).code, 0);
    assert.ok(Date.now() - began < 12000);
    assert.ok(Math.max(...times) - Math.min(...times) > 5000, `closes are not spread: ${times}`);
  });
});
