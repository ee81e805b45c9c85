// A browser's own EventSource: it hears, comes back by itself, and never gives up.
import assert from 'node:assert/strict';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { chromium } from 'playwright-core';
import { envelopeText } from './support/envelopes.mjs';
import { startEdge } from './support/programs.mjs';
import { freePort, RedisServer } from './support/redis.mjs';
import { until } from './support/wait.mjs';

describe("a browser's EventSource", { timeout: 120000 }, () => {
  let redis, edge, port, site, browser, page;
  const publish = (event, payload) => redis.cli('PUBLISH', 'notifications.v1', envelopeText(['graph'], event, payload));
  const startAgain = async (flags) => { edge = await startEdge(redis, { listen: `127.0.0.1:${port}`, ...flags }); };

  before(async () => {
    redis = await RedisServer.start();
    port = await freePort();
    await startAgain();
    // A page of another origin.
    site = http.createServer((request, response) => response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><title>x</title>'));
    await new Promise((resolve) => site.listen(0, '127.0.0.1', resolve));
    browser = await chromium.launch({
      executablePath: '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-dev-shm-usage', '--disable-gpu', '--disable-background-networking'],
    });
    page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${site.address().port}/`);
    await page.evaluate((url) => {
      window.heard = [];
      window.opened = 0;
      window.closed = false;
      window.source = new EventSource(`${url}/events?room=graph`);
      window.source.onopen = () => { ++window.opened; };
      window.source.onerror = () => { if (window.source.readyState === EventSource.CLOSED) window.closed = true; };
      for (const name of ['node_status', 'pretty']) {
        window.source.addEventListener(name, (event) => window.heard.push([event.type, event.data, event.lastEventId]));
      }
      window.source.onmessage = (event) => window.heard.push([event.type, event.data, event.lastEventId]);
    }, edge.url);
    await opened(1);
  });
  after(async () => {
    await browser?.close();
    site?.close();
    await edge?.stop();
    await redis?.stop();
  });

  const opened = (n) => until(`it has opened ${n} times`, async () => await page.evaluate(() => window.opened) >= n, { deadline: 20000, every: 50 });
  const heard = () => page.evaluate(() => window.heard.splice(0));
  const hears = async (n) => {
    const all = [];
    await until(`it hears ${n} events`, async () => { all.push(...await heard()); return all.length >= n; }, { deadline: 10000 });
    return all;
  };
  // Publishes until it hears: it is live a moment after it has opened.
  const hearsAgain = () => until('it hears again', async () => { await publish('node_status', '"again"'); return (await heard()).length; }, { deadline: 10000, every: 100 });

  it('hears named events across origins, line breaks and odd names too', async () => {
    await publish('node_status', '{"state":"ready"}');
    await publish('pretty', '{\n "a": 1\r\n}');
    await publish('two\nlines', '"odd"');
    const [first, second, third] = await hears(3);
    assert.deepEqual(first, ['node_status', '{"state":"ready"}', '']);
    assert.deepEqual(second, ['pretty', '{\n "a": 1\n}', '']);
    assert.equal(third[0], 'message');
    assert.equal(JSON.parse(third[1]).event, 'two\nlines');
  });

  it('comes back after the edge left in good order', async () => {
    await edge.stop();
    await startAgain();
    await opened(2);
    await hearsAgain();
  });

  it('comes back after the edge was killed', async () => {
    await edge.kill();
    await startAgain();
    await opened(3);
    await hearsAgain();
  });

  it('waits while the edge is full', async () => {
    await edge.kill();
    await startAgain({ max_connections: 1 });
    const other = await fetch(`${edge.url}/events?room=graph`).then((response) => response.body.getReader());
    // Whoever of the two came first holds the only place; then it is free.
    await until('it was sent away or is in', async () => (await page.evaluate(() => window.opened)) >= 4, { deadline: 20000, every: 50 });
    await other.cancel().catch(() => {});
    await hearsAgain();
  });

  it('never gave up', async () => {
    assert.equal(await page.evaluate(() => window.closed), false);
    assert.notEqual(await page.evaluate(() => window.source.readyState), 2);
  });
});
