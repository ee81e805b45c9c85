// Connection state recovery as stock Socket.IO clients speak it, with the journal on.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { io } from 'socket.io-client';
import { envelopeText } from './support/envelopes.mjs';
import { GrpcClient } from './support/grpc.mjs';
import { startEdge, startGateway, startServer, stopAll } from './support/programs.mjs';
import { RawSocket } from './support/raw_socket.mjs';
import { RedisServer } from './support/redis.mjs';
import { Inbox, until } from './support/wait.mjs';

const JOURNAL = { journal: 'on' };

// A stock client whose comings and goings the test decides: each connect() may be to another edge.
class Client {
  inbox = new Inbox();   // what came: 'connect', 'recovered', events by name
  events = new Inbox();  // {event, payload, position}

  constructor(url) {
    this.socket = io(url, { transports: ['websocket'], forceNew: true, reconnection: false });
    this.socket.on('connect', () => this.inbox.push(this.socket.recovered ? 'recovered' : 'connect'));
    this.socket.on('disconnect', (reason) => { this.reason = reason; });
    this.socket.onAny((event, payload, position, ...more) => {
      assert.deepEqual(more, []);
      this.inbox.push(event);
      this.events.push({ event, payload, position });
    });
  }

  static async connect(url) {
    const client = new Client(url);
    await client.inbox.count('it connects', 1);
    return client;
  }

  static async subscribed(url, ...rooms) {
    const client = await Client.connect(url);
    await client.ask('subscribe', { rooms });
    return client;
  }

  ask(event, payload) { return this.socket.timeout(10000).emitWithAck(event, payload); }

  // The transport is lost; nobody says goodbye.
  async drop() {
    const gone = new Promise((resolve) => this.socket.once('disconnect', resolve));
    this.socket.io.engine.transport.ws.terminate();
    await gone;
  }

  // Comes back, to another process if `url` is given; waits for the answer to CONNECT.
  async comeBack(url) {
    if (url) this.socket.io.uri = url;
    const had = this.inbox.items.length;
    this.socket.connect();
    await this.inbox.count('it comes back', had + 1, 15000);
    return this.inbox.items[had];
  }

  hears(...events) {
    return this.inbox.waitFor(`it hears ${events}`, (items) => events.every((event) => items.includes(event)), 10000);
  }

  // What came since it connected for the last time.
  get since() {
    const { items } = this.inbox;
    return items.slice(Math.max(items.lastIndexOf('connect'), items.lastIndexOf('recovered')));
  }

  close() { this.socket.disconnect(); }
}

