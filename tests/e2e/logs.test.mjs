// What the log says: one line a fact, a connection's id in its lines, no payloads above debug, few
// lines about what repeats; SIGHUP shows more and hides it again, and so does the admin listener.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { RawClient } from './support/clients.mjs';
import { envelopeText } from './support/envelopes.mjs';
import { EventStream } from './support/event_stream.mjs';
import { GrpcClient } from './support/grpc.mjs';
import { RawSocket } from './support/raw_socket.mjs';
import { RedisServer } from './support/redis.mjs';
import { run } from './support/processes.mjs';
import { ROOT, startEdge, startServer, stopAll } from './support/programs.mjs';
import { until } from './support/wait.mjs';

const TOKEN = 'token-of-the-operators';

// One of two values of a key would be lost to whoever reads the line.
function hasEachKeyOnce({ stderr }) {
  for (const line of stderr.items) {
    const keys = [...line.matchAll(/[{,]"(\w+)":/g)].map(([, key]) => key);
    assert.deepEqual(keys, [...new Set(keys)], line);
  }
}

const SECRET = 'payload-that-nobody-may-read';

describe('the log', { timeout: 60000 }, () => {
  let redis, publisher;
  before(async () => {
    redis = await RedisServer.start();
    publisher = redis.client();
  });
  after(() => redis?.stop());
  const publish = (...args) => publisher.publish('notifications.v1', envelopeText(...args));

  it('shows connections, each by its id, between one SIGHUP and the next', async () => {
    const edge = await startEdge(redis);
    const lines = (msg) => edge.log.filter((line) => line.msg === msg);
    const visit = async () => {
      const browser = await RawClient.subscribe(edge.port, 'graph');
      browser.close();
      await until('it has left', async () => await edge.metric('notifications_connections') === 0);
    };
    try {
      await visit();
      assert.deepEqual([lines('client connected'), lines('client closed')], [[], []]);

      edge.signal('SIGHUP');
      await until('the level is debug', () => lines('log level changed').some(({ to }) => to === 'debug'));
      await Promise.all([visit(), visit()]);
      await until('both are logged', () => lines('client closed').length === 2);
      const connected = lines('client connected').map(({ connection }) => connection).sort();
      assert.equal(new Set(connected).size, 2);
      assert.ok(connected.every(Number.isInteger), JSON.stringify(connected));
      assert.deepEqual(lines('client closed').map(({ connection }) => connection).sort(), connected);
      for (const line of lines('client closed')) {
        assert.match(line.reason, /^[a-z_]+$/);
        assert.equal(line.level, 'debug');
      }

      edge.signal('SIGHUP');
      await until('the level is as before', () => lines('log level changed').length === 2);
      await visit();
      assert.equal(lines('client closed').length, 2);
    } finally {
      await edge.stop();
    }
  });

  it('shows event streams, too', async () => {
    const edge = await startEdge(redis, { log_level: 'debug' });
    const lines = (msg) => edge.log.filter((line) => line.msg === msg);
    try {
      const stream = await EventStream.live(edge.url, 'room=graph');
      await until('it is logged', () => lines('client connected').length === 1);
      stream.close();
      await until('its end is logged', () => lines('client closed').length === 1);
      assert.deepEqual(lines('client connected').map(({ connection, kind }) => [connection, kind]), [[lines('client closed')[0].connection, 'sse']]);
      assert.match(lines('client closed')[0].reason, /^(client_gone|network_error)$/);
    } finally {
      await edge.stop();
    }
  });

  it('says little about a crowd that is thrown out, unless asked for all', async () => {
    const edge = await startEdge(redis, { threads: 2 });
    const lines = () => edge.log.filter(({ msg, reason }) => msg === 'client closed' && reason.startsWith('violation_'));
    const crowd = async () => {
      const before = await edge.metric('notifications_disconnects_total');
      await Promise.all(Array.from({ length: 150 }, async () => {
        const raw = await RawSocket.connect(edge.port);
        await raw.connect();
        raw.send('9nonsense');
        await raw.waitFor('the close', () => raw.closing || raw.ended);
        raw.destroy();
      }));
      await until('all are counted', async () => await edge.metric('notifications_disconnects_total') === before + 150, { deadline: 20000 });
    };
    try {
      const began = Date.now();
      await crowd();
      const few = lines();
      const seconds = (Date.now() - began) / 1000;
      assert.ok(few.length >= 1 && few.length <= 2 + seconds, `${few.length} lines in ${seconds} s`);
      assert.ok(few.every(({ connection, code, suppressed, level }) => connection > 0 && code >= 300 && suppressed >= 0 && level === 'info'), JSON.stringify(few));
      edge.signal('SIGHUP');
      await until('the level is debug', () => edge.log.some(({ msg, to }) => msg === 'log level changed' && to === 'debug'));
      await crowd();
      await until('all are logged', () => lines().length === few.length + 150);
    } finally {
      await edge.stop();
    }
  });

  it('has the level that the admin listener is told', async () => {
    const edge = await startEdge(redis);
    const ask = async (method, query = '', headers = {}) => {
      const answer = await fetch(`${edge.adminUrl}/log_level${query}`, { method, headers });
      return `${answer.status} ${await answer.text()}`;
    };
    const visit = async () => {
      const browser = await RawClient.subscribe(edge.port, 'graph');
      browser.close();
      await until('it has left', async () => await edge.metric('notifications_connections') === 0);
    };
    const closed = () => edge.log.filter(({ msg }) => msg === 'client closed').length;
    try {
      assert.equal(await ask('GET'), '200 info\n');
      assert.equal(await ask('PUT', '?level=debug'), '200 debug\n');
      assert.equal(await ask('GET'), '200 debug\n');
      await visit();
      await until('it is logged', () => closed() === 1);

      for (const query of ['', '?level=', '?level=loud', '?level=DEBUG', '?debug', '?level=info&level=debug']) {
        assert.equal(await ask('PUT', query), '400 expected ?level= and one of trace, debug, info, warn, error, off\n', query);
      }
      for (const method of ['POST', 'DELETE', 'OPTIONS']) assert.match(await ask(method, '?level=off'), /^405 /, method);
      assert.equal(await ask('GET', '?level=off'), '200 debug\n');

      // Whoever silences the log is seen in it; so is whoever lets it speak again.
      assert.equal(await ask('PUT', '?level=off'), '200 off\n');
      await visit();
      // SIGHUP goes back to what was configured, whatever is in force.
      edge.signal('SIGHUP');
      await until('the level is as configured', async () => await ask('GET') === '200 info\n');
      assert.equal(closed(), 1);
    } finally {
      await edge.stop();
    }
    hasEachKeyOnce(edge);
    const changes = edge.log.filter(({ msg }) => msg === 'log level changed');
    assert.deepEqual(changes.map(({ level, from, to, by }) => `${level}: ${from} to ${to} by ${by}`), [
      'warn: info to debug by 127.0.0.1', 'warn: debug to off by 127.0.0.1', 'warn: off to info by SIGHUP']);
  });

  it('has the level that OPERATIONS.md tells how to set', async () => {
    const guide = readFileSync(join(ROOT, 'OPERATIONS.md'), 'utf8');
    const [, commands] = /<!-- test:log-level -->\n```sh\n([^`]+)```/.exec(guide);
    const edge = await startEdge(redis);
    try {
      const { code, stdout } = await run('bash', ['-euo', 'pipefail', '-c', commands.replaceAll('http://127.0.0.1:9464', edge.adminUrl)]);
      assert.deepEqual([code, stdout], [0, 'debug\ndebug']);
    } finally {
      await edge.stop();
    }
  });

  it('keeps its level for whoever has no token', async () => {
    const server = await startServer(redis, {}, { env: { ADMIN_TOKEN: TOKEN } });
    const ask = (method, headers = {}) =>
      fetch(`${server.adminUrl}/log_level?level=debug`, { method, headers }).then(({ status }) => status);
    try {
      assert.deepEqual([await ask('GET'), await ask('PUT'), await ask('PUT', { authorization: `Bearer ${TOKEN}x` })], [401, 401, 401]);
      assert.ok(!server.log.some(({ msg }) => msg === 'log level changed'));
      assert.equal(await ask('PUT', { authorization: `Bearer ${TOKEN}` }), 200);
      await until('it is logged', () => server.log.some(({ msg }) => msg === 'log level changed'));
    } finally {
      await server.stop();
    }
    assert.ok(!server.stderr.items.join('\n').includes(TOKEN), 'the log shows the token');
  });

  it('shows streams, too', async () => {
    const server = await startServer(redis, { log_level: 'debug' });
    const grpc = new GrpcClient(server.grpcAddress);
    const lines = (msg) => server.log.filter((line) => line.msg === msg);
    try {
      const [one] = await Promise.all([grpc.stream('graph'), grpc.stream('graph')]);
      one.cancel();
      await until('one has ended', () => lines('stream ended').length === 1);
      const opened = lines('stream opened').map(({ stream }) => stream);
      assert.equal(new Set(opened).size, 2);
      assert.ok(opened.includes(lines('stream ended')[0].stream));
      assert.equal(lines('stream ended')[0].reason, 'client_left');
    } finally {
      grpc.close();
      await server.stop();
    }
  });

  it('says little about what repeats, and how much that was', async () => {
    const edge = await startEdge(redis);
    try {
      for (let i = 0; i < 3000; ++i) publisher.publish('notifications.v1', '{"not":"an envelope"}');
      await until('all are counted', async () => await edge.metric('notifications_events_invalid_total') === 3000);
      const invalid = () => edge.log.filter(({ msg }) => msg === 'invalid envelope dropped');
      assert.ok(invalid().length >= 1 && invalid().length <= 10, `${invalid().length} lines`);
      // The next line, a second later, says how many were held back.
      await until('a line with the number', async () => {
        await publisher.publish('notifications.v1', 'nonsense');
        return invalid().some(({ suppressed }) => suppressed > 1000);
      });
    } finally {
      await edge.stop();
    }
  });

  it('holds no payloads, of valid envelopes, invalid ones, and clients', async () => {
    const [edge, server] = await Promise.all([startEdge(redis), startServer(redis)]);
    const grpc = new GrpcClient(server.grpcAddress);
    try {
      const browser = await RawClient.subscribe(edge.port, 'graph');
      await publish(['graph'], 'e', JSON.stringify(SECRET));
      await browser.inbox.count('the event', 1);
      for (const text of [SECRET, `{"payload":"${SECRET}"`, `{"payload":"${SECRET}"}`,
        envelopeText(['graph'], 'e', `{"${SECRET}":01}`), envelopeText(['graph'], 'connect', JSON.stringify(SECRET)),
        envelopeText([], 'e', JSON.stringify(SECRET)), envelopeText(['graph'], 'e', `["${SECRET}"`)]) {
        await publisher.publish('notifications.v1', text);
      }
      await until('all are counted', async () => await edge.metric('notifications_events_invalid_total') === 7);
      await assert.rejects(grpc.publish({ event: 'e', rooms: ['graph'], payload_json: `{"${SECRET}"` }));
      for (const text of [`42["subscribe",{"room":"${SECRET}"}]`, `42["${SECRET}","${SECRET}"]`, `9${SECRET}`]) {
        const raw = await RawSocket.connect(edge.port);
        await raw.connect();
        raw.send(text);
        raw.destroy();
      }
      await until('they have left', async () => await edge.metric('notifications_connections') === 1);
      browser.close();
    } finally {
      grpc.close();
      await stopAll(edge, server);
    }
    for (const program of [edge, server]) {
      assert.ok(program.stderr.items.length > 3);
      assert.deepEqual(program.stderr.items.filter((line) => line.includes(SECRET)), []);
    }
  });

  it('is one line a fact, in either form', async () => {
    const [text, json] = await Promise.all([startEdge(redis, { log_format: 'json' }), startServer(redis, { log_format: 'json' })]);
    await stopAll(text, json);
    for (const line of [...text.log, ...json.log]) {
      assert.match(line.time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);
      assert.match(line.level, /^(debug|info|warn|error)$/);
      assert.equal(typeof line.msg, 'string');
    }
    for (const program of [text, json]) hasEachKeyOnce(program);
    assert.deepEqual(text.log.filter(({ msg }) => ['starting', 'ready', 'draining', 'stopped'].includes(msg)).map(({ msg }) => msg),
      ['starting', 'ready', 'draining', 'stopped']);
  });
});
