// A TCP relay on a free port of the loopback interface that can go silent: connections stay open, and
// nothing passes, neither bytes nor their end. That is what a half-open connection looks like.
import net from 'node:net';

export class TcpRelay {
  #sockets = new Set();
  #silent = false;

  static async start(port) {
    const relay = new TcpRelay();
    relay.server = net.createServer((socket) => relay.#take(socket, port));
    await new Promise((resolve) => relay.server.listen(0, '127.0.0.1', resolve));
    relay.port = relay.server.address().port;
    return relay;
  }

  #take(client, port) {
    const silent = { client: this.#silent };
    const server = net.connect(port, '127.0.0.1');
    for (const [from, to] of [[client, server], [server, client]]) {
      this.#sockets.add(from);
      from.on('error', () => {});
      from.on('close', () => { this.#sockets.delete(from); if (!from.muted) to.destroy(); });
      from.on('data', (bytes) => { if (!from.muted) to.write(bytes); });
      from.muted = silent.client;
    }
  }

  // What is connected stays silent for ever; what connects from now on is silent from the start.
  goSilent() {
    this.#silent = true;
    for (const socket of this.#sockets) socket.muted = true;
  }

  // New connections pass again.
  pass() { this.#silent = false; }

  async stop() {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
