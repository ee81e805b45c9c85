// The checker of the torture test finds what it is there to find.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { check } from './checker.mjs';
import { Truth } from './truth.mjs';

const RETENTION = 20000;
const START = 1700000000000;

// A journal of events 0 … count-1, one a second; even ones go to run:a, odd ones to run:b, every
// fifth to both.
async function journal(count, { skew = {} } = {}) {
  const entries = [];
  let previous = 'e.0-0';
  for (let key = 0; key < count; ++key) {
    const rooms = key % 5 === 0 ? ['run:a', 'run:b'] : [key % 2 ? 'run:b' : 'run:a'];
    const id = `${START + key * 1000}-0`;
    const numbers = Object.fromEntries(rooms.map((room) => [room, key]));
    const text = JSON.stringify({ rooms, payload: { k: skew.key?.[key] ?? key, n: skew.numbers?.[key] ?? numbers } });
    entries.push([id, ['x', 'e', 'p', skew.previous?.[key] ?? previous, 'e', text]]);
    previous = `e.${id}`;
  }
  const redis = { xrange: async (stream, from) => entries.filter(([id]) => `(${id}` > from) };
  const truth = new Truth(redis, 'c');
  await truth.finish();
  return truth;
}
const at = (key) => `e.${START + key * 1000}-0`;
const A = [0, 2, 4, 5, 6, 8, 10];  // what run:a gets of twelve events

function published(truth, more = {}) {
  return { acknowledged: new Map(), unknown: new Set(), legacy: new Map(), positions: new Map(), publisherOf: () => 'somebody', ...more };
}
function stream(keys, marks = [{ at: 0, type: 'start', position: 'e.0-0' }]) {
  return { kind: 'sse', name: 'sse-1', rooms: ['run:a'], keys, marks, problems: [] };
}
function session(keys, marks = [{ at: 0, type: 'fresh', ackAt: START - 1 }]) {
  return { kind: 'socketio', name: 'socketio-1', rooms: ['run:a'], keys, marks, problems: [] };
}
async function report(consumers, more = {}, truth) {
  truth ??= await journal(12);
  return check({ truth, consumers, published: published(truth, more), retention: RETENTION, sessionTtl: 30000 });
}
const spoiled = {
  lost: [0, 2, 4, 6, 8, 10],
  doubled: [0, 2, 4, 4, 5, 6, 8, 10],
  reordered: [0, 4, 2, 5, 6, 8, 10],
  strangers: [0, 1, 2, 4, 5, 6, 8, 10],
};

for (const [kind, make] of Object.entries({ stream, session })) {
  describe(`the history of a ${kind}`, () => {
    it('is good if everything came once and in order', async () => {
      const { violations, figures } = await report([make(A)]);
      assert.deepEqual(violations, []);
      assert.equal(figures.events, A.length);
    });

    for (const [figure, keys] of Object.entries(spoiled)) {
      it(`is bad if one was ${figure}`, async () => {
        const { violations, figures } = await report([make(keys)]);
        assert.ok(violations.length > 0);
        assert.ok(figures[figure] > 0, JSON.stringify(figures));
      });
    }

    it('is bad if the last one is missing, or the first', async () => {
      assert.equal((await report([make(A.slice(0, -1))])).figures.lost, 1);
      assert.equal((await report([make(A.slice(1))])).figures.lost, 1);
    });

    it('is bad if an event came that stands nowhere', async () => {
      assert.equal((await report([make([...A, 999])])).figures.strangers, 1);
    });
  });
}

describe('a gap', () => {
  const gap = (after, resumesAt, time) => [{ at: 0, type: 'start', position: 'e.0-0' }, { at: 3, type: 'gap', after: at(after), resumesAt: at(resumesAt), time }];
  it('excuses what it names, if that was old enough', async () => {
    const { violations, figures } = await report([stream([0, 2, 4, 8, 10], gap(4, 7, START + 5000 + RETENTION))]);
    assert.deepEqual(violations, []);
    assert.deepEqual([figures.gaps, figures.excused], [1, 2]);
  });

  it('excuses nothing else', async () => {
    assert.equal((await report([stream([0, 2, 4, 10], gap(4, 7, START + 5000 + RETENTION))])).figures.lost, 1);
  });

  it('is bad if nothing can have been gone', async () => {
    assert.equal((await report([stream([0, 2, 4, 8, 10], gap(4, 7, START + 8000))])).violations.length, 1);
    assert.ok((await report([stream(A, gap(4, 4, START + 5000 + RETENTION))])).violations.length > 0);
  });
});

describe('a fresh session', () => {
  const again = (awayMs, ackAt) => [{ at: 0, type: 'fresh', ackAt: START - 1 }, { at: 3, type: 'fresh', ackAt, awayMs, again: true }];
  it('is good after a long absence, and begins when its rooms were acknowledged', async () => {
    const { violations, figures } = await report([session([0, 2, 4, 8, 10], again(25000, START + 7500))]);
    assert.deepEqual(violations, []);
    assert.deepEqual([figures.fresh, figures.gaps], [2, 1]);
  });

  it('is bad after a short one', async () => {
    assert.equal((await report([session([0, 2, 4, 8, 10], again(1000, START + 7500))])).violations.length, 1);
  });

  it('must not miss what came after the acknowledgement', async () => {
    assert.ok((await report([session([0, 2, 4, 10], again(25000, START + 7500))])).figures.lost > 0);
  });

  it('may miss or have what came before it', async () => {
    assert.deepEqual((await report([session([4, 5, 6, 8, 10], [{ at: 0, type: 'fresh', ackAt: START + 4500 }])])).violations, []);
    assert.deepEqual((await report([session([4, 6, 8, 10], [{ at: 0, type: 'fresh', ackAt: START + 5500 }])])).violations, []);
  });
});

describe('the journal', () => {
  const bad = async (skew, more) => (await report([], more, await journal(12, { skew }))).violations;
  it('is good as it is', async () => { assert.deepEqual(await bad({}), []); });
  it('is bad with a broken chain', async () => { assert.match((await bad({ previous: { 7: 'e.1-0' } }))[0], /predecessor/); });
  it('is bad with an event twice', async () => { assert.match((await bad({ key: { 7: 3 } }))[0], /twice/); });
  it("is bad with a publisher's events out of order", async () => {
    assert.match((await bad({ numbers: { 7: { 'run:b': 2 } } }))[0], /behind/);
  });
  it('is bad without an event that was acknowledged, or with it elsewhere', async () => {
    assert.match((await bad({}, { acknowledged: new Map([[77, '']]) }))[0], /acknowledged and stands nowhere/);
    assert.match((await bad({}, { acknowledged: new Map([[3, at(4)]]) }))[0], /stands at/);
    assert.deepEqual(await bad({}, { acknowledged: new Map([[3, at(3)]]) }), []);
  });
  it('is bad if a consumer was told another position', async () => {
    assert.match((await bad({}, { positions: new Map([[3, at(4)]]) }))[0], /came as/);
  });
});
