// What the log says: one line a fact, a connection's id in its lines, no payloads above debug, few
// lines about what repeats; SIGHUP shows more and hides it again.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { RawClient } from './support/clients.mjs';
import { envelopeText } from './support/envelopes.mjs';
import { GrpcClient } from './support/grpc.mjs';
import { RawSocket } from './support/raw_socket.mjs';
import { RedisServer } from './support/redis.mjs';
import { startEdge, startServer, stopAll } from './support/programs.mjs';
import { until } from './support/wait.mjs';

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
      await until('the level is debug', () => lines('log level changed').some(({ level }) => level === 'debug'));
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
    assert.deepEqual(text.log.filter(({ msg }) => ['starting', 'ready', 'draining', 'stopped'].includes(msg)).map(({ msg }) => msg),
      ['starting', 'ready', 'draining', 'stopped']);
  });
});
