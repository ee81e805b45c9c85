// WebSocket: frames, masks, fragments, sizes, closing.
import { binary, close, continuation, frame, ping, pong, text } from '../e2e/support/raw_socket.mjs';
import { test } from './kit.mjs';

const open = { ends: 'open' }, closed = { ends: 'closed' };
const SUBSCRIBE = '421["subscribe",{"room":"graph"}]';
// Sends the frames in one segment.
function frames(name, list, spec) {
  test(`websocket: ${name}`, { ...spec, async play(raw) { raw.write(...list); } });
}
// Sends the frames in one segment and waits for the ack of SUBSCRIBE.
function acked(name, list, spec = {}) {
  test(`websocket: ${name}`, {
    ...open, ...spec,
    async play(raw) {
      raw.write(...list);
      await raw.receive('431[');
    },
  });
}

// --- header bits -------------------------------------------------------------------------------------

frames('an unmasked text closes', [text('6', { mask: null })], closed);
frames('an unmasked ping closes', [ping('x', { mask: null })], closed);
frames('an unmasked close closes', [close(1000, '', { mask: null })], closed);
frames('an unmasked binary closes', [binary('x', { mask: null })], closed);
for (let rsv = 1; rsv < 8; ++rsv) frames(`reserved bits ${rsv} close`, [text('6', { rsv })], closed);
frames('reserved bits on a ping close', [ping('', { rsv: 4 })], closed);
frames('reserved bits on a close close', [close(1000, '', { rsv: 2 })], closed);
frames('reserved bits on a continuation close', [text('4', { fin: false }), continuation('2', { rsv: 1 })], closed);
for (const opcode of [3, 4, 5, 6, 7, 11, 12, 13, 14, 15]) {
  frames(`opcode ${opcode} closes`, [frame(opcode, 'x')], closed);
  frames(`opcode ${opcode} without fin closes`, [frame(opcode, '', { fin: false })], closed);
}
acked('a mask of zeros', [text(SUBSCRIBE, { mask: Buffer.alloc(4) })]);
acked('a mask of ones', [text(SUBSCRIBE, { mask: Buffer.alloc(4, 255) })]);
acked('a length told in 16 bits though 7 would do', [text(SUBSCRIBE, { form: 16 })]);
acked('a length told in 64 bits though 7 would do', [text(SUBSCRIBE, { form: 64 })]);

// --- control frames ------------------------------------------------------------------------------------

for (const size of [0, 1, 124, 125]) frames(`a ping of ${size} bytes is answered with the same`, [ping('p'.repeat(size))], open);
frames('a ping of binary is answered with the same', [ping(Buffer.from([0, 255, 254, 128, 10]))], open);
for (const size of [126, 127, 1000, 65536]) {
  frames(`a ping of ${size} bytes closes`, [ping('p'.repeat(size))], closed);
  frames(`a pong of ${size} bytes closes`, [pong('p'.repeat(size))], closed);
}
frames('a ping in fragments closes', [ping('a', { fin: false })], closed);
frames('a pong in fragments closes', [pong('a', { fin: false })], closed);
frames('a close in fragments closes', [close(1000, '', { fin: false })], closed);
frames('an unasked pong is ignored', [pong('surprise'), pong('')], open);
frames('pings are answered in order', [ping('1'), ping('2'), ping('3')], open);
frames('a ping told in 16 bits closes', [ping('x', { form: 16 })], closed);

// --- fragments -----------------------------------------------------------------------------------------

