// Stock clients with one face: subscribe, an inbox of {event, payload}, close.
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { io as io4 } from 'socket.io-client';
import { Process } from './processes.mjs';
import { RawSocket } from './raw_socket.mjs';
import { Inbox, within } from './wait.mjs';

const here = dirname(fileURLToPath(import.meta.url));
const { io: io3 } = createRequire(import.meta.url)('socket.io-client-3');

// socket.io-client 4.8 or 3.1.
export class SocketIoClient {
  inbox = new Inbox();
  disconnects = [];

  static async connect(url, { version = 4, ...options } = {}) {
    const client = new SocketIoClient();
    const io = version === 3 ? io3 : io4;
    client.socket = io(url, { transports: ['websocket'], forceNew: true, reconnectionDelay: 50, reconnectionDelayMax: 500, ...options });
    client.socket.on('disconnect', (reason) => client.disconnects.push(reason));
    client.socket.onAny((event, ...args) => client.inbox.push({ event, payload: args[0], args }));
    await within(10000, 'socket.io-client connects', new Promise((resolve) => client.socket.once('connect', resolve)));
    return client;
  }

  // The answer to an event.
  ask(event, payload) {
    return within(10000, `the ack of ${event}`, new Promise((resolve) => this.socket.emit(event, payload, resolve)));
  }

  async subscribe(...rooms) {
    const answer = await this.ask('subscribe', { rooms });
    if (!answer.ok) throw new Error(`subscribe ${rooms}: ${JSON.stringify(answer)}`);
    return answer;
  }

  close() { this.socket.disconnect(); }
}

// Debian's python3-socketio.
export class PythonClient {
  inbox = new Inbox();

  static async subscribe(url, ...rooms) {
    const client = new PythonClient();
    client.process = new Process('/usr/bin/python3', [join(here, 'socketio_client.py'), url, ...rooms]);
    client.ack = await within(20000, () => `python-socketio subscribes: ${client.process.stderr.items.join('\n')}`,
      new Promise((resolve) => {
        let seen = 0;
        const poll = setInterval(() => {
          const { items } = client.process.stdout;
          for (; seen < items.length; ++seen) {
            const told = JSON.parse(items[seen]);
            if (told.ack) resolve(told.ack);
            if (told.event) client.inbox.push(told);
          }
        }, 10);
        client.close = () => { clearInterval(poll); return client.process.stop(); };
      }));
    return client;
  }
}

// A raw WebSocket whose events are kept as exact text: `42["name",…]`.
export class RawClient {
  inbox = new Inbox();

  static async subscribe(port, ...rooms) {
    const client = new RawClient();
    client.raw = await RawSocket.connect(port, {
      onText: (text) => { if (text.startsWith('42')) client.inbox.push(text); },
    });
    await client.raw.connect();
    client.raw.send(`420["subscribe",${JSON.stringify({ rooms })}]`);
    await client.raw.receive('430[{"ok":true');
    return client;
  }

  get closed() { return this.raw.ended || this.raw.closing; }
  close() { this.raw.destroy(); }
}
