// The edge and a stock Node gateway on one Redis: the same 1,000 envelopes, valid and invalid, give
// the same frames to the same subscribers.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { RawClient } from './support/clients.mjs';
import { KINDS_OF_BREAKS, MIXED_ROOMS, envelopeText, mixedEnvelopes } from './support/envelopes.mjs';
import { parseEnvelope } from '../peers/envelope.mjs';
import { startEdge, startStock, stopAll } from './support/programs.mjs';
import { RedisServer } from './support/redis.mjs';

const COUNT = Number(process.env.ENVELOPES ?? 1000);
const SEED = Number(process.env.SEED ?? 20260219);
const SUBSCRIBERS = [[MIXED_ROOMS[0]], [MIXED_ROOMS[1], MIXED_ROOMS[2]], ['Thread:1', 'thread:1', 'NODE:42'], MIXED_ROOMS, ['run:a', 'run:b-9', 'node:42', 'node:Z'], ['thread:nobody']];

describe('side by side with a stock gateway', { timeout: 120000 }, () => {
  let redis, stock, edge;
  const listeners = { stock: [], edge: [] };
  before(async () => {
    redis = await RedisServer.start();
    stock = await startStock(redis, { QUIET: '1' });
    edge = await startEdge(redis, { delivery: 'per_room' });
    for (const rooms of SUBSCRIBERS) {
      listeners.stock.push(await RawClient.subscribe(stock.port, ...rooms, 'node:end'));
      listeners.edge.push(await RawClient.subscribe(edge.port, ...rooms, 'node:end'));
    }
  });
  after(async () => {
    for (const one of [...listeners.stock, ...listeners.edge]) one.close();
    await stopAll(stock, edge);
    await redis?.stop();
  });

  it(`gives the same frames for ${COUNT} envelopes (seed ${SEED})`, async (t) => {
    const envelopes = mixedEnvelopes(COUNT, SEED);
    // The generator does what it says: what it breaks is broken, by the rules written down in JavaScript.
    for (const { text, broken } of envelopes) {
      const { error } = parseEnvelope(Buffer.from(text));
      assert.equal(Boolean(error), Boolean(broken), `${broken || 'valid'}: ${error}: ${String(text).slice(0, 300)}`);
    }
    const invalid = envelopes.filter(({ broken }) => broken);
    assert.deepEqual(new Set(invalid.map(({ broken }) => broken)), new Set(KINDS_OF_BREAKS));

    const before = await edge.metric('notifications_events_invalid_total');
    const publisher = redis.client();
    for (const { text } of envelopes) publisher.publish('notifications.v1', Buffer.from(text));
    await publisher.publish('notifications.v1', envelopeText(['node:end'], 'end'));

    let frames = 0;
    for (const [i, rooms] of SUBSCRIBERS.entries()) {
      for (const side of ['stock', 'edge']) {
        await listeners[side][i].inbox.waitFor(`${side} tells subscriber ${i} the end`, (items) => items.includes('42["end",null]'), 15000);
      }
      const [wanted, got] = [listeners.stock[i].inbox.items, listeners.edge[i].inbox.items];
      frames += got.length;
      assert.deepEqual(got, wanted, `subscriber ${i} of ${rooms}`);
    }
    assert.ok(frames > COUNT, `only ${frames} frames were compared`);
    assert.equal(await edge.metric('notifications_events_invalid_total') - before, invalid.length, 'each invalid one is counted');
    t.diagnostic(`${frames} frames compared, ${invalid.length} envelopes refused`);
  });
});