acked('a text in two fragments', [text(SUBSCRIBE.slice(0, 10), { fin: false }), continuation(SUBSCRIBE.slice(10))]);
acked('a text in fragments of one byte', [...SUBSCRIBE].map((char, i) => (i ? continuation : text)(char, { fin: i === SUBSCRIBE.length - 1 })));
acked('empty fragments', [text('', { fin: false }), continuation('', { fin: false }), continuation(SUBSCRIBE, { fin: false }), continuation('')]);
acked('control frames between fragments', [text(SUBSCRIBE.slice(0, 5), { fin: false }), ping('between'), pong(''), continuation(SUBSCRIBE.slice(5, 9), { fin: false }), ping(''), continuation(SUBSCRIBE.slice(9))]);
frames('a close between fragments', [text('42["x', { fin: false }), close(1000)], closed);
frames('a new text inside a message closes', [text('4', { fin: false }), text('6')], closed);
frames('a new binary inside a message closes', [text('4', { fin: false }), binary('6')], closed);
frames('a new unfinished text inside a message closes', [text('4', { fin: false }), text('6', { fin: false })], closed);
frames('a continuation of nothing closes', [continuation('x')], closed);
frames('an unfinished continuation of nothing closes', [continuation('x', { fin: false })], closed);
frames('a continuation after a whole message closes', [text('6'), continuation('x')], closed);
frames('a continuation after a fragmented message closes', [text('6', { fin: false }), continuation(''), continuation('')], closed);
frames('a bad opcode inside a message closes', [text('4', { fin: false }), frame(3, '')], closed);
frames('an empty message in fragments closes the session', [text('', { fin: false }), continuation('')], closed);
frames('a binary in fragments is one stray message', [binary('a', { fin: false }), continuation('b')], closed);
test('websocket: a binary attachment in fragments', {
  ...open,
  async play(raw) {
    raw.send('451-["x",{"_placeholder":true,"num":0}]');
    raw.write(binary('a', { fin: false }), ping('q'), continuation('b', { fin: false }), continuation('c'));
  },
});

// --- UTF-8 ------------------------------------------------------------------------------------------------

const utf8 = (...bytes) => Buffer.concat([Buffer.from('42["'), Buffer.from(bytes), Buffer.from('"]')]);
for (const [name, bytes] of Object.entries({
  'two bytes': [0xc3, 0xa9], 'three bytes': [0xe2, 0x82, 0xac], 'four bytes': [0xf0, 0x9f, 0x99, 0x82], 'U+2028': [0xe2, 0x80, 0xa8], 'the last code point': [0xf4, 0x8f, 0xbf, 0xbf],
  'a non-character': [0xef, 0xbf, 0xbf], 'U+FEFF': [0xef, 0xbb, 0xbf], 'the code point before the surrogates': [0xed, 0x9f, 0xbf], 'the one after them': [0xee, 0x80, 0x80],
})) frames(`UTF-8: ${name}`, [text(utf8(...bytes))], open);
for (const [name, bytes] of Object.entries({
  'a lone continuation': [0x80], 'a cut sequence': [0xe2, 0x82], 'an overlong slash': [0xc0, 0xaf], 'an overlong three': [0xe0, 0x80, 0xaf], 'an overlong four': [0xf0, 0x80, 0x80, 0xaf], 'a surrogate': [0xed, 0xa0, 0x80],
  'a pair of surrogates': [0xed, 0xa0, 0xbd, 0xed, 0xb8, 0x80], 'beyond the last': [0xf4, 0x90, 0x80, 0x80], 'five bytes': [0xf8, 0x88, 0x80, 0x80, 0x80], '0xFF': [0xff], '0xFE': [0xfe], 'C1 80': [0xc1, 0x80], 'a start without its rest': [0xf0, 0x9f],
})) {
  frames(`UTF-8: ${name} closes`, [text(utf8(...bytes))], closed);
  frames(`UTF-8: ${name} closes in ignored packets, too`, [text(Buffer.concat([Buffer.from('6'), Buffer.from(bytes)]))], closed);
}
frames('UTF-8: invalid at the very end', [text(Buffer.from([0x36, 0xe2, 0x82]))], closed);
const euro = Buffer.from('42["€🙂é"]');
for (let cut = 1; cut < euro.length; cut += 2) {
  frames(`UTF-8: split over fragments at byte ${cut}`, [text(euro.subarray(0, cut), { fin: false }), continuation(euro.subarray(cut))], open);
}
frames('UTF-8: every byte a fragment', [...euro].map((byte, i) => (i ? continuation : text)(Buffer.from([byte]), { fin: i === euro.length - 1 })), open);
frames('UTF-8: a sequence cut by the end of the message in fragments closes', [text(Buffer.from([0x36, 0xe2]), { fin: false }), continuation(Buffer.from([0x82]))], closed);
frames('UTF-8: invalid over fragments closes', [text(Buffer.from([0x36, 0xc3]), { fin: false }), continuation(Buffer.from([0x28]))], closed);
frames('UTF-8: is not asked of binary', [text('451-["x",{"_placeholder":true,"num":0}]'), binary(Buffer.from([0xff, 0xfe, 0x80]))], open);

