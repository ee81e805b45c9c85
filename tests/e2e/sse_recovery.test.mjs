// Event streams that resume, with the journal on.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { chromium } from 'playwright-core';
import { envelopeText } from './support/envelopes.mjs';
import { EventStream } from './support/event_stream.mjs';
import { GrpcClient } from './support/grpc.mjs';
import { startEdge, startGateway, startServer, stopAll } from './support/programs.mjs';
import { freePort, RedisServer } from './support/redis.mjs';
import { until } from './support/wait.mjs';

const JOURNAL = { journal: 'on' };
const POSITION = /^[0-9A-Za-z_-]+\.\d+-\d+$/;

describe('event streams with a journal', { timeout: 120000 }, () => {
  let redis, one, two, server, grpc;
  const open = [];
  const append = (event, room, more = {}) => grpc.publish({ event, rooms: [room].flat(), payload_json: '{"a":1}', ...more });
  const live = async (edge, query, options) => {
    const stream = await EventStream.live(edge.url, query, options);
    open.push(stream);
    return stream;
  };
  // Behind ": connected" comes the position from which a stream is live, or which it continues.
  const cursor = (stream) => until('the cursor', () => stream.lastEventId);
  const names = (stream) => stream.events.items.map(({ event }) => event);

  before(async () => {
    redis = await RedisServer.start();
    [one, two, server] = await Promise.all([startEdge(redis, JOURNAL), startEdge(redis, JOURNAL), startServer(redis, JOURNAL)]);
    grpc = new GrpcClient(server.grpcAddress);
  });
  after(async () => {
    for (const stream of open) stream.close();
    grpc?.close();
    await stopAll(one, two, server);
    await redis?.stop();
  });

  it('sends exactly these bytes', async () => {
    const stream = await live(one, 'room=run:bytes');
    const start = await cursor(stream);
    assert.match(start, POSITION);
    const { position } = await append('node_state', 'run:bytes');
    await stream.hears(1);
    assert.equal(stream.text, `: connected\nretry: ${stream.retry}\n\nid: ${start}\n\nid: ${position}\nevent: node_state\ndata: {"a":1}\n\n`);
    const whole = await live(one, 'room=run:bytes&format=envelope', { lastEventId: start });
    await whole.hears(1);
    const envelope = JSON.parse(whole.events.items[0].data);
    assert.deepEqual([envelope.event, envelope.payload, whole.events.items[0].id], ['node_state', { a: 1 }, position]);
    assert.equal(whole.text, `: connected\nretry: ${whole.retry}\n\nid: ${start}\n\nid: ${position}\ndata: ${whole.events.items[0].data}\n\n`);
  });

  it('resumes behind Last-Event-ID or last_event_id, on any process', async () => {
    const stream = await live(one, 'rooms=run:a,run:b');
    await append('first', 'run:a');
    await stream.hears(1);
    stream.close();
    await append('missed-1', ['run:b', 'run:a']);
    await append('other', 'run:c');
    await append('missed-2', 'run:b');
    for (const edge of [one, two]) {
      const header = await live(edge, 'rooms=run:a,run:b', { lastEventId: stream.lastEventId });
      const parameter = await live(edge, `rooms=run:a,run:b&last_event_id=${encodeURIComponent(stream.lastEventId)}`);
      for (const back of [header, parameter]) {
        await back.hears(2);
        assert.deepEqual(names(back), ['missed-1', 'missed-2']);
        back.close();
      }
    }
    // A browser that reconnects sends both; the header is the newer one.
    const both = await live(one, `room=run:b&last_event_id=${stream.lastEventId}`, { lastEventId: (await append('third', 'run:b')).position });
    await append('live', 'run:b');
    await both.hears(1, 'live');
    assert.deepEqual(names(both), ['live']);
  });

  it('resumes from the first cursor, before any event', async () => {
    const stream = await live(one, 'room=run:first');
    const start = await cursor(stream);
    stream.close();
    await append('a', 'run:first');
    const back = await live(two, 'room=run:first', { lastEventId: start });
    await append('b', 'run:first');
    await back.hears(2);
    assert.deepEqual(names(back), ['a', 'b']);
  });

  it('has nothing twice and nothing missing between the past and what is live', async () => {
    const start = await live(one, 'room=run:gate');
    const from = await cursor(start);
    let published = 0;
    let running = true;
    const busy = (async () => { while (running) await append('x', 'run:gate', { payload_json: String(published++) }); })();
    for (let i = 0; i < 10; ++i) {
      const stream = await live(i % 2 ? one : two, 'room=run:gate', { lastEventId: from });
      const so_far = published;
      await stream.hears(so_far + 20);
      stream.close();
      const numbers = stream.events.items.map(({ data }) => Number(data));
      assert.deepEqual(numbers, numbers.map((_, n) => n));
    }
    running = false;
    await busy;
  });

  it('answers a cursor it does not know with a gap and all that is held', async () => {
    const alone = await RedisServer.start();
    const edge = await startEdge(alone, JOURNAL);
    try {
      const first = await EventStream.live(edge.url, 'room=graph');
      await alone.cli('PUBLISH', 'notifications.v1', envelopeText(['graph'], 'a'));
      await alone.cli('PUBLISH', 'notifications.v1', envelopeText(['graph'], 'b'));
      await first.hears(2);
      const base = /id: (\S+)/.exec(first.text)[1];
      const [epoch, id] = first.lastEventId.split('.');
      const ahead = `${epoch}.${Number(id.split('-')[0]) + 1000000}-0`;
      for (const after of ['nonsense', 'a"b\\', `other.${id}`, ahead, `${epoch}.5-5-5`]) {
        const stream = await EventStream.live(edge.url, 'room=graph', { lastEventId: after });
        await stream.hears(3);
        const [gap, a, b] = stream.events.items;
        assert.deepEqual([gap.event, JSON.parse(gap.data)], ['notifications.gap', { after, resumes_at: base }], after);
        assert.equal(gap.id, base);
        assert.deepEqual([a.event, b.event], ['a', 'b']);
        assert.equal(stream.lastEventId, first.lastEventId);
        stream.close();
      }
      // Between two entries: what was seen last is gone, what is behind it is not.
      const between = await EventStream.live(edge.url, 'room=graph&format=envelope', { lastEventId: `${epoch}.1-0` });
      await between.hears(3);
      assert.equal(between.events.items[0].event, 'notifications.gap');
      between.close();
      first.close();
    } finally {
      await edge.stop();
      await alone.stop();
    }
  });

  it('is told of a gap where events are gone, and keeps its place in a quiet room', async () => {
    const RETENTION = 2000;
    const alone = await RedisServer.start();
    const edge = await startEdge(alone, { ...JOURNAL, journal_retention: `${RETENTION}ms`, replay_window: 4096 });
    const client = alone.client();
    const publish = (event, room) => client.publish('notifications.v1', envelopeText([room], event));
    const silence = async (ms) => {
      for (const end = Date.now() + ms; Date.now() < end;) {
        await publish('busy', 'run:busy');
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    };
    try {
      const stream = await EventStream.live(edge.url, 'room=graph');
      await publish('a', 'graph');
      await stream.hears(1);
      const seen = stream.lastEventId;
      await publish('missed', 'graph');
      await stream.hears(2);
      const missed = stream.lastEventId;
      await silence(RETENTION + 500);
      await publish('b', 'graph');
      await stream.hears(3);
      const late = await EventStream.live(edge.url, 'room=graph', { lastEventId: seen });
      await late.hears(2);
      const [gap, b] = late.events.items;
      const { after, resumes_at: resumesAt } = JSON.parse(gap.data);
      assert.deepEqual([gap.event, after, b.event], ['notifications.gap', seen, 'b']);
      assert.ok(resumesAt > missed && gap.id === resumesAt && b.id === stream.lastEventId);
      assert.ok(!late.text.startsWith(`: connected\nretry: ${late.retry}\n\nid: ${seen}`));
      late.close();
      stream.close();
    } finally {
      await edge.stop();
      await alone.stop();
    }
  });

  it('waits while Redis is away, if memory cannot serve it', async () => {
    const alone = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
    const edge = await startEdge(alone, JOURNAL);
    try {
      const first = await EventStream.live(edge.url, 'room=graph');
      await alone.cli('PUBLISH', 'notifications.v1', envelopeText(['graph'], 'a'));
      await first.hears(1);
      await alone.down();
      await until('the edge has noticed', async () => !await edge.isReady());
      // Memory knows this one.
      const near = await EventStream.live(edge.url, 'room=graph', { lastEventId: /id: (\S+)/.exec(first.text)[1] });
      await near.hears(1, 'a');
      const far = await EventStream.open(edge.url, 'room=graph', { lastEventId: 'e.1-0' });
      assert.equal(far.status, 200);
      assert.equal(far.text, '');
      await alone.restart();
      await far.hears(2);
      assert.deepEqual(far.events.items.map(({ event }) => event), ['notifications.gap', 'a']);
      for (const stream of [first, near, far]) {
        assert.ok(!stream.text.includes(': closing'));
        stream.close();
      }
    } finally {
      await edge.stop();
      await alone.stop();
    }
  });

  it('replays a large backlog to a slow but steady reader while publishing goes on', async () => {
    const alone = await RedisServer.start();
    const edge = await startEdge(alone, { ...JOURNAL, replay_window: 1000000, max_outbound_bytes: 200000 });
    const client = alone.client();
    const payload = JSON.stringify('x'.repeat(50000));
    let published = 0;
    const publish = () => client.publish('notifications.v1', envelopeText(['graph'], 'big', payload, { id: `big-${published++}` }));
    try {
      const first = await EventStream.live(edge.url, 'room=run:nothing');
      const start = await until('the cursor', () => first.lastEventId);
      for (let i = 0; i < 400; ++i) await publish();  // 20 MB
      await until('all is journaled', async () => Number(await client.xlen('notifications.v1:journal')) === 400);
      const slow = await EventStream.open(edge.url, 'room=graph', { lastEventId: start });
      let running = true;
      const busy = (async () => {
        while (running) {
          await publish();
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      })();
      // Reads in bits, with pauses.
      const pacing = setInterval(() => { slow.response.pause(); setTimeout(() => slow.response.resume(), 10); }, 20);
      await slow.events.count('the backlog and more', 450, 60000);
      clearInterval(pacing);
      slow.response.resume();
      running = false;
      await busy;
      const last = published;
      await slow.events.count('all of it', last, 20000);
      assert.equal(new Set(slow.events.items.map(({ id }) => id)).size, last);
      assert.ok(!slow.text.includes(': closing'));
      slow.close();
      first.close();
    } finally {
      await edge.stop();
      await alone.stop();
    }
  });

  it('resumes within the gateway and its own broker', async () => {
    const gateway = await startGateway(JOURNAL);
    const inside = new GrpcClient(gateway.grpcAddress);
    try {
      const stream = await EventStream.live(gateway.url, 'room=graph');
      const start = await until('the cursor', () => stream.lastEventId);
      stream.close();
      const { position } = await inside.publish({ event: 'a', rooms: ['graph'], payload_json: '1' });
      const back = await EventStream.live(gateway.url, 'room=graph', { lastEventId: start });
      await back.hears(1);
      assert.deepEqual(back.events.items, [{ event: 'a', data: '1', id: position }]);
      back.close();
    } finally {
      inside.close();
      await gateway.stop();
    }
  });

  it("resumes a browser's own EventSource over a killed edge", async () => {
    const port = await freePort();
    const flags = { ...JOURNAL, listen: `127.0.0.1:${port}` };
    let edge = await startEdge(redis, flags);
    const browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--disable-background-networking'],
    });
    try {
      const page = await browser.newPage();
      await page.evaluate((url) => {
        window.heard = [];
        window.source = new EventSource(`${url}/events?room=run:browser`);
        window.source.addEventListener('x', (event) => window.heard.push([event.data, event.lastEventId]));
      }, edge.url);
      const heard = (n) => until(`it hears ${n}`, async () => { const all = await page.evaluate(() => window.heard); return all.length >= n && all; }, { deadline: 20000, every: 50 });
      await until('it is live', async () => await edge.metric('notifications_rooms') === 1);
      const positions = [];
      const publish = async (n) => positions.push((await append('x', 'run:browser', { payload_json: String(n) })).position);
      await publish(1);
      await heard(1);
      await edge.kill();
      await publish(2);
      await publish(3);
      edge = await startEdge(redis, flags);
      await heard(3);
      await publish(4);
      assert.deepEqual(await heard(4), ['1', '2', '3', '4'].map((data, i) => [data, positions[i]]));
    } finally {
      await browser.close();
      await edge.stop();
    }
  });
});
