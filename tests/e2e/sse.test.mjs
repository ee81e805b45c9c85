// Event streams on /events, with the journal off.
import assert from 'node:assert/strict';
import net from 'node:net';
import { after, before, describe, it } from 'node:test';
import { envelopeText } from './support/envelopes.mjs';
import { EventStream } from './support/event_stream.mjs';
import { Process } from './support/processes.mjs';
import { startEdge, startGateway } from './support/programs.mjs';
import { request } from './support/raw_socket.mjs';
import { RedisServer } from './support/redis.mjs';
import { until, within } from './support/wait.mjs';

// One HTTP/1.1 connection: all its bytes as text, and whether the server has ended it.
async function raw(port, bytes) {
  const socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true });
  const one = { socket, text: '', ended: false };
  socket.on('data', (data) => { one.text += data.toString('latin1'); });
  socket.on('error', () => { one.ended = true; });
  socket.on('end', () => { one.ended = true; });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  socket.write(bytes);
  return one;
}

describe('event streams', { timeout: 120000 }, () => {
  let redis, edge;
  const open = [];
  const publish = (rooms, event, payload, options) =>
    redis.cli('PUBLISH', 'notifications.v1', envelopeText(rooms, event, payload, options));
  const live = async (query, options) => {
    const stream = await EventStream.live(edge.url, query, options);
    open.push(stream);
    return stream;
  };
  const ask = (query, options) => EventStream.open(edge.url, query, options).then(async (answer) => {
    open.push(answer);
    if (answer.status !== 200) await answer.end();
    return answer;
  });

  before(async () => {
    redis = await RedisServer.start();
    edge = await startEdge(redis);
  });
  after(async () => {
    for (const stream of open) stream.close();
    await edge?.stop();
    await redis?.stop();
  });

  it('sends exactly these bytes', async () => {
    const one = await raw(edge.port, request('GET', '/events?room=graph'));
    await until('the first block', () => one.text.includes('\n\n'));
    await publish(['graph', 'node:1'], 'node_state', '{"nodeId":"1","n":12345678901234567890}');
    await until('the event', () => one.text.includes('data:'));
    one.socket.destroy();
    const [head, body] = one.text.split('\r\n\r\n');
    assert.deepEqual(head.split('\r\n').map((line) => line.replace(/^Date: .*/, 'Date')).sort(), [
      'HTTP/1.1 200 OK', 'Content-Type: text/event-stream', 'Cache-Control: no-store', 'X-Accel-Buffering: no',
      'Access-Control-Allow-Origin: *', 'Connection: close', 'Date',
    ].sort());
    const retry = /^: connected\nretry: (\d+)\n\n/.exec(body);
    assert.ok(retry, body);
    assert.ok(Number(retry[1]) >= 500 && Number(retry[1]) <= 10000, retry[1]);
    assert.equal(body.slice(retry[0].length), 'event: node_state\ndata: {"nodeId":"1","n":12345678901234567890}\n\n');
  });

  it('serves curl -N', async () => {
    const curl = new Process('curl', ['-sN', `${edge.url}/events?room=threads&room=thread:42`]);
    try {
      await curl.stdout.waitFor('": connected"', (lines) => lines.includes(': connected'));
      await publish(['thread:42'], 'message_created', '{"a":1}');
      await curl.stdout.waitFor('the event', (lines) => lines.includes('data: {"a":1}'));
      assert.ok(curl.stdout.items.includes('event: message_created'));
      assert.ok(!curl.stdout.items.some((line) => line.startsWith('id')));
    } finally {
      await curl.kill();
    }
  });

  it('serves fetch', async () => {
    const response = await fetch(`${edge.url}/events?rooms=graph,threads`);
    assert.equal(response.headers.get('content-type'), 'text/event-stream');
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = '';
    const readUntil = (part) => within(5000, `fetch reads ${part}`, (async () => {
      while (!text.includes(part)) text += (await reader.read()).value;
    })());
    await readUntil(': connected');
    await publish(['threads'], 'thread_created', '{"é":"🙂"}');
    await readUntil('data: {"é":"🙂"}\n\n');
    await reader.cancel();
  });

  it('is live when it says that it is connected', async () => {
    for (let i = 0; i < 20; ++i) {
      const stream = await live('room=run:live');
      await publish(['run:live'], 'now', String(i));
      const [first] = await stream.hears(1);
      assert.equal(first.data, String(i));
      stream.close();
    }
  });

  it('sends an event once, whatever number of its rooms match', async () => {
    const stream = await live('rooms=run:a,run:b,run:a&room=run:b');
    await publish(['run:a', 'run:b', 'run:a'], 'once', '1');
    await publish(['run:c'], 'not_mine', '2');
    await publish(['run:b'], 'last', '3');
    await stream.hears(1, 'last');
    assert.deepEqual(stream.events.items.map(({ event }) => event), ['once', 'last']);
  });

  it('keeps the payload whatever its line breaks', async () => {
    const stream = await live('room=run:breaks');
    const payload = '{\n  "a": [1,\r\n 2],\r "b": "x\\ny"\n}';
    await publish(['run:breaks'], 'pretty', payload);
    const [got] = await stream.hears(1);
    // A client of event streams joins lines with LF; in JSON all line breaks are the same.
    assert.equal(got.data, payload.replace(/\r\n?/g, '\n'));
    assert.deepEqual(JSON.parse(got.data), { a: [1, 2], b: 'x\ny' });
  });

  it('sends whole envelopes with format=envelope', async () => {
    const stream = await live('room=run:whole&format=envelope');
    const text = envelopeText(['run:whole'], 'node_status', '{"n":1e400}', { id: 'the-id' });
    await redis.cli('PUBLISH', 'notifications.v1', text);
    await stream.events.count('the envelope', 1);
    assert.deepEqual(stream.events.items, [{ event: 'message', data: text, id: '' }]);
    assert.ok(!stream.text.includes('event:'));
  });

  it('sends events whose names are no line as envelopes', async () => {
    const stream = await live('room=run:names');
    const names = ['a\nb', 'a\rb', 'nul\0', '\ud800', 'c: d', ' e', 'é🙂', '\u2028', 'message', 'notifications.gap'];
    for (const name of names) await publish(['run:names'], name, '1');
    const got = await stream.hears(names.length);
    const plain = names.slice(4);
    assert.deepEqual(got.slice(4).map(({ event }) => event), plain);
    assert.deepEqual(got.slice(4).map(({ data }) => data), plain.map(() => '1'));
    assert.deepEqual(got.slice(0, 4).map(({ event, data }) => [event, JSON.parse(data).event]), names.slice(0, 4).map((name) => ['message', name]));
  });

  it('refuses a bad room and names it', async () => {
    for (const [query, room] of [['room=Graph', 'Graph'], ['room=graph&room=user:1', 'user:1'], ['rooms=graph,', ''], ['', ''], ['room=thread:*', 'thread:*'], ['room=%22%00', '"\0'], ['room=%ff', '?']]) {
      const answer = await ask(query);
      assert.equal(answer.status, 400, query);
      assert.match(answer.headers['content-type'], /^application\/json/);
      assert.equal(answer.headers['access-control-allow-origin'], '*');
      assert.deepEqual(JSON.parse(answer.text), { error: 'invalid_room', room }, query);
    }
    const many = await ask(`rooms=${Array.from({ length: 1001 }, (_, i) => `run:${i}`)}`);
    assert.equal(many.status, 400);
    assert.equal(JSON.parse(many.text).error, 'too_many_rooms');
  });

  it('answers other methods and paths', async () => {
    const head = await ask('room=graph', { method: 'HEAD' });
    await head.end();
    assert.equal(head.status, 200);
    assert.equal(head.headers['content-type'], 'text/event-stream');
    assert.equal(head.text, '');
    for (const method of ['POST', 'PUT', 'DELETE']) {
      const answer = await ask('room=graph', { method });
      assert.equal(answer.status, 405, method);
      assert.equal(answer.headers.allow, 'GET, HEAD, OPTIONS');
    }
    const preflight = await ask('room=graph', { method: 'OPTIONS', headers: { Origin: 'http://a.example', 'Access-Control-Request-Method': 'GET', 'Access-Control-Request-Headers': 'last-event-id' } });
    assert.equal(preflight.status, 204);
    assert.equal(preflight.headers['access-control-allow-origin'], '*');
    assert.match(preflight.headers['access-control-allow-headers'], /last-event-id/);
    assert.match(preflight.headers['access-control-allow-methods'], /GET/);
    const elsewhere = await fetch(`${edge.url}/events/graph`);
    assert.equal(elsewhere.status, 404);
  });

  it('admits only allowed origins', async () => {
    const strict = await startEdge(redis, { allowed_origins: 'http://a.example' });
    try {
      const refused = await EventStream.open(strict.url, 'room=graph', { headers: { Origin: 'http://b.example' } });
      await refused.end();
      assert.equal(refused.status, 403);
      assert.deepEqual(JSON.parse(refused.text), { code: 4, message: 'Forbidden' });
      const admitted = await EventStream.live(strict.url, 'room=graph', { headers: { Origin: 'http://a.example' } });
      assert.equal(admitted.headers['access-control-allow-origin'], 'http://a.example');
      assert.match(admitted.headers.vary, /Origin/);
      admitted.close();
      const bad = await EventStream.open(strict.url, 'room=Bad', { headers: { Origin: 'http://a.example' } });
      assert.equal(bad.status, 400);
      assert.equal(bad.headers['access-control-allow-origin'], 'http://a.example');
    } finally {
      await strict.stop();
    }
  });

  it('answers a cursor with a gap, for nothing is kept', async () => {
    const gap = (after) => ({ event: 'notifications.gap', data: JSON.stringify({ after, resumes_at: '' }) });
    const byHeader = await live('room=run:gap', { lastEventId: 'e.1-0' });
    const byParameter = await live('room=run:gap&last_event_id=e.2-0&format=envelope');
    const both = await live('room=run:gap&last_event_id=e.2-0', { lastEventId: 'anything "goes"' });
    await publish(['run:gap'], 'x', '1');
    for (const [stream, after] of [[byHeader, 'e.1-0'], [byParameter, 'e.2-0'], [both, 'anything "goes"']]) {
      await stream.events.count('gap and event', 2);
      const [first] = stream.events.items;
      assert.deepEqual({ event: first.event, data: first.data }, gap(after));
      assert.ok(!stream.text.includes('id:'), stream.text);
      assert.ok(stream.text.indexOf(': connected') < stream.text.indexOf('notifications.gap'));
    }
  });

  it('is not disturbed by what a client sends behind its request', async () => {
    const one = await raw(edge.port, request('GET', '/events?room=run:talk'));
    await until('the first block', () => one.text.includes(': connected'));
    one.socket.write(request('GET', '/events?room=graph') + 'x'.repeat(100000));
    await publish(['run:talk'], 'still', '1');
    await until('the event', () => one.text.includes('event: still'));
    assert.equal(one.text.split('HTTP/1.1').length, 2);
    one.socket.destroy();
  });

  it('follows other requests on a kept-alive connection', async () => {
    const one = await raw(edge.port, request('GET', '/nothing') + request('GET', '/events?room=run:after'));
    await until('the first block', () => one.text.includes(': connected'));
    await publish(['run:after'], 'here', '1');
    await until('the event', () => one.text.includes('event: here'));
    assert.deepEqual(one.text.match(/HTTP\/1.1 \d+/g), ['HTTP/1.1 404', 'HTTP/1.1 200']);
    one.socket.destroy();
  });

  it('frees what a client that left had', async () => {
    const before = await edge.metric('notifications_rooms');
    const stream = await live('rooms=run:x1,run:x2');
    assert.equal(await edge.metric('notifications_rooms'), before + 2);
    stream.close();
    await until('its rooms are gone', async () => await edge.metric('notifications_rooms') === before);
  });

  it('closes a reader that is too slow, and others still hear', async () => {
    const tight = await startEdge(redis, { max_outbound_bytes: 100000, write_timeout: '2s' });
    try {
      const slow = await raw(tight.port, request('GET', '/events?room=graph'));
      await until('the first block', () => slow.text.includes(': connected'));
      slow.socket.pause();
      const steady = await EventStream.live(tight.url, 'room=graph');
      const payload = JSON.stringify('x'.repeat(60000));
      const client = redis.client();
      let sent = 0;
      await until('the slow one is closed', async () => {
        await client.publish('notifications.v1', envelopeText(['graph'], 'big', payload));
        await steady.hears(++sent, 'big');
        return (await tight.metrics()).some(({ name, labels, value }) =>
          name === 'notifications_slow_evictions_total' && labels.includes('sse') && value === 1);
      }, { deadline: 20000, every: 1 });
      assert.ok(!steady.text.includes(': closing'));
      // What it takes now is whole blocks, and the reason.
      slow.socket.resume();
      await until('its end', () => slow.ended, { deadline: 5000 });
      const body = slow.text.slice(slow.text.indexOf('\r\n\r\n') + 4);
      for (const block of body.split('\n\n')) assert.match(block, /^$|^: |^retry: |^event: big\ndata: "x{60000}"$|^event: big\n?(data: "x*)?$/);
    } finally {
      await tight.stop();
    }
  });

  it('is told when the process leaves, and comes back elsewhere', async () => {
    const leaving = await startEdge(redis, { drain: '1s' });
    const streams = [];
    for (let i = 0; i < 10; ++i) streams.push(await EventStream.live(leaving.url, 'room=graph'));
    leaving.signal('SIGTERM');
    for (const stream of streams) {
      await stream.end();
      assert.ok(stream.comments.items.some((comment) => comment.startsWith('closing: ')), stream.text);
      assert.match(stream.text, /retry: \d+\n\n$/);
      assert.ok(stream.retry >= 500 && stream.retry <= 10000, `retry: ${stream.retry}`);
    }
    assert.ok(new Set(streams.map(({ retry }) => retry)).size > 1, 'all come back at the same moment');
    assert.equal((await leaving.ended()).code, 0);
  });

  it('is never answered with a 5xx, however many there are', async () => {
    const small = await startEdge(redis, { max_connections: 3 });
    try {
      const admitted = [];
      for (let i = 0; i < 3; ++i) admitted.push(await EventStream.live(small.url, 'room=graph'));
      for (let i = 0; i < 5; ++i) {
        const over = await EventStream.open(small.url, 'room=graph');
        assert.equal(over.status, 200);
        assert.equal(over.headers['content-type'], 'text/event-stream');
        assert.equal(over.headers['access-control-allow-origin'], '*');
        await over.end();
        assert.ok(over.retry >= 1000, over.text);
        assert.ok(!over.comments.items.includes('connected'));
      }
      admitted.pop().close();
      await until('there is room again', async () => {
        const again = await EventStream.open(small.url, 'room=graph');
        const served = await Promise.race([again.ended.then(() => false), again.comments.waitFor('hello', (c) => c.includes('connected'), 1000).catch(() => false)]);
        again.close();
        return served;
      });
    } finally {
      await small.stop();
    }
  });

  it('is accepted while Redis is away, and hears again when it is back', async () => {
    const alone = await RedisServer.start();
    const there = await startEdge(alone);
    try {
      await alone.down();
      const stream = await EventStream.live(there.url, 'room=graph');
      await alone.restart();
      await there.ready();
      await alone.cli('PUBLISH', 'notifications.v1', envelopeText(['graph'], 'back', '1'));
      await stream.hears(1, 'back');
    } finally {
      await there.stop();
      await alone.stop();
    }
  });

  it('is served by the gateway with its own broker', async () => {
    const gateway = await startGateway();
    try {
      const { GrpcClient } = await import('./support/grpc.mjs');
      const stream = await EventStream.live(gateway.url, 'room=graph');
      const grpc = new GrpcClient(gateway.grpcAddress);
      await grpc.publish({ event: 'x', rooms: ['graph'], payload_json: '[1]' });
      assert.equal((await stream.hears(1, 'x'))[0].data, '[1]');
      grpc.close();
    } finally {
      await gateway.stop();
    }
  });
});
