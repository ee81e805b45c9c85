// HTTP: refusals, CORS, paths, the upgrade.
import { KEY, TARGET, UPGRADE, request, text } from '../e2e/support/raw_socket.mjs';
import { test } from './kit.mjs';

const at = 'tcp';
const answered = (raw, n = 1) => raw.waitFor('an answer', (lines) =>
  lines.filter((line) => line.startsWith('http ')).length >= n).catch((error) => { if (!raw.ended) throw error; });

// One plain request (no upgrade); the answer is the transcript.
function plain(name, method, target, headers = [], body = '', spec = {}) {
  test(`http: ${name}`, {
    at,
    async play(raw) {
      raw.headRequest = method === 'HEAD';
      raw.write(request(method, target, headers, body));
      await answered(raw);
    },
    ...spec,
  });
}

const P = '/socket.io/?';
for (const query of [
  '', 'EIO=4', 'EIO=4&transport=polling', 'EIO=3&transport=polling', 'EIO=4&transport=', 'EIO=4&transport=websockets',
  'EIO=4&transport=WebSocket', 'EIO=4&transport=webtransport', 'EIO=4&transport=polling&sid=abc', 'transport=polling&j=0',
  'EIO=4&transport=constructor', 'EIO=4&transport=__proto__', 'EIO=4&transport=%00', 'EIO=4&transport=websocket%20',
  'EIO=4&transport=websocket&transport=polling', 'EIO=4&Transport=websocket',
]) plain(`GET ?${query} is an unknown transport`, 'GET', P + query);
for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'HEAD']) {
  plain(`${method} with polling is an unknown transport`, method, `${P}EIO=4&transport=polling`, ['Content-Length: 0']);
  plain(`${method} with websocket is a bad handshake method`, method, `${P}EIO=4&transport=websocket`, ['Content-Length: 0']);
  plain(`${method} with an unknown sid`, method, `${P}EIO=4&transport=websocket&sid=nobody`, ['Content-Length: 0']);
}
for (const query of [
  'EIO=4&transport=websocket', 'EIO=3&transport=websocket', 'transport=websocket', 'EIO=5&transport=websocket',
  'EIO=4&transport=polling&transport=websocket', 'transport=web%73ocket&EIO=4', 'EIO=4&transport=websocket&sid=',
  'EIO=4&transport=websocket#fragment', '&&EIO=4&&transport=websocket&',
]) plain(`GET ?${query} without upgrade is a bad request`, 'GET', P + query);
for (const sid of ['abc', '__proto__', 'constructor', 'hasOwnProperty', '%F0%9F%98%80', 'a'.repeat(500), '0', 'null', '%20']) {
  plain(`sid ${sid.slice(0, 30)} is unknown`, 'GET', `${P}EIO=4&transport=websocket&sid=${sid}`);
}
plain('a body is no matter', 'POST', `${P}EIO=4&transport=polling`, ['Content-Length: 5'], 'hello');
plain('an origin is answered with *', 'GET', `${P}EIO=4&transport=polling`, ['Origin: https://example.org']);
plain('an origin with a control character is a bad request', 'GET', `${P}EIO=4&transport=websocket`, [Buffer.from('Origin: http://a\x7fb').toString('latin1')]);

for (const target of [P, `${P}EIO=4&transport=polling`, '/socket.io/', '/socket.io/anything/below?x=1']) {
  plain(`OPTIONS ${target}`, 'OPTIONS', target);
}
plain('OPTIONS with requested headers', 'OPTIONS', `${P}EIO=4&transport=polling`,
  ['Origin: https://example.org', 'Access-Control-Request-Method: POST', 'Access-Control-Request-Headers: content-type,x-custom']);
plain('OPTIONS with odd requested headers', 'OPTIONS', P, ['Access-Control-Request-Headers:   X-A ,x-b ']);
plain('OPTIONS with empty requested headers', 'OPTIONS', P, ['Access-Control-Request-Headers:']);
plain('OPTIONS with a body', 'OPTIONS', P, ['Content-Length: 3'], 'abc');

