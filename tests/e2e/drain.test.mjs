// Leaving well: SIGTERM takes a process out of service without losing events or making a stampede.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { RawClient, SocketIoClient } from './support/clients.mjs';
import { envelopeText } from './support/envelopes.mjs';
import { GrpcClient, status } from './support/grpc.mjs';
import { startEdge, startGateway, startServer } from './support/programs.mjs';
import { RawSocket } from './support/raw_socket.mjs';
import { RedisServer } from './support/redis.mjs';
import { PATIENCE, until, within } from './support/wait.mjs';

const CLIENTS = 60;

function canConnect(port) {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
    socket.on('error', () => resolve(false));
  });
}

describe('drain', { timeout: 120000 }, () => {
  let redis;
  before(async () => { redis = await RedisServer.start(); });
  after(() => redis?.stop());

  it('an edge is not ready at once, stops accepting, spreads its closes, flushes, exits 0', async (t) => {
    const edge = await startEdge(redis, { drain: '2s' });
    const browsers = [];
    for (let i = 0; i < CLIENTS; ++i) browsers.push(await RawClient.subscribe(edge.port, 'graph'));
    const stock = await SocketIoClient.connect(edge.url, { reconnection: false });
    await stock.subscribe('graph');
    const reason = new Promise((resolve) => stock.socket.once('disconnect', resolve));
    const closedAt = browsers.map((browser) => browser.raw.waitFor('a close', () => browser.closed, 10000).then(() => Date.now()));

    await redis.cli('PUBLISH', 'notifications.v1', envelopeText(['graph'], 'before'));
    edge.signal('SIGTERM');
    const began = Date.now();
    await until('readiness falls', async () => (await edge.admin('/readyz').catch(() => ({ status: 503 }))).status === 503, { deadline: 500 });
    await until('no new connection is taken', async () => !await canConnect(edge.port), { deadline: 1000 });
    // Events still flow to those that are left.
    await redis.cli('PUBLISH', 'notifications.v1', envelopeText(['graph'], 'during'));

    const times = (await Promise.all(closedAt)).map((time) => time - began).sort((a, b) => a - b);
    const { code, signal } = await edge.ended(10000);
    const exit = Date.now() - began;
    assert.deepEqual({ code, signal }, { code: 0, signal: null });
    assert.ok(exit < 3500 * PATIENCE, `it took ${exit} ms`);
    t.diagnostic(`closes from ${times[0]} to ${times.at(-1)} ms, exit after ${exit} ms`);
    assert.ok(times.at(-1) - times[0] > 800, `closes are not spread: ${times}`);
    const inOneTenth = Math.max(...times.map((time) => times.filter((other) => other >= time && other < time + 200).length));
    assert.ok(inOneTenth < CLIENTS / 2, `half of the closes came within 200 ms: ${times}`);
    for (const [i, browser] of browsers.entries()) {
      await browser.raw.eof();
      assert.ok(browser.inbox.items.includes('42["before",null]'), `client ${i} lost an event`);
      assert.ok(browser.raw.lines.some((line) => line.startsWith('close 1001')), `client ${i}: ${browser.raw.lines.slice(-3)}`);
      assert.ok(!browser.raw.lines.includes('text 41'), 'a Socket.IO DISCONNECT was sent');
    }
    assert.ok(browsers.filter((browser) => browser.inbox.items.includes('42["during",null]')).length > CLIENTS / 4, 'those not closed yet hear events');
    assert.equal(await within(5000, 'the stock client hears of it', reason), 'transport close');
  });

  it('a stock client comes back to another edge by itself', async () => {
    const first = await startEdge(redis);
    const client = await SocketIoClient.connect(first.url);
    await client.subscribe('graph');
    client.socket.on('connect', () => client.socket.emit('subscribe', { room: 'graph' }, () => { client.back = true; }));
    const { port } = first;
    await first.stop();
    const second = await startEdge(redis, { listen: `127.0.0.1:${port}` });
    try {
      await until('it is back', () => client.back, { deadline: 10000 });
      await redis.cli('PUBLISH', 'notifications.v1', envelopeText(['graph'], 'again'));
      await client.inbox.waitFor('the event', (items) => items.some(({ event }) => event === 'again'));
    } finally {
      client.close();
      await second.stop();
    }
  });

  it('with --drain=0s everything ends at once', async () => {
    const edge = await startEdge(redis, { drain: '0s' });
    const browsers = [];
    for (let i = 0; i < 20; ++i) browsers.push(await RawClient.subscribe(edge.port, 'graph'));
    const began = Date.now();
    edge.signal('SIGTERM');
    assert.equal((await edge.ended(5000)).code, 0);
    assert.ok(Date.now() - began < 1500 * PATIENCE, `it took ${Date.now() - began} ms`);
    for (const browser of browsers) {
      await browser.raw.eof();
      assert.ok(browser.raw.lines.some((line) => line.startsWith('close 1001')), browser.raw.lines.slice(-3).join());
    }
  });

  it('SIGINT drains, too', async () => {
    const edge = await startEdge(redis, { drain: '0s' });
    edge.signal('SIGINT');
    assert.equal((await edge.ended(5000)).code, 0);
  });

  it('a second signal ends it now', async () => {
    const edge = await startEdge(redis, { drain: '60s' });
    const browsers = [];
    for (let i = 0; i < 5; ++i) browsers.push(await RawClient.subscribe(edge.port, 'graph'));
    edge.signal('SIGTERM');
    await until('readiness falls', async () => !await edge.isReady(), { deadline: 2000 });
    assert.ok(edge.running);
    const began = Date.now();
    edge.signal('SIGTERM');
    await edge.ended(5000);
    assert.ok(Date.now() - began < 2000 * PATIENCE);
    for (const browser of browsers) browser.close();
  });

  it('clients that never read or never answer the close do not hold it up', async () => {
    const edge = await startEdge(redis, { drain: '500ms' });
    const stuck = [];
    for (let i = 0; i < 5; ++i) {
      const raw = await RawSocket.connect(edge.port);
      await raw.connect();
      raw.socket.pause();
      stuck.push(raw);
    }
    const half = await RawSocket.connect(edge.port);
    half.write('GET /socket.io/?EIO=4');
    edge.signal('SIGTERM');
    const began = Date.now();
    assert.equal((await edge.ended(15000)).code, 0);
    assert.ok(Date.now() - began < 6000 * PATIENCE, `it took ${Date.now() - began} ms`);
    for (const raw of [...stuck, half]) raw.destroy();
  });

  it('gRPC streams end UNAVAILABLE and say draining; Publish is finished', async () => {
    const server = await startServer(redis, { drain: '300ms' });
    const grpc = new GrpcClient(server.grpcAddress);
    const streams = [await grpc.stream('graph'), await grpc.stream('*')];
    await grpc.publish({ event: 'last', rooms: ['graph'], payload_json: '1' });
    server.signal('SIGTERM');
    await until('readiness falls', async () => !await server.isReady(), { deadline: 1000 });
    for (const stream of streams) {
      const error = await within(5000, 'the stream ends', stream.ended);
      assert.equal(error.code, status.UNAVAILABLE, error.details);
      assert.match(error.details, /drain/i);
      assert.deepEqual(stream.inbox.items.map(({ event }) => event), ['last']);
    }
    assert.equal((await server.ended(5000)).code, 0);
    grpc.close();
  });

  it('the gateway drains both fronts', async () => {
    const gateway = await startGateway({ drain: '300ms' });
    const grpc = new GrpcClient(gateway.grpcAddress);
    const stream = await grpc.stream('graph');
    const browser = await RawClient.subscribe(gateway.port, 'graph');
    await grpc.publish({ event: 'last', rooms: ['graph'], payload_json: '1' });
    gateway.signal('SIGTERM');
    assert.equal((await within(5000, 'the stream ends', stream.ended)).code, status.UNAVAILABLE);
    await browser.raw.eof();
    assert.ok(browser.raw.lines.some((line) => line.startsWith('close 1001')));
    assert.deepEqual(browser.inbox.items, ['42["last",1]']);
    assert.equal((await gateway.ended(5000)).code, 0);
    grpc.close();
  });
});