describe('recovery of Socket.IO sessions', { timeout: 240000 }, () => {
  let redis, one, two, server, grpc;
  const clients = [];
  const publish = (event, room = 'graph', options) => redis.cli('PUBLISH', 'notifications.v1', envelopeText([room].flat(), event, '{"a":1}', options));
  // Published and journaled.
  const append = (event, room = 'graph', more = {}) => grpc.publish({ event, rooms: [room].flat(), payload_json: '{"a":1}', ...more });
  const subscribed = async (edge, ...rooms) => {
    const client = await Client.subscribed(edge.url, ...rooms);
    clients.push(client);
    return client;
  };

  before(async () => {
    redis = await RedisServer.start();
    [one, two, server] = await Promise.all([startEdge(redis, JOURNAL), startEdge(redis, JOURNAL), startServer(redis, JOURNAL)]);
    grpc = new GrpcClient(server.grpcAddress);
  });
  after(async () => {
    for (const client of clients) client.close();
    grpc?.close();
    await stopAll(one, two, server);
    await redis?.stop();
  });

  it('gives a pid and positions, and back what was missed, behind CONNECT', async () => {
    const client = await subscribed(one, 'graph');
    const { id, pid } = { id: client.socket.id, pid: client.socket._pid };
    assert.match(pid, /^[0-9A-Za-z_-]{16,}$/);
    const first = await append('first');
    await client.hears('first');
    assert.deepEqual(client.events.items, [{ event: 'first', payload: { a: 1 }, position: first.position }]);
    await client.drop();
    await append('missed-1');
    await append('missed-2');
    assert.equal(await client.comeBack(), 'recovered');
    await append('live');
    await client.hears('live');
    assert.deepEqual(client.since, ['recovered', 'missed-1', 'missed-2', 'live']);
    assert.equal(client.socket.id, id);
    assert.equal(client.socket._pid, pid);
  });

  it('resumes on another process', async () => {
    const client = await subscribed(one, 'graph', 'thread:1');
    await append('a');
    await client.hears('a');
    await client.drop();
    const missed = await append('b', ['thread:1', 'graph']);
    assert.equal(await client.comeBack(two.url), 'recovered');
    await client.hears('b');
    assert.equal(client.events.items.at(-1).position, missed.position);
    await append('c', 'thread:1');
    await client.hears('c');
    assert.deepEqual(client.inbox.items, ['connect', 'a', 'recovered', 'b', 'c']);
  });

  it('resumes after its edge was killed', async () => {
    const doomed = await startEdge(redis, JOURNAL);
    const client = await subscribed(doomed, 'run:kill');
    await append('a', 'run:kill');
    await client.hears('a');
    const gone = new Promise((resolve) => client.socket.once('disconnect', resolve));
    await doomed.kill();
    await gone;
    await append('b', 'run:kill');
    assert.equal(await client.comeBack(one.url), 'recovered');
    await client.hears('b');
    assert.deepEqual(client.since, ['recovered', 'b']);
  });

  it('resumes after a drain', async () => {
    const leaving = await startEdge(redis, JOURNAL);
    const client = await subscribed(leaving, 'run:drain');
    const gone = new Promise((resolve) => client.socket.once('disconnect', resolve));
    await leaving.stop();
    assert.equal(await gone, 'transport close');
    await append('a', 'run:drain');
    assert.equal(await client.comeBack(two.url), 'recovered');
    await client.hears('a');
  });

  it('resumes a client that has seen no event', async () => {
    const client = await subscribed(one, 'run:none');
    await append('other', 'run:else');
    await client.drop();
    await append('a', 'run:none');
    assert.equal(await client.comeBack(two.url), 'recovered');
    await client.hears('a');
    assert.deepEqual(client.since, ['recovered', 'a']);
  });

  it('resumes a client that keeps the offset of an earlier session', async () => {
    const client = await subscribed(one, 'run:old');
    await append('a', 'run:old');
    await client.hears('a');
    client.socket.disconnect();  // ends the session; the client keeps pid and offset
    assert.equal(await client.comeBack(), 'connect');
    await append('between', 'run:old');
    await client.ask('subscribe', { room: 'run:old' });
    await client.drop();
    await append('b', 'run:old');
    assert.equal(await client.comeBack(two.url), 'recovered');
    await client.hears('b');
    assert.deepEqual(client.since, ['recovered', 'b']);
  });

  it("ends with the client's own disconnect", async () => {
    const client = await subscribed(one, 'run:bye');
    const pid = client.socket._pid;
    client.socket.disconnect();
    await append('a', 'run:bye');
    assert.equal(await client.comeBack(two.url), 'connect');
    assert.notEqual(client.socket._pid, pid);
    await client.ask('subscribe', { room: 'run:bye' });
    await append('b', 'run:bye');
    await client.hears('b');
    assert.deepEqual(client.since, ['connect', 'b']);
  });

  it('replays no room that was left', async () => {
    const client = await subscribed(one, 'run:keep', 'run:leave');
    assert.equal((await client.ask('unsubscribe', { room: 'run:leave' })).ok, true);
    await client.drop();
    await append('left', 'run:leave');
    await append('kept', 'run:keep');
    assert.equal(await client.comeBack(two.url), 'recovered');
    await client.hears('kept');
    await append('left', 'run:leave');
    await append('last', 'run:keep');
    await client.hears('last');
    assert.deepEqual(client.since, ['recovered', 'kept', 'last']);
  });

  it('replays a room from where it became live', async () => {
    const client = await subscribed(one, 'run:early');
    await append('too-early', 'run:late');
    await client.ask('subscribe', { room: 'run:late' });
    await client.drop();
    await append('late', 'run:late');
    assert.equal(await client.comeBack(two.url), 'recovered');
    await client.hears('late');
    assert.deepEqual(client.since, ['recovered', 'late']);
  });

  it('sends an event once, whatever number of its rooms match', async () => {
    const client = await subscribed(one, 'run:x', 'run:y');
    await client.drop();
    await append('both', ['run:x', 'run:y', 'run:z']);
    assert.equal(await client.comeBack(), 'recovered');
    await append('live', ['run:y', 'run:x']);
    await client.hears('live');
    assert.deepEqual(client.since, ['recovered', 'both', 'live']);
  });

  it('takes a living session over and closes its old transport', async () => {
    for (const elsewhere of [one, two]) {
      const client = await subscribed(one, 'run:take');
      const raw = await RawSocket.connect(elsewhere.port);
      raw.upgrade();
      await raw.receive('text 0');
      const gone = new Promise((resolve) => client.socket.once('disconnect', resolve));
      raw.send(`40{"pid":"${client.socket._pid}"}`);
      await raw.receive('40{');
      assert.equal(await gone, 'transport close');
      await append('mine', 'run:take');
      await raw.receive('42["mine"');
      assert.deepEqual(client.since, ['connect']);
      // And back: the stock client takes it from the raw one.
      assert.equal(await client.comeBack(), 'recovered');
      await raw.waitFor('the raw one is closed', () => raw.closing || raw.ended);
      assert.ok(!raw.lines.includes('text 41'), raw.lines.join('\n'));
      raw.destroy();
    }
  });

  it('leaves nothing of a connection that is closed while its session is looked up', async () => {
    const alone = await RedisServer.start();
    const [edge, other] = await Promise.all([startEdge(alone, JOURNAL), startEdge(alone, JOURNAL)]);
    const client = await Client.subscribed(edge.url, 'graph');
    try {
      await client.drop();
      const raw = await RawSocket.connect(edge.port);
      raw.upgrade();
      await raw.receive('text 0');
      alone.freeze();
      raw.send(`40{"pid":"${client.socket._pid}"}`, 'no packet');
      await raw.waitFor('the close', () => raw.closing);
      alone.thaw();
      // The answer comes while the client's close frame is awaited.
      await raw.eof(10000);
      raw.destroy();
      const realtime = async () => JSON.parse((await edge.admin('/health/realtime')).body);
      await until('it has gone', async () => (await realtime()).active_connections === 0);
      await until('nobody is subscribed', async () => (await realtime()).active_subscriptions === 0);
      await Promise.all([edge.ready(), other.ready()]);
      await alone.cli('PUBLISH', 'notifications.v1', envelopeText(['graph'], 'a'));
      assert.equal(await client.comeBack(), 'recovered');
      await client.hears('a');
      assert.deepEqual(client.since, ['recovered', 'a']);
    } finally {
      client.close();
      await stopAll(edge, other);
      await alone.stop();
    }
  });

  it('takes no session for a pid or an offset that is made up', async () => {
    const client = await subscribed(one, 'run:made-up');
    await client.drop();
    for (const auth of ['{"pid":"made-up"}', `{"pid":"${client.socket._pid}","offset":"no position"}`, '{"pid":5,"offset":{}}', '{"pid":""}', '{"offset":"e.1-0"}']) {
      const raw = await RawSocket.connect(one.port);
      raw.upgrade();
      await raw.receive('text 0');
      raw.send(`40${auth}`);
      await raw.receive('40{');
      const { pid } = JSON.parse(raw.lines.find((line) => line.startsWith('text 40')).slice('text 40'.length));
      assert.match(pid, /^[0-9A-Za-z_-]{16,}$/);
      assert.notEqual(pid, client.socket._pid);
      raw.destroy();
    }
  });

  it('delivers an id once, and answers it with one position', async () => {
    const client = await subscribed(one, 'run:twice');
    const stream = await grpc.stream('run:twice');
    const first = await append('a', 'run:twice', { id: 'twice-1' });
    const second = await append('b', 'run:else', { id: 'twice-1' });
    assert.equal(second.id, first.id);
    assert.equal(second.position, first.position);
    assert.deepEqual(second.ts, first.ts);
    await publish('a', 'run:twice', { id: 'twice-1' });
    await append('last', 'run:twice');
    await client.hears('last');
    assert.deepEqual(client.since, ['connect', 'a', 'last']);
    assert.equal(client.events.items[0].position, first.position);
    await stream.inbox.count('the stream', 2);
    assert.deepEqual(stream.inbox.items.map(({ event, position }) => [event, position]).slice(0, 1), [['a', first.position]]);
    stream.cancel();
  });

  it('resumes events that were only PUBLISHed', async () => {
    const client = await subscribed(one, 'run:legacy');
    await publish('a', 'run:legacy');
    await client.hears('a');
    assert.match(client.events.items[0].position, /^\S+\.\d+-\d+$/);
    await client.drop();
    await publish('b', 'run:legacy');
    await publish('c', 'run:legacy');
    assert.equal(await client.comeBack(two.url), 'recovered');
    await client.hears('b', 'c');
    assert.deepEqual(client.since, ['recovered', 'b', 'c']);
  });

  it('keeps the payload byte for byte', async () => {
    const raw = await RawSocket.connect(one.port);
    await raw.connect();
    raw.send('420["subscribe",{"room":"run:bytes"}]');
    await raw.receive('430[{"ok":true');
    const payload = '{"b":12345678901234567890.10, "a":"\\ud800\\u0041",\n"c":[1e400]}';
    const answer = await grpc.publish({ event: 'x', rooms: ['run:bytes'], payload_json: payload });
    await raw.receive('42["x"');
    assert.equal(raw.lines.find((line) => line.startsWith('text 42')), `text 42["x",${payload},"${answer.position}"]`);
    raw.destroy();
  });

  it('waits with the ack while Redis is away', async () => {
    const alone = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
    const edge = await startEdge(alone, JOURNAL);
    const client = await Client.connect(edge.url);
    try {
      await alone.down();
      let acked = false;
      const answer = client.ask('subscribe', { room: 'graph' }).then(() => { acked = true; });
      await until('the edge has noticed', async () => !await edge.isReady());
      assert.equal(acked, false);
      await alone.restart();
      await answer;
    } finally {
      client.close();
      await edge.stop();
      await alone.stop();
    }
  });

  it('resumes over a restart of Redis', async () => {
    const alone = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always']);
    const edge = await startEdge(alone, JOURNAL);
    const client = await Client.subscribed(edge.url, 'graph');
    try {
      await alone.cli('PUBLISH', 'notifications.v1', envelopeText(['graph'], 'a'));
      await client.hears('a');
      await client.drop();
      await alone.down();
      const back = client.comeBack();
      await alone.restart();
      assert.equal(await back, 'recovered');
      // A session needs less than an event that is only PUBLISHed: somebody has to hear that.
      await edge.ready();
      await alone.cli('PUBLISH', 'notifications.v1', envelopeText(['graph'], 'b'));
      await client.hears('b');
      assert.deepEqual(client.inbox.items, ['connect', 'a', 'recovered', 'b']);
    } finally {
      client.close();
      await edge.stop();
      await alone.stop();
    }
  });
});

