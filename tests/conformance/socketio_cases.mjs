// Socket.IO: CONNECT, DISCONNECT, events, acks, binary packets, and hundreds of things that are none of them.
import { binary } from '../e2e/support/raw_socket.mjs';
import { test, testEach } from './kit.mjs';

const open = { ends: 'open' }, closed = { ends: 'closed' };

// --- CONNECT -------------------------------------------------------------------------------------

for (const packet of [
  '40', '40{}', '40{"token":"abc"}', '40/', '40/,', '40/,{}', '40/,{"a":[1,2,{"b":null}]}', '40{"__proto__":1}', '407', '407{}', '40/,12{"a":1}',
  '40 ', '40{"a":1e400}', '40{"a":"\\ud800"}', '40{ "spaced" : true } ',
]) {
  test(`connect: ${packet} is accepted`, {
    at: 'open', ...open,
    async play(raw) {
      raw.send(packet);
      await raw.receive('40{');
      raw.joined = true;
    },
  });
}
testEach('connect: a bad auth closes', [
  '40[]', '40null', '40"x"', '40true', '40{', '40{"a":1}x', '40{"a"}', '40nonsense', '40/,[]', '40/,"token"', '40{"a":01}', '40{\'a\':1}', '401.5', '40-1', '40undefined', '40{"a":"\u0001"}',
], { at: 'open', ...closed });
for (const namespace of ['/admin', '/a/b', '/socket.io', '/é', '/🙂', '/ ', '/"quoted"', '/back\\slash', '/a?token=1', `/${'n'.repeat(300)}`, '//', '/\u2028', '/\u0001']) {
  test(`connect: namespace ${JSON.stringify(namespace).slice(0, 40)} is unknown`, {
    at: 'open', ...open,
    async play(raw) {
      raw.send(`40${namespace},`);
      await raw.receive('Invalid namespace');
    },
  });
}
testEach('connect: an unknown namespace, told in odd ways,', ['40/admin', '40/admin,{}', '40/admin,{"token":1}', '40/admin,7', '40/admin,7{"a":1}', '40/{"a":1}', '40/42'], { at: 'open', ...open });
testEach('connect: a bad auth for an unknown namespace closes', ['40/admin,[]', '40/admin,x', '40/admin,"s"'], { at: 'open', ...closed });
test('connect: after a refused namespace the default one still works', {
  at: 'open', ...open,
  async play(raw) {
    raw.send('40/admin,');
    await raw.receive('44/admin');
    raw.send('40');
    await raw.receive('40{');
    raw.joined = true;
  },
});
test('connect: an unknown namespace beside a joined one', {
  ...open,
  async play(raw) {
    raw.send('40/admin,{"a":1}');
    await raw.receive('44/admin');
  },
});
testEach('connect: anything else first closes', [
  '41', '42["x"]', '421["subscribe",{"room":"graph"}]', '43', '431[]', '44', '44{"message":"x"}', '45',
  '46', '47', '48', '49', '4x', '4{}', '4[]', '4"', '4/', '4-', '4\u0000', '41/admin,', '42/admin,["x"]', '43/admin,1[]', '42/,["x"]', '4é', '4.0', '4+0', '4\u0660',
], { at: 'open', ...closed });
testEach('connect: a second one closes', ['40', '40{}', '40/', '40/,', '40/,{"a":1}'], closed);

// --- DISCONNECT ----------------------------------------------------------------------------------

