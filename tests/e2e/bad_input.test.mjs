// What is wrong with settings, the broker or a request is said in one clear line.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { RawClient } from './support/clients.mjs';
import { GrpcClient, status } from './support/grpc.mjs';
import { run } from './support/processes.mjs';
import { notifyctl, programPath, start, startEdge, startServer, stopAll } from './support/programs.mjs';
import { RedisServer } from './support/redis.mjs';
import { until } from './support/wait.mjs';

const EDGE = 'notifications-edge', SERVER = 'notifications-server', GATEWAY = 'notifications-gateway';
const LOCAL = { [EDGE]: ['--listen=127.0.0.1:0'], [SERVER]: ['--grpc_listen=127.0.0.1:0'], [GATEWAY]: ['--listen=127.0.0.1:0', '--grpc_listen=127.0.0.1:0'] };

// Runs a program that must refuse to start: code and the only line that it says.
async function refused(name, args, env) {
  const { code, stdout, stderr } = await run(programPath(name), [...LOCAL[name] ?? [], '--admin_listen=127.0.0.1:0', ...args], { env });
  assert.notEqual(code, 0, 'it must not end with 0');
  assert.ok(code !== null, `it must end by itself; ${stderr}`);
  assert.equal(stdout, '');
  assert.equal(stderr.trim().split('\n').length, 1, `one line, but:\n${stderr}`);
  return { code, line: stderr };
}

describe('settings', { concurrency: 4 }, () => {
  for (const name of [EDGE, SERVER, GATEWAY, 'notifyctl']) {
    it(`${name} --help prints usage`, async () => {
      const { code, stdout, stderr } = await run(programPath(name), ['--help']);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /usage/i);
      assert.equal(stderr, '');
    });
  }
  for (const name of [EDGE, SERVER, GATEWAY]) {
    for (const args of [
      ['--nonsense'], ['--nonsense=1'], ['--log_level=loud'], ['--log_format=xml'], ['--admin_listen=nowhere'], ['--admin_listen=127.0.0.1:65536'], ['--admin_listen=127.0.0.1:-1'], ['--drain=soon'], ['--drain=-1s'], ['--drain=5'],
      ['--redis_url=http://127.0.0.1'], ['--redis_url=redis://127.0.0.1:99999'], ['--redis_url=redis://127.0.0.1/db'], ['--redis_url=redis://'], ['--redis_url=127.0.0.1:6379'], ['--journal=maybe'], ['--probe_interval=0s'], ['--max_outbound_bytes=lots'], ['stray'],
    ]) {
      it(`${name} refuses ${args.join(' ')}`, async () => {
        const { code, line } = await refused(name, args);
        assert.equal(code, 2, line);
        assert.ok(line.includes(args[0].split('=')[0]), `the line names the flag: ${line}`);
      });
    }
  }
  for (const args of [
    ['--listen=nowhere'], ['--listen=127.0.0.1:http'], ['--threads=many'], ['--threads=-1'], ['--ping_interval=fast'], ['--ping_timeout=0s'], ['--connect_timeout=x'], ['--max_payload=-5'], ['--max_payload=abc'], ['--max_connections=x'],
    ['--delivery=twice'], ['--socket_io_path=relative'], ['--journal=on', '--delivery=per_room'], ['--max_rooms_per_connection=x'], ['--write_timeout=x'],
  ]) {
    it(`${EDGE} refuses ${args.join(' ')}`, async () => {
      const { code, line } = await refused(EDGE, args);
      assert.equal(code, 2, line);
      assert.ok(args.some((arg) => line.includes(arg.split('=')[0])), `the line names the flag: ${line}`);
    });
  }
  for (const [name, flag] of [[EDGE, '--grpc_listen=127.0.0.1:0'], [SERVER, '--listen=127.0.0.1:0'], [SERVER, '--ping_interval=5s']]) {
    it(`${name} knows no ${flag.split('=')[0]}`, () => refused(name, [flag]));
  }
  for (const [variable, value, name] of [
    ['PORT', 'http', EDGE], ['PING_INTERVAL', 'x', EDGE], ['GRPC_ADDR', 'x', SERVER], ['REDIS_URL', 'x', EDGE], ['NOTIFICATIONS_REDIS_URL', 'ftp://x', SERVER], ['LOG_LEVEL', 'x', GATEWAY], ['DRAIN', 'x', EDGE], ['DELIVERY', 'x', EDGE], ['NOTIFICATIONS_JOURNAL', 'x', EDGE],
  ]) {
    it(`${name} refuses ${variable}=${value} in the environment`, async () => {
      const { code, stderr } = await run(programPath(name), ['--admin_listen=127.0.0.1:0', ...(name !== EDGE ? ['--grpc_listen=127.0.0.1:0'] : [])].filter((arg) => variable !== 'GRPC_ADDR' || !arg.includes('grpc')), { env: { [variable]: value } });
      assert.equal(code, 2, stderr);
      assert.equal(stderr.trim().split('\n').length, 1, stderr);
      assert.ok(stderr.includes(variable), `the line names the variable: ${stderr}`);
    });
  }
});