describe('gaps and quiet rooms', { timeout: 120000 }, () => {
  const RETENTION = 2000;
  let redis, edge, other, server, grpc, busy;
  const flags = { ...JOURNAL, journal_retention: `${RETENTION}ms`, replay_window: 4096, session_ttl: '1s' };
  const append = (event, room) => grpc.publish({ event, rooms: [room], payload_json: '1' });
  // So long is the journal busy with others.
  const silence = async (ms) => {
    const end = Date.now() + ms;
    for (let n = 0; Date.now() < end; ++n) {
      await append('busy', 'run:busy');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };

  before(async () => {
    redis = await RedisServer.start();
    const { session_ttl: _, ...common } = flags;
    [edge, other, server] = await Promise.all([startEdge(redis, flags), startEdge(redis, flags), startServer(redis, common)]);
    grpc = new GrpcClient(server.grpcAddress);
  });
  after(async () => {
    grpc?.close();
    await stopAll(edge, other, server);
    await redis?.stop();
  });

  it('keeps the place of a session in a quiet room', async () => {
    const seen = await Client.subscribed(edge.url, 'run:quiet');
    const unseen = await Client.subscribed(edge.url, 'run:quieter');
    await append('a', 'run:quiet');
    await seen.hears('a');
    await silence(3 * RETENTION);
    await Promise.all([seen.drop(), unseen.drop()]);
    await append('b', 'run:quiet');
    await append('b', 'run:quieter');
    for (const client of [seen, unseen]) {
      assert.equal(await client.comeBack(other.url), 'recovered');
      await client.hears('b');
      client.close();
    }
  });

  it('keeps the place of a session that came back with a later offset than its record had', async () => {
    const client = await Client.subscribed(edge.url, 'run:later');
    await append('a', 'run:later');
    await client.hears('a');
    await client.drop();
    assert.equal(await client.comeBack(other.url), 'recovered');
    await silence(2 * RETENTION);
    await client.drop();
    assert.equal(await client.comeBack(edge.url), 'recovered');
    client.close();
  });

  it('starts a fresh session where events are gone', async () => {
    const long = await startEdge(redis, { ...flags, session_ttl: '1m' });
    const client = await Client.subscribed(long.url, 'run:gap');
    await append('a', 'run:gap');
    await client.hears('a');
    const pid = client.socket._pid;
    await client.drop();
    await append('missed', 'run:gap');
    await silence(RETENTION + 500);
    assert.equal(await client.comeBack(), 'connect');
    assert.notEqual(client.socket._pid, pid);
    await append('nobody', 'run:gap');
    await client.ask('subscribe', { room: 'run:gap' });
    await append('b', 'run:gap');
    await client.hears('b');
    assert.deepEqual(client.since, ['connect', 'b']);
    // The fresh session is one like any other.
    await client.drop();
    await append('c', 'run:gap');
    assert.equal(await client.comeBack(other.url), 'recovered');
    await client.hears('c');
    client.close();
    await long.stop();
  });

  it('starts a fresh session when its time to live is over', async () => {
    const client = await Client.subscribed(edge.url, 'run:ttl');
    await client.drop();
    await until('the record is gone', async () => (await redis.cli('KEYS', '*:session:*')).trim() === '', { deadline: 10000, every: 100 });
    assert.equal(await client.comeBack(), 'connect');
    client.close();
  });

  it('closes a session whose edge stood still for too long, and starts it afresh', async () => {
    const client = await Client.subscribed(edge.url, 'graph');
    const gone = new Promise((resolve) => client.socket.once('disconnect', resolve));
    await append('a', 'graph');
    await client.hears('a');
    edge.signal('SIGSTOP');
    await append('answers-the-read-under-way', 'graph');
    await append('missed', 'graph');
    await silence(RETENTION + 1000);
    edge.signal('SIGCONT');
    assert.equal(await gone, 'transport close');
    assert.equal(await client.comeBack(), 'connect');
    assert.ok(!client.inbox.items.includes('missed'));
    client.close();
  });
});

describe('without a journal', { timeout: 60000 }, () => {
  it('sends no pid and no position, and takes none', async () => {
    const redis = await RedisServer.start();
    const edge = await startEdge(redis);
    const raw = await RawSocket.connect(edge.port);
    try {
      raw.upgrade();
      await raw.receive('text 0');
      raw.send('40{"pid":"a-pid-of-before","offset":"e.1-0"}');
      await raw.receive('40{');
      assert.ok(raw.lines.includes('text 40{"sid":"<sio>"}'), raw.lines.join('\n'));
      raw.send('420["subscribe",{"room":"graph"}]');
      await raw.receive('430[{"ok":true');
      await redis.cli('PUBLISH', 'notifications.v1', envelopeText(['graph'], 'x', '1'));
      await raw.receive('42["x"');
      assert.ok(raw.lines.includes('text 42["x",1]'));
      assert.equal((await redis.cli('KEYS', '*journal*')).trim(), '');
    } finally {
      raw.destroy();
      await edge.stop();
      await redis.stop();
    }
  });
});

describe('the gateway with its own broker', { timeout: 60000 }, () => {
  it('resumes within one process', async () => {
    const gateway = await startGateway(JOURNAL);
    const grpc = new GrpcClient(gateway.grpcAddress);
    const client = await Client.subscribed(gateway.url, 'graph');
    try {
      const a = await grpc.publish({ event: 'a', rooms: ['graph'], payload_json: '1' });
      await client.hears('a');
      assert.equal(client.events.items[0].position, a.position);
      await client.drop();
      await grpc.publish({ event: 'b', rooms: ['graph'], payload_json: '1', id: 'b' });
      await grpc.publish({ event: 'b', rooms: ['graph'], payload_json: '1', id: 'b' });
      assert.equal(await client.comeBack(), 'recovered');
      await grpc.publish({ event: 'c', rooms: ['graph'], payload_json: '1' });
      await client.hears('c');
      assert.deepEqual(client.inbox.items, ['connect', 'a', 'recovered', 'b', 'c']);
    } finally {
      client.close();
      grpc.close();
      await gateway.stop();
    }
  });
});
