// A crowd of misbehaving clients, in a process of its own so that its work is not on the clock of
// those that behave. Started by fork() with {port, clients}; ends on disconnect or {stop: true};
// tells {kinds: {name: attempts}} at the end.
import { RawSocket, binary, close, continuation, ping, text } from './raw_socket.mjs';
import { setTimeout as delay } from 'node:timers/promises';

let stopping = false;
const over = (raw) => raw.ended || raw.closing || stopping;
// Acts again and again while the connection lives.
async function whileOpen(raw, every, act) {
  while (!over(raw)) {
    act();
    await delay(every);
  }
}
async function connected(port) {
  const raw = await RawSocket.connect(port, { quiet: true });
  raw.upgrade();
  await delay(20);
  raw.send('40');
  await delay(20);
  return raw;
}
// Opens a connection that is used without a handshake.
const bare = (port) => RawSocket.connect(port, { quiet: true });
let serial = 0;

// Each misbehaves once, until the server or it gives up.
const KINDS = {
  // Asks for much and never reads.
  async deaf(port) {
    const raw = await connected(port);
    raw.send('42["subscribe",{"rooms":["threads","graph"]}]');
    raw.socket.pause();
    await delay(8000, undefined, { ref: true });
    return raw;
  },
  async slow_headers(port) {
    const raw = await bare(port);
    raw.write('GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\n');
    await whileOpen(raw, 200, () => raw.write('X-Slow: 1\r\n'));
    return raw;
  },
  async no_connect(port) {
    const raw = await bare(port);
    raw.upgrade();
    await whileOpen(raw, 300, () => raw.send('6'));
    return raw;
  },
  async silent(port) {
    const raw = await bare(port);
    await whileOpen(raw, 300, () => {});
    return raw;
  },
  async subscribe_flood(port) {
    const raw = await connected(port);
    await whileOpen(raw, 20, () => raw.write(...Array.from({ length: 50 }, (_, i) => text(`42${i}["subscribe",{"room":"node:${i}"}]`))));
    return raw;
  },
  async packet_flood(port) {
    const raw = await connected(port);
    const burst = Buffer.concat(Array.from({ length: 300 }, () => text('42["nobody","listens"]')));
    await whileOpen(raw, 20, () => raw.write(burst));
    return raw;
  },
  async ping_flood(port) {
    const raw = await connected(port);
    const burst = Buffer.concat(Array.from({ length: 200 }, () => ping('flood')));
    await whileOpen(raw, 20, () => raw.write(burst));
    return raw;
  },
  async million_rooms(port) {
    const raw = await connected(port);
    await whileOpen(raw, 50, () => raw.send(`42["subscribe",{"rooms":[${Array.from({ length: 200 }, () => `"run:r${++serial}"`)}]}]`));
    return raw;
  },
  // Makes much work with few messages.
  async greedy(port) {
    const raw = await connected(port);
    const rooms = JSON.stringify(Array.from({ length: 1000 }, () => `run:g${++serial}`));
    const pair = Buffer.concat(['subscribe', 'unsubscribe'].map((event) => text(`42["${event}",{"rooms":${rooms}}]`)));
    await whileOpen(raw, 20, () => { if (raw.socket.writableLength < 500000) raw.write(pair, pair); });
    return raw;
  },
  async bad_frames(port) {
    const raw = await connected(port);
    const bad = [text('x', { mask: null }), text(Buffer.from([0x34, 0xff])), text('6', { rsv: 4 }), continuation('x'), ping('p'.repeat(126)), binary('stray'), text('', { length: 2 ** 40 }), close(1005)];
    raw.write(bad[++serial % bad.length]);
    await raw.eof(5000).catch(() => {});
    return raw;
  },
  async bad_packets(port) {
    const raw = await connected(port);
    const bad = ['2', '', '40', '42{}', '42["connect"]', '44', '9', 'b', '42["x"', '459-["x"]', `42["subscribe",${'['.repeat(20000)}`, `42["subscribe",{"room":"${'x'.repeat(50000)}"}]`];
    raw.send(bad[++serial % bad.length]);
    await raw.eof(1000).catch(() => {});
    return raw;
  },
  async resets(port) {
    const raw = await connected(port);
    raw.send('42["subscribe",{"room":"graph"}]');
    await delay(50);
    raw.socket.resetAndDestroy();
    return raw;
  },
  async attachments(port) {
    const raw = await connected(port);
    await whileOpen(raw, 50, () => {
      raw.send('4510-["x",{"_placeholder":true,"num":0}]');
      for (let i = 0; i < 10; ++i) raw.write(binary('x'.repeat(5000)));
    });
    return raw;
  },
  async half_closed(port) {
    const raw = await connected(port);
    raw.send('42["subscribe",{"room":"graph"}]');
    raw.write(text('42["unfinished"]').subarray(0, 9));
    raw.socket.end();
    await raw.eof(5000).catch(() => {});
    return raw;
  },
  async never_pongs(port) {
    const raw = await connected(port);
    raw.autoPong = false;
    raw.send('42["subscribe",{"room":"graph"}]');
    await whileOpen(raw, 200, () => {});
    return raw;
  },
  async endless_fragments(port) {
    const raw = await connected(port);
    raw.write(text('4', { fin: false }));
    const piece = continuation('x'.repeat(500), { fin: false });
    await whileOpen(raw, 20, () => raw.write(piece, piece, piece));
    return raw;
  },
  async http_noise(port) {
    const raw = await bare(port);
    const noise = ['\x16\x03\x01\x02\x00', 'GET / HTTP/1.1\r\n\r\n', 'BREW /pot HTCPCP/1.0\r\n\r\n', `GET /${'x'.repeat(20000)} HTTP/1.1\r\nHost: a\r\n\r\n`, 'GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: a\r\n\r\n'.repeat(20)];
    raw.write(noise[++serial % noise.length]);
    await raw.eof(500).catch(() => {});
    return raw;
  },
};
export const CROWD_KINDS = Object.keys(KINDS);

async function misbehave(name, port, tries) {
  while (!stopping) {
    try {
      tries[name] = (tries[name] ?? 0) + 1;
      const raw = await KINDS[name](port);
      raw.destroy();
    } catch { /* the server did not take it: try again */ }
    if (!stopping) await delay(100 + Math.random() * 200);
  }
}

if (process.send) {
  process.on('message', async ({ port, clients, stop }) => {
    if (stop) {
      stopping = true;
      return;
    }
    const tries = {};
    await Promise.all(Array.from({ length: clients }, (_, i) => misbehave(CROWD_KINDS[i % CROWD_KINDS.length], port, tries)));
    process.send({ kinds: tries }, () => process.exit(0));
  });
  process.on('disconnect', () => process.exit(0));
}