for (const target of [
  '/', '/socket.io', '/socket.io?EIO=4&transport=websocket', '/Socket.io/?EIO=4&transport=polling', '/socket.io2/', '/index.html',
  '/socket%2eio/?EIO=4&transport=polling', '//socket.io/?EIO=4&transport=polling', '/x/socket.io/?EIO=4', '/socket.io.js', '/favicon.ico',
  '/metrics', '/healthz', '/..', '/%00', '/demo/', '/demo',
]) plain(`GET ${target} is not found`, 'GET', target);
plain('POST elsewhere is not found', 'POST', '/elsewhere', ['Content-Length: 2'], 'ab');
plain('HEAD elsewhere is not found', 'HEAD', '/elsewhere');
plain('OPTIONS elsewhere is not found', 'OPTIONS', '/elsewhere');
for (const target of ['/socket.io/socket.io.js', '/socket.io/socket.io.min.js.map', '/socket.io//?EIO=4&transport=polling',
  '/socket.io/../?EIO=4&transport=polling', '/socket.io/deeper/still?EIO=4&transport=websocket']) {
  plain(`GET ${target} is under the prefix`, 'GET', target);
}

test('http: a second request on the same connection is answered', {
  at,
  async play(raw) {
    raw.write(request('GET', `${P}EIO=4&transport=polling`));
    await answered(raw);
    raw.write(request('GET', '/nowhere'));
    await answered(raw, 2);
    raw.write(request('OPTIONS', P));
    await answered(raw, 3);
  },
});
test('http: two requests in one segment are both answered, in order', {
  at,
  async play(raw) {
    raw.write(request('GET', `${P}EIO=4&transport=polling`), request('GET', '/nowhere'));
    await answered(raw, 2);
  },
});
test('http: an upgrade after a plain request on the same connection', {
  at, ends: 'open',
  async play(raw) {
    raw.write(request('GET', '/nowhere'));
    await answered(raw);
    raw.upgrade();
    await raw.receive('"sid"');
  },
});
test('http: a request byte by byte', {
  at,
  async play(raw) {
    await raw.dribble(request('GET', `${P}EIO=4&transport=polling`));
    await answered(raw);
  },
});
test('http: Connection: close is heeded', {
  at,
  async play(raw) {
    raw.write(request('GET', '/nowhere', ['Connection: close']));
    await answered(raw);
    await raw.eof();
  },
});
test('http: HTTP/1.0 without keep-alive is closed after the answer', {
  at,
  async play(raw) {
    raw.write('GET /nowhere HTTP/1.0\r\nHost: a\r\n\r\n');
    await answered(raw);
    await raw.eof();
  },
});
for (const [name, bytes] of Object.entries({
  'nonsense': 'nonsense\r\n\r\n', 'a bad version': 'GET / HTTP/9.9\r\nHost: a\r\n\r\n', 'a header without colon': 'GET / HTTP/1.1\r\nHost: a\r\nbroken\r\n\r\n',
  'a TLS hello': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n',
  'a bad chunk': 'POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n',
})) {
  test(`http: ${name} is refused with 400 or a close`, {
    at, ends: 'closed',
    async play(raw) {
      raw.write(Buffer.from(bytes, 'latin1'));
      await raw.eof();
      // The words of parsers differ: all that counts is that the connection ends with 400 or nothing.
      const statuses = raw.lines.filter((line) => line.startsWith('http '));
      const fine = statuses.every((line) => line === 'http 400 Bad Request' || line === 'http 404 Not Found' || line === 'http 505 HTTP Version Not Supported');
      raw.lines.splice(0, raw.lines.length, fine ? 'refused' : statuses.join());
    },
  });
}

