// `notifyctl stream --resume-file`: lines are neither lost nor doubled, whatever is killed.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { envelopeText } from './support/envelopes.mjs';
import { Process } from './support/processes.mjs';
import { notifyctl, programPath, ROOT, startServer } from './support/programs.mjs';
import { freePort, RedisServer } from './support/redis.mjs';
import { until } from './support/wait.mjs';

const APPEND = readFileSync(join(ROOT, 'core/redis/scripts/append.lua'), 'utf8');
const CHANNEL = 'notifications.v1';

describe('notifyctl stream --resume-file', { timeout: 120000 }, () => {
  let redis, server, folder, file, lines, port, publisher;

  const restart = async () => { server = await startServer(redis, { grpc_listen: `127.0.0.1:${port}`, journal: 'on' }, { ready: false }); };
  before(async () => {
    redis = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
    port = await freePort();
    publisher = redis.client({ retryStrategy: () => 20, maxRetriesPerRequest: null });
    await restart();
    await server.ready();
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'notifications-resume-'));
    file = join(folder, 'cursor');
    lines = join(folder, 'lines');
  });
  after(async () => {
    await server?.stop();
    await redis?.stop();
  });

  // Appends {"n":n} to a room. A command whose answer was lost is sent again, by ioredis, as it is.
  function publish(n, room = 'graph') {
    const text = envelopeText([room], 'n', JSON.stringify({ n }));
    const { id, ts } = JSON.parse(text);
    return publisher.eval(APPEND, 3, `${CHANNEL}:journal`, `${CHANNEL}:meta`, `${CHANNEL}:id:${id}`,
      text, ts, CHANNEL, '1000000', '900000', '300000', `epoch-${process.pid}`, '1');
  }
  const words = (...more) => ['stream', '--server', `127.0.0.1:${port}`, '--room', 'graph', '--resume-file', file, ...more];
  // Its lines go to the end of a file, as those of a service do.
  const follow = () => new Process('/bin/bash', ['-c', 'out=$1; shift; exec "$@" >> "$out"', 'sh', lines, programPath('notifyctl'), ...words()]);
  const written = () => readFileSync(lines, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line).payload.n);
  const cursor = () => readFileSync(file, 'utf8');
  const upTo = (n) => Array.from({ length: n }, (_, i) => i + 1);

  it('loses and doubles no line while everything is killed at random', async (t) => {
    const EVENTS = 2000;
    let ctl = follow();
    await until('it has a cursor', cursor);
    let faults = 0;
    let published = 0;
    const said = [];
    const load = (async () => {
      while (published < EVENTS) {
        await Promise.all(upTo(5).map((i) => publish(published + i)));
        published += 5;
        await delay(5);
      }
    })();
    while (published < EVENTS) {
      await delay(20 + Math.random() * 150);
      const what = Math.random();
      if (what < 0.6) {
        await ctl.kill();
        said.push(...ctl.stderr.items);
        ctl = follow();
      } else if (what < 0.9) {
        await server.kill();
        await restart();
      } else {
        await redis.down();
        await redis.restart();
      }
      ++faults;
    }
    await load;
    await until(() => `all lines are there: ${written().length}`, () => written().length >= EVENTS, { deadline: 30000 });
    await ctl.stop();
    said.push(...ctl.stderr.items);
    assert.deepEqual(written(), upTo(EVENTS));
    assert.deepEqual(said.filter((line) => line.includes('gap')), []);
    assert.ok(faults >= 5, `${faults} faults`);
    t.diagnostic(`${faults} faults, ${EVENTS} lines`);
  });

  it('goes on by itself when the server comes back, and says so in a line for each outage', async () => {
    const ctl = new Process(programPath('notifyctl'), words('--count', '20'));
    await until('it has a cursor', cursor);
    for (let n = 1; n <= 10; ++n) await publish(n);
    await ctl.stdout.count('lines', 10);
    await server.kill();
    for (let n = 11; n <= 20; ++n) await publish(n);
    await delay(500);  // so that it tries several times
    await restart();
    assert.equal((await ctl.ended(20000)).code, 0);
    assert.deepEqual(ctl.stdout.items.map((line) => JSON.parse(line).payload.n), upTo(20));
    assert.equal(ctl.stderr.items.filter((line) => line.endsWith('; trying again')).length, 1, ctl.stderr.items.join('\n'));
    assert.equal(JSON.parse(ctl.stdout.items.at(-1)).position, cursor().trim());
  });

  it('moves its cursor without events', async () => {
    const ctl = follow();
    const before = await until('it has a cursor', cursor);
    for (let n = 1; n <= 3; ++n) await publish(n, 'threads');
    await until('a checkpoint', () => cursor() !== before, { deadline: 20000 });
    await ctl.stop();
    assert.deepEqual(written(), []);
  });

  it('does not repeat the line that was written before it could keep the cursor', async () => {
    const first = follow();
    await until('it has a cursor', cursor);
    await publish(1);
    await until('a line', () => written().length === 1);
    const behind = await until('the cursor', () => cursor().trim() === JSON.parse(readFileSync(lines, 'utf8')).position && cursor());
    await publish(2);
    await until('a line', () => written().length === 2);
    await first.kill();
    writeFileSync(file, behind);
    const second = follow();
    await publish(3);
    await until('a line', () => written().length === 3);
    await second.stop();
    assert.deepEqual(written(), [1, 2, 3]);
  });

  it('tells a gap on stderr, goes on behind it, and ends well', async () => {
    await publish(1);
    writeFileSync(file, 'another.1-0\n');
    const ended = await notifyctl(`127.0.0.1:${port}`, words('--count', '1'));
    assert.equal(ended.code, 0);
    assert.match(ended.stderr, /^notifyctl: gap: events after another\.1-0 are lost, going on at \S+$/m);
    assert.equal(JSON.parse(ended.stdout).position, cursor().trim());
  });

  it('begins at --resume-after while its file holds nothing', async () => {
    const [position] = await publish(1);
    await publish(2);
    writeFileSync(file, '');
    for (const n of [2, 3]) {
      const ctl = new Process(programPath('notifyctl'), words('--resume-after', position, '--count', '1'));
      if (n === 3) await publish(3);
      assert.equal((await ctl.ended()).code, 0);
      assert.equal(JSON.parse(ctl.stdout.items[0]).payload.n, n);
    }
  });

  it('ends where another try would not help', async () => {
    writeFileSync(file, 'two words\n');
    assert.deepEqual(await notifyctl('', words()), { code: 1, signal: null, stdout: '', stderr: `notifyctl: --resume_file: ${file} holds no cursor` });
    const missing = join(folder, 'no/such/folder');
    const unwritable = await notifyctl('', ['stream', '--server', `127.0.0.1:${port}`, '--room', 'graph', '--resume-file', missing]);
    assert.equal(unwritable.code, 1);
    assert.match(unwritable.stderr, /--resume_file: cannot write .*: No such file or directory$/);
    rmSync(file);
    const refused = await notifyctl('', ['stream', '--server', `127.0.0.1:${port}`, '--room', 'nope', '--resume-file', file]);
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /INVALID_ARGUMENT/);
  });

  it('says that a server without a journal does not help', async () => {
    const plain = await startServer(redis);
    const ctl = new Process(programPath('notifyctl'), ['stream', '--server', plain.grpcAddress, '--room', 'graph', '--resume-file', file]);
    await ctl.stderr.waitFor('it says so', (items) => items.some((line) => line.includes('keeps no journal')));
    await ctl.stop();
    await plain.stop();
  });
});
