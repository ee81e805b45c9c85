// Stock clients of several languages hear what every kind of publisher says.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { PythonClient, RawClient, SocketIoClient } from './support/clients.mjs';
import { envelopeText } from './support/envelopes.mjs';
import { GrpcClient, toValue } from './support/grpc.mjs';
import { run } from './support/processes.mjs';
import { notifyctl, programPath, startEdge, startServer, startStock, stopAll } from './support/programs.mjs';
import { RedisServer } from './support/redis.mjs';
import { Process } from './support/processes.mjs';

const STOCK = process.env.TARGET === 'stock';
const PLATFORM_EVENTS = [
  'node_status', 'node_state', 'node_reminder_count', 'thread_created', 'thread_updated', 'thread_activity_changed', 'thread_reminders_count',
  'message_created', 'run_status_changed', 'run_event_appended', 'run_event_updated', 'tool_output_chunk', 'tool_output_terminal',
];

describe('stock clients', { timeout: 120000 }, () => {
  let redis, edge, server, grpc;
  let four, three, python;

  before(async () => {
    redis = await RedisServer.start();
    edge = STOCK ? await startStock(redis) : await startEdge(redis);
    if (!STOCK) {
      server = await startServer(redis);
      grpc = new GrpcClient(server.grpcAddress);
    }
    const rooms = ['graph', 'threads', 'thread:7', 'run:r-1'];
    four = await SocketIoClient.connect(edge.url);
    three = await SocketIoClient.connect(edge.url, { version: 3 });
    await four.subscribe(...rooms);
    await three.subscribe(...rooms);
    python = await PythonClient.subscribe(edge.url, ...rooms);
  });
  after(async () => {
    four?.close();
    three?.close();
    await python?.close();
    grpc?.close();
    await stopAll(edge, server);
    await redis?.stop();
  });

  // What each client hears while `publish` runs, until `count` more events came.
  async function heard(count, publish) {
    const clients = { four, three, python };
    const from = Object.fromEntries(Object.entries(clients).map(([name, client]) => [name, client.inbox.items.length]));
    await publish();
    const result = {};
    for (const [name, client] of Object.entries(clients)) {
      await client.inbox.count(`${name} hears`, from[name] + count, 10000);
      result[name] = client.inbox.items.slice(from[name]).map(({ event, payload }) => ({ event, payload }));
    }
    return result;
  }

  it('acknowledges subscribe with the rooms as asked for', async () => {
    assert.deepEqual(await four.ask('subscribe', { rooms: ['threads', 'graph', 'threads'] }), { ok: true, rooms: ['threads', 'graph', 'threads'] });
    assert.deepEqual(await three.ask('subscribe', { room: 'graph' }), { ok: true, rooms: ['graph'] });
    assert.deepEqual(python.ack, { ok: true, rooms: ['graph', 'threads', 'thread:7', 'run:r-1'] });
  });

  it('refuses an invalid subscribe and says where it is wrong', async () => {
    const answer = await four.ask('subscribe', { rooms: ['graph', 'Graph'], room: 'x' });
    assert.equal(answer.ok, false);
    assert.equal(answer.error, 'invalid_payload');
    assert.deepEqual(answer.issues.map(({ path }) => path), [['rooms', 1], ['room']]);
  });

  it('hears a plain PUBLISH of redis-cli', async () => {
    const payload = { nodeId: '42', provisionStatus: { state: 'ready' } };
    const result = await heard(1, () => redis.cli('PUBLISH', 'notifications.v1', envelopeText(['graph'], 'node_status', JSON.stringify(payload))));
    for (const [name, events] of Object.entries(result)) assert.deepEqual(events, [{ event: 'node_status', payload }], name);
  });

  it('hears all 13 events of the publisher library, each once', { skip: STOCK && 'needs publish-example' }, async () => {
    const result = await heard(13, async () => {
      const { code, stderr } = await run(programPath('publish-example'), [`--redis_url=${redis.url}`]);
      assert.equal(code, 0, stderr);
    });
    for (const [name, events] of Object.entries(result)) {
      assert.deepEqual(events.map(({ event }) => event).sort(), [...PLATFORM_EVENTS].sort(), name);
      assert.deepEqual(events.find(({ event }) => event === 'thread_activity_changed').payload, { threadId: '7', activity: 'working' }, name);
    }
    assert.deepEqual(result.four, result.three);
    assert.deepEqual(result.four, result.python);
  });

  it('hears Publish over gRPC, payload as text or as Value', { skip: STOCK && 'needs gRPC' }, async () => {
    const payload = { threadId: '7', message: { id: 'm', kind: 'user', text: null, source: 'web', createdAt: '2026-01-01T00:00:00Z' } };
    const result = await heard(2, async () => {
      const first = await grpc.publish({ event: 'message_created', rooms: ['thread:7'], payload_json: JSON.stringify(payload) });
      assert.match(first.id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
      assert.equal(first.position, '');
      const second = await grpc.publish({ event: 'custom', rooms: ['threads'], payload: toValue({ a: [1, 'x', null, true] }), id: 'mine' });
      assert.equal(second.id, 'mine');
    });
    for (const [name, events] of Object.entries(result)) {
      assert.deepEqual(events, [{ event: 'message_created', payload }, { event: 'custom', payload: { a: [1, 'x', null, true] } }], name);
    }
  });

  it('hears notifyctl publish', { skip: STOCK && 'needs notifyctl' }, async () => {
    const result = await heard(1, async () => {
      const { code, stderr } = await notifyctl(server.grpcAddress, ['publish', '--event', 'custom', '--room', 'graph', '--room', 'threads', '--payload', '{"from":"notifyctl"}']);
      assert.equal(code, 0, stderr);
    });
    for (const [name, events] of Object.entries(result)) assert.deepEqual(events, [{ event: 'custom', payload: { from: 'notifyctl' } }], name);
  });

  it('streams the same rooms to @grpc/grpc-js and to notifyctl', { skip: STOCK && 'needs gRPC' }, async () => {
    const stream = await grpc.stream('graph', 'thread:*');
    const lines = new Process(programPath('notifyctl'), ['stream', '--room', 'graph', '--room', 'thread:*'], { env: { NOTIFICATIONS_SERVER: server.grpcAddress } });
    try {
      // notifyctl says nothing when it is live: it is once it has heard a first event.
      let probes = 0;
      while (!lines.stdout.items.length) {
        assert.ok(++probes < 200 && lines.running, `notifyctl stream hears nothing: ${lines.stderr.items.join('\n')}`);
        await redis.cli('PUBLISH', 'notifications.v1', envelopeText(['graph'], 'probe'));
      }
      await redis.cli('PUBLISH', 'notifications.v1', envelopeText(['node:1'], 'not_mine'));
      await redis.cli('PUBLISH', 'notifications.v1', envelopeText(['graph', 'thread:7', 'thread:8'], 'mine', '{"n":1}', { id: 'the-id', ts: '2026-02-19T12:00:00.123456789999Z' }));
      await stream.inbox.waitFor('the envelope', (items) => items.some(({ event }) => event === 'mine'));
      const got = stream.inbox.items.filter(({ event }) => event !== 'probe');
      assert.equal(got.length, 1);
      assert.deepEqual(
        { ...got[0] },
        { id: 'the-id', ts: { seconds: '1771502400', nanos: 123456789 }, source: 'platform-server', event: 'mine', rooms: ['graph', 'thread:7', 'thread:8'], payload_json: '{"n":1}', payload: 'payload_json', position: '' });
      await lines.stdout.waitFor('notifyctl prints it', (items) => items.some((line) => line.includes('"mine"')));
      const line = JSON.parse(lines.stdout.items.find((text) => text.includes('"mine"')));
      assert.equal(line.event, 'mine');
      assert.deepEqual(line.payload, { n: 1 });
    } finally {
      stream.cancel();
      await lines.stop();
    }
  });

  it('leaves rooms on unsubscribe', async () => {
    const other = await RawClient.subscribe(edge.port, 'graph');
    const leaver = await SocketIoClient.connect(edge.url);
    try {
      await leaver.subscribe('graph', 'threads');
      assert.deepEqual(await leaver.ask('unsubscribe', { room: 'graph' }), { ok: true, rooms: ['graph'] });
      await redis.cli('PUBLISH', 'notifications.v1', envelopeText(['graph'], 'first'));
      await redis.cli('PUBLISH', 'notifications.v1', envelopeText(['threads', 'graph'], 'second'));
      await leaver.inbox.count('the second', 1);
      await other.inbox.count('both', 2);
      assert.deepEqual(leaver.inbox.items.map(({ event }) => event), ['second']);
    } finally {
      leaver.close();
      other.close();
    }
  });
});