testEach('disconnect: a payload closes', ['41{}', '41[]', '41"x"', '41null', '41x', '41/,{}'], closed);
for (const packet of ['41', '41/', '41/,', '417', '41 ', '41\n']) {
  test(`disconnect: ${JSON.stringify(packet)} leaves the transport open`, {
    ...open,
    async play(raw) { raw.joined = false; raw.send(packet); },
  });
}
test('disconnect: events afterwards close', {
  ...closed,
  async play(raw) {
    raw.joined = false;
    raw.send('41');
    await raw.sync();
    raw.send('42["x"]');
  },
});
test('disconnect: a second one closes', {
  ...closed,
  async play(raw) {
    raw.joined = false;
    raw.send('41');
    await raw.sync();
    raw.send('41');
  },
});
test('disconnect: of a namespace not joined closes', { ...closed, async play(raw) { raw.send('41/admin,'); } });
test('disconnect: a later CONNECT has a new sid', {
  ...open,
  async play(raw) {
    raw.send('41');
    await raw.sync();
    raw.send('40');
    await raw.receive('40{');
  },
});
test('disconnect: a later CONNECT has no rooms', {
  ...open,
  async play(raw, { publish, room, witness }) {
    const heard = await witness(room);
    raw.send(`421["subscribe",{"rooms":["${room}","threads"]}]`);
    await raw.receive('431[');
    raw.send('41');
    await raw.sync();
    raw.send('40');
    await raw.receive('40{');
    await publish([room], 'lost', 1);
    await heard('lost');
    raw.send(`422["subscribe",{"room":"${room}"}]`);
    await raw.receive('432[');
    await publish([room], 'found', 2);
    await raw.receive('"found"');
  },
});
test('disconnect: no event afterwards', {
  ...open,
  async play(raw, { publish, room, witness }) {
    const heard = await witness(room);
    raw.send(`421["subscribe",{"room":"${room}"}]`);
    await raw.receive('431[');
    raw.joined = false;
    raw.send('41');
    await raw.sync();
    await publish([room], 'lost', 1);
    await heard('lost');
  },
});

// --- events and acks that mean nothing to us -----------------------------------------------------------

testEach('event: ignored', [
  '42["x"]', '42["x",1,null,true,{"a":[]}]', '42["x","y"]', '421["x"]', '42["message","hello"]', '42[0]', '42[1.5,"x"]', '42[-1]', '42[1e400]', '42[-0]', '42[""]', '42["error"]', '42["error",{"message":"x"}]',
  '42["Subscribe",{"room":"graph"}]', '42["subscribe "]', '42["connection"]', '42["open"]', '42["close"]', '42["data","x"]', '42["ping"]', '42["__proto__"]', '42["constructor"]', '42["toString"]', '42["hasOwnProperty"]',
  '42["\\u0000"]', '42["\\ud800"]', '42["é🙂\u2028"]', '42["x",1e999]', '42["x",123456789012345678901234567890]', '42["x",{"a":1,"a":2}]', '42["x",{"__proto__":{"a":1}}]',
  '42 ["x"]', '42\t["x"]', '42["x"] ', '42[ "x" ]', '42\n[\n"x"\n]', '42/,["x"]', '42/,5["x"]', '42007["x"]', '42123456789012345678901234567890["x"]', `42${'9'.repeat(400)}["x"]`, '42\u00a0["x"]', '42\ufeff["x"]',
  `42["x",${'['.repeat(300)}${']'.repeat(300)}]`, `42["x","${'a'.repeat(100000)}"]`, `42["${'n'.repeat(10000)}"]`, '42["x",{"_placeholder":true,"num":0}]', '42["disconnected"]', '42["Connect"]', '42["connect "]',
  '42["\\u0078"]', '42["subscribe"]', '421["subscribe"]', '42["subscribe",{"room":"graph"}]', '42["unsubscribe"]', '42["subscribe",{"room":"Graph"}]',
], open);
testEach('ack: ignored', ['43[]', '431[]', '431["x",{}]', '43999[]', '43/,1[]', '43 []', '43[1,2,3]', '431[null]', '43', '431', '43/', '43/,', '43 '], open);
testEach('event: no data at all is ignored', ['42', '421', '42/', '42/,', '42/,7', '42 '], open);
testEach('event: closes', [
  '42[]', '42{}', '42null', '42"x"', '42true', '42false', '42x', '42[', '42["x"', '42["x"]]', '42["x",]', '42["x"]x', '42[null]', '42[true]', '42[{}]', '42[[]]', '42[["x"]]',
  '42["connect"]', '42["connect_error"]', '42["disconnect"]', '42["disconnecting"]', '42["newListener"]', '42["removeListener"]', '42["\\u0063onnect"]', '421["disconnect"]', '42["connect",{"a":1}]',
  '42["x",01]', '42["x",.5]', '42["x",1.]', '42["x",+1]', '42["x",NaN]', '42["x",Infinity]', '42["x",\'y\']', '42["x","\u0001"]', '42["x","\\q"]', '42["x","\\u12"]', '42["x",{a:1}]', '42["x",{"a"}]', '42["x",{"a":}]', '42["x",{"a":1,}]',
  '42["x"/**/]', '42["x",undefined]', '42["x" "y"]', '42["x";1]', '42["x",tru]', '42["x",nul]', '42["x","unterminated]', '42["x",-]', '42["x",1e]', '42["x",0x1]', '42["x"]\u0000', '42["x",\ufeff1]',
  '42-1["x"]', '421.5["x"]', '42+1["x"]', '421e5["x"]', '42/admin,["x"]', '42/admin,1["x"]', '42/["x"]', '42,["x"]', '420x1["x"]', '42١["x"]', '421,["x"]', '42/,/,["x"]',
], closed);
testEach('ack: closes', ['43{}', '43"x"', '43null', '431{}', '431x', '431', '43/admin,1[]', '431[', '43-1[]'].filter((packet) => packet !== '431'), closed);
testEach('connect error: closes', ['44', '44{"message":"x"}', '44"x"', '44[]', '44/admin,', '44x'], closed);
testEach('unknown packet: closes', ['47', '48["x"]', '49', '4a', '4-', '4!', '4/x', '4,', '4[', '4"', '4{', '4é', '4٢["x"]'], closed);
testEach('connect: a blank for the packet type counts as 0', ['4 ', '4 0', '4\t{}', '4 /', '4\n'], { at: 'open', ...open });
// A blank counts as the digit of packet type 0 to the stock parser: Number(' ') is 0.
testEach('a blank for a packet type: a second CONNECT, closes', ['4 ', '4\t', '4\n', '4 {}'], closed);

