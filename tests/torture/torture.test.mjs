// The torture test in a minute, and what it says when something is broken on purpose.
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { torture } from './torture.mjs';

// DURATION and SEED as for `make torture`.
const { DURATION = 60, SEED } = process.env;
const seed = SEED ? { seed: Number(SEED) } : {};

describe('the torture test', { timeout: (Number(DURATION) + 240) * 1000 }, () => {
  const say = (t) => (line) => t.diagnostic(line);

  it('finds nothing lost, doubled or out of order', async (t) => {
    const report = await torture({ ...seed, seconds: Number(DURATION), say: say(t) });
    assert.deepEqual(report.violations, []);
    assert.ok(report.figures.events > 1000, 'nothing happened');
    assert.ok(report.figures.resumes > 100, 'nobody came back');
    if (DURATION >= 45) assert.ok(report.figures.gaps > 0, 'nobody was away for too long');
  });

  const small = { seconds: 10, sizes: { socketio: 60, sse: 20, grpc: 20 } };
  for (const [broken, what] of Object.entries({ gate: 'the replay gate', append: 'the atomic append', sessions: 'the session write' })) {
    it(`reports violations without ${what}`, async (t) => {
      const report = await torture({ ...small, ...seed, broken, say: say(t) });
      assert.ok(report.violations.length > 0);
    });
  }
});
