// A stranger with nothing but the address finds the services, their schema, and can call them.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { run } from './support/processes.mjs';
import { ROOT, startGateway } from './support/programs.mjs';

describe('reflection', { timeout: 60000 }, () => {
  let gateway;
  before(async () => { gateway = await startGateway(); });
  after(() => gateway?.stop());

  const curl = (path, ...args) => run(join(ROOT, 'node_modules/.bin/buf'),
    ['curl', '--protocol', 'grpc', '--http2-prior-knowledge', ...args, `http://${gateway.grpcAddress}${path}`], { ms: 30000 });

  it('lists the services', async () => {
    const { code, stdout, stderr } = await curl('', '--list-services');
    assert.equal(code, 0, stderr);
    assert.deepEqual(stdout.trim().split('\n').sort(), ['grpc.health.v1.Health', 'grpc.reflection.v1alpha.ServerReflection', 'notifications.v1.NotificationsGateway']);
  });

  it('describes Publish well enough to call it', async () => {
    const { code, stdout, stderr } = await curl('/notifications.v1.NotificationsGateway/Publish', '-d', '{"event":"e","rooms":["graph"],"payload":{"a":1},"id":"mine"}');
    assert.equal(code, 0, stderr);
    assert.equal(JSON.parse(stdout).id, 'mine');
  });

  it('describes the health service, too', async () => {
    for (const service of ['', 'notifications.v1.NotificationsGateway']) {
      const { code, stdout, stderr } = await curl('/grpc.health.v1.Health/Check', '-d', JSON.stringify({ service }));
      assert.equal(code, 0, stderr);
      assert.deepEqual(JSON.parse(stdout), { status: 'SERVING' });
    }
  });
});