// --- ack ids: numbers as doubles print them ---------------------------------------------------------

for (const id of [
  '0', '1', '00', '007', '9007199254740991', '9007199254740993', '123456789012345678901', '1000000000000000000000', '99999999999999999999999', `1${'0'.repeat(308)}`, `1${'0'.repeat(309)}`, '9'.repeat(400),
  ' ', '  7', '7 ', '1 2', '\t', '\n5', '\u00a0', '\ufeff1', '\u2003', '\u20287', ' 0 ',
]) {
  test(`ack id ${JSON.stringify(id).slice(0, 40)}`, {
    ...open,
    async play(raw) {
      raw.send(`42${id}["subscribe",{"room":"graph"}]`);
      await raw.receive('"ok":true');
    },
  });
}

// --- binary ----------------------------------------------------------------------------------------

const P0 = '{"_placeholder":true,"num":0}', P1 = '{"_placeholder":true,"num":1}';
function binaryEvent(name, header, attachments, spec) {
  test(`binary: ${name}`, {
    ...spec,
    async play(raw) {
      raw.send(header);
      for (const attachment of attachments) raw.write(binary(attachment));
    },
  });
}
binaryEvent('an event with one attachment is ignored', `451-["x",${P0}]`, ['abc'], open);
binaryEvent('with an ack id', `451-7["x",${P0}]`, ['abc'], open);
binaryEvent('with a namespace', `451-/,["x",${P0}]`, ['abc'], open);
binaryEvent('with two attachments', `452-["x",${P0},${P1}]`, ['abc', ''], open);
binaryEvent('with ten attachments', `4510-["x",${P0}]`, Array(10).fill('a'), open);
binaryEvent('with eleven attachments closes', `4511-["x",${P0}]`, Array(11).fill('a'), closed);
binaryEvent('with eleven attachments for an ack closes', `4611-1[${P0}]`, Array(11).fill('a'), closed);
binaryEvent('an attachment that nothing names', '451-["x"]', ['abc'], open);
binaryEvent('one attachment named twice', `451-["x",${P0},${P0}]`, ['abc'], open);
binaryEvent('placeholders deep inside', `452-["x",{"a":[{"b":${P1}}],"c":${P0}}]`, ['1', '2'], open);
binaryEvent('an ack is ignored', `461-1[${P0}]`, ['abc'], open);
binaryEvent('a number as event name', `451-[5,${P0}]`, ['abc'], open);
binaryEvent('a placeholder that says false', '451-["x",{"_placeholder":false,"num":9}]', ['abc'], open);
binaryEvent('a placeholder without number closes', '451-["x",{"_placeholder":true}]', ['abc'], closed);
binaryEvent('a placeholder with a text as number closes', '451-["x",{"_placeholder":true,"num":"0"}]', ['abc'], closed);
binaryEvent('a placeholder out of range closes', `451-["x",${P1}]`, ['abc'], closed);
binaryEvent('a negative placeholder closes', '451-["x",{"_placeholder":true,"num":-1}]', ['abc'], closed);
binaryEvent('a fraction as placeholder is ignored like the stock server does', '451-["x",{"_placeholder":true,"num":0.5}]', ['abc'], open);
binaryEvent('an empty attachment', `451-["x",${P0}]`, [''], open);
binaryEvent('an attachment too many closes', `451-["x",${P0}]`, ['a', 'b'], closed);
binaryEvent('a large attachment', `451-["x",${P0}]`, ['x'.repeat(200000)], open);
testEach('binary: closes', [
  '450-["x"]', '4511-["x"]', '45["x"]', '45-["x"]', '451["x"]', '45x-["x"]', '451.5-["x"]', '45-1-["x"]', '451-', '451-{}', '451-[]', '451-x', '451-["connect"]', '451-[null]', '45', '451', '46', '460-1[]', '461-1{}', '46-[]',
  '45100-["x"]', '459007199254740993-["x"]', '451e1-["x",1]', '45NaN-["x"]', '45Infinity-["x"]', '45 -["x"]', '451-/admin,["x"]',
].filter((packet) => !['451-', '451e1-["x",1]', '451-/admin,["x"]'].includes(packet)), closed);
for (const count of ['01', '1 ', ' 1', '1.0', '1e0', '0x1', '0b1', '+1']) {
  binaryEvent(`the attachment count ${JSON.stringify(count)} is one`, `45${count}-["x",${P0}]`, ['abc'], open);
}
binaryEvent('the attachment count 1e1 is ten', `451e1-["x",${P0}]`, Array(10).fill('a'), open);
binaryEvent('no data, one attachment', '451-', ['abc'], {});
binaryEvent('for a namespace not joined closes', `451-/admin,["x",${P0}]`, ['abc'], closed);
for (const packet of ['42["x"]', '40', '41', '451-["x"]', '43[]']) {
  test(`binary: ${packet} while attachments are missing closes`, {
    ...closed,
    async play(raw) {
      raw.send(`451-["x",${P0}]`);
      await raw.sync();
      raw.send(packet);
    },
  });
}
testEach('binary: Engine.IO packets while attachments are missing are ignored', [[`451-["x",${P0}]`, '6', '3', '1', '0', '5']], { ends: 'closed' });
test('binary: an Engine.IO base64 message is an attachment', {
  ...open,
  async play(raw) { raw.send(`451-["x",${P0}]`, 'bAAEC'); },
});
test('binary: attachments before CONNECT close at the last one', {
  at: 'open', ...closed,
  async play(raw) { raw.send(`451-["x",${P0}]`); raw.write(binary('abc')); },
});
test('binary: a subscribe with an attachment that it does not use', {
  ...open,
  async play(raw) {
    raw.send('451-7["subscribe",{"room":"graph"}]');
    raw.write(binary('abc'));
  },
  differs: { why: 'binary events are parsed and ignored, whatever their name', edge: (stock, edge) => edge.join() === stock.filter((line) => !line.startsWith('text 437')).join() || edge.join() === stock.join() },
});
