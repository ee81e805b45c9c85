// The fleet of the torture test notices what becomes of its processes.
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { until } from '../e2e/support/wait.mjs';
import { Fleet } from './fleet.mjs';

it('tells of a process that ends by itself, not of those it ends', { timeout: 60000 }, async () => {
  const routes = {};
  const fleet = new Fleet({ route: (name, ports) => { routes[name] = ports; } }, { flags: { journal: 'on' }, env: {} });
  try {
    await fleet.start();
    await fleet.ready();
    await fleet.replace('edge-2', 'SIGKILL', 0);
    await fleet.replace('server-1', 'SIGTERM', 0);
    assert.deepEqual(fleet.problems, []);
    fleet.members['edge-1'].program.signal('SIGABRT');
    await until('it is told', () => fleet.problems.length === 1);
    assert.match(fleet.problems[0], /^edge-1 ended by itself: .*SIGABRT/);
    assert.equal(routes.edge.length, 1);
    await fleet.ready();
  } finally {
    await fleet.stop();
  }
  assert.equal(fleet.problems.length, 1);
});