// --- sizes: the limit of the narrow server is 2000 bytes -------------------------------------------------------

const narrow = { server: 'narrow' };
const padded = (size) => `6${'x'.repeat(size - 1)}`;
for (const size of [125, 126, 127, 1999, 2000]) frames(`a message of ${size} bytes of 2000 passes`, [text(padded(size))], { ...narrow, ...open });
for (const size of [2001, 2002, 4000, 65536, 70000]) frames(`a message of ${size} bytes of 2000 closes`, [text(padded(size))], { ...narrow, ...closed });
frames('a binary of 2001 bytes closes', [binary('x'.repeat(2001))], { ...narrow, ...closed });
frames('fragments that sum up to the limit pass', [text(padded(1000), { fin: false }), continuation('y'.repeat(999), { fin: false }), continuation('z')], { ...narrow, ...open });
frames('fragments that sum up to more close', [text(padded(1000), { fin: false }), continuation('y'.repeat(1000), { fin: false }), continuation('z')], { ...narrow, ...closed });
for (const [name, length, form] of [['2001 bytes', 2001], ['65535 bytes', 65535], ['2^31 bytes', 2 ** 31], ['2^32 bytes', 2 ** 32], ['2^53 - 1 bytes', Number.MAX_SAFE_INTEGER]]) {
  test(`websocket: a header that claims ${name} closes at once`, {
    ...narrow, ...closed,
    async play(raw) { raw.write(text('', { length, form })); await raw.waitFor('the close', () => raw.closing); },
  });
}
for (const [name, high] of [['2^53', 0x00200000], ['2^63', 0x80000000], ['2^64 - 1', 0xffffffff]]) {
  test(`websocket: a header that claims ${name} bytes closes at once`, {
    ...narrow, ...closed,
    async play(raw) {
      const head = Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0, 0, 0, 0]);
      head.writeUInt32BE(high, 2);
      raw.write(head);
      await raw.waitFor('the close', () => raw.closing);
    },
  });
}
test('websocket: a second fragment that would go beyond the limit closes on its header', {
  ...narrow, ...closed,
  async play(raw) {
    raw.write(text(padded(1500), { fin: false }));
    await raw.sync();
    raw.write(continuation('', { length: 501 }));
    await raw.waitFor('the close', () => raw.closing);
  },
});
frames('control frames between fragments do not count for the limit', [text(padded(1990), { fin: false }), ping('p'.repeat(125)), continuation('y'.repeat(10))], { ...narrow, ...open });
test('websocket: the limit counts each message anew', {
  ...narrow, ...open,
  async play(raw) { for (let i = 0; i < 5; ++i) raw.write(text(padded(2000))); },
});
test('websocket: a message of the default limit passes', {
  ...open, async play(raw) { raw.write(text(padded(1000000))); },
});
test('websocket: one byte beyond the default limit closes', {
  ...closed, async play(raw) { raw.write(text(padded(1000001))); },
});

// --- closing ---------------------------------------------------------------------------------------------

