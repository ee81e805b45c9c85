// The envelope's rules, written down once more in another language than the product's: what the
// product accepts and refuses is compared with this.

export const MAX_BYTES = 8 * 1024 * 1024;
const MAX_DEPTH = 512;
const KEYS = ['id', 'ts', 'source', 'rooms', 'event', 'payload'];
const RESERVED = ['connect', 'connect_error', 'disconnect', 'disconnecting', 'newListener', 'removeListener'];
const ROOM = /^(?:graph|threads|(?:[Tt][Hh][Rr][Ee][Aa][Dd]|[Rr][Uu][Nn]|[Nn][Oo][Dd][Ee]):[0-9a-zA-Z-]{1,64})$/;
const TS = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d+)?Z$/;

export function isRoom(room) { return typeof room === 'string' && ROOM.test(room); }

export function isTimestamp(ts) {
  const match = typeof ts === 'string' && TS.exec(ts);
  if (!match) return false;
  const [year, month, day, hour, minute, second] = match.slice(1).map(Number);
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 59) return false;
  const leap = year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  const days = [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1];
  return day >= 1 && day <= days;
}

// How deep arrays and objects are nested: a scalar is 0, [] is 1. Does not recurse.
export function depth(value) {
  let level = 0;
  let values = [value];
  while ((values = values.filter((v) => v !== null && typeof v === 'object')).length) {
    ++level;
    values = values.flatMap((v) => Object.values(v));
  }
  return level;
}

// The keys that stand at the top level of the JSON object `text`, repeated ones repeated.
// Requires: text is valid JSON.
function topLevelKeys(text) {
  const keys = [];
  let level = 0;
  let key = false;  // the next string at level 1 is a key
  for (const [token] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\],:]/gs)) {
    if (token === '{' || token === '[') key = ++level === 1;
    else if (token === '}' || token === ']') --level;
    else if (token === ',') key = level === 1;
    else if (token === ':') key = false;
    else if (key && level === 1) keys.push(JSON.parse(token));
  }
  return keys;
}

// {envelope} or {error: 'which rule'}.
export function parseEnvelope(bytes) {
  if (bytes.length > MAX_BYTES) return { error: 'too large' };
  let text;
  let envelope;
  try {
    text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    envelope = JSON.parse(text);
  } catch {
    return { error: 'not JSON' };
  }
  if (envelope === null || typeof envelope !== 'object' || Array.isArray(envelope)) return { error: 'not an object' };
  const keys = topLevelKeys(text);
  for (const key of keys) if (!KEYS.includes(key)) return { error: `unknown key ${JSON.stringify(key)}` };
  if (new Set(keys).size !== keys.length) return { error: 'a repeated key' };
  for (const key of KEYS) if (key !== 'payload' && !keys.includes(key)) return { error: `no ${key}` };
  const { id, ts, source, rooms, event, payload = null } = envelope;
  if (typeof id !== 'string' || id === '') return { error: 'bad id' };
  if (!isTimestamp(ts)) return { error: 'bad ts' };
  if (typeof source !== 'string' || source === '') return { error: 'bad source' };
  if (!Array.isArray(rooms) || rooms.length === 0 || !rooms.every(isRoom)) return { error: 'bad rooms' };
  if (typeof event !== 'string' || event === '' || RESERVED.includes(event)) return { error: 'bad event' };
  if (depth(payload) > MAX_DEPTH) return { error: 'payload too deep' };
  return { envelope: { id, ts, source, rooms, event, payload } };
}
