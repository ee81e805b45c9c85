// Envelopes as publishers write them, and a seeded crowd of valid and invalid ones.
import { randomUUID } from 'node:crypto';

// The text of an envelope; `payloadText` is put in as it stands.
export function envelopeText(rooms, event, payloadText = 'null', { id = randomUUID(), ts = new Date().toISOString(), source = 'platform-server' } = {}) {
  return `{"id":${JSON.stringify(id)},"ts":"${ts}","source":${JSON.stringify(source)},"rooms":${JSON.stringify(rooms)},` +
    `"event":${JSON.stringify(event)},"payload":${payloadText}}`;
}

// Numbers of 0 … below 1, the same for the same seed (mulberry32).
export function seeded(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const ROOMS = ['graph', 'threads', 'thread:1', 'thread:2', 'Thread:1', 'run:a', 'run:b-9', 'node:42', 'NODE:42', 'node:Z'];
const EVENTS = ['node_status', 'thread_created', 'message_created', 'tool_output_chunk', 'custom', 'x y', 'é🙂', '0', 'message', 'error', 'Connect', '\u2028'];
const TIMES = [
  '2026-02-19T12:00:00.000Z', '2026-02-19T12:00:00Z', '2024-02-29T23:59:59.999999999999Z', '2000-02-29T00:00:00.0Z', '1970-01-01T00:00:00Z', '9999-12-31T23:59:59.1Z', '2026-04-30T01:02:03.4567Z',
];
const BAD_TIMES = [
  '', 'now', '2026-02-19', '2026-02-19T12:00:00', '2026-02-19T12:00:00+00:00', '2026-02-19T12:00:00.Z', '2026-02-19 12:00:00Z', '2026-02-30T12:00:00Z', '2025-02-29T12:00:00Z', '1900-02-29T00:00:00Z', '2026-13-01T00:00:00Z', '2026-00-10T00:00:00Z',
  '2026-01-00T00:00:00Z', '2026-01-32T00:00:00Z', '2026-04-31T00:00:00Z', '2026-01-01T24:00:00Z', '2026-01-01T23:60:00Z', '2026-01-01T23:59:60Z', '2026-1-1T00:00:00Z', '2026-02-19T12:00Z', '2026-02-19T12:00:00z', '2026-02-19t12:00:00Z', ' 2026-02-19T12:00:00Z',
  '2026-02-19T12:00:00Z\n', '+002026-02-19T12:00:00Z', '2026-02-19T12:00:00,5Z', '1771502400', '2026-02-19T12:00:00.5+01:00Z',
];
const BAD_ROOMS = ['', 'Graph', 'THREADS', 'thread:', 'thread', 'thread:a_b', 'user:1', 'graph ', 'thread:1\n', 'node:é', `run:${'x'.repeat(65)}`, 'thread:1:2', '*', 'thread:*', ':1'];
const RESERVED = ['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'];

// Every way to break the rules, one function each: (random, valid parts, pick) => text or bytes.
const BREAKS = {
  'not JSON': (r, e, pick) => pick(['', ' ', 'nonsense', '{', '}', '[', '{"id":', JSON.stringify(e).slice(0, -1), `${JSON.stringify(e)}}`, `${JSON.stringify(e)} x`, JSON.stringify(e).replace(':', '='), `${JSON.stringify(e)}\0`, `\ufeff${JSON.stringify(e)}`,
    JSON.stringify(e).replace(/,"rooms"/, ',,"rooms"'), JSON.stringify(e).replace('"id"', 'id'), JSON.stringify(e).replaceAll('"', "'"), JSON.stringify(e).replace('}', ',}')]),
  'bad JSON in the payload': (r, e, pick) => JSON.stringify({ ...e, payload: 'HERE' }).replace('"HERE"', pick(['01', '+1', '.5', '1.', '1e', 'NaN', 'Infinity', 'undefined', 'nul', 'True', "'x'", '"\\q"', '"\\u12"', '"\t"', '"\n"', '[1,]', '{"a":1,}', '{"a"}', '{1:2}', '[1 2]', '/**/1', '"x', '-', '0x1', ''])),
  'not UTF-8': (r, e, pick) => {
    const text = Buffer.from(JSON.stringify({ ...e, payload: 'HERE' }), 'utf8');
    const at = text.indexOf('HERE');
    return Buffer.concat([text.subarray(0, at), Buffer.from(pick([[0xff], [0xc0, 0xaf], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0x80], [0xe2, 0x82]])), text.subarray(at + 4)]);
  },
  'not an object': (r, e, pick) => pick(['null', 'true', '5', '"text"', '[]', `[${JSON.stringify(e)}]`, '""']),
  'unknown key': (r, e, pick) => JSON.stringify({ ...e, [pick(['extra', 'Id', 'ID', 'payload ', '', '__proto', 'version', 'timestamp', 'rooms2'])]: pick([null, 1, {}]) }),
  'repeated key': (r, e, pick) => { const key = pick(Object.keys(e)); return JSON.stringify(e).replace(/\}$/, `,${JSON.stringify(key)}:${JSON.stringify(e[key])}}`); },
  'repeated key in disguise': (r, e) => JSON.stringify(e).replace(/\}$/, `,"\\u0069d":${JSON.stringify(e.id)}}`),
  'missing key': (r, e, pick) => { const copy = { ...e }; delete copy[pick(['id', 'ts', 'source', 'rooms', 'event'])]; return JSON.stringify(copy); },
  'wrong type': (r, e, pick) => JSON.stringify({ ...e, [pick(['id', 'ts', 'source', 'event'])]: pick([null, 5, true, [], {}, ['x']]) }),
  'wrong type of rooms': (r, e, pick) => JSON.stringify({ ...e, rooms: pick([null, 'graph', 5, {}, true, { 0: 'graph' }]) }),
  'empty text': (r, e, pick) => JSON.stringify({ ...e, [pick(['id', 'source', 'event'])]: '' }),
  'bad ts': (r, e, pick) => JSON.stringify({ ...e, ts: pick(BAD_TIMES) }),
  'no rooms': (r, e) => JSON.stringify({ ...e, rooms: [] }),
  'bad room': (r, e, pick) => JSON.stringify({ ...e, rooms: r() < 0.5 ? [pick(BAD_ROOMS)] : [...e.rooms, pick(BAD_ROOMS), 'graph'] }),
  'room of a wrong type': (r, e, pick) => JSON.stringify({ ...e, rooms: ['graph', pick([5, null, true, [], ['graph'], {}])] }),
  'reserved event': (r, e, pick) => JSON.stringify({ ...e, event: pick(RESERVED) }),
  'too deep': (r, e, pick) => { const n = pick([513, 514, 600, 5000]); return JSON.stringify({ ...e, payload: 'HERE' }).replace('"HERE"', '['.repeat(n) + ']'.repeat(n)); },
};
export const KINDS_OF_BREAKS = Object.keys(BREAKS);