// Sends a close of our own and reads how it is answered.
function closing(name, bytes) {
  test(`closing: ${name}`, {
    ...closed,
    async play(raw) {
      raw.closeSent = true;
      raw.write(bytes);
      await raw.eof();
    },
  });
}
closing('without a code is echoed', close());
for (const code of [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]) closing(`${code} is echoed`, close(code));
for (const code of [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65535]) closing(`${code} is invalid`, close(code));
closing('a reason is echoed', close(1000, 'so long'));
closing('a reason of 123 bytes is echoed', close(4000, 'r'.repeat(123)));
closing('a reason of UTF-8 is echoed', close(1000, 'é🙂'));
closing('a reason that is not UTF-8', frame(8, Buffer.from([3, 232, 0xff, 0xfe])));
closing('a body of one byte', frame(8, 'x'));
closing('a body of 126 bytes', frame(8, Buffer.concat([Buffer.from([3, 232]), Buffer.alloc(124, 'r')])));
closing('what follows in the same segment is ignored', Buffer.concat([close(1000), text('9'), text('42["x"]'), ping('x')]));
closing('garbage that follows is ignored', Buffer.concat([close(1001), Buffer.alloc(50, 0xff)]));
test('closing: what follows in later segments is ignored, and the answer still arrives', {
  ...closed,
  async play(raw) {
    raw.closeSent = true;
    raw.write(close(1000));
    for (let i = 0; i < 20; ++i) {
      await new Promise(setImmediate);
      raw.write(text('42["x"]'), ping('x'), Buffer.alloc(2000, 0xff));
    }
    await raw.eof();
  },
});
test('closing: frames that break behind the server\'s close do not hold up the end', {
  ...closed,
  async play(raw) {
    raw.closeSent = true;
    raw.write(binary('stray'), text('4', { fin: false }), text('6'));
    await raw.waitFor('the close', () => raw.closing);
  },
});
test('closing: frames that break in later segments do not hold up the end', {
  ...closed,
  async play(raw) {
    raw.send('2');
    await raw.waitFor('the close', () => raw.closing);
    raw.write(text('x', { mask: null }));
  },
});
test('closing: before CONNECT', { at: 'open', ...closed, async play(raw) { raw.closeWith(1000); await raw.eof(); } });
test('closing: in the segment of an event', { ...closed, async play(raw) { raw.closeSent = true; raw.write(text('42["x"]'), close(1000)); await raw.eof(); } });
for (const at of ['tcp', 'open', 'connected']) {
  test(`closing: half of the connection, ${at}`, {
    at, ...closed,
    async play(raw) { raw.socket.end(); await raw.eof(); },
  });
}
test('closing: half of the connection amid a frame', {
  ...closed,
  async play(raw) { raw.write(text('42["subscribe"]').subarray(0, 7)); raw.socket.end(); await raw.eof(); },
});
test('closing: half of the connection after whole packets', {
  ...closed,
  async play(raw) { raw.send('6', '3'); raw.socket.end(); await raw.eof(); },
});
test('closing: half of the connection amid the request', {
  at: 'tcp', ...closed,
  async play(raw) { raw.write('GET /socket.io/?EIO=4'); raw.socket.end(); await raw.eof(); raw.lines.splice(0, raw.lines.length, 'eof'); },
});

// --- segments ------------------------------------------------------------------------------------------------

test('segments: a packet byte by byte', {
  ...open, async play(raw) { await raw.dribble(text(SUBSCRIBE)); await raw.receive('431['); },
});
test('segments: CONNECT and a ping byte by byte', {
  at: 'open', ...open,
  async play(raw) {
    await raw.dribble(Buffer.concat([ping('one'), text('40')]));
    await raw.receive('40{');
    raw.joined = true;
    await raw.dribble(Buffer.concat([text('4', { fin: false }), ping('two'), continuation('3[]')]));
  },
});
test('segments: 200 subscribes in one segment are all answered, in order', {
  ...open,
  async play(raw) {
    raw.write(...Array.from({ length: 200 }, (_, i) => text(`42${i}["subscribe",{"room":"node:${i}"}]`)));
    await raw.receive('43199[');
  },
});
test('segments: thousands of small packets in one segment', {
  ...open, async play(raw) { raw.write(...Array.from({ length: 2000 }, (_, i) => text(i % 2 ? '6' : '42["x"]'))); },
  server: 'default',
});
test('segments: frames cut at every place', {
  ...open,
  async play(raw) {
    const bytes = Buffer.concat([text('42["x"]'), ping('p'), text('6'), text(`42["${'y'.repeat(200)}"]`)]);
    for (let cut = 1; cut < bytes.length; cut += 7) {
      raw.write(bytes.subarray(0, cut));
      await new Promise(setImmediate);
      raw.write(bytes.subarray(cut));
      await raw.sync();
    }
  },
});
test('segments: a CONNECT and an event in one segment', {
  at: 'open',
  async play(raw) {
    raw.send('40', '421["subscribe",{"room":"graph"}]');
    await raw.waitFor('an answer', (lines) => lines.some((line) => line.startsWith('text 431')) || raw.closing);
  },
  differs: {
    why: 'the stock server joins the namespace a turn later and takes the event for one of a namespace not joined; the edge may serve it',
    edge: (stock, edge) => edge.some((line) => line.startsWith('text 431[{"ok":true')) || edge.join() === stock.join(),
  },
});
