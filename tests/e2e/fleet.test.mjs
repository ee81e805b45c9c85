// Two edges and two servers on one Redis: everyone gets everything once.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { RawClient, SocketIoClient } from './support/clients.mjs';
import { envelopeText } from './support/envelopes.mjs';
import { GrpcClient } from './support/grpc.mjs';
import { startEdge, startServer, stopAll } from './support/programs.mjs';
import { RedisServer } from './support/redis.mjs';

const EVENTS = 600;

describe('a fleet', { timeout: 120000 }, () => {
  let redis;
  let edges = [], servers = [], grpcs = [], browsers = [], streams = [], stock = [];
  before(async () => {
    redis = await RedisServer.start();
    edges = await Promise.all([startEdge(redis), startEdge(redis, { threads: 1 })]);
    servers = await Promise.all([startServer(redis), startServer(redis)]);
    grpcs = servers.map((server) => new GrpcClient(server.grpcAddress));
    for (const edge of edges) {
      for (let i = 0; i < 10; ++i) browsers.push(await RawClient.subscribe(edge.port, 'graph', 'threads', `thread:${i % 3}`));
      stock.push(await SocketIoClient.connect(edge.url));
      await stock.at(-1).subscribe('graph', 'threads', 'thread:0', 'thread:1', 'thread:2');
    }
    for (const grpc of grpcs) streams.push(await grpc.stream('*'), await grpc.stream('graph', 'thread:*', 'threads'));
  });
  after(async () => {
    for (const one of [...browsers, ...stock, ...grpcs]) one.close();
    await stopAll(...edges, ...servers);
    await redis?.stop();
  });

  it('gets every event once, in the order of each publisher, whichever way it came in', async () => {
    const publisher = redis.client();
    // Three publishers at once, each in its own order: Redis, and Publish on both servers.
    const room = (i) => [['graph'], ['graph', 'threads'], ['threads', 'graph', `thread:${i % 3}`], [`thread:${i % 3}`, 'graph']][i % 4];
    const ways = [
      (i, payload) => publisher.publish('notifications.v1', envelopeText(room(i), 'n', payload)),
      (i, payload) => grpcs[0].publish({ event: 'n', rooms: room(i), payload_json: payload }),
      (i, payload) => grpcs[1].publish({ event: 'n', rooms: room(i), payload_json: payload }),
    ];
    await Promise.all(ways.map(async (publish, way) => {
      for (let i = 0; i < EVENTS / 3; ++i) await publish(i, `[${way},${i}]`);
    }));
    await publisher.publish('notifications.v1', envelopeText(['graph'], 'n', '[9,0]'));

    const check = (who, list) => {
      for (let way = 0; way < 3; ++way) {
        const got = list.filter(([from]) => from === way).map(([, i]) => i);
        assert.deepEqual(got, Array.from({ length: EVENTS / 3 }, (_, i) => i), `${who}, publisher ${way}`);
      }
    };
    for (const [i, browser] of browsers.entries()) {
      await browser.inbox.waitFor(`browser ${i} hears the last`, (items) => items.includes('42["n",[9,0]]'), 15000);
      check(`browser ${i}`, browser.inbox.items.map((text) => JSON.parse(text.slice(2))[1]));
    }
    for (const [i, client] of stock.entries()) {
      await client.inbox.waitFor(`socket.io ${i} hears the last`, (items) => items.some(({ payload }) => payload[0] === 9), 15000);
      check(`socket.io ${i}`, client.inbox.items.map(({ payload }) => payload));
    }
    for (const [i, stream] of streams.entries()) {
      await stream.inbox.waitFor(`stream ${i} hears the last`, (items) => items.some(({ payload_json }) => payload_json === '[9,0]'), 15000);
      check(`stream ${i}`, stream.inbox.items.map(({ payload_json }) => JSON.parse(payload_json)));
    }
  });
});
