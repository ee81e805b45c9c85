// A WebSocket client that hides nothing: any byte can be sent, and all that comes back is kept as a
// transcript of readable lines, in order:
//
//   http 101 Switching Protocols        the status line
//   header access-control-allow-origin: *   (sorted; headers that vary from answer to answer left out)
//   body …
//   text 0{"sid":"<eio>",…}             one whole message of an unfragmented, unmasked, minimal frame
//   binary 00ff / ping 68 / pong 68     payload in hex
//   frame …                             anything a server ought not to send
//   close 1000 reason                   "close" alone: no code
//   eof                                 the connection is gone (FIN or RST)
//
// Session ids are replaced by <eio> and <sio>; `sids` has them.
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { PATIENCE } from './wait.mjs';

// One frame as a client sends it. `length`: what the header claims; `form`: 7, 16 or 64 bits.
export function frame(opcode, payload = '', { fin = true, rsv = 0, mask = randomBytes(4), length, form } = {}) {
  const body = Buffer.from(payload);
  const claimed = length ?? body.length;
  const width = form ?? (claimed < 126 ? 7 : claimed < 65536 ? 16 : 64);
  const head = [(fin ? 0x80 : 0) | (rsv << 4) | opcode];
  const flag = mask ? 0x80 : 0;
  if (width === 7) head.push(flag | claimed);
  const extended = Buffer.alloc(width === 16 ? 2 : width === 64 ? 8 : 0);
  if (width === 16) { head.push(flag | 126); extended.writeUInt16BE(claimed); }
  if (width === 64) { head.push(flag | 127); extended.writeBigUInt64BE(BigInt(claimed)); }
  if (mask) for (let i = 0; i < body.length; ++i) body[i] ^= mask[i & 3];
  return Buffer.concat([Buffer.from(head), extended, mask || Buffer.alloc(0), body]);
}

export const text = (payload, options) => frame(1, payload, options);
export const binary = (payload, options) => frame(2, payload, options);
export const continuation = (payload, options) => frame(0, payload, options);
export const ping = (payload, options) => frame(9, payload, options);
export const pong = (payload, options) => frame(10, payload, options);
export function close(code, reason = '', options) {
  if (code === undefined) return frame(8, '', options);
  const body = Buffer.alloc(2);
  body.writeUInt16BE(code);
  return frame(8, Buffer.concat([body, Buffer.from(reason)]), options);
}

// The text of a request. `headers`: a list of lines or pairs.
export function request(method, target, headers = [], body = '') {
  const lines = [`${method} ${target} HTTP/1.1`, 'Host: localhost'];
  for (const header of headers) lines.push(Array.isArray(header) ? `${header[0]}: ${header[1]}` : header);
  return `${lines.join('\r\n')}\r\n\r\n${body}`;
}

export const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';
export const UPGRADE = [
  'Connection: Upgrade', 'Upgrade: websocket', 'Sec-WebSocket-Version: 13', `Sec-WebSocket-Key: ${KEY}`,
];
export const TARGET = '/socket.io/?EIO=4&transport=websocket';

const VOLATILE = new Set(['date', 'connection', 'keep-alive', 'transfer-encoding', 'content-length', 'server']);

export class RawSocket {
  lines = [];
  sids = { eio: [], sio: [] };
  #buffer = Buffer.alloc(0);
  #mode = 'http';
  #waiters = new Set();
  #ended = false;
  #sync = 0;
  #own = new Set();  // pong payloads that answer sync(): not part of the transcript
  autoPong = true;   // answer Engine.IO pings

