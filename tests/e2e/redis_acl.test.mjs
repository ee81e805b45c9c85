// The Redis users that OPERATIONS.md recommends: with exactly these rights everything works and nothing
// is denied; with any less something would be, as each right is used; beyond the channel they may nothing.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { SocketIoClient } from './support/clients.mjs';
import { envelopeText } from './support/envelopes.mjs';
import { EventStream } from './support/event_stream.mjs';
import { GrpcClient } from './support/grpc.mjs';
import { RedisServer } from './support/redis.mjs';
import { notifyctl, ROOT, startEdge, startServer, stopAll } from './support/programs.mjs';
import { until } from './support/wait.mjs';

const GUIDE = readFileSync(join(ROOT, 'OPERATIONS.md'), 'utf8');
const APPEND = readFileSync(join(ROOT, 'core/redis/scripts/append.lua'), 'utf8');

function usersOf(journal) {
  const [, text] = new RegExp(`<!-- test:redis-acl-${journal} -->\\s*\`\`\`\\n([^\`]+)\`\`\``).exec(GUIDE);
  return text;
}
// The commands that a user of these may run.
function granted(users, name) {
  const line = users.split('\n').find((one) => one.startsWith(`user ${name} `));
  return line.split(' ').filter((word) => word.startsWith('+')).map((word) => word.slice(1)).sort();
}

