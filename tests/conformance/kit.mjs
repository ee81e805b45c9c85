// How a case of the conformance suite is told and played.
//
// A case talks to one server through a RawSocket; what came back is its transcript. The suite plays
// each case against the stock server and against the edge and wants equal transcripts, and both
// must end as the case's `ends` says, so that a wrong expectation fails, too.
import { RawSocket } from '../e2e/support/raw_socket.mjs';
import { PATIENCE } from '../e2e/support/wait.mjs';

export const cases = [];

// Adds a case.
//   at:      'tcp' (nothing sent yet), 'open' (open packet received) or 'connected' (CONNECT answered);
//            what led there is not part of the transcript
//   ends:    'open' or 'closed' (by the server); undefined: not stated
//   server:  which settings: 'default', 'lively' (short heartbeat), 'impatient' (short connect
//            timeout), 'narrow' (small maximum payload)
//   play:    async (raw, {publish, witness, room, target}) => …; `room` is the case's own; witness(room)
//            gives a function that waits until another client of the server has heard an event
//   differs: {why, edge: (lines) => expected lines or true}: where the edge is meant to differ from
//            the stock server; `lines` are the stock server's
export function test(name, spec) {
  const same = cases.filter((one) => one.name === name || one.name.startsWith(`${name} #`)).length;
  if (same) name += ` #${same + 1}`;
  cases.push({ at: 'connected', server: 'default', index: cases.length, name, ...spec });
}

// Adds one case for each packet of `packets`; a packet is a string, or a list that is sent in turn.
export function testEach(group, packets, spec) {
  for (const packet of packets) {
    const list = [packet].flat();
    const label = list.map((one) => (one.length > 80 ? `${one.slice(0, 60)}… (${one.length})` : one)).join('  ');
    test(`${group}: ${JSON.stringify(label).slice(1, -1)}`, {
      ...spec,
      async play(raw) {
        for (const one of list) {
          raw.send(one);
          if (list.length > 1 && !await raw.sync()) return;
        }
      },
    });
  }
}

const BARRIER = '987654321';

// Plays one case against the server at `port`: {lines, ends}.
export async function play(one, port, context) {
  const raw = await RawSocket.connect(port);
  const witnesses = [];
  const witness = async (room) => {
    const other = await RawSocket.connect(port);
    witnesses.push(other);
    await other.connect();
    other.send(`421["subscribe",{"room":"${room}"}]`);
    await other.receive('431[');
    return (event) => other.receive(`42["${event}"`);
  };
  try {
    if (one.at === 'open') await raw.open();
    if (one.at === 'connected') await raw.connect();
    raw.lines.length = 0;
    raw.joined = one.at === 'connected';
    await one.play(raw, { ...context, witness, room: `thread:case-${one.index}` });
    if (one.at !== 'tcp' || raw.lines[0]?.startsWith('http 101')) await settle(raw);
    const ends = raw.ended || raw.closing ? 'closed' : 'open';
    const speaksWebSocket = one.at !== 'tcp' || raw.lines[0]?.startsWith('http 101');
    if (ends === 'closed') await endInTime(raw);
    else if (speaksWebSocket) await raw.finish();
    checkSids(raw);
    return { lines: raw.lines.filter((line) => !line.includes(`text 43${BARRIER}`)), ends };
  } catch (error) {
    error.message = `${context.target}: ${error.message}`;
    throw error;
  } finally {
    raw.destroy();
    for (const other of witnesses) other.destroy();
  }
}

// Makes sure that everything that was sent has had its effect: pings twice, and a subscribe whose
// ack takes the way of all acks.
async function settle(raw) {
  if (!await raw.sync() || !await raw.sync()) return;
  if (!raw.joined) return;
  raw.send(`42${BARRIER}["subscribe",{"room":"node:barrier"}]`);
  await raw.waitFor('the last ack', (lines) => raw.closing || lines.some(
    (line) => line.startsWith(`text 43${BARRIER}`))).catch((error) => { if (!raw.ended) throw error; });
}

// A close frame is answered by our own, or, where the server cannot read on, nothing is waited for:
// the connection ends soon either way.
async function endInTime(raw) {
  const began = Date.now();
  await raw.eof(8000);
  if (Date.now() - began > 1500 * PATIENCE) raw.lines.push('the end came late');
}

function checkSids(raw) {
  const all = [...raw.sids.eio, ...raw.sids.sio];
  if (new Set(all).size !== all.length) throw new Error(`a session id came twice: ${all}`);
}
