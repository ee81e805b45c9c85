// The whole topology, as docker-compose.e2e.yml describes it, from outside: every request of these tests
// goes through the proxy. FULL=1: the waits at full length (about 80 s more).
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { request } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { SocketIoClient } from '../support/clients.mjs';
import { GrpcClient, status } from '../support/grpc.mjs';
import { run } from '../support/processes.mjs';
import { ROOT } from '../support/programs.mjs';
import { RawSocket } from '../support/raw_socket.mjs';
import { until, within } from '../support/wait.mjs';
import { Stack, answers } from './stack.mjs';

const FULL = Boolean(process.env.FULL);
const REMOTE = Boolean(process.env.STACK_URL);
const byProcess = REMOTE ? 'the processes of this stack are somebody else\'s' : false;

let stack;
const get = (path, options) => fetch(stack.url + path, { redirect: 'manual', ...options });
const connect = (options) => SocketIoClient.connect(stack.url, options);
const grpc = () => new GrpcClient(new URL(stack.url).host);

// Publishes as the platform does.
async function publish(event, rooms, payload) {
  const query = new URLSearchParams(rooms.map((room) => ['room', room]));
  const response = await get(`/api/events/${event}?${query}`, { method: 'POST', body: JSON.stringify(payload) });
  const body = await response.json();
  assert.equal(response.status, 200, JSON.stringify(body));
  return body;
}

const hears = (client, event) =>
  client.inbox.waitFor(`the event ${event}`, (items) => items.some((item) => item.event === event), 10000);

