// What a hostile or broken peer can do is bounded, counted, and nobody else notices.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { RawClient, SocketIoClient } from './support/clients.mjs';
import { envelopeText } from './support/envelopes.mjs';
import { GrpcClient, status } from './support/grpc.mjs';
import { startEdge, startServer, stopAll } from './support/programs.mjs';
import { RawSocket, ping, request, text } from './support/raw_socket.mjs';
import { RedisServer } from './support/redis.mjs';
import { until, within } from './support/wait.mjs';

describe('hardening', { timeout: 180000 }, () => {
  let redis, edge, good;
  before(async () => {
    redis = await RedisServer.start();
    edge = await startEdge(redis, { connect_timeout: '700ms', max_outbound_bytes: '262144', write_timeout: '1500ms' });
    good = await RawClient.subscribe(edge.port, 'graph', 'node:good');
  });
  after(async () => {
    good?.close();
    await edge?.stop();
    await redis?.stop();
  });

  // The good client is still there and still hears.
  async function othersAreFine() {
    const n = good.inbox.items.length;
    await redis.client().publish('notifications.v1', envelopeText(['node:good'], 'still'));
    await good.inbox.count('the good client hears', n + 1, 3000);
    assert.ok(!good.closed);
  }
  const reasons = async () => Object.fromEntries((await edge.metrics())
    .filter(({ name }) => name === 'notifications_disconnects_total').map(({ labels, value }) => [labels, value]));
  // Some close reason was counted once more since `before`.
  async function counted(before, pattern) {
    await until(`a close reason ${pattern} is counted`, async () => Object.entries(await reasons())
      .some(([labels, value]) => pattern.test(labels) && value > (before[labels] ?? 0)));
  }

  const count = async (name, labels) => (await edge.metrics())
    .find((sample) => sample.name === name && sample.labels.includes(labels))?.value ?? 0;
  // Runs `act`; a counter with these labels must have grown.
  async function grows(name, labels, act) {
    const before = await count(name, labels);
    await act();
    await until(`${name}{${labels}} grows`, async () => await count(name, labels) > before);
  }
  const httpErrors = (reason, act) => grows('notifications_http_errors_total', `reason="${reason}"`, act);

  it('a client that is slow with its headers, or says nothing at all, is cut off', async () => {
    const before = await Promise.all(['timeout', 'silent'].map((reason) => count('notifications_http_errors_total', `reason="${reason}"`)));
    const slow = await RawSocket.connect(edge.port);
    const silent = await RawSocket.connect(edge.port);
    slow.write('GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: a\r\n');
    const drip = setInterval(() => slow.write('X: y\r\n'), 100);
    await Promise.all([slow.eof(20000), silent.eof(20000)]).finally(() => clearInterval(drip));
    const now = await Promise.all(['timeout', 'silent'].map((reason) => count('notifications_http_errors_total', `reason="${reason}"`)));
    assert.deepEqual(now, before.map((n) => n + 1), 'both are counted, by reason');
    await othersAreFine();
  });

  it('headers without end are refused', async () => {
    const raw = await RawSocket.connect(edge.port);
    const line = `X-${'a'.repeat(200)}: ${'b'.repeat(800)}\r\n`;
    await httpErrors('head_too_large', async () => {
      raw.write('GET /socket.io/ HTTP/1.1\r\nHost: a\r\n');
      for (let i = 0; i < 500 && !raw.ended; ++i) {
        raw.write(line);
        await new Promise(setImmediate);
      }
      await raw.eof(10000);
    });
    assert.ok(raw.lines.every((entry) => !/^http [25]/.test(entry)), raw.lines.join());
    await othersAreFine();
  });

  it('a target of 100 KB is refused', async () => {
    const raw = await RawSocket.connect(edge.port);
    await httpErrors('head_too_large', async () => {
      raw.write(request('GET', `/socket.io/?${'x'.repeat(100000)}`));
      await raw.eof(10000);
    });
  });

  it('a body of 100 KB is refused, and so is what is no HTTP', async () => {
    for (const [reason, bytes] of [['body_too_large', request('POST', '/', ['Content-Length: 100000'], 'x'.repeat(100000))], ['malformed', 'hello\r\n\r\n']]) {
      await httpErrors(reason, async () => {
        const raw = await RawSocket.connect(edge.port);
        raw.write(bytes);
        await raw.eof(10000);
      });
    }
  });

  it('a client that asks for page after page and reads none is cut off', async () => {
    await httpErrors('unread', async () => {
      const raw = await RawSocket.connect(edge.port);
      raw.socket.pause();
      const requests = request('GET', '/nowhere').repeat(1000);
      const flood = setInterval(() => { if (raw.socket.writableLength < 1e6) raw.write(requests); }, 5);
      await until('it is cut off', async () => await count('notifications_http_errors_total', 'reason="unread"') > 0, { deadline: 20000 })
        .finally(() => clearInterval(flood));
      raw.destroy();
    });
    await othersAreFine();
  });

  it('however many are closed, the log stays short', async () => {
    const closed = () => edge.log.filter(({ msg }) => msg === 'client closed');
    const before = await reasons();
    const logged = closed().length;
    const began = Date.now();
    const violate = async () => {
      const raw = await RawSocket.connect(edge.port);
      await raw.open();
      raw.send('2');
      await raw.eof();
    };
    for (let i = 0; i < 10; ++i) await Promise.all(Array.from({ length: 20 }, violate));
    await until('200 violations are counted', async () => Object.entries(await reasons())
      .some(([labels, value]) => /client_ping/.test(labels) && value >= (before[labels] ?? 0) + 200));
    await until('a line says how many were left out', async () => {
      await violate();
      return closed().some(({ suppressed }) => suppressed > 0);
    });
    const lines = closed().length - logged;
    assert.ok(lines >= 1 && lines <= 2 + (Date.now() - began) / 1000, `${lines} lines in ${Date.now() - began} ms`);
  });

  it('a client that does not CONNECT is closed', async () => {
    const before = await reasons();
    const raw = await RawSocket.connect(edge.port);
    await raw.open();
    await raw.eof(5000);
    await counted(before, /connect_timeout/);
  });

  it('a client that never reads is closed with a reason, its memory bounded', async () => {
    const before = await reasons();
    const slow = await RawSocket.connect(edge.port);
    await slow.connect();
    slow.send('421["subscribe",{"room":"threads"}]');
    await slow.receive('431[');
    slow.socket.pause();
    const publisher = redis.client();
    const big = JSON.stringify('x'.repeat(100000));
    const started = Date.now();
    let closed = false;
    while (!closed && Date.now() - started < 20000) {
      for (let i = 0; i < 10; ++i) await publisher.publish('notifications.v1', envelopeText(['threads'], 'big', big));
      await othersAreFine();
      closed = Object.entries(await reasons()).some(([labels, value]) => /slow|write_timeout/.test(labels) && value > (before[labels] ?? 0));
    }
    assert.ok(closed, 'it was never closed');
    slow.destroy();
  });

  it('a client that reads nothing of little data is closed by the write deadline only if data waits', async () => {
    const quiet = await RawSocket.connect(edge.port);
    await quiet.connect();
    quiet.socket.pause();
    const end = Date.now() + 2000;  // beyond the write timeout
    while (Date.now() < end) await othersAreFine();
    quiet.socket.resume();
    assert.ok(await quiet.sync(), 'a client that is merely idle was closed');
    await quiet.finish();
  });

  it('a flood of packets is ended', async () => {
    const before = await reasons();
    const raw = await RawSocket.connect(edge.port);
    await raw.connect();
    const burst = Buffer.concat(Array.from({ length: 2000 }, () => text('6')));
    for (let i = 0; i < 100 && !raw.ended && !raw.closing; ++i) {
      raw.write(burst);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await raw.eof(10000);
    await counted(before, /rate/);
    await othersAreFine();
  });

  it('a flood of WebSocket pings is ended', async () => {
    const before = await reasons();
    const raw = await RawSocket.connect(edge.port, { quiet: true });
    raw.upgrade();
    await raw.waitFor('the upgrade', (lines) => lines.some((line) => line.startsWith('http 101')));
    const burst = Buffer.concat(Array.from({ length: 2000 }, () => ping('flood')));
    for (let i = 0; i < 100 && !raw.ended && !raw.closing; ++i) {
      raw.write(burst);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await raw.eof(10000);
    await counted(before, /rate/);
    await othersAreFine();
  });

  it('a flood of subscribes is ended', async () => {
    const before = await reasons();
    const raw = await RawSocket.connect(edge.port, { quiet: true });
    raw.upgrade();
    raw.send('40');
    for (let i = 0; i < 300 && !raw.ended && !raw.closing; ++i) {
      raw.write(...Array.from({ length: 200 }, (_, n) => text(`42${n}["subscribe",{"room":"node:${n}"}]`)));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await raw.eof(10000);
    await counted(before, /rate/);
    await othersAreFine();
  });

  it('rooms of a connection are bounded, and leaving empties the server of them', async () => {
    const client = await SocketIoClient.connect(edge.url);
    const before = await edge.metric('notifications_rooms');
    const rooms = (n) => Array.from({ length: 1000 }, (_, i) => `run:r${n}-${i}`);
    assert.equal((await client.ask('subscribe', { rooms: rooms(0) })).ok, true);
    await grows('notifications_subscribes_total', 'outcome="too_many_rooms"', async () => {
      assert.deepEqual(await client.ask('subscribe', { rooms: rooms(1) }), { ok: false, error: 'too_many_rooms' });
    });
    await grows('notifications_subscribes_total', 'outcome="invalid_payload"', async () => {
      assert.equal((await client.ask('subscribe', { rooms: ['Graph'] })).error, 'invalid_payload');
    });
    for (let n = 1; n < 30; ++n) {
      assert.equal((await client.ask('unsubscribe', { rooms: rooms(n - 1) })).ok, true);
      assert.equal((await client.ask('subscribe', { rooms: rooms(n) })).ok, true);
    }
    client.close();
    await until('the rooms are gone', async () => await edge.metric('notifications_rooms') <= before);
  });

  it('deep and huge JSON in a subscribe is refused without harm', async () => {
    for (const payload of ['['.repeat(100000) + ']'.repeat(100000), `${'{"a":'.repeat(50000)}1${'}'.repeat(50000)}`, `{"rooms":[${'"x",'.repeat(50000)}"x"]}`, `{"room":"${'x'.repeat(900000)}"}`, `{${Array.from({ length: 20000 }, (_, i) => `"k${i}":1`)}}`]) {
      const raw = await RawSocket.connect(edge.port);
      await raw.connect();
      raw.send(`421["subscribe",${payload}]`);
      await raw.waitFor('an answer or the end', (lines) => raw.closing || lines.some((line) => line.startsWith('text 431[{"ok":false')), 10000);
      raw.destroy();
    }
    await othersAreFine();
  });

  it('labels of metrics hold no text of clients', async () => {
    const raw = await RawSocket.connect(edge.port);
    await raw.connect();
    raw.send('421["subscribe",{"room":"thread:secret-room"}]', '42["secret-event"]', '40/secret-namespace,');
    await raw.receive('44/secret');
    await redis.client().publish('notifications.v1', envelopeText(['thread:secret-room'], 'secret-name', '"secret"'));
    await raw.receive('secret-name');
    await raw.finish();
    const refused = await RawSocket.connect(edge.port);
    refused.write(request('GET', '/secret-path', ['Origin: http://secret', 'User-Agent: secret']));
    await refused.waitFor('an answer', (lines) => lines.length > 0);
    refused.destroy();
    for (const path of ['/metrics', '/health/realtime']) {
      assert.ok(!(await edge.admin(path)).body.includes('secret'), `${path} tells a secret`);
    }
  });

  it('/health/realtime is JSON', async () => {
    const { status: code, body } = await edge.admin('/health/realtime');
    assert.equal(code, 200);
    assert.equal(typeof JSON.parse(body), 'object');
    assert.equal((await edge.admin('/nowhere')).status, 404);
  });
});

describe('limits', { timeout: 120000 }, () => {
  let redis;
  before(async () => { redis = await RedisServer.start(); });
  after(() => redis?.stop());

  it('beyond --max_connections clients are turned away, and taken again when there is room', async () => {
    const edge = await startEdge(redis, { max_connections: '5' });
    try {
      const clients = [];
      for (let i = 0; i < 5; ++i) clients.push(await RawClient.subscribe(edge.port, 'graph'));
      const sixth = await RawSocket.connect(edge.port);
      sixth.upgrade();
      const served = () => sixth.lines.some((line) => line.startsWith('text 0'));
      await sixth.waitFor('503 or nothing', (lines) => lines.length > 0 || served(), 1500).catch(() => {});
      assert.ok(!served(), 'a sixth got in');
      assert.ok(sixth.lines.every((line) => !line.startsWith('http') || line.startsWith('http 503')), sixth.lines.join());
      sixth.destroy();
      clients.pop().close();
      await until('there is room again', async () => {
        const raw = await RawSocket.connect(edge.port);
        try {
          await raw.open();
          return true;
        } catch {
          return false;
        } finally {
          raw.destroy();
        }
      });
      for (const client of clients) {
        assert.ok(!client.closed);
        client.close();
      }
    } finally {
      await edge.stop();
    }
  });

  it('a client that never reads is closed for its bytes long before the write deadline', async () => {
    const edge = await startEdge(redis, { max_outbound_bytes: '65536', write_timeout: '10m' });
    const deaf = await RawSocket.connect(edge.port);
    await deaf.connect();
    deaf.send('421["subscribe",{"room":"threads"}]');
    await deaf.receive('431[');
    deaf.socket.pause();
    const publisher = redis.client();
    const big = JSON.stringify('x'.repeat(50000));
    await until('it is closed', async () => {
      for (let i = 0; i < 20; ++i) await publisher.publish('notifications.v1', envelopeText(['threads'], 'big', big));
      return (await edge.metrics()).some(({ name, labels, value }) => name === 'notifications_disconnects_total' && labels.includes('reason="slow_consumer"') && value === 1);
    }, { deadline: 20000 });
    assert.equal(await edge.metric('notifications_slow_evictions_total'), 1);
    assert.ok(await edge.metric('notifications_deliveries_dropped_total') > 0);
    deaf.destroy();
    await edge.stop();
  });

  it('commands that wait for a journal that is away are bounded', async () => {
    const edge = await startEdge(redis, { journal: 'on', channel: 'away' });
    const count = async () => (await edge.metrics()).find(({ name, labels }) => name === 'notifications_disconnects_total' && labels.includes('reason="rate_limit"')).value;
    const greedy = await RawSocket.connect(edge.port), modest = await RawSocket.connect(edge.port);
    try {
      await Promise.all([greedy.connect(), modest.connect()]);
      redis.freeze();
      for (let i = 0; i < 500; ++i) modest.send(`42${i}["subscribe",{"room":"node:${i}"}]`);
      const packet = `421["subscribe",{"rooms":[${'"graph",'.repeat(100000)}"graph"]}]`;
      for (let i = 0; i < 20 && !greedy.closing; ++i) greedy.send(packet);
      await greedy.waitFor('the close', () => greedy.closing);
      assert.ok(greedy.lines.includes('close 1008 rate limit'), greedy.lines.join().slice(0, 300));
      await until('it is counted', async () => await count() === 1);
      assert.ok(!modest.closing);
    } finally {
      redis.thaw();
    }
    await modest.receive('43499[', 1, 20000);
    await modest.finish();
    greedy.destroy();
    await edge.stop();
  });

  it('origins that are not allowed get 403, others get their own name back', async () => {
    const edge = await startEdge(redis, { allowed_origins: 'https://a.example,https://b.example' });
    const ask = async (headers) => {
      const raw = await RawSocket.connect(edge.port);
      raw.upgrade({ extra: headers });
      await raw.waitFor('an answer', (lines) => lines.some((line) => line.startsWith('body') || line.startsWith('text 0')));
      raw.destroy();
      return raw.lines;
    };
    try {
      for (const origin of ['https://evil.example', 'https://b.example.evil', 'http://a.example', 'https://a.example:8443', 'null']) {
        const refused = await ask([`Origin: ${origin}`]);
        assert.equal(refused[0], 'http 403 Forbidden', refused.join('\n'));
        assert.ok(refused.includes('body {"code":4,"message":"Forbidden"}'), refused.join('\n'));
        assert.ok(!refused.some((line) => line.includes(origin)), refused.join('\n'));
      }
      const forbidden = (await edge.metrics()).find(({ name, labels }) => name === 'notifications_handshake_refusals_total' && labels.includes('reason="forbidden"'));
      assert.equal(forbidden?.value, 5);
      const allowed = await ask(['Origin: https://b.example']);
      assert.equal(allowed[0], 'http 101 Switching Protocols');
      assert.ok(allowed.includes('header access-control-allow-origin: https://b.example'), allowed.join('\n'));
    } finally {
      await edge.stop();
    }
  });

  it('runs out of file descriptors without falling over', async () => {
    // The shell's limit holds for the program it becomes.
    const { Process } = await import('./support/processes.mjs');
    const { programPath } = await import('./support/programs.mjs');
    const edge = new Process('/bin/sh', ['-c', 'ulimit -n 64; exec "$0" "$@"', programPath('notifications-edge'), '--listen=127.0.0.1:0', '--admin_listen=127.0.0.1:0', `--redis_url=${redis.url}`, '--threads=1', '--log_format=json', '--drain=0s']);
    const raws = [];
    try {
      const line = await until('it listens', () => edge.stderr.items.map((text) => { try { return JSON.parse(text); } catch { return {}; } }).find(({ msg, listener }) => msg === 'listening' && listener === 'socketio'));
      const port = Number(line.address.split(':').pop());
      const first = await RawClient.subscribe(port, 'graph');
      for (let i = 0; i < 150; ++i) {
        const raw = await RawSocket.connect(port);
        raw.upgrade();
        raws.push(raw);
      }
      await until('some are served', () => raws.filter((raw) => raw.lines.some((text) => text.startsWith('text 0'))).length > 10);
      await redis.client().publish('notifications.v1', envelopeText(['graph'], 'hello'));
      await first.inbox.count('the first hears', 1);
      assert.ok(edge.running);
      assert.ok(edge.stderr.items.length < 60, `${edge.stderr.items.length} lines of log`);
      const ticks = () => import('node:fs').then(({ readFileSync }) => {
        const fields = readFileSync(`/proc/${edge.pid}/stat`, 'utf8').split(') ')[1].split(' ');
        return Number(fields[11]) + Number(fields[12]);
      });
      const before = await ticks();
      await new Promise((resolve) => setTimeout(resolve, 1000));  // a busy loop would burn a hundred ticks
      const used = await ticks() - before;
      assert.ok(used < 40, `${used} ticks of CPU in a second of nothing`);
      for (const raw of raws.splice(0)) raw.destroy();
      await until('new clients get in again', async () => {
        const raw = await RawSocket.connect(port);
        try { await raw.open(); return true; } finally { raw.destroy(); }
      }, { deadline: 10000 });
      first.close();
    } finally {
      for (const raw of raws) raw.destroy();
      await edge.stop();
    }
  });

  it('a gRPC consumer that does not read ends RESOURCE_EXHAUSTED or CANCELLED, others go on', async () => {
    const server = await startServer(redis, { max_outbound_bytes: '262144', write_timeout: '1500ms' });
    const slow = new GrpcClient(server.grpcAddress), fine = new GrpcClient(server.grpcAddress);
    try {
      const reader = await fine.stream('graph');
      const sleeper = await slow.stream('graph');
      sleeper.call.pause();
      const publisher = redis.client();
      const big = JSON.stringify('x'.repeat(100000));
      let n = 0;
      await until('the slow one is counted', async () => {
        await publisher.publish('notifications.v1', envelopeText(['graph'], 'big', big));
        await reader.inbox.count('the other reads', ++n);
        return await server.metric('notifications_slow_evictions_total') > 0;
      }, { deadline: 20000 });
      sleeper.call.resume();
      const { code } = await within(5000, 'it ends', sleeper.ended);
      assert.ok([status.RESOURCE_EXHAUSTED, status.CANCELLED].includes(code), `ended with ${code}`);
      assert.equal(reader.error, undefined);
    } finally {
      slow.close();
      fine.close();
      await stopAll(server);
    }
  });
});