async function withRedis(journal, work) {
  const users = usersOf(journal);
  const folder = mkdtempSync(join(tmpdir(), 'notifications-acl-'));
  writeFileSync(join(folder, 'users.acl'), `user default on nopass ~* &* +@all\n${users}`);
  const redis = await RedisServer.start(['--aclfile', join(folder, 'users.acl')]);
  // Not database 0, so that SELECT is needed, too.
  const as = (name) => ({ url: `redis://${name}:CHANGE-ME-${name}@127.0.0.1:${redis.port}/1` });
  try {
    await work({ redis, users, as });
  } finally {
    await redis.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function usedCommands(redis) {
  const stats = await redis.cli('INFO', 'commandstats');
  return [...stats.matchAll(/^cmdstat_([^:]+):calls=[1-9]/gm)].map(([, name]) => name)
    .filter((name) => !['auth', 'info', 'acl|log', 'acl|setuser', 'config|resetstat', 'keys', 'scan'].includes(name)).sort();
}
const without = (all, some) => all.filter((one) => !some.includes(one));

async function nothingWasDenied(redis) {
  assert.equal((await redis.cli('ACL', 'LOG')).trim(), '');
}

describe('the Redis users of OPERATIONS.md', { timeout: 120000 }, () => {
  it('suffice with the journal off, and have nothing to spare', () => withRedis('off', async ({ redis, users, as }) => {
    await redis.cli('CONFIG', 'RESETSTAT');
    const flags = { probe_interval: '100ms' };
    const [edge, server] = await Promise.all([startEdge(as('gateway'), flags), startServer(as('gateway'), flags)]);
    const grpc = new GrpcClient(server.grpcAddress);
    const browser = await SocketIoClient.connect(edge.url);
    try {
      await browser.subscribe('graph');
      await grpc.publish({ event: 'from-grpc', rooms: ['graph'] });
      await browser.inbox.count('the event', 1);
      await nothingWasDenied(redis);
      const used = await usedCommands(redis);
      assert.deepEqual(without(granted(users, 'gateway'), used), [], 'granted, but not used');
      assert.deepEqual(without(used, granted(users, 'gateway')), []);

      const { code, stderr } = await notifyctl(server.grpcAddress, ['demo', '--redis_url', as('publisher').url, '--count', '3', '--rate', '100']);
      assert.equal(code, 0, stderr);
      await nothingWasDenied(redis);
    } finally {
      browser.close();
      grpc.close();
      await stopAll(edge, server);
    }
  }));

  it('suffice with the journal on, and have nothing to spare', () => withRedis('on', async ({ redis, users, as }) => {
    await redis.cli('CONFIG', 'RESETSTAT');
    // A window of nothing: whoever comes back is served from Redis.
    const flags = { probe_interval: '100ms', journal: 'on', replay_window: '0' };
    const [edge, server] = await Promise.all([startEdge(as('gateway'), flags), startServer(as('gateway'), flags)]);
    const grpc = new GrpcClient(server.grpcAddress);
    const browser = await SocketIoClient.connect(edge.url);
    const streams = [];
    try {
      // A session that is lost, taken over and ended.
      await browser.subscribe('graph');
      await grpc.publish({ event: 'one', rooms: ['graph'] });
      await grpc.publish({ event: 'two', rooms: ['graph'] });
      await browser.inbox.count('two events', 2);
      browser.socket.io.engine.close();
      await until('it has left', () => browser.disconnects.length === 1);
      await grpc.publish({ event: 'three', rooms: ['graph'] });
      await browser.inbox.count('the event it missed', 3);
      assert.ok(browser.socket.recovered, 'the session was not recovered');
      // A stream that comes back with a cursor.
      streams.push(await EventStream.live(edge.url, 'room=graph'));
      await grpc.publish({ event: 'four', rooms: ['graph'] });
      const [{ id }] = await streams[0].hears(1, 'four');
      streams[0].close();
      await grpc.publish({ event: 'five', rooms: ['graph'] });
      streams.push(await EventStream.live(edge.url, 'room=graph', { lastEventId: id }));
      await streams[1].hears(1, 'five');
      // A publisher that knows of no journal.
      await redis.client({ db: 1 }).publish('notifications.v1', envelopeText(['graph'], 'legacy'));
      await streams[1].hears(1, 'legacy');
      browser.close();
      await until('the session is forgotten', async () => (await redis.cli('-n', '1', 'KEYS', 'notifications.v1:session:*')).trim() === '');
      await nothingWasDenied(redis);
      const used = await usedCommands(redis);
      assert.deepEqual(without(granted(users, 'gateway'), used), [], 'granted, but not used');
      assert.deepEqual(without(used, granted(users, 'gateway')), []);
    } finally {
      for (const stream of streams) stream.close();
      browser.close();
      grpc.close();
      await stopAll(edge, server);
    }

    // A publisher in another language, with the script.
    const { username, password } = new URL(as('publisher').url);
    const publisher = redis.client({ username, password, db: 1, connectionName: 'publisher', enableReadyCheck: false });
    await publisher.ping();
    await redis.cli('CONFIG', 'RESETSTAT');
    const again = redis.client({ username, password, db: 1, connectionName: 'again', enableReadyCheck: false });
    const append = (id) => [3, 'notifications.v1:journal', 'notifications.v1:meta', `notifications.v1:id:${id}`,
      envelopeText(['graph'], 'e', 'null', { id }), '2026-02-19T12:00:00.000Z', 'notifications.v1', 1000000, 900000, 300000, 'epoch', 1];
    const [position, , duplicate] = await again.eval(APPEND, ...append('a'));
    assert.match(position, /^[\w-]+\.\d+-\d+$/);
    assert.equal(duplicate, 0);
    const sha = (await redis.cli('SCRIPT', 'LOAD', APPEND)).trim();
    assert.equal((await again.evalsha(sha, ...append('a')))[2], 1);
    await again.publish('notifications.v1', envelopeText(['graph'], 'plain'));
    await again.ping();
    await redis.cli('DEL', 'notifications.v1:meta');
    await redis.cli('-n', '1', 'DEL', 'notifications.v1:meta');
    await again.evalsha(sha, ...append('b'));
    await nothingWasDenied(redis);
    assert.deepEqual(without(granted(users, 'publisher'), await usedCommands(redis)), [], 'granted, but not used');
  }));

  it('may nothing beyond the channel', () => withRedis('on', async ({ redis, as }) => {
    for (const name of ['gateway', 'publisher']) {
      const { username, password } = new URL(as(name).url);
      const client = redis.client({ username, password, enableReadyCheck: false });
      const denied = (...command) => assert.rejects(client.call(...command), /NOPERM/, command.join(' '));
      await denied('GET', 'another');
      await denied('SET', 'notifications.v10', '1');
      await denied('SET', 'notifications.v1', '1');
      await denied('PUBLISH', 'another', '1');
      await denied('PUBLISH', 'notifications.v10', '1');
      await denied('KEYS', '*');
      await denied('CONFIG', 'GET', '*');
      await denied('FLUSHALL');
      await denied('ACL', 'LIST');
      await denied('CLIENT', 'LIST');
      await denied('SCRIPT', 'FLUSH');
      await assert.rejects(client.eval("return redis.call('GET', KEYS[1])", 1, 'another'), /NOPERM|ACL failure|can't access/);
    }
  }));
});