// Asks for a WebSocket on any path: the status of the answer.
function upgrade(path) {
  return within(5000, `an answer to the upgrade of ${path}`, new Promise((resolve, reject) => {
    const asked = request(stack.url + path, {
      headers: { Connection: 'Upgrade', Upgrade: 'websocket', 'Sec-WebSocket-Version': '13', 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==' },
    });
    asked.on('response', (response) => { response.resume(); resolve(response.statusCode); });
    asked.on('upgrade', (response, socket) => { socket.destroy(); resolve(response.statusCode); });
    asked.on('error', reject);
    asked.end();
  }));
}

// The metrics that dashboards and alerts name, and no process of the stack has.
async function namedButNotShown(fleet) {
  const texts = ['grafana/dashboards', 'prometheus'].flatMap((folder) => readdirSync(`${ROOT}/compose/${folder}`)
    .map((file) => readFileSync(`${ROOT}/compose/${folder}/${file}`, 'utf8')));
  const named = new Set(texts.join('\n').match(/\bnotifications_[a-z_]+\b/g));
  assert.ok(named.size > 40, `${named.size} names`);
  const shown = new Set();
  for (const service of [...fleet.edges, fleet.service('server')]) {
    for (const { name } of await service.metrics()) shown.add(name);
  }
  return [...named].filter((name) => !shown.has(name));
}

// A stream of /events, as text.
class EventStream {
  text = '';

  static async open(url, path, headers = {}) {
    const stream = new EventStream();
    stream.ending = new AbortController();
    const response = await within(10000, `the answer to ${path}`, fetch(url + path, { headers, signal: stream.ending.signal }));
    assert.equal(response.status, 200);
    stream.headers = response.headers;
    stream.ended = (async () => {
      for await (const chunk of response.body) stream.text += Buffer.from(chunk).toString();
    })().catch(() => {});
    return stream;
  }

  reads(part) { return until(`SSE brings ${JSON.stringify(part)}`, () => this.text.includes(part), { deadline: 10000 }); }

  async close() {
    this.ending.abort();
    await this.ended;
  }
}

describe('the stack', { timeout: 180000 }, () => {
  before(async () => {
    stack = await Stack.start({ env: { DRAIN: '1s' } });
    console.log(`# through ${REMOTE ? stack.url : stack.proxyKind}`);
  });
  after(() => stack?.stop());

  it('sends each path where it belongs, and its neighbours to the platform', async () => {
    const answer = async (path) => {
      const response = await get(path);
      return `${response.status} ${(await response.text()).trim()}`;
    };
    assert.equal(await answer('/socket.io/?EIO=4&transport=polling'), '400 {"code":0,"message":"Transport unknown"}');
    assert.match(await answer('/socket.io'), /^404 (?!.*no such page)/, 'of the edge, which knows only /socket.io/');
    assert.match(await answer('/'), /^200 .*platform server/s);
    assert.match(await answer('/api/status'), /^200 .*"connected":true/);
    for (const path of ['/socket.iox/', '/eventsx', '/apix', '/api', '/notifications.v1.NotificationsGatewayX/Publish', '/socket']) {
      assert.equal(await answer(path), '404 {"error":"no such page"}', path);
    }
    assert.doesNotMatch(await answer('/events?room=none:1'), /no such page/, 'the edge answers');
  });

  it('makes paths plain before it looks at them', async () => {
    const plain = (path) => new Promise((resolve, reject) => {
      request(`${stack.url}`, { path }, (response) => { response.resume(); resolve(response.statusCode); }).on('error', reject).end();
    });
    assert.equal(await plain('/api/../socket.io/?EIO=4'), 400, 'the edge\'s answer');
    assert.equal(await plain('//api//status'), 200);
    assert.equal(await plain('/socket.io/../api/status'), 200);
  });

  it('upgrades /socket.io and nothing else', async () => {
    assert.equal(await upgrade('/socket.io/?EIO=4&transport=websocket'), 101);
    for (const path of ['/api/status', '/', '/socket.iox/?EIO=4&transport=websocket']) assert.equal(await upgrade(path), 403, path);
  });

  it('carries an event of the platform once to browsers on every edge and to a gRPC stream', async () => {
    const operator = grpc();
    const clients = await Promise.all(Array.from({ length: 8 }, () => connect()));
    try {
      const stream = await operator.stream('*');
      for (const client of clients) await client.subscribe('graph', 'thread:7');
      const { id, receivers } = await publish('maintenance', ['graph', 'thread:7'], { minutes: 5 });
      assert.equal(receivers, 3, 'the server and both edges');
      for (const client of clients) {
        await hears(client, 'maintenance');
        assert.deepEqual(client.inbox.items.map(({ payload }) => payload), [{ minutes: 5 }]);
      }
      await stream.inbox.count('envelopes', 1);
      assert.equal(stream.inbox.items[0].id, id);
      assert.equal(stream.inbox.items[0].payload_json, '{"minutes":5}');
    } finally {
      for (const client of clients) client.close();
      operator.close();
    }
  });

  it('takes a Publish over gRPC', async () => {
    const operator = grpc();
    const client = await connect();
    try {
      await client.subscribe('threads');
      const answer = await operator.publish({ event: 'thread_note', rooms: ['threads'], payload_json: '{"n":1}' });
      assert.match(answer.id, /^[0-9a-f-]{36}$/);
      await hears(client, 'thread_note');
    } finally {
      client.close();
      operator.close();
    }
  });

  it('takes a Publish as JSON', async (t) => {
    if (stack.proxyKind === 'haproxy') {
      t.skip('HAProxy cannot transcode');
      return;
    }
    const response = await get('/notifications.v1.NotificationsGateway/Publish', {
      method: 'POST', headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ event: 'by_curl', rooms: ['graph'], payload: { n: 1 } }),
    });
    assert.equal(response.status, 200);
    assert.match((await response.json()).id, /^[0-9a-f-]{36}$/);
  });

  it('spreads browsers over the edges', { skip: byProcess }, async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => connect()));
    try {
      await until('the edges share them', async () => {
        const counts = await Promise.all(stack.edges.map((edge) => edge.metric('notifications_connections', 'websocket')));
        return counts.reduce((sum, count) => sum + count, 0) === 20 && Math.min(...counts) >= 7;
      });
    } finally {
      for (const client of clients) client.close();
    }
  });

  it('shows every metric that dashboards and alerts name', { skip: byProcess }, async () => {
    // Those of the journal are there only with the journal on.
    const ofJournal = /^notifications_(journal|replay|replayed)_/;
    assert.deepEqual((await namedButNotShown(stack)).filter((name) => !ofJournal.test(name)), []);
  });

  it('shows metrics as Prometheus wants them', { skip: byProcess }, async () => {
    for (const service of [...stack.edges, stack.service('server')]) {
      const input = await (await fetch(`${service.adminUrl}/metrics`)).text();
      const { code, stdout, stderr } = await run('promtool', ['check', 'metrics'], { input });
      assert.deepEqual({ code, said: stdout + stderr }, { code: 0, said: '' }, service.name);
    }
  });

  it('lets browsers come back when an edge restarts under way', { skip: byProcess }, async () => {
    const clients = await Promise.all(Array.from({ length: 20 }, () => connect()));
    const [edge, other] = stack.edges;
    const streams = [];
    for (let i = 0; i < 4; ++i) {
      const stream = await EventStream.open(stack.url, '/events?room=graph');
      stream.ended.then(() => { stream.over = true; });
      streams.push(stream);
    }
    try {
      for (const client of clients) {
        client.subscribed = 0;
        const subscribe = () => client.socket.emit('subscribe', { room: 'graph' }, () => { ++client.subscribed; });
        client.socket.on('connect', subscribe);
        subscribe();
      }
      await until('all are subscribed', () => clients.every(({ subscribed }) => subscribed === 1));
      const moved = await edge.metric('notifications_connections', 'websocket');
      assert.ok(moved >= 7);
      edge.process.signal('SIGTERM');
      // New browsers find the other edge meanwhile, with no error to be seen.
      const [late, exit] = await Promise.all([connect({ reconnection: false }), edge.process.ended(10000)]);
      clients.push(late);
      assert.deepEqual(exit, { code: 0, signal: null });
      await until('all are back', () => clients.slice(0, 20).filter(({ subscribed }) => subscribed === 2).length === moved, { deadline: 10000 });
      assert.equal(await other.metric('notifications_connections', 'websocket'), 21);
      await publish('after_restart', ['graph'], null);
      for (const client of clients.slice(0, 20)) await hears(client, 'after_restart');
      assert.ok(clients.slice(0, 20).every(({ disconnects }) => disconnects.length < 2), 'one move each');
      for (const stream of streams.filter(({ over }) => over)) stream.again = await EventStream.open(stack.url, '/events?room=graph');
      assert.ok(streams.some(({ again }) => again) && streams.some(({ over }) => !over), 'the edge took its streams along, and no others');
      await publish('for_streams', ['graph'], 1);
      for (const stream of streams) await (stream.again ?? stream).reads('event: for_streams\n');
      // And the edge is used again.
      await stack.startAgain(edge);
      await until('it has browsers', async () => {
        clients.push(await connect());
        return await edge.metric('notifications_connections', 'websocket') > 0;
      }, { deadline: 15000, every: 200 });
    } finally {
      for (const client of clients) client.close();
      for (const stream of streams) await Promise.all([stream.close(), stream.again?.close()]);
    }
  });

  it('ends gRPC streams UNAVAILABLE when the server restarts, and takes the next', { skip: byProcess }, async () => {
    const operator = grpc();
    const server = stack.service('server');
    try {
      const stream = await operator.stream('graph');
      server.process.signal('SIGTERM');
      assert.equal((await within(5000, 'the stream ends', stream.ended)).code, status.UNAVAILABLE);
      assert.equal((await server.process.ended(5000)).code, 0);
      await stack.startAgain(server);
      const next = await until('a stream opens', () => operator.stream('graph'), { deadline: 15000, every: 100 });
      await publish('again', ['graph'], 1);
      await next.inbox.count('envelopes', 1);
    } finally {
      operator.close();
    }
  });

  it('answers gRPC health', async () => {
    const { default: grpcJs } = await import('@grpc/grpc-js');
    const { default: loader } = await import('@grpc/proto-loader');
    const { Health } = grpcJs.loadPackageDefinition(loader.loadSync(`${ROOT}/proto/grpc/health/v1/health.proto`, { enums: String })).grpc.health.v1;
    const client = new Health(new URL(stack.url).host, grpcJs.credentials.createInsecure());
    try {
      await until('it serves', () => new Promise((resolve, reject) => {
        client.Check({ service: '' }, { deadline: Date.now() + 3000 }, (error, answer) => (error ? reject(error) : resolve(answer.status === 'SERVING')));
      }));
    } finally {
      client.close();
    }
  });

  it('carries a stock client in a browser', async () => {
    const { chromium } = await import('playwright-core');
    const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu'] });
    try {
      const page = await browser.newPage();
      await page.goto(stack.url);
      await page.addScriptTag({ path: `${ROOT}/node_modules/socket.io-client/dist/socket.io.min.js` });
      await page.evaluate(() => new Promise((resolve) => {
        globalThis.heard = [];
        const socket = globalThis.io({ transports: ['websocket'] });
        socket.onAny((...event) => globalThis.heard.push(event));
        socket.on('connect', () => socket.emit('subscribe', { room: 'node:1' }, resolve));
      }));
      await publish('node_note', ['node:1'], { text: 'für' });
      await page.waitForFunction(() => globalThis.heard.length > 0, undefined, { timeout: 10000 });
      assert.deepEqual(await page.evaluate(() => globalThis.heard), [['node_note', { text: 'für' }]]);
    } finally {
      await browser.close();
    }
  });

  it('lets server-sent events through as they are written', async () => {
    const events = await EventStream.open(stack.url, '/events?room=graph');
    assert.equal(events.headers.get('content-type').split(';')[0], 'text/event-stream');
    assert.equal(events.headers.get('content-encoding'), null);
    await events.reads(': connected\n');
    // Each must be there before the next is written: whoever buffers fails.
    for (let i = 0; i < 20; ++i) {
      await publish('tick', ['graph'], { i });
      await events.reads(`event: tick\ndata: {"i":${i}}\n\n`);
    }
    await events.close();
  });
});

