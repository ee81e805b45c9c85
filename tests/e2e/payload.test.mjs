// A payload reaches every consumer as the text that the publisher wrote, byte for byte.
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { RawClient } from './support/clients.mjs';
import { envelopeText } from './support/envelopes.mjs';
import { GrpcClient } from './support/grpc.mjs';
import { notifyctl, startEdge, startServer, stopAll } from './support/programs.mjs';
import { RedisServer } from './support/redis.mjs';

const PAYLOADS = {
  'numbers beyond 2^53': '{"a":9007199254740993,"b":123456789012345678901234567890,"c":-0,"d":1.10,"e":1E+2,"f":1e400,"g":0.1000000000000000055511151231257827}',
  'escapes as written': '{"a":"\\u0041\\/\\n\\u2028","b":"\\ud83d\\ude42","c":"\\"\\\\"}',
  'an escaped lone surrogate': '["\\ud800","\\udc00x"]',
  'U+2028 and U+2029 raw': '"\u2028\u2029"',
  'emoji, combining marks, right to left': '"🙂e\u0301 שלום \u202e\u0000"'.replace('\u0000', '\\u0000'),
  'key order and repeated keys': '{"z":1,"a":2,"z":3,"2":0,"1":0,"__proto__":{},"":null}',
  'white space inside': '{ "a" :\t[ 1 ,\n 2 ] }',
  'null': 'null', 'false': 'false', 'zero': '0', 'empty text': '""', 'empty array': '[]',
  'HTML': '"</script><!-- & \' "',
  '512 levels': '['.repeat(512) + ']'.repeat(512),
  '125 bytes in all': `"${'x'.repeat(125 - 10)}"`,
  '65535 bytes in all': `"${'y'.repeat(65535 - 10)}"`,
  '500 KB': `"${'é🙂\\n'.repeat(62500)}"`,
  '3 MB': `[${Array.from({ length: 300000 }, (_, i) => 1000000 + i)}]`,
};

describe('payload', { timeout: 120000 }, () => {
  let redis, edge, server, grpc, browser, stream;
  before(async () => {
    redis = await RedisServer.start();
    [edge, server] = await Promise.all([startEdge(redis), startServer(redis)]);
    grpc = new GrpcClient(server.grpcAddress);
    browser = await RawClient.subscribe(edge.port, 'graph');
    stream = await grpc.stream('*');
  });
  after(async () => {
    browser?.close();
    grpc?.close();
    await stopAll(edge, server);
    await redis?.stop();
  });

  async function arrives(publish, payload) {
    const n = browser.inbox.items.length;
    const m = stream.inbox.items.length;
    await publish();
    await browser.inbox.count('the browser', n + 1, 10000);
    await stream.inbox.count('the stream', m + 1, 10000);
    assert.ok(browser.inbox.items[n] === `42["p",${payload}]`, `the frame differs: ${browser.inbox.items[n].slice(0, 300)}`);
    assert.ok(stream.inbox.items[m].payload_json === payload, `payload_json differs: ${stream.inbox.items[m].payload_json.slice(0, 300)}`);
  }

  for (const [name, payload] of Object.entries(PAYLOADS)) {
    it(`${name}: by PUBLISH`, () => arrives(() => redis.client().publish('notifications.v1', envelopeText(['graph'], 'p', payload)), payload));
    it(`${name}: by gRPC`, () => arrives(() => grpc.publish({ event: 'p', rooms: ['graph'], payload_json: payload }), payload));
  }
  it('by notifyctl, from standard input', async () => {
    const payload = PAYLOADS['numbers beyond 2^53'];
    await arrives(async () => {
      const { code, stderr } = await notifyctl(server.grpcAddress, ['publish', '--event', 'p', '--room', 'graph', '--payload', '-'], { input: payload });
      assert.equal(code, 0, stderr);
    }, payload);
  });
  it('white space around the payload is not part of it', () => arrives(
    () => redis.client().publish('notifications.v1', envelopeText(['graph'], 'p', ' \n [1] \t')), '[1]'));
  it('a missing payload is null', () => arrives(
    () => redis.client().publish('notifications.v1', envelopeText(['graph'], 'p').replace(',"payload":null', '')), 'null'));
});