// JSON data in canonical form: what JSON.parse and JSON.stringify give back unchanged.
function randomData(random, pick, level = 0) {
  const kind = Math.floor(random() * (level > 3 ? 4 : 6));
  if (kind === 0) return pick([null, true, false]);
  if (kind === 1) return pick([0, 1, -1, 42, 1.5, -0.001, 1e21, 123456789, Number.MAX_SAFE_INTEGER]);
  if (kind < 4) return pick(['', 'plain', 'é🙂', '"quoted"\\', 'line\nbreak\ttab', '\u2028\u2029', '\u0001', '</script>', '😀'.repeat(20), '{"like":"json"}']);
  const size = Math.floor(random() * 4);
  if (kind === 4) return Array.from({ length: size }, () => randomData(random, pick, level + 1));
  return Object.fromEntries(Array.from({ length: size }, (_, i) => [pick(['a', 'b', 'nodeId', 'é', 'x y', '"']) + i, randomData(random, pick, level + 1)]));
}

// `count` envelopes in a fixed order for a seed: [{text, broken: kind or ''}]. Each kind of break occurs.
export function mixedEnvelopes(count, seed) {
  const random = seeded(seed);
  const pick = (list) => list[Math.floor(random() * list.length)];
  return Array.from({ length: count }, (_, i) => {
    const envelope = {
      id: `id-${i}`, ts: pick(TIMES), source: pick(['platform-server', 'operator', 'é', ' ']),
      rooms: Array.from({ length: 1 + Math.floor(random() * 4) }, () => pick(ROOMS)),
      event: pick(EVENTS), payload: { n: i, data: randomData(random, pick) },
    };
    if (i % 3 === 2) {
      const kind = KINDS_OF_BREAKS[Math.floor(i / 3) % KINDS_OF_BREAKS.length];
      return { broken: kind, text: BREAKS[kind](random, envelope, pick) };
    }
    const style = random();
    if (style < 0.1) delete envelope.payload;                       // counts as null
    else if (style < 0.2) envelope.payload = randomData(random, pick);
    else if (style < 0.23) envelope.payload = Array.from({ length: 511 }).reduce((inner) => [inner], []);  // the deepest there may be
    let text = JSON.stringify(envelope);
    if (style > 0.9) text = ` \n${text.replace(',"ts"', ' ,\t"ts"').replace('"event":', '"event" : ')}\r\n`;
    else if (style > 0.8) text = JSON.stringify(Object.fromEntries(Object.entries(envelope).reverse()));
    return { broken: '', text };
  });
}
export { ROOMS as MIXED_ROOMS };
