// Keepalives of event streams at full length: about a minute.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { EventStream } from '../support/event_stream.mjs';
import { GrpcClient } from '../support/grpc.mjs';
import { startEdge, startServer, stopAll } from '../support/programs.mjs';
import { RedisServer } from '../support/redis.mjs';

const PERIOD = 15000;

describe('keepalives', { timeout: 120000, concurrency: true }, () => {
  let redis, plain, edge, server, grpc;
  before(async () => {
    redis = await RedisServer.start();
    [plain, edge, server] = await Promise.all([
      startEdge(redis, { channel: 'plain' }), startEdge(redis, { journal: 'on' }), startServer(redis, { journal: 'on' })]);
    grpc = new GrpcClient(server.grpcAddress);
  });
  after(async () => {
    grpc?.close();
    await stopAll(plain, edge, server);
    await redis?.stop();
  });

  const keepalives = (stream, n) => stream.comments.waitFor(`${n} keepalives`, (items) => items.filter((one) => one === 'keepalive').length >= n, n * PERIOD + 3000);

  it('come every 15 s', async () => {
    const stream = await EventStream.live(plain.url, 'room=graph');
    const began = Date.now();
    await keepalives(stream, 1);
    const first = Date.now() - began;
    await keepalives(stream, 2);
    const second = Date.now() - began - first;
    for (const ms of [first, second]) assert.ok(ms > PERIOD - 1000 && ms < PERIOD + 2000, `${ms} ms`);
    assert.equal(stream.text, `: connected\nretry: ${stream.retry}\n\n: keepalive\n\n: keepalive\n\n`);
    stream.close();
  });

  it('move the cursor of a quiet room', async () => {
    const stream = await EventStream.live(edge.url, 'room=graph');
    const { position } = await grpc.publish({ event: 'x', rooms: ['run:busy'], payload_json: '1' });
    await keepalives(stream, 1);
    assert.ok(stream.text.endsWith(`: keepalive\n\nid: ${position}\n\n`), stream.text);
    assert.equal(stream.lastEventId, position);
    assert.deepEqual(stream.events.items, []);
    stream.close();
  });
});