describe('a port in use', { timeout: 60000 }, () => {
  let redis, edge, server;
  before(async () => {
    redis = await RedisServer.start();
    [edge, server] = await Promise.all([startEdge(redis), startServer(redis)]);
  });
  after(async () => {
    await stopAll(edge, server);
    await redis?.stop();
  });
  for (const [what, name, flags] of [
    ['the Socket.IO port', EDGE, () => ({ listen: `127.0.0.1:${edge.port}` })],
    ['the admin port of an edge', EDGE, () => ({ admin_listen: edge.adminUrl.slice(7) })],
    ['the gRPC port', SERVER, () => ({ grpc_listen: server.grpcAddress })],
    ['the Socket.IO port of a gateway', GATEWAY, () => ({ listen: `127.0.0.1:${edge.port}` })],
    ['the gRPC port of a gateway', GATEWAY, () => ({ grpc_listen: server.grpcAddress })],
  ]) {
    it(`${what} is named, and the program ends`, async () => {
      const wanted = flags();
      const args = [...LOCAL[name], '--admin_listen=127.0.0.1:0', `--redis_url=${redis.url}`, ...Object.entries(wanted).map(([flag, value]) => `--${flag}=${value}`)];
      const { code, stderr } = await run(programPath(name), args);
      assert.ok(code > 0, `code ${code}\n${stderr}`);
      const lines = stderr.split('\n').filter((line) => line.includes(Object.values(wanted)[0]) && /in use/i.test(line));
      assert.equal(lines.length, 1, `one line names the address and says that it is in use:\n${stderr}`);
    });
  }
});

describe('Redis that refuses', { timeout: 60000 }, () => {
  let redis;
  before(async () => { redis = await RedisServer.start(['--requirepass', 'open sesame', '--databases', '4']); });
  after(() => redis?.stop());

  const url = (user, db = 0) => `redis://${user}127.0.0.1:${redis.port}/${db}`;
  for (const [what, user, db, says] of [
    ['demands a password', '', 0, /NOAUTH|auth/i],
    ['gets a wrong password', ':wrong@', 0, /WRONGPASS|invalid|auth/i],
    ['has no such user', 'nobody:open%20sesame@', 0, /WRONGPASS|invalid|auth/i],
    ['has no such database', ':open%20sesame@', 99, /DB index|database|out of range/i],
  ]) {
    for (const name of [EDGE, SERVER]) {
      it(`${name} says when it ${what}, and is not ready`, async () => {
        const program = await start(name, { redis_url: url(user, db), probe_interval: '200ms' }, { ready: false });
        try {
          const lines = () => program.stderr.items.filter((line) => says.test(line));
          await until('the log says why', () => lines().length > 0);
          assert.equal((await program.admin('/readyz')).status, 503);
          assert.ok(!program.stderr.items.some((line) => /sesame|wrong@/.test(line)), 'a password stands in the log');
          assert.ok(lines().length <= 3, lines().join('\n'));
        } finally {
          await program.stop();
        }
      });
    }
  }
  it('is fine with the right password', async () => {
    const edge = await start(EDGE, { redis_url: url(':open%20sesame@', 3) });
    const browser = await RawClient.subscribe(edge.port, 'graph');
    try {
      assert.ok(!edge.stderr.items.some((line) => line.includes('sesame')), 'the password stands in the log');
    } finally {
      browser.close();
      await edge.stop();
    }
  });
});