// Nobody pins a browser to an edge: whoever loses one goes on at the other, by position.
describe('two edges without sticky sessions, the journal on', { timeout: 120000, skip: byProcess }, () => {
  let fleet;
  before(async () => { fleet = await Stack.start({ env: { NOTIFICATIONS_JOURNAL: 'on' } }); });
  after(() => fleet?.stop());

  // The platform knows of no journal: it only PUBLISHes.
  const publish = async (event, payload) => {
    const response = await fetch(`${fleet.url}/api/events/${event}?room=graph`, { method: 'POST', body: JSON.stringify(payload) });
    assert.equal(response.status, 200, await response.text());
  };

  it('show every metric that dashboards and alerts name', async () => {
    assert.deepEqual(await namedButNotShown(fleet), []);
  });

  it('carry an event stream on, whichever edge it comes back to', async () => {
    const first = await EventStream.open(fleet.url, '/events?room=graph');
    await first.reads(': connected\n');
    await publish('before', 1);
    await first.reads('event: before\n');
    const id = /^id: (.+)\nevent: before$/m.exec(first.text)[1];
    await first.close();
    await publish('missed', 2);
    const again = await Promise.all(Array.from({ length: 8 }, () => EventStream.open(fleet.url, '/events?room=graph', { 'last-event-id': id })));
    try {
      const counts = await Promise.all(fleet.edges.map((edge) => edge.metric('notifications_connections', 'sse')));
      assert.ok(Math.min(...counts) >= 2, `the edges have ${counts} of them`);
      for (const stream of again) await stream.reads('event: missed\n');
      await publish('after', 3);
      for (const stream of again) {
        await stream.reads('event: after\n');
        assert.deepEqual([...stream.text.matchAll(/^event: (.+)$/gm)].map(([, name]) => name), ['missed', 'after']);
      }
    } finally {
      await Promise.all(again.map((stream) => stream.close()));
    }
  });

  it('lose no event and no session of a browser when one of them is killed', async () => {
    const clients = await Promise.all(Array.from({ length: 12 }, () => SocketIoClient.connect(fleet.url)));
    const [killed, other] = fleet.edges;
    try {
      for (const client of clients) await client.subscribe('graph');
      const on = await Promise.all(fleet.edges.map((edge) => edge.metric('notifications_connections', 'websocket')));
      assert.ok(Math.min(...on) >= 4, `the edges have ${on} of them`);
      // An event each has seen is the place to go on from.
      await publish('n', 0);
      for (const client of clients) await client.inbox.count('the first event', 1, 10000);
      await killed.process.kill();
      for (let i = 1; i <= 20; ++i) await publish('n', i);
      for (const client of clients) await client.inbox.count('all events', 21, 20000);
      for (const client of clients) assert.deepEqual(client.inbox.items.map(({ payload }) => payload), Array.from({ length: 21 }, (_, i) => i));
      const moved = clients.filter(({ disconnects }) => disconnects.length > 0);
      assert.equal(moved.length, on[0]);
      assert.ok(moved.every(({ socket }) => socket.recovered), 'each is the same session');
      assert.equal(await other.metric('notifications_connections', 'websocket'), 12);
      await fleet.startAgain(killed);
    } finally {
      for (const client of clients) client.close();
    }
  });
});