// Bytes that are a request all the same, or none; the answer is the transcript.
function bytes(name, chunks, spec = {}) {
  test(`http: ${name}`, {
    at,
    async play(raw) {
      raw.write(...[chunks].flat().map((chunk) => Buffer.from(chunk, 'latin1')));
      await answered(raw, [chunks].flat().filter((chunk) => chunk.includes('HTTP/')).length);
      if (spec.ends === 'closed') await raw.eof();
    },
    ...spec,
  });
}
bytes('a request without Host is refused', 'GET /nowhere HTTP/1.1\r\n\r\n', { ends: 'closed' });
bytes('a refusable request without Host is refused', `GET ${P}EIO=4&transport=polling HTTP/1.1\r\n\r\n`, { ends: 'closed' });
bytes('a request of HTTP/1.0 needs no Host', 'GET /nowhere HTTP/1.0\r\nConnection: close\r\n\r\n');
bytes('empty lines before a request are no matter', `\r\n\r\nGET ${P}EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n`);
bytes('empty lines between two requests are no matter', [request('POST', '/nowhere', ['Content-Length: 2'], 'ab'), '\r\n', request('GET', '/nowhere')]);
for (const method of ['get', 'FOO', 'Get', 'WEBSOCKET']) {
  bytes(`the method ${method} is none`, request(method, `${P}EIO=4&transport=polling`), { ends: 'closed' });
  bytes(`the method ${method} is none, elsewhere`, request(method, '/nowhere'), { ends: 'closed' });
}
for (const method of ['QUERY', 'TRACE', 'PROPFIND', 'LOCK']) bytes(`the method ${method} is one`, request(method, `${P}EIO=4&transport=polling`));
for (const target of ['socket.io/?EIO=4', 'nowhere', '?EIO=4', 'x-y:a', 'http:/a', '1://a', '/\xe9', '/nowhere?\xc3\xa9']) {
  bytes(`the target ${JSON.stringify(target)} is none`, request('GET', target), { ends: 'closed' });
}
for (const target of ['*', '*x', 'http://localhost/socket.io/?EIO=4&transport=polling', 'ws://localhost/', '/a"<>{}|^`\\']) {
  bytes(`the target ${JSON.stringify(target)} is not found`, request('GET', target));
}
// What is no list of tokens names nothing that anyone knows.
for (const value of ['x upgrade', 'upgrade upgrade', 'upgrade;q=1', '"upgrade"', 'keep-alive, x y', '"a,b", c', 'upgrade/1', '(upgrade)', '=', 'é']) {
  plain(`Connection: ${value} is no upgrade`, 'GET', `${P}EIO=4&transport=websocket`, [`Connection: ${value}`, ...UPGRADE.slice(1)]);
  plain(`Connection: ${value}, elsewhere`, 'GET', '/nowhere', [`Connection: ${value}`]);
}
plain('Proxy-Connection may hold anything', 'GET', '/nowhere', ['Connection: a b', 'Proxy-Connection: "c d"']);
plain('an empty Upgrade is no upgrade', 'GET', `${P}EIO=4&transport=websocket`, ['Connection: Upgrade', 'Upgrade:', ...UPGRADE.slice(2)]);

// --- the upgrade ---------------------------------------------------------------------------------

function upgrade(name, options, spec = {}) {
  test(`upgrade: ${name}`, {
    at,
    async play(raw) {
      raw.upgrade(options);
      await answered(raw);
      await raw.waitFor('the open packet or the end', (lines) => raw.ended || raw.closing || lines.some((line) => line.startsWith('text 0')))
        .catch((error) => { if (!raw.ended) throw error; });
    },
    ...spec,
  });
}
const open = { ends: 'open' }, closed = { ends: 'closed' };
const replace = (name, value) => UPGRADE.filter((line) => !line.startsWith(`${name}:`)).concat(value === undefined ? [] : `${name}: ${value}`);

