// /metrics and /health/realtime: what they count, that it is right, and that no peer's text gets in.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { RawClient } from './support/clients.mjs';
import { envelopeText } from './support/envelopes.mjs';
import { GrpcClient, status } from './support/grpc.mjs';
import { RawSocket } from './support/raw_socket.mjs';
import { RedisServer } from './support/redis.mjs';
import { ROOT, start, startEdge, startServer, stopAll } from './support/programs.mjs';
import { until } from './support/wait.mjs';

const TOKEN = 'token-of-the-monitoring';

describe('the metrics', { timeout: 90000 }, () => {
  let redis, publisher, edge, server, grpc;
  before(async () => {
    redis = await RedisServer.start();
    publisher = redis.client();
    [edge, server] = await Promise.all([
      startEdge(redis, { max_connections: 500, max_outbound_bytes: 65536, write_timeout: '1s', journal: 'on' }),
      startServer(redis, { journal: 'on' })]);
    grpc = new GrpcClient(server.grpcAddress);
  });
  after(async () => {
    grpc?.close();
    await stopAll(edge, server);
    await redis?.stop();
  });
  const publish = (...args) => grpc.publish({ event: args[1], rooms: args[0], payload_json: args[2] ?? 'null' });
  const version = async () => {
    const [{ labels }] = (await edge.metrics()).filter(({ name }) => name === 'notifications_build_info');
    return /version="([^"]+)"/.exec(labels)[1];
  };
  const value = async (program, name, labels = '') => (await program.metrics())
    .filter((sample) => sample.name === name && sample.labels.includes(labels)).reduce((sum, sample) => sum + sample.value, 0);

  it('are in the form that Prometheus reads', async (t) => {
    for (const program of [edge, server]) {
      const { body } = await program.admin('/metrics');
      const checked = spawnSync('promtool', ['check', 'metrics'], { input: body, encoding: 'utf8' });
      if (checked.error) return t.skip('promtool is missing');
      const complaints = checked.stderr.split('\n').filter((line) => line);
      assert.deepEqual([checked.status, complaints], [0, []]);
    }
  });

  it('count who is here and what they watch', async () => {
    const browsers = await Promise.all([
      RawClient.subscribe(edge.port, 'graph', 'threads'), RawClient.subscribe(edge.port, 'graph')]);
    await until('three subscriptions', async () => await value(edge, 'notifications_subscriptions') === 3);
    assert.equal(await value(edge, 'notifications_rooms'), 2);
    assert.equal(await value(edge, 'notifications_connections', 'websocket'), 2);
    const states = async () => Promise.all(['connecting', 'connected', 'closing'].map((state) => value(edge, 'notifications_websocket_states', state)));
    assert.deepEqual(await states(), [0, 2, 0]);
    // One that has not said CONNECT, and one that does not answer a close.
    const [silent, closing] = [await RawSocket.connect(edge.port), await RawSocket.connect(edge.port)];
    await silent.open();
    await closing.connect();
    assert.deepEqual(await states(), [1, 3, 0]);
    closing.socket.pause();
    closing.send('9nonsense');
    await until('it is being closed', async () => (await states()).join() === '1,2,1');
    silent.destroy();
    closing.destroy();
    await until('they are gone', async () => (await states()).join() === '0,2,0');
    assert.equal(await value(edge, 'notifications_connection_limit'), 500);
    await until('queues are looked at', async () => await value(edge, 'notifications_outbound_queue_bytes_count') > 0);
    assert.equal(await value(edge, 'notifications_drain_connections'), 0);
    for (const browser of browsers) browser.close();
    await until('none is left', async () => await value(edge, 'notifications_subscriptions') === 0);
  });

  it('time one delivery in 64 from the broker to the socket', async () => {
    const browser = await RawClient.subscribe(edge.port, 'node:timed');
    const [timed, sent] = [await value(edge, 'notifications_delivery_seconds_count'), await value(edge, 'notifications_deliveries_total')];
    for (let i = 0; i < 256; ++i) await publish(['node:timed'], 'node_state');
    await browser.inbox.count('the events', 256);
    assert.equal(await value(edge, 'notifications_deliveries_total'), sent + 256);
    const count = await value(edge, 'notifications_delivery_seconds_count') - timed;
    assert.ok(count >= 1 && count <= 5, `${count} of 256 deliveries were timed`);
    const seconds = await value(edge, 'notifications_delivery_seconds_sum');
    assert.ok(seconds > 0 && seconds < 10, `they took ${seconds} s`);
    // And from their ts, which is before their arrival.
    assert.equal(await value(edge, 'notifications_delivered_event_age_seconds_count'), await value(edge, 'notifications_delivery_seconds_count'));
    assert.ok(await value(edge, 'notifications_delivered_event_age_seconds_sum') < 60);
    browser.close();
  });

  it('tell that the journal is read to its end', async () => {
    await publish(['graph'], 'node_state');
    await until('no lag', async () => await value(edge, 'notifications_journal_lag_seconds') === 0);
    assert.ok((await edge.metrics()).some(({ name }) => name === 'notifications_journal_lag_seconds'));
    const age = await value(edge, 'notifications_journal_read_age_seconds');
    assert.ok(age >= 0 && age < 8, `read ${age} s ago`);
  });

  it('count what a consumer did not take', async () => {
    const slow = net.connect(edge.port, '127.0.0.1');
    slow.write('GET /events?room=node:slow HTTP/1.1\r\nHost: a\r\n\r\n');
    await new Promise((resolve) => slow.once('data', resolve));
    slow.pause();
    const big = JSON.stringify('x'.repeat(60000));
    await until('it is closed', async () => {
      for (let i = 0; i < 10; ++i) await publish(['node:slow'], 'node_state', big);
      return await value(edge, 'notifications_slow_evictions_total', 'sse') === 1;
    }, { deadline: 30000 });
    assert.ok(await value(edge, 'notifications_deliveries_dropped_total', 'sse') > 0);
    slow.destroy();
  });

  it('name each reason for an end as OPERATIONS.md explains it', async () => {
    const guide = readFileSync(join(ROOT, 'OPERATIONS.md'), 'utf8');
    const [, table] = /\n## Why connections end\n([^]+?)\n## /.exec(guide);
    const explained = [...table.matchAll(/^\| [^|]*\| ([^|]+) \|/gm)].flatMap(([, cell]) => [...cell.matchAll(/`(\w+…?)`/g)].map(([, name]) => name));
    const reasons = new Set();
    for (const program of [edge, server]) {
      for (const { name, labels } of await program.metrics()) {
        if (name === 'notifications_disconnects_total') reasons.add(/reason="(\w+)"/.exec(labels)[1].replace(/^(websocket|violation)_.+/, '$1_…'));
      }
    }
    assert.deepEqual([...reasons].sort(), [...new Set(explained)].sort());
  });

  it('hold no text of a publisher or client', async () => {
    const browser = await RawClient.subscribe(edge.port, 'node:intruder', 'graph');
    await publish(['node:intruder'], 'intruder_event"}\nx 1');
    await publisher.publish('notifications.v1', 'intruder');
    browser.raw.send('42["intruder",1]');
    await browser.inbox.count('the event', 1);
    for (const program of [edge, server]) {
      for (const page of ['/metrics', '/health/realtime']) {
        assert.doesNotMatch((await program.admin(page)).body, /intruder/);
      }
    }
    browser.close();
  });

  it('stand in one JSON document, too', async () => {
    const body = JSON.parse((await edge.admin('/health/realtime')).body);
    for (const name of ['connects_total', 'active_connections', 'slow_evictions_total', 'messages_sent_total',
      'subscribes_total', 'active_rooms', 'active_subscriptions', 'connection_limit', 'messages_dropped_total']) {
      assert.equal(typeof body[name], 'number', name);
    }
    assert.equal(body.program, 'notifications-edge');
    assert.equal(body.ready, true);
    assert.ok(body.events_sent_by_type.node_state >= 256);
    assert.deepEqual(body.shard_loop_lag_ms.map((lag) => lag >= 0 && lag < 60000), [true, true]);
    assert.ok(body.bytes_sent_total > 256 * 20, `${body.bytes_sent_total} bytes were sent`);
    assert.deepEqual([body.version, body.drain_connections], [await version(), 0]);
    assert.deepEqual(Object.keys(body.journal), ['lag_seconds', 'read_age_seconds', 'replay_pages_by_source', 'replayed_events_total', 'gaps_total']);
    assert.equal(body.messages_sent_total, await value(edge, 'notifications_deliveries_total'));
    assert.deepEqual(body.redis, { configured: true, connected: true, flowing: true, reconnects_total: body.redis.reconnects_total, last_error: body.redis.last_error });
  });

  it('are shown to nobody without the token, and Publish needs its own', async () => {
    const guarded = await start('notifications-server', { redis_url: redis.url, journal: 'on' },
      { env: { ADMIN_TOKEN: TOKEN, PUBLISH_TOKENS: 'token-of-a-publisher,token-of-another' } });
    const client = new GrpcClient(guarded.grpcAddress);
    try {
      for (const page of ['/metrics', '/health/realtime']) {
        const ask = (headers) => fetch(guarded.adminUrl + page, { headers }).then((answer) => answer.status);
        assert.deepEqual([await ask({}), await ask({ authorization: `Bearer ${TOKEN}x` }), await ask({ authorization: `Bearer ${TOKEN}` })], [401, 401, 200]);
      }
      assert.equal((await guarded.admin('/readyz')).status, 200);
      await assert.rejects(client.publish({ event: 'e', rooms: ['graph'] }), ({ code }) => code === status.UNAUTHENTICATED);
      await until('it is logged', () => guarded.log.some(({ msg, reason }) => msg === 'publish refused' && /token/.test(reason)));
      assert.ok(!guarded.stderr.items.join('\n').includes('token-of-'), 'the log shows a token');
    } finally {
      client.close();
      await guarded.stop();
    }
  });
});
