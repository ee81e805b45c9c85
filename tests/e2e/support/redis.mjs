// A redis-server of the test's own, on a free port of the loopback interface.
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Redis from 'ioredis';
import { Process, run } from './processes.mjs';
import { until } from './wait.mjs';

export async function freePort() {
  const server = net.createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export class RedisServer {
  #clients = [];

  // `args`: further settings, such as ['--requirepass', 'secret'].
  static async start(args = []) {
    for (let attempt = 0; ; ++attempt) {
      const server = new RedisServer();
      server.port = await freePort();
      server.args = args;
      try {
        await server.restart();
        return server;
      } catch (error) {
        if (attempt === 3) throw error;  // somebody else took the port
      }
    }
  }

  get url() { return `redis://127.0.0.1:${this.port}/0`; }

  // Starts it (again), on the same port, empty.
  async restart() {
    this.directory ??= mkdtempSync(join(tmpdir(), 'notifications-redis-'));
    this.process = new Process('redis-server', [
      '--port', String(this.port), '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no',
      '--dir', this.directory, ...this.args]);
    await until('redis-server accepts connections', () => {
      if (!this.process.running) throw new Error(this.process.stdout.items.slice(-3).join('\n'));
      return this.process.stdout.items.some((line) => line.includes('Ready to accept connections'));
    });
  }

  // Ends the process; `restart` brings it back.
  down(signal = 'SIGKILL') { return this.process.stop(signal); }
  freeze() { this.process.signal('SIGSTOP'); }
  thaw() { this.process.signal('SIGCONT'); }

  // A client that reconnects and whose errors are not the test's concern.
  client(options = {}) {
    const client = new Redis({ host: '127.0.0.1', port: this.port, lazyConnect: false, ...options });
    client.on('error', () => {});
    this.#clients.push(client);
    return client;
  }

  // What `redis-cli ARGS` prints.
  async cli(...args) {
    const { code, stdout, stderr } = await run('redis-cli', ['-h', '127.0.0.1', '-p', String(this.port), ...args]);
    if (code !== 0) throw new Error(`redis-cli ${args[0]}: ${stderr || stdout}`);
    return stdout;
  }

  async stop() {
    for (const client of this.#clients) client.disconnect();
    await this.process.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
