// Engine.IO: the open packet, packet types, heartbeats.
import { binary, pong, text } from '../e2e/support/raw_socket.mjs';
import { test, testEach } from './kit.mjs';

testEach('engine.io closes on', [
  '2', '2probe', '', '7', '8', '9', 'x', 'hello', ' ', '\u0000', '{"a":1}', '-1', 'b', 'bAAAA', 'bnot base64!', '4', '٣', 'é', '🙂', 'B', '\n',
], { at: 'open', ends: 'closed' });
testEach('engine.io closes a connected session on', ['2', '', '9', 'bAAEC', '4', 'x'], { ends: 'closed' });
testEach('engine.io ignores', [
  '0', '1', '5', '6', '0{"sid":"mine"}', '1anything', '5x', '6noop', '3', '3probe', '3late', ['3', '3', '3'], ['0', '1', '5', '6', '3'],
], { at: 'open', ends: 'open' });
testEach('engine.io ignores, connected,', ['0', '1', '5', '6', '3', '1close', ['6', '6', '6']], { ends: 'open' });

for (const at of ['open', 'connected']) {
  for (const [name, bytes] of [['empty', ''], ['of one byte', '\x04'], ['of text', '40'], ['of 1000 bytes', 'x'.repeat(1000)]]) {
    test(`engine.io closes on a stray binary message ${name}, ${at}`, {
      at, ends: 'closed', async play(raw) { raw.write(binary(bytes)); },
    });
  }
}
test('engine.io: nothing after a violation is answered', {
  ends: 'closed',
  async play(raw) {
    raw.send('2', '421["subscribe",{"room":"graph"}]', '42["x"]');
  },
});
test('engine.io: packets before the violation in one segment are read', {
  at: 'open', ends: 'closed',
  async play(raw) { raw.send('6', '0', '1', '3', '5', '9'); },
});

// --- heartbeats: interval 400 ms, timeout 300 ms ---------------------------------------------------

const server = 'lively';
const pings = (raw, n, ms) => raw.waitFor(`ping ${n}`, (lines) => lines.filter((line) => line === 'text 2').length >= n, ms);
const pingCount = (raw) => raw.lines.filter((line) => line === 'text 2').length;

test('heartbeat: an answered ping is followed by another', {
  server, at: 'open',
  async play(raw) {
    await pings(raw, 3);
    raw.lines.splice(0, raw.lines.length, 'three pings');
  },
});
test('heartbeat: no pong, and the transport is closed after one ping', {
  server, at: 'open', ends: 'closed',
  async play(raw) {
    raw.autoPong = false;
    await raw.waitFor('the close', () => raw.closing);
  },
});
test('heartbeat: the same for a connected session', {
  server, ends: 'closed',
  async play(raw) {
    raw.autoPong = false;
    await raw.waitFor('the close', () => raw.closing);
  },
});
test('heartbeat: a WebSocket pong is no sign of life', {
  server, at: 'open', ends: 'closed',
  async play(raw) {
    raw.autoPong = false;
    await pings(raw, 1);
    raw.write(pong(''));
    await raw.waitFor('the close', () => raw.closing);
  },
});
test('heartbeat: packets other than a pong do not keep a session alive', {
  server, ends: 'closed',
  async play(raw) {
    raw.autoPong = false;
    await pings(raw, 1);
    const started = Date.now();
    const chatter = setInterval(() => raw.write(text('6')), 50);
    try {
      await raw.waitFor('the close', () => raw.closing, 3000);
    } finally {
      clearInterval(chatter);
    }
    // The stock server extends its patience once; both end it although packets keep coming.
    const late = Date.now() - started > 2000;
    raw.lines.unshift(late ? 'closed late' : 'closed in time');
  },
});
test('heartbeat: an unasked pong re-arms the interval', {
  server, at: 'open',
  async play(raw) {
    // Pongs every 100 ms put off the ping for as long as they come.
    const end = Date.now() + 900;
    while (Date.now() < end) {
      raw.send('3');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const early = pingCount(raw);
    await pings(raw, early + 1);
    raw.lines.splice(0, raw.lines.length, early === 0 ? 'put off' : `${early} pings came all the same`);
  },
});
test('heartbeat: one ping at a time', {
  server, at: 'open', ends: 'closed',
  async play(raw) {
    raw.autoPong = false;
    await raw.waitFor('the close', () => raw.closing);
    const count = pingCount(raw);
    raw.lines.splice(0, raw.lines.length, `${count} ping`);
  },
});
test('heartbeat: a pong just in time counts', {
  server, at: 'open',
  async play(raw) {
    raw.autoPong = false;
    await pings(raw, 1);
    raw.send('3whatever');
    await pings(raw, 2);
    raw.autoPong = true;
    raw.send('3');
    raw.lines.splice(0, raw.lines.length, 'lives');
  },
});
test('connect timeout: a client that never sends CONNECT is closed', {
  server: 'impatient', at: 'open', ends: 'closed',
  async play(raw) { await raw.waitFor('the close', () => raw.closing); },
});
test('connect timeout: refused namespaces do not stop the clock', {
  server: 'impatient', at: 'open', ends: 'closed',
  async play(raw) {
    raw.send('40/admin,');
    await raw.receive('44/admin');
    await raw.waitFor('the close', () => raw.closing);
  },
});
test('connect timeout: a connected client is left alone, even after DISCONNECT', {
  server: 'impatient', at: 'open', ends: 'open',
  async play(raw) {
    raw.send('40');
    await raw.receive('40{');
    raw.send('41');
    await raw.sync();
    const end = Date.now() + 900;  // the connect timeout of this server is 500 ms
    while (Date.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      if (!await raw.sync()) return;
    }
  },
});