describe('gRPC requests', { timeout: 60000 }, () => {
  let redis, server, grpc;
  before(async () => {
    redis = await RedisServer.start();
    server = await startServer(redis);
    grpc = new GrpcClient(server.grpcAddress);
  });
  after(async () => {
    grpc?.close();
    await server?.stop();
    await redis?.stop();
  });

  const good = { event: 'x', rooms: ['graph'], payload_json: '1' };
  for (const [what, change, field] of [
    ['without rooms', { rooms: [] }, /rooms/], ['with a bad room', { rooms: ['graph', 'Graph'] }, /rooms/], ['with a room pattern', { rooms: ['thread:*'] }, /rooms/], ['without an event', { event: '' }, /event/], ['with a reserved event', { event: 'disconnect' }, /event/],
    ['with a payload that is not JSON', { payload_json: '{nope' }, /payload/], ['with an empty payload text', { payload_json: '' }, /payload/], ['with a payload and more', { payload_json: '1 2' }, /payload/], ['with a payload nested too deep', { payload_json: '['.repeat(513) + ']'.repeat(513) }, /payload/],
  ]) {
    it(`Publish ${what} is INVALID_ARGUMENT and names the field`, async () => {
      await assert.rejects(grpc.publish({ ...good, ...change }), ({ code, details }) => {
        assert.equal(code, status.INVALID_ARGUMENT, details);
        assert.match(details, field);
        return true;
      });
    });
  }
  for (const rooms of [[], [''], ['Graph'], ['graph', 'nope'], ['thread'], ['thread:**'], ['**'], ['user:*'], ['graph:*']]) {
    it(`Stream of ${JSON.stringify(rooms)} is INVALID_ARGUMENT`, async () => {
      await assert.rejects(grpc.stream(...rooms), ({ code, details }) => {
        assert.equal(code, status.INVALID_ARGUMENT, details);
        assert.match(details, /rooms/);
        return true;
      });
    });
  }
  it('Publish of a payload that is too large is refused', async () => {
    await assert.rejects(grpc.publish({ ...good, payload_json: `"${'x'.repeat(8 * 1024 * 1024)}"` }),
      ({ code }) => code === status.INVALID_ARGUMENT || code === status.RESOURCE_EXHAUSTED);
  });

  for (const args of [
    [], ['nonsense'], ['publish'], ['publish', '--nonsense'], ['publish', '--event', 'x', '--payload', '1'], ['publish', '--room', 'graph', '--payload', '1'], ['publish', '--event', 'x', '--room', 'graph', '--payload', '{nope'],
    ['publish', '--event', 'x', '--room', 'Graph', '--payload', '1'], ['publish', '--event', 'x', '--room', 'graph', '--payload', '@/does/not/exist'], ['stream'], ['stream', '--room', 'nope'], ['demo', '--rate', 'x'],
  ]) {
    it(`notifyctl ${args.join(' ')} fails with a clear line`, async () => {
      const { code, stderr, stdout } = await notifyctl(server.grpcAddress, args);
      assert.ok(code > 0, `code ${code}; ${stdout}${stderr}`);
      assert.ok(stderr.trim().length > 0, 'it says nothing');
      if (args.length) assert.equal(stderr.trim().split('\n').length, 1, stderr);
    });
  }
  it('notifyctl health tells a living server from a dead one', async () => {
    const living = await notifyctl(server.grpcAddress, ['health']);
    assert.equal(living.code, 0, living.stderr);
    const dead = await notifyctl('127.0.0.1:1', ['health']);
    assert.ok(dead.code > 0);
    assert.equal(dead.stderr.trim().split('\n').length, 1, dead.stderr);
  });
});