upgrade('the stock client\'s', {}, open);
for (const target of ['/socket.io/?transport=websocket&EIO=4', `${TARGET}&t=abc&b64=1`, '/socket.io/sub/path?EIO=4&transport=websocket', `${TARGET}&sid=`,
  '/socket.io/?EIO=3&EIO=4&transport=polling&transport=websocket', '/socket.io/?EIO=%34&transport=web%73ocket', '/socket.io/?EIO=4&transport=websocket&x=%ZZ',
  '/socket.io/?EIO=4&transport=websocket#frag']) {
  upgrade(`target ${target}`, { target }, open);
}
for (const target of ['/socket.io/', '/socket.io/?EIO=4', '/socket.io/?EIO=4&transport=polling', '/socket.io/?EIO=4&transport=WEBSOCKET',
  '/socket.io/?EIO=4&transport=webtransport', `${TARGET}&sid=unknown`, `${TARGET}&sid=__proto__`, `${TARGET}&transport=polling`]) {
  upgrade(`target ${target} is refused`, { target }, closed);
}
for (const eio of ['EIO=3&', '', 'EIO=5&', 'EIO=4x&', 'EIO=&', 'EIO=4&EIO=3&', 'EIO=%204&']) {
  upgrade(`protocol version ${eio || '(none)'} is refused`, { target: `/socket.io/?${eio}transport=websocket` }, {
    ...closed,
    differs: {
      why: 'the stock server completes the upgrade and then writes an HTTP refusal into the WebSocket stream; the edge may leave out the first part',
      edge: (stock, edge) => (edge[0] === stock[0] ? stock : stock.slice(stock.indexOf('http 400 Bad Request'))),
    },
  });
}
for (const [name, value] of [['upper case', 'WEBSOCKET'], ['mixed case', 'WebSocket']]) {
  upgrade(`Upgrade in ${name}`, { headers: replace('Upgrade', value) }, open);
}
for (const value of ['keep-alive, Upgrade', 'upgrade', 'UPGRADE', 'Upgrade,keep-alive', 'close, upgrade', 'x y, upgrade', '"a b", Upgrade', ' , Upgrade', 'Upgrade,']) {
  upgrade(`Connection: ${value}`, { headers: replace('Connection', value) }, open);
}
for (const value of ['h2c', 'websocket, h2c', 'websockets', 'foo']) {
  upgrade(`Upgrade: ${value} is refused`, { headers: replace('Upgrade', value) }, closed);
}
for (const [name, value] of [['missing', undefined], ['empty', ''], ['short', 'abc'], ['too long', `${KEY}A`], ['unpadded', KEY.slice(0, -2)], ['of odd characters', 'dGhlIHNhbXBsZSBub25jZ!==']]) {
  upgrade(`a key ${name} is refused`, { headers: replace('Sec-WebSocket-Key', value) }, closed);
}
upgrade('another key has another accept value', { headers: replace('Sec-WebSocket-Key', 'AAAAAAAAAAAAAAAAAAAAAA==') }, open);
for (const version of [undefined, '', '12', '14', '0', '-13', 'abc', '7', '13, 8']) {
  upgrade(`version ${version} is refused`, { headers: replace('Sec-WebSocket-Version', version) }, closed);
}
upgrade('version 8 is taken', { headers: replace('Sec-WebSocket-Version', '8') }, open);
for (const protocols of ['chat', 'chat, superchat', 'superchat,chat', 'a,b,c', ' spaced ', 'x-y.z!#$']) {
  upgrade(`subprotocol ${protocols}`, { extra: [`Sec-WebSocket-Protocol: ${protocols}`] }, open);
}
for (const protocols of ['a,', ',a', 'a b', 'a,a', '(x)', 'a;b', '"q"', '']) {
  upgrade(`subprotocol ${JSON.stringify(protocols)} is refused`, { extra: [`Sec-WebSocket-Protocol: ${protocols}`] }, closed);
}
upgrade('compression is not accepted', { extra: ['Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits'] }, open);
upgrade('unknown and broken extensions are no matter', { extra: ['Sec-WebSocket-Extensions: foo; ;bar=";'] }, open);
for (const origin of ['https://example.org', 'null', 'http://localhost:3000', 'nonsense', '']) {
  upgrade(`Origin: ${origin}`, { extra: [`Origin: ${origin}`] }, open);
}
upgrade('an origin with a control character is refused', { extra: ['Origin: http://a\x7fb'] }, closed);
upgrade('many harmless headers', { extra: Array.from({ length: 40 }, (_, i) => `X-Header-${i}: ${'v'.repeat(50)}`) }, open);
for (const method of ['POST', 'PUT', 'DELETE', 'HEAD']) {
  test(`upgrade: ${method} is refused`, {
    at, ...closed,
    async play(raw) {
      raw.headRequest = method === 'HEAD';
      raw.write(request(method, TARGET, UPGRADE));
      await answered(raw);
      await raw.eof();
    },
  });
}
test('upgrade: byte by byte', {
  at, ...open,
  async play(raw) {
    await raw.dribble(request('GET', TARGET, UPGRADE));
    await raw.receive('"sid"');
  },
});
test('upgrade: a frame in the segment of the request', {
  at, ...open,
  async play(raw) {
    raw.write(request('GET', TARGET, UPGRADE), text('40'));
    await raw.receive('"sid"');
  },
  differs: {
    why: 'the stock server drops a frame that comes before its own handshake is done; the edge serves it',
    edge: (stock, edge) => edge.some((line) => line === 'text 40{"sid":"<sio>"}') || edge.join() === stock.join(),
  },
});
test('upgrade: elsewhere is refused', {
  at, ...closed,
  async play(raw) {
    raw.upgrade({ target: '/elsewhere?EIO=4&transport=websocket' });
    await raw.eof();
  },
  differs: {
    why: 'the stock server lets such a connection hang for a second and ends it without a word; the edge says 404',
    edge: (_, edge) => edge[0] === 'http 404 Not Found' || edge[0] === 'eof',
  },
});
