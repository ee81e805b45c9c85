// subscribe and unsubscribe: what is accepted, what is answered, and what arrives.
import { test } from './kit.mjs';

const ID64 = 'a'.repeat(64);
// Sends the event with an ack id and waits for the answer; then publishes to see what was joined.
function ask(event, payload, expected) {
  const label = payload.length > 90 ? `${payload.slice(0, 70)}… (${payload.length})` : payload;
  test(`${event}: ${JSON.stringify(label).slice(1, -1)} is ${expected}`, {
    ends: 'open',
    async play(raw) {
      raw.send(`421["${event}",${payload}]`);
      await raw.receive('431[');
      const ok = raw.lines.some((line) => line.startsWith('text 431[{"ok":true'));
      if (ok !== (expected === 'fine')) throw new Error(`not ${expected}: ${raw.lines.join(' ')}`);
    },
  });
}

const fine = [
  '{}', '{"rooms":[]}', '{"room":"graph"}', '{"room":"threads"}', '{"rooms":["graph"]}', '{"rooms":["graph","threads"]}', '{"rooms":["graph","graph","thread:1","graph"]}', '{"rooms":["graph"],"room":"threads"}',
  '{"rooms":[],"room":"threads"}', '{"room":"thread:1"}', '{"room":"Thread:1"}', '{"room":"THREAD:abc"}', '{"room":"tHrEaD:A-9"}', '{"room":"run:0"}', '{"room":"Run:0"}', '{"room":"node:-"}', '{"room":"NODE:---"}',
  `{"room":"thread:${ID64}"}`, `{"room":"node:${ID64.toUpperCase()}"}`, '{"room":"thread:00000000-0000-4000-8000-000000000000"}', '{"room":"\\u0067raph"}', '{"room":"thread\\u003a1"}', '{"room":"graph","room":"threads"}',
  '{"room":5,"room":"graph"}', ' { "room" : "graph" } ', `{"rooms":[${Array.from({ length: 100 }, (_, i) => `"run:${i}"`)}]}`, '{"rooms":["run:1","run:2","run:1"]}',
];
const invalid = [
  // shapes
  'null', '[]', '["graph"]', '"graph"', '5', 'true', 'false', '1e400', '[{"room":"graph"}]', '{"room":null}', '{"rooms":null}', '{"room":[]}', '{"room":["graph"]}', '{"rooms":"graph"}', '{"rooms":{}}', '{"rooms":{"0":"graph"}}',
  '{"room":{}}', '{"room":5}', '{"room":true}', '{"rooms":[5]}', '{"rooms":[null]}', '{"rooms":[["graph"]]}', '{"rooms":[{}]}', '{"rooms":5}', '{"rooms":false}', '{"room":1e400}',
  // keys
  '{"x":1}', '{"room":"graph","x":1}', '{"rooms":["graph"],"extra":null}', '{"Room":"graph"}', '{"ROOMS":[]}', '{"room ":"graph"}', '{"":1}', '{"a":1,"b":2}', '{"__proto__":{}}', '{"constructor":1}', '{"room":"graph","__proto__":null}', '{"x":1,"x":2}', '{"é":1}',
  // rooms
  '{"room":""}', '{"room":"Graph"}', '{"room":"GRAPH"}', '{"room":"Threads"}', '{"room":"graph "}', '{"room":" graph"}', '{"room":"graph\\n"}', '{"room":"threads\\n"}', '{"room":"thread:1\\n"}', '{"room":"thread:1\\r"}', '{"room":"\\nthread:1"}', '{"room":"thread:"}',
  '{"room":"thread"}', '{"room":"run"}', '{"room":"node:"}', '{"room":":1"}', '{"room":"thread::1"}', '{"room":"thread:1:2"}', '{"room":"thread:1 2"}', '{"room":"thread:a_b"}', '{"room":"thread:a.b"}', '{"room":"thread:*"}', '{"room":"*"}', '{"room":"thread:é"}', '{"room":"thread:\\u017f"}',
  '{"room":"thread:\\u212a"}', '{"room":"threa\\u0501:1"}', '{"room":"node:\u212a"}', '{"room":"Thread:ſ"}', '{"room":"user:1"}', '{"room":"threads:1"}', '{"room":"graph:1"}', '{"room":"xthread:1"}', '{"room":"thread:1\\u0000"}', `{"room":"thread:${ID64}a"}`, '{"room":"thread:\\ud800"}', '{"room":"node:\\uff11"}',
  '{"room":"ｔhread:1"}', '{"room":"ru\\u0274:1"}', `{"room":"${'x'.repeat(10000)}"}`, '{"room":"__proto__"}', '{"room":"thread:١"}', '{"room":"run:1\\u2028"}', '{"room":"thread：1"}',
  // several at once, none joined
  '{"rooms":["graph","Graph"]}', '{"rooms":["Graph","graph"]}', '{"rooms":["x","y","graph","z"]}', '{"rooms":["graph"],"room":"Graph"}', '{"rooms":[],"room":""}', '{"rooms":["bad"],"room":"worse","x":1,"y":2}', '{"rooms":["graph",5,null,"thread:"],"room":7}',
  '{"x":1,"room":"Graph","rooms":["nope"]}', '{"rooms":[1,2,3],"room":[],"z":{}}', '{"rooms":["graph","graph","bad","graph"]}', '{"room":"graph","rooms":["bad"]}',
];
for (const event of ['subscribe', 'unsubscribe']) {
  for (const payload of event === 'subscribe' ? fine : fine.slice(0, 12)) ask(event, payload, 'fine');
  for (const payload of event === 'subscribe' ? invalid : invalid.filter((_, i) => i % 6 === 0)) ask(event, payload, 'invalid');
}

