// gRPC streams that resume behind a position, with the journal on.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { GrpcClient, GrpcStream, status } from './support/grpc.mjs';
import { Process } from './support/processes.mjs';
import { programPath, startServer, stopAll } from './support/programs.mjs';
import { freePort, RedisServer } from './support/redis.mjs';
import { until } from './support/wait.mjs';

const JOURNAL = { journal: 'on' };

// A stream whose every response is looked at.
function open(client, request) {
  return new GrpcStream(client.stub.Stream(request));
}
const kinds = (stream) => stream.responses.items.map(({ kind }) => kind);
const events = (stream) => stream.inbox.items.map(({ event }) => event);
const opened = async (stream) => {
  await stream.responses.count('it opens', 1, 10000);
  assert.equal(kinds(stream)[0], 'opened');
  return stream.responses.items[0].opened.position;
};

describe('gRPC streams with a journal', { timeout: 120000 }, () => {
  let redis, one, two, here, there;
  const append = (event, room, more = {}) => here.publish({ event, rooms: [room].flat(), payload_json: '1', ...more });
  before(async () => {
    redis = await RedisServer.start();
    [one, two] = await Promise.all([startServer(redis, JOURNAL), startServer(redis, JOURNAL)]);
    [here, there] = [one, two].map(({ grpcAddress }) => new GrpcClient(grpcAddress));
  });
  after(async () => {
    here?.close();
    there?.close();
    await stopAll(one, two);
    await redis?.stop();
  });

  it('says from where it is live, and where each event stands', async () => {
    const stream = open(here, { rooms: ['graph'] });
    const position = await opened(stream);
    assert.match(position, /^\S+\.\d+-\d+$/);
    const a = await append('a', 'graph');
    await stream.inbox.count('the event', 1);
    assert.equal(stream.inbox.items[0].position, a.position);
    stream.cancel();
  });

  it('resumes behind a position on any process, and behind `opened` too', async () => {
    const first = open(here, { rooms: ['run:1', 'run:2'] });
    const start = await opened(first);
    first.cancel();
    const a = await append('a', 'run:1');
    await append('other', 'run:3');
    await append('b', ['run:2', 'run:1']);
    const fromStart = open(there, { rooms: ['run:1', 'run:2'], resume_after: start });
    const fromA = open(there, { rooms: ['run:1', 'run:2'], resume_after: a.position });
    assert.equal(await opened(fromStart), start);
    await fromStart.inbox.count('both', 2);
    await fromA.inbox.count('the second', 1);
    await append('c', 'run:2');
    await fromStart.inbox.count('the live one', 3);
    await fromA.inbox.count('the live one', 2);
    assert.deepEqual(events(fromStart), ['a', 'b', 'c']);
    assert.deepEqual(events(fromA), ['b', 'c']);
    assert.ok(![...kinds(fromStart), ...kinds(fromA)].includes('gap'));
    fromStart.cancel();
    fromA.cancel();
  });

  it('resumes patterns and filters of events', async () => {
    const start = (await append('mark', 'graph')).position;
    await append('wanted', 'thread:1');
    await append('unwanted', 'thread:1');
    await append('wanted', 'Thread:2');
    await append('wanted', 'run:1');
    const threads = open(there, { rooms: ['thread:*'], events: ['wanted'], resume_after: start });
    const all = open(there, { rooms: ['*'], resume_after: start });
    await threads.inbox.count('two', 2);
    await all.inbox.count('four', 4);
    assert.deepEqual(threads.inbox.items.map(({ rooms }) => rooms[0]), ['thread:1', 'Thread:2']);
    assert.deepEqual(events(all), ['wanted', 'unwanted', 'wanted', 'wanted']);
    threads.cancel();
    all.cancel();
  });

  it('has nothing twice and nothing missing between the past and what is live', async () => {
    const start = (await append('mark', 'graph')).position;
    let published = 0;
    let running = true;
    const busy = (async () => { while (running) await append('x', 'run:gate', { payload_json: String(published++) }); })();
    for (let i = 0; i < 20; ++i) {
      const stream = open(i % 2 ? here : there, { rooms: ['run:gate'], resume_after: start });
      const so_far = published;
      await stream.inbox.count('past and present', so_far + 10, 10000);
      stream.cancel();
      const numbers = stream.inbox.items.map(({ payload_json: text }) => Number(text));
      assert.deepEqual(numbers, numbers.map((_, n) => n));
    }
    running = false;
    await busy;
  });

  it('answers a cursor it does not know with a gap, and with what is held', async () => {
    const alone = await RedisServer.start();
    const server = await startServer(alone, JOURNAL);
    const client = new GrpcClient(server.grpcAddress);
    try {
      const first = open(client, { rooms: ['graph'] });
      const base = await opened(first);
      const a = await client.publish({ event: 'a', rooms: ['graph'], payload_json: '1' });
      await client.publish({ event: 'b', rooms: ['graph'], payload_json: '1' });
      const [epoch, id] = a.position.split('.');
      for (const after of ['nonsense', `other.${id}`, `${epoch}.${Number(id.split('-')[0]) + 1000000}-0`, `${epoch}.1-0`]) {
        const stream = open(client, { rooms: ['graph'], resume_after: after });
        await stream.inbox.count('what is held', 2);
        assert.deepEqual(kinds(stream), ['opened', 'gap', 'envelope', 'envelope'], after);
        assert.deepEqual({ ...stream.responses.items[1].gap }, { after, resumes_at: base });
        stream.cancel();
      }
      first.cancel();
    } finally {
      client.close();
      await server.stop();
      await alone.stop();
    }
  });

  it('sends checkpoints while its rooms are quiet, and keeps its place by them', async () => {
    const RETENTION = 4000;
    const alone = await RedisServer.start();
    const flags = { ...JOURNAL, journal_retention: `${RETENTION}ms`, replay_window: 4096 };
    const server = await startServer(alone, flags);
    const client = new GrpcClient(server.grpcAddress);
    const stream = open(client, { rooms: ['graph'] });
    let busy = true;
    try {
      const start = await opened(stream);
      const publishing = (async () => { while (busy) await client.publish({ event: 'busy', rooms: ['run:busy'], payload_json: '1' }).then(() => new Promise((resolve) => setTimeout(resolve, 20))); })();
      await stream.responses.waitFor('a checkpoint', () => kinds(stream).includes('checkpoint'), 16000);
      const { position } = stream.responses.items.at(-1).checkpoint;
      assert.notEqual(position, start);
      stream.cancel();
      await client.publish({ event: 'mine', rooms: ['graph'], payload_json: '1' });
      const back = open(client, { rooms: ['graph'], resume_after: position });
      await back.inbox.count('what was missed', 1);
      assert.deepEqual(kinds(back), ['opened', 'envelope']);
      // The place of before is gone by now.
      const late = open(client, { rooms: ['graph'], resume_after: start });
      await late.responses.waitFor('a gap', () => kinds(late).includes('gap'));
      assert.equal(late.responses.items[1].gap.after, start);
      busy = false;
      await publishing;
      back.cancel();
      late.cancel();
    } finally {
      busy = false;
      client.close();
      await server.stop();
      await alone.stop();
    }
  });

  it('answers the same id with the same position, ts and id, on any process', async () => {
    const stream = open(here, { rooms: ['run:same'] });
    await opened(stream);
    const answers = [];
    for (const client of [here, there, here]) answers.push(await client.publish({ id: 'same-1', event: 'x', rooms: ['run:same'], payload_json: String(answers.length) }));
    await append('last', 'run:same');
    await stream.inbox.waitFor('the last', () => events(stream).includes('last'));
    assert.deepEqual(events(stream), ['x', 'last']);
    assert.equal(stream.inbox.items[0].payload_json, '0');
    assert.equal(new Set(answers.map((answer) => JSON.stringify(answer))).size, 1);
    assert.equal(answers[0].position, stream.inbox.items[0].position);
    assert.deepEqual(answers[0].ts, stream.inbox.items[0].ts);
    stream.cancel();
  });

  it('says UNAVAILABLE within the deadline while Redis is away, and may be asked again', async () => {
    const alone = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
    const server = await startServer(alone, JOURNAL);
    const client = new GrpcClient(server.grpcAddress);
    try {
      const before = await client.publish({ id: 'before', event: 'x', rooms: ['graph'], payload_json: '1' });
      const stream = open(client, { rooms: ['graph'] });
      await opened(stream);
      await alone.down();
      const request = { id: 'retried', event: 'y', rooms: ['graph'], payload_json: '2' };
      await assert.rejects(client.publish(request, { deadline: 1000 }), ({ code }) => [status.UNAVAILABLE, status.DEADLINE_EXCEEDED].includes(code));
      await alone.restart();
      const answer = await until('Redis is back', () => client.publish(request, { deadline: 2000 }), { deadline: 15000 });
      assert.deepEqual(await client.publish(request), answer);
      assert.deepEqual(await client.publish({ ...request, id: 'before' }), before);
      await stream.inbox.count('it, once', 1);
      await client.publish({ event: 'last', rooms: ['graph'], payload_json: '1' });
      await stream.inbox.waitFor('the last', () => events(stream).includes('last'));
      assert.deepEqual(events(stream), ['y', 'last']);
      stream.cancel();
    } finally {
      client.close();
      await server.stop();
      await alone.stop();
    }
  });
});

