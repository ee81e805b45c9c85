// A real browser opens the demo page that the gateway serves and watches events arrive.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer, request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { extname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { chromium } from 'playwright-core';
import { envelopeText } from './support/envelopes.mjs';
import { ROOT, notifyctl, startGateway, startStock } from './support/programs.mjs';
import { RedisServer } from './support/redis.mjs';

const STOCK = process.env.TARGET === 'stock';

// The page on a stock server: a small front that serves the sources and passes /socket.io/ on.
function frontOf(stock) {
  const types = { '.html': 'text/html', '.css': 'text/css', '.js': 'text/javascript' };
  const server = createServer(async (request, response) => {
    const name = new URL(request.url, 'http://x').pathname.replace(/^\/demo\//, '') || 'index.html';
    const file = name === 'socket.io.min.js' ? join(ROOT, 'node_modules/socket.io-client/dist', name) : join(ROOT, 'edge/demo', name);
    if (!existsSync(file)) return response.writeHead(404).end();
    response.writeHead(200, { 'Content-Type': types[extname(file)] });
    response.end(await readFile(file));
  });
  server.on('upgrade', (request, socket, head) => {
    const upstream = connect(stock.port, '127.0.0.1', () => {
      upstream.write(`${request.method} ${request.url} HTTP/1.1\r\n`);
      for (let i = 0; i < request.rawHeaders.length; i += 2) upstream.write(`${request.rawHeaders[i]}: ${request.rawHeaders[i + 1]}\r\n`);
      upstream.write('\r\n');
      upstream.write(head);
      socket.pipe(upstream).pipe(socket);
    });
    for (const one of [socket, upstream]) one.on('error', () => { socket.destroy(); upstream.destroy(); });
  });
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)));
}

describe('the demo page', { timeout: 120000 }, () => {
  let redis, gateway, front, browser, page, url, publish;
  const problems = [];
  const outside = [];
  before(async () => {
    if (STOCK) {
      redis = await RedisServer.start();
      gateway = await startStock(redis);
      front = await frontOf(gateway);
      url = `http://127.0.0.1:${front.address().port}/demo/`;
      publish = (event, room, payload) => redis.client().publish('notifications.v1', envelopeText([room], event, payload));
    } else {
      gateway = await startGateway();
      url = `${gateway.url}/demo/`;
      publish = async (event, room, payload) => {
        const { code, stderr } = await notifyctl(gateway.grpcAddress, ['publish', '--event', event, '--room', room, '--payload', payload]);
        assert.equal(code, 0, stderr);
      };
    }
    browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--disable-background-networking'],
    });
    page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
    page.setDefaultTimeout(15000);
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      if (message.type() === 'error') problems.push(message.text());
    });
    page.on('request', (request) => {
      if (!/^(data:|(http|ws):\/\/127\.0\.0\.1:)/.test(request.url())) outside.push(request.url());
    });
  });
  after(async () => {
    await browser?.close();
    front?.close();
    front?.closeAllConnections();
    await gateway?.stop();
    await redis?.stop();
  });

  const stateIs = (state) => page.locator(`#state[data-state="${state}"]`).waitFor();
  const live = (room) => page.locator(`[data-room="${room}"][data-live="true"]`).waitFor();
  const rows = (event) => page.locator(`#events li[data-event="${event}"]`);

  it('connects and joins its rooms', async () => {
    await page.goto(url);
    await stateIs('connected');
    await live('graph');
    await live('threads');
  });

  it('shows events as they arrive', async () => {
    const now = () => new Date().toISOString();
    await publish('node_status', 'graph', JSON.stringify({ nodeId: 'web-1', provisionStatus: { state: 'ready' }, updatedAt: now() }));
    await rows('node_status').waitFor();
    await publish('thread_created', 'threads', JSON.stringify({ thread: { id: '7f3a', alias: 'invoices', summary: null, status: 'open', createdAt: now() } }));
    await rows('thread_created').waitFor();
    assert.match(await rows('node_status').innerText(), /web-1 · ready/);
    assert.match(await rows('node_status').locator('.latency').innerText(), /^\d+ ms$/);
    await page.locator('#total', { hasText: /^2$/ }).waitFor();
  });

  it('counts the time since an event happened, and not since what it is about was made', async () => {
    const before = { createdAt: new Date(Date.now() - 30000).toISOString() };
    await publish('thread_updated', 'threads', JSON.stringify({ thread: { id: '7f3a', alias: 'invoices', summary: 'Overdue', status: 'open', ...before } }));
    await publish('run_event_updated', 'graph', JSON.stringify({ runId: 'r', mutation: 'update', event: { id: 'e', type: 'tool', ts: before.createdAt, ...before } }));
    for (const event of ['thread_updated', 'run_event_updated']) {
      await rows(event).waitFor();
      assert.equal(await rows(event).locator('.latency').innerText(), '');
    }
  });

  it('keeps each event on one line', async () => {
    await publish('thread_activity_changed', 'threads', JSON.stringify({ threadId: '7f3a', activity: 'working' }));
    await rows('thread_activity_changed').waitFor();
    const height = async (event) => (await rows(event).boundingBox()).height;
    assert.equal(await height('thread_activity_changed'), await height('node_status'));
  });

  it('joins a room that an event names, and shows its events', async () => {
    await page.getByText('thread:7f3a').click();
    await live('thread:7f3a');
    const text = '<b>Which</b> invoices are overdue?';
    await publish('message_created', 'thread:7f3a', JSON.stringify({ threadId: '7f3a', message: { id: 'm', kind: 'user', text, source: 'web', createdAt: new Date().toISOString() } }));
    await rows('message_created').waitFor();
    assert.ok((await rows('message_created').innerText()).includes(text), 'text is shown as text');
    await rows('message_created').click();
    assert.match(await page.locator('#events pre').innerText(), /"threadId": "7f3a"/);
  });

  it('says what is wrong with a room', async () => {
    await page.locator('#room').fill('nonsense');
    await page.locator('#add button').click();
    await page.locator('#problem').waitFor();
    assert.equal(await page.locator('[data-room="nonsense"]').count(), 0);
  });

  it('holds events back while paused, and clears', async () => {
    await page.locator('#pause').click();
    await publish('node_state', 'graph', '{"nodeId":"web-1","state":{},"updatedAt":"2026-01-01T00:00:00Z"}');
    await page.locator('#held', { hasText: '1 held back' }).waitFor();
    assert.equal(await rows('node_state').count(), 0);
    await page.locator('#pause').click();
    await rows('node_state').waitFor();
    await screenshot('demo-page.png');
    await page.locator('#theme').click();
    await screenshot('demo-page-dark.png');
    await page.locator('#clear').click();
    assert.equal(await page.locator('#events li').count(), 0);
  });

  it('leaves a room', async () => {
    await page.locator('[data-room="threads"]').click();
    await publish('thread_updated', 'threads', '{}');
    await publish('node_reminder_count', 'graph', '{"nodeId":"web-1","count":3,"updatedAt":"2026-01-01T00:00:00Z"}');
    await rows('node_reminder_count').waitFor();
    assert.equal(await rows('thread_updated').count(), 0);
  });

  it('had no error and asked nobody else for anything', () => {
    assert.deepEqual(problems, []);
    assert.deepEqual(outside, []);
  });

  async function screenshot(name) {
    mkdirSync(join(ROOT, 'build'), { recursive: true });
    await page.screenshot({ path: join(ROOT, 'build', name) });
  }
});