// --- arguments beside the payload --------------------------------------------------------------------------

for (const packet of [
  '421["subscribe"]', '421["unsubscribe"]', '42["subscribe"]', '42["subscribe",{"room":"graph"}]', '42["subscribe",{"room":"Graph"}]', '42["subscribe",5]', '421["subscribe",{"room":"graph"},1]', '421["subscribe",{"room":"graph"},null,{}]', '421["subscribe",5,"x"]', '421["unsubscribe",{},0]',
]) {
  test(`subscribe: ${packet} is not answered`, {
    ends: 'open',
    async play(raw) {
      raw.send(packet);
      await raw.sync();
    },
  });
}

// --- what arrives ------------------------------------------------------------------------------------------

const ack = (raw, id) => raw.receive(`43${id}[`);
test('delivery: after the ack an event arrives', {
  async play(raw, { publish, room }) {
    raw.send(`421["subscribe",{"room":"${room}"}]`);
    await ack(raw, 1);
    await publish([room], 'hello', { a: [1, 'two', null] });
    await raw.receive('"hello"');
  },
});
test('delivery: without an ack function it joins all the same', {
  async play(raw, { publish, room }) {
    raw.send(`42["subscribe",{"room":"${room}"}]`, '421["subscribe",{}]');
    await ack(raw, 1);
    await publish([room], 'hello', 1);
    await raw.receive('"hello"');
  },
});
test('delivery: with a stray argument it joins all the same', {
  async play(raw, { publish, room }) {
    raw.send(`425["subscribe",{"room":"${room}"},"stray"]`, '421["subscribe",{}]');
    await ack(raw, 1);
    await publish([room], 'hello', 1);
    await raw.receive('"hello"');
  },
});
test('delivery: nothing is joined when one room is bad', {
  async play(raw, { publish, room }) {
    raw.send(`421["subscribe",{"rooms":["${room}","Bad"]}]`);
    await ack(raw, 1);
    await publish([room], 'lost', 1);
    raw.send(`422["subscribe",{"room":"${room}-2"}]`);
    await ack(raw, 2);
    await publish([`${room}-2`], 'marker', 2);
    await raw.receive('"marker"');
  },
});
test('delivery: room names keep their case', {
  async play(raw, { publish, room }) {
    raw.send(`421["subscribe",{"room":"${room.replace('thread', 'Thread')}"}]`);
    await ack(raw, 1);
    await publish([room], 'other', 1);
    await publish([room.replace('thread', 'THREAD')], 'other', 1);
    await publish([room.replace('thread', 'Thread')], 'mine', 2);
    await raw.receive('"mine"');
  },
});
test('delivery: subscribing twice delivers once', {
  async play(raw, { publish, room }) {
    raw.send(`421["subscribe",{"rooms":["${room}","${room}"]}]`, `422["subscribe",{"room":"${room}"}]`);
    await ack(raw, 2);
    await publish([room], 'hello', 1);
    await publish([room], 'marker', 2);
    await raw.receive('"marker"');
  },
});
test('delivery: after unsubscribe nothing arrives', {
  async play(raw, { publish, room }) {
    raw.send(`421["subscribe",{"rooms":["${room}","${room}-b"]}]`);
    await ack(raw, 1);
    raw.send(`422["unsubscribe",{"room":"${room}"}]`);
    await ack(raw, 2);
    await publish([room], 'lost', 1);
    await publish([`${room}-b`], 'marker', 2);
    await raw.receive('"marker"');
  },
});
test('delivery: an invalid unsubscribe leaves nothing', {
  async play(raw, { publish, room }) {
    raw.send(`421["subscribe",{"room":"${room}"}]`);
    await ack(raw, 1);
    raw.send(`422["unsubscribe",{"rooms":["${room}","Bad"]}]`);
    await ack(raw, 2);
    await publish([room], 'hello', 1);
    await raw.receive('"hello"');
  },
});
test('delivery: unsubscribe of rooms never joined is fine', {
  async play(raw) {
    raw.send('421["unsubscribe",{"rooms":["graph","thread:never"]}]');
    await ack(raw, 1);
  },
});
test('delivery: subscribe after unsubscribe works again', {
  async play(raw, { publish, room }) {
    raw.send(`421["subscribe",{"room":"${room}"}]`, `422["unsubscribe",{"room":"${room}"}]`, `423["subscribe",{"room":"${room}"}]`);
    await ack(raw, 3);
    await publish([room], 'hello', 1);
    await raw.receive('"hello"');
  },
});
test('delivery: events keep their order', {
  async play(raw, { publish, room }) {
    raw.send(`421["subscribe",{"room":"${room}"}]`);
    await ack(raw, 1);
    await Promise.all(Array.from({ length: 100 }, (_, i) => publish([room], 'n', i)));
    await raw.receive('42["n",99]');
  },
});
for (const [name, payload] of Object.entries({
  'null': null, 'a number': 1.5, 'text': 'é🙂\u2028"\\\n', 'an empty object': {}, 'an empty array': [], 'false': false, 'nested': { a: { b: [{ c: null }] } }, 'of 200 KB': 'x'.repeat(200000), 'of 125 bytes in all': 'y'.repeat(115), 'of 65 KB': 'z'.repeat(65536 - 11),
})) {
  test(`delivery: a payload that is ${name}`, {
    async play(raw, { publish, room }) {
      raw.send(`421["subscribe",{"room":"${room}"}]`);
      await ack(raw, 1);
      await publish([room], 'p', payload);
      await raw.receive('42["p"');
    },
  });
}
for (const event of ['x', 'é🙂', 'a"b\\c', 'line\nbreak', '\u2028', '\u0001', 'ping', 'message', 'error', 'subscribe', '__proto__', '0', ' ', 'Connect']) {
  test(`delivery: an event called ${JSON.stringify(event)}`, {
    async play(raw, { publish, room }) {
      raw.send(`421["subscribe",{"room":"${room}"}]`);
      await ack(raw, 1);
      await publish([room], event, 1);
      await raw.receive('42["');
    },
  });
}

// --- the limit of rooms ---------------------------------------------------------------------------------------

const list = (n, from = 0) => `[${Array.from({ length: n }, (_, i) => `"node:${from + i}"`)}]`;
test('rooms: exactly the limit is fine, one more is not, and joins nothing', {
  async play(raw) {
    raw.send(`421["subscribe",{"rooms":${list(999)}}]`, '422["subscribe",{"room":"graph"}]');
    await ack(raw, 2);
    raw.send('423["subscribe",{"room":"threads"}]', '424["subscribe",{"rooms":["graph","node:0"]}]');
    await ack(raw, 4);
    raw.send('425["unsubscribe",{"room":"graph"}]', '426["subscribe",{"room":"threads"}]', '427["subscribe",{"room":"graph"}]');
    await ack(raw, 7);
    // The barrier's room is one too many: leave two.
    raw.send('428["unsubscribe",{"rooms":["node:1","node:2"]}]');
    await ack(raw, 8);
  },
});
test('rooms: more than the limit in one request', {
  async play(raw) {
    raw.send(`421["subscribe",{"rooms":${list(1001)}}]`);
    await ack(raw, 1);
  },
});