  // Resolves when the connection stands. `quiet`: keep no transcript, call `onText` instead.
  static connect(port, { quiet = false, onText, noDelay = true } = {}) {
    const raw = new RawSocket();
    raw.quiet = quiet;
    raw.onText = onText;
    return new Promise((resolve, reject) => {
      raw.socket = net.connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay }, () => {
        raw.socket.off('error', reject);
        raw.socket.on('error', () => raw.#end());
        resolve(raw);
      });
      raw.socket.once('error', reject);
      raw.socket.on('data', (bytes) => raw.#read(bytes));
      raw.socket.on('end', () => { raw.#end(); raw.socket.end(); });
      raw.socket.on('close', () => raw.#end());
    });
  }

  // --- sending ---------------------------------------------------------------------------------

  write(...chunks) {
    if (!this.socket.destroyed && this.socket.writable) {
      this.socket.write(Buffer.concat(chunks.map((chunk) => Buffer.from(chunk))));
    }
    return this;
  }

  // Each byte in a segment of its own.
  async dribble(bytes) {
    for (const byte of Buffer.from(bytes)) {
      if (this.socket.destroyed) return;
      await new Promise((resolve) => this.socket.write(Buffer.from([byte]), resolve));
      await new Promise(setImmediate);
    }
  }

  // Sends each packet as a text frame of its own, in one segment.
  send(...packets) { return this.write(...packets.map((packet) => text(packet))); }

  upgrade({ target = TARGET, headers = UPGRADE, extra = [] } = {}) {
    return this.write(request('GET', target, [...headers, ...extra]));
  }

  // The WebSocket handshake and the open packet.
  async open(options) {
    this.upgrade(options);
    await this.waitFor('the open packet', () => this.lines.some((line) => line.startsWith('text 0')));
    return this;
  }

  // The same, and CONNECT.
  async connect(options) {
    await this.open(options);
    this.send('40');
    await this.waitFor('the CONNECT answer', () => this.lines.some((line) => line.startsWith('text 40')));
    return this;
  }

  destroy() { this.socket.destroy(); }

  // --- waiting ---------------------------------------------------------------------------------

  get ended() { return this.#ended; }
  get closing() { return this.lines.some((line) => /^close\b/.test(line)); }

  async waitFor(what, predicate, ms = 4000) {
    const end = Date.now() + ms * PATIENCE;
    while (!predicate(this.lines)) {
      const left = end - Date.now();
      if (left <= 0 || this.#ended) {
        throw new Error(`${what}: ${this.#ended ? 'not before the end' : `nothing within ${ms} ms`} in\n  ${this.#tail()}`);
      }
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#waiters.add(() => { clearTimeout(timer); resolve(); });
      });
    }
  }

  #tail() { return this.lines.slice(-12).map((line) => line.slice(0, 200)).join('\n  '); }

  // Waits for the n-th text line of the transcript that contains `part`.
  receive(part, n = 1, ms) {
    return this.waitFor(`a text with ${part}`, (lines) => lines.filter(
      (line) => line.startsWith('text ') && line.includes(part)).length >= n, ms);
  }

  // A WebSocket ping and its pong: all that was sent before has been read by the server. True if the
  // connection still lives.
  async sync() {
    const payload = `sync-${++this.#sync}`;
    const hex = Buffer.from(payload).toString('hex');
    this.#own.add(hex);
    this.write(ping(payload));
    try {
      await this.waitFor(`pong ${payload}`, () => !this.#own.has(hex) || this.closing);
    } catch (error) {
      if (!this.#ended) throw error;
    }
    return !this.#ended && !this.closing;
  }

  async eof(ms) {
    await this.waitFor('the end of the connection', () => this.#ended, ms).catch((error) => {
      if (!this.#ended) throw error;
    });
  }

  // --- reading ---------------------------------------------------------------------------------

  #end() {
    if (this.#ended) return;
    if (this.#mode === 'body' && this.bodyUntilEof) this.#add(`body ${this.#buffer.toString('latin1')}`);
    this.#ended = true;
    this.#add('eof');
  }

  #add(line) {
    this.lines.push(line);
    this.#wake();
  }

  #wake() {
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const wake of waiters) wake();
  }

  #read(bytes) {
    this.#buffer = this.#buffer.length ? Buffer.concat([this.#buffer, bytes]) : bytes;
    while (this.#mode === 'ws' ? this.#readFrame() : this.#readHttp());
  }

  #take(n) {
    const taken = this.#buffer.subarray(0, n);
    this.#buffer = this.#buffer.subarray(n);
    return taken;
  }

  #readHttp() {
    const end = this.#buffer.indexOf('\r\n\r\n');
    if (end < 0) return false;
    const [status, ...fields] = this.#buffer.subarray(0, end).toString('latin1').split('\r\n');
    const headers = fields.map((field) => {
      const colon = field.indexOf(':');
      return [field.slice(0, colon).toLowerCase(), field.slice(colon + 1).trim()];
    });
    const value = (name) => headers.find(([key]) => key === name)?.[1];
    const code = Number(status.split(' ')[1]);
    let used = end + 4;
    let body = '';
    if (value('transfer-encoding') === 'chunked') {
      const rest = this.#buffer.subarray(used).toString('latin1');
      let at = 0;
      for (;;) {
        const line = rest.indexOf('\r\n', at);
        if (line < 0) return false;
        const size = parseInt(rest.slice(at, line), 16);
        if (rest.length < line + 2 + size + 2) return false;
        body += rest.slice(line + 2, line + 2 + size);
        at = line + 2 + size + 2;
        if (size === 0) break;
      }
      used += at;
    } else if (value('content-length') && !this.headRequest) {
      const length = Number(value('content-length'));
      if (this.#buffer.length < used + length) return false;
      body = this.#buffer.subarray(used, used + length).toString('latin1');
      used += length;
    }
    this.#take(used);
    this.#add(`http ${status.slice('HTTP/1.1 '.length)}`);
    for (const [name, text] of headers.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))) {
      if (!VOLATILE.has(name)) this.#add(`header ${name}: ${text}`);
    }
    if (body) this.#add(`body ${body}`);
    if (code === 101) this.#mode = 'ws';
    return this.#buffer.length > 0;
  }

  #readFrame() {
    const buffer = this.#buffer;
    if (buffer.length < 2) return false;
    if (buffer.subarray(0, 5).toString('latin1') === 'HTTP/') return this.#readHttp();
    const [first, second] = buffer;
    const fin = first >> 7, rsv = (first >> 4) & 7, opcode = first & 15, masked = second >> 7;
    let length = second & 127, head = 2, minimal = true;
    if (length === 126) {
      if (buffer.length < 4) return false;
      length = buffer.readUInt16BE(2);
      head = 4;
      minimal = length > 125;
    } else if (length === 127) {
      if (buffer.length < 10) return false;
      length = Number(buffer.readBigUInt64BE(2));
      head = 10;
      minimal = length > 65535;
    }
    if (masked) head += 4;
    if (buffer.length < head + length) return false;
    this.#take(head);
    const payload = this.#take(length);
    if (!fin || rsv || masked || !minimal) {
      this.#add(`frame fin=${fin} rsv=${rsv} opcode=${opcode} masked=${masked} ${payload.toString('hex').slice(0, 200)}`);
    } else {
      this.#message(opcode, payload);
    }
    return this.#buffer.length > 0;
  }

  #message(opcode, payload) {
    if (opcode === 1) {
      const string = payload.toString();
      if (string === '2' && this.autoPong) this.send('3');
      if (this.quiet) { this.onText?.(string, payload); return; }
      this.onText?.(string, payload);
      this.#add(`text ${this.#anonymise(string)}`);
    } else if (opcode === 8) {
      const code = payload.length >= 2 ? ` ${payload.readUInt16BE(0)}` : '';
      const reason = payload.length > 2 ? ` ${payload.subarray(2).toString()}` : '';
      this.#add(`close${code}${reason}`);
      if (!this.closeSent) this.closeWith(code === '' ? undefined : Number(code));
    } else {
      const hex = payload.toString('hex');
      if (opcode === 10 && this.#own.delete(hex)) { this.#wake(); return; }
      const name = { 2: 'binary', 9: 'ping', 10: 'pong' }[opcode] ?? `opcode-${opcode}`;
      this.#add(`${name}${hex ? ` ${hex}` : ''}`);
    }
  }

  #anonymise(string) {
    const sid = /^(0|40)\{"sid":"([A-Za-z0-9_-]{20,64})"/.exec(string);
    if (!sid) return string;
    const kind = sid[1] === '0' ? 'eio' : 'sio';
    this.sids[kind].push(sid[2]);
    return string.replace(sid[2], `<${kind}>`);
  }

  // Our half of the closing handshake.
  closeWith(code, reason) {
    this.closeSent = true;
    return this.write(close(code, reason));
  }

  // Ends a living connection in good order: close 1000, its echo, the end.
  async finish() {
    if (!this.#ended && !this.closing && !this.closeSent) this.closeWith(1000);
    await this.eof();
    this.destroy();
  }
}