describe('notifyctl stream --resume_file', { timeout: 90000 }, () => {
  it('survives restarts of everything without losing or doubling a line', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'notifications-resume-'));
    const file = join(folder, 'cursor');
    const redis = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
    const port = await freePort();
    const flags = { ...JOURNAL, grpc_listen: `127.0.0.1:${port}` };
    let server = await startServer(redis, flags);
    const client = new GrpcClient(`127.0.0.1:${port}`);
    const lines = [];
    let published = 0;
    const publish = () => until('it is published', () => client.publish({ id: `n-${published}`, event: 'x', rooms: ['graph'], payload_json: String(published) }, { deadline: 2000 }), { deadline: 15000 }).then(() => { ++published; });
    const start = () => {
      const stream = new Process(programPath('notifyctl'), ['stream', `--resume_file=${file}`, '--room=graph'], { env: { NOTIFICATIONS_SERVER: `127.0.0.1:${port}` } });
      stream.stdout.push = (line) => lines.push(JSON.parse(line).payload);
      return stream;
    };
    const all = (what) => until(`${what}: ${published} lines, ${lines}`, () => lines.length >= published, { deadline: 20000 });
    let stream = start();
    try {
      await until('its cursor stands', () => existsSync(file) && readFileSync(file, 'utf8') !== '', { deadline: 10000 });
      await publish();
      await all('at first');
      const saved = readFileSync(file, 'utf8');
      await server.kill();
      server = await startServer(redis, flags);
      await publish();
      await all('after the server was killed');
      await redis.down();
      await redis.restart();
      await publish();
      await all('after Redis was killed');
      for (const signal of ['SIGTERM', 'SIGKILL']) {
        await until('the cursor moves', () => readFileSync(file, 'utf8') !== saved);
        await stream.stop(signal);
        await publish();
        await publish();
        stream = start();
        await publish();
        await all(`after ${signal}`);
      }
      assert.deepEqual(lines, Array.from({ length: published }, (_, n) => n));
    } finally {
      client.close();
      await stream.kill();
      await server.stop();
      await redis.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describe('gRPC streams without a journal', { timeout: 30000 }, () => {
  it('have no positions, and answer a cursor with a gap', async () => {
    const redis = await RedisServer.start();
    const server = await startServer(redis);
    const client = new GrpcClient(server.grpcAddress);
    try {
      const stream = open(client, { rooms: ['graph'], resume_after: 'e.1-0' });
      assert.equal(await opened(stream), '');
      const answer = await client.publish({ event: 'a', rooms: ['graph'], payload_json: '1' });
      assert.equal(answer.position, '');
      await stream.inbox.count('the event', 1);
      assert.deepEqual(kinds(stream), ['opened', 'gap', 'envelope']);
      assert.deepEqual({ ...stream.responses.items[1].gap }, { after: 'e.1-0', resumes_at: '' });
      assert.equal(stream.inbox.items[0].position, '');
      stream.cancel();
    } finally {
      client.close();
      await server.stop();
      await redis.stop();
    }
  });
});
