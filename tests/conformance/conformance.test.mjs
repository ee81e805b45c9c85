// The edge and a stock Socket.IO server side by side: hundreds of conversations, told by bytes, must
// go the same way.
//
// TARGET=stock plays against the stock server alone (to try out new cases), ONLY=regex picks cases.
// CONFORMANCE_PROGRAM: notifications-edge (default) or notifications-gateway.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { start, startEdge, startStock, stopAll } from '../e2e/support/programs.mjs';
import { RedisServer } from '../e2e/support/redis.mjs';
import { cases, play } from './kit.mjs';
import './http_cases.mjs';
import './engineio_cases.mjs';
import './socketio_cases.mjs';
import './websocket_cases.mjs';
import './subscribe_cases.mjs';

const STOCK_ONLY = process.env.TARGET === 'stock';
const only = new RegExp(process.env.ONLY ?? '');
const chosen = cases.filter((one) => only.test(one.name));

// The same settings in the words of each side.
const SETTINGS = {
  default: { stock: {}, edge: {} },
  lively: { stock: { PING_INTERVAL: '400', PING_TIMEOUT: '300' }, edge: { ping_interval: '400ms', ping_timeout: '300ms' } },
  impatient: { stock: { CONNECT_TIMEOUT: '500' }, edge: { connect_timeout: '500ms' } },
  narrow: { stock: { MAX_PAYLOAD: '2000' }, edge: { max_payload: '2000' } },
};

describe('conformance', { concurrency: 12 }, () => {
  let redis, client;
  const targets = [];  // [{name, ports: {settings: port}}]
  const programs = [];

  before(async () => {
    redis = await RedisServer.start();
    client = redis.client();
    const names = [...new Set(chosen.map((one) => one.server))];
    const launch = async (name, one) => {
      const ports = {};
      await Promise.all(names.map(async (settings) => {
        const program = await one(SETTINGS[settings][name]);
        programs.push(program);
        ports[settings] = program.port;
      }));
      targets.push({ name, ports });
    };
    await launch('stock', (env) => startStock(redis, { NOTIFICATIONS_CHANNEL: 'stock', QUIET: '1', ...env }));
    if (STOCK_ONLY) return;
    const edgeLike = process.env.CONFORMANCE_PROGRAM === 'notifications-gateway'
      ? (flags) => start('notifications-gateway', { redis_url: redis.url, channel: 'edge', ...flags })
      : (flags) => startEdge(redis, { channel: 'edge', ...flags });
    await launch('edge', edgeLike);
  });
  after(async () => {
    await stopAll(...programs);
    await redis?.stop();
  });

  let sequence = 0;
  const publisher = (channel) => (rooms, event, payload) => client.publish(channel, JSON.stringify({
    id: `id-${++sequence}`, ts: '2026-02-19T12:00:00.000Z', source: 'conformance', rooms, event, payload,
  }));

  for (const one of chosen) {
    it(one.name, { timeout: 30000 }, async () => {
      const outcomes = await Promise.all(targets.map(({ name, ports }) =>
        play(one, ports[one.server], { target: name, publish: publisher(name) }).catch((error) => ({ error }))));
      const failed = outcomes.find(({ error }) => error);
      if (failed) throw failed.error;
      for (const [i, { ends, lines }] of outcomes.entries()) {
        if (one.ends) assert.equal(ends, one.ends, `${targets[i].name} ends:\n  ${lines.map((line) => line.slice(0, 300)).join('\n  ')}\n`);
      }
      if (outcomes.length < 2) return;
      const [stock, edge] = outcomes.map(({ lines }) => lines);
      const wanted = one.differs ? one.differs.edge(stock, edge) : stock;
      if (wanted === true) return;
      assert.notEqual(wanted, false, `the edge may differ here (${one.differs?.why}), but not so:\n${edge.join('\n')}`);
      assert.deepEqual(edge, wanted, `the edge differs from the stock server (actual: edge, expected: ${one.differs ? `${one.differs.why}` : 'stock'})`);
    });
  }
});