// Nothing but heartbeats passes, for longer than the proxy lets a connection be idle.
describe('silence', { timeout: 180000, skip: byProcess }, () => {
  const SILENCE = FULL ? 70000 : 4000;
  let quiet;
  before(async () => {
    quiet = FULL ? await Stack.start() : await Stack.start({
      env: { PING_INTERVAL: '500ms', PING_TIMEOUT: '400ms' },
      envoy: (config) => {
        const manager = config.static_resources.listeners[0].filter_chains[0].filters[0].typed_config;
        manager.route_config.virtual_hosts[0].routes.find(({ name }) => name === 'socketio').route.idle_timeout = '2s';
      },
    });
  });
  after(() => quiet?.stop());

  it(`of ${SILENCE / 1000} s ends neither a WebSocket nor an event stream nor a gRPC stream`, async () => {
    const began = Date.now();
    const client = await SocketIoClient.connect(quiet.url, { reconnection: false });
    const operator = new GrpcClient(new URL(quiet.url).host);
    const events = await EventStream.open(quiet.url, '/events?room=graph');
    try {
      await client.subscribe('graph');
      await events.reads(': connected\n');
      const stream = await operator.stream('graph');
      const ended = await Promise.race([
        new Promise((resolve) => client.socket.once('disconnect', (reason) => resolve(`WebSocket: ${reason}`))),
        stream.ended.then((error) => `gRPC: ${error.details}`),
        events.ended.then(() => 'SSE'),
        new Promise((resolve) => setTimeout(resolve, SILENCE, 'silence')),
      ]);
      assert.equal(ended, 'silence');
      await operator.publish({ event: 'after_silence', rooms: ['graph'], payload_json: '1' });
      await hears(client, 'after_silence');
      await stream.inbox.count('envelopes', 1);
      await events.reads('event: after_silence\n');
      const keepalives = events.text.split(': keepalive\n').length - 1;
      const most = Math.floor((Date.now() - began) / 15000);
      assert.ok(keepalives >= Math.floor(SILENCE / 15000) && keepalives <= most, `${keepalives} keepalives`);
    } finally {
      client.close();
      operator.close();
      await events.close();
    }
  });

  it('without heartbeats does end a WebSocket: the idle timeout is real', { skip: FULL ? 'it is 300 s' : false }, async () => {
    // A client without a clock of its own, and edges that are stopped: nobody else is left to end it.
    const raw = await RawSocket.connect(Number(new URL(quiet.url).port));
    await raw.connect();
    for (const edge of quiet.edges) edge.process.signal('SIGSTOP');
    try {
      const began = Date.now();
      await raw.eof(10000);
      assert.ok(Date.now() - began > 1500, `it took ${Date.now() - began} ms`);
    } finally {
      for (const edge of quiet.edges) edge.process.signal('SIGCONT');
      raw.destroy();
    }
  });

  it('is heard of: what is down answers not ready', async () => {
    const [edge] = quiet.edges;
    assert.ok(await answers(`${edge.adminUrl}/readyz`));
    await quiet.service('redis').process.kill();
    await until('the edge is not ready', () => answers(`${edge.adminUrl}/readyz`, 503), { deadline: 10000 });
    assert.ok(await answers(`${edge.adminUrl}/healthz`), 'and lives');
  });
});
