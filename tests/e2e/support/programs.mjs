// The programs under test: started on free ports, found by their `listening` lines.
import { existsSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Process, run } from './processes.mjs';
import { until } from './wait.mjs';

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), '../../..');
export const BIN = resolve(process.env.NOTIFICATIONS_BIN ?? join(ROOT, 'build/bin'));

export function programPath(name) { return join(BIN, name); }
export function isBuilt(name) { return existsSync(programPath(name)); }

// {socketio: true} -> ['--socketio']; {drain: '1s'} -> ['--drain=1s'].
function toArguments(flags) {
  return Object.entries(flags)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => (value === true ? `--${name}` : `--${name}=${value}`));
}

// Settings of the developer's shell must not reach the programs under test.
const CLEARED = Object.fromEntries([
  'HOST', 'PORT', 'SOCKET_IO_PATH', 'GRPC_ADDR', 'ADMIN_LISTEN', 'NOTIFICATIONS_REDIS_URL', 'REDIS_URL',
  'NOTIFICATIONS_CHANNEL', 'NOTIFICATIONS_JOURNAL', 'THREADS', 'PING_INTERVAL', 'PING_TIMEOUT', 'MAX_PAYLOAD',
  'MAX_CONNECTIONS', 'DELIVERY', 'ALLOWED_ORIGINS', 'DRAIN', 'LOG_LEVEL', 'LOG_FORMAT', 'NOTIFICATIONS_SERVER',
  'NOTIFICATIONS_TOKEN', 'ADMIN_TOKEN', 'PUBLISH_TOKENS', 'GRPC_TLS_CERT', 'GRPC_TLS_KEY', 'GRPC_TLS_CLIENT_CA',
].map((name) => [name, undefined]));

const LISTENERS = {
  'notifications-edge': ['socketio', 'admin'],
  'notifications-server': ['grpc', 'admin'],
  'notifications-gateway': ['socketio', 'grpc', 'admin'],
};

export class Program extends Process {
  constructor(name, flags = {}, { env = {}, args = [] } = {}) {
    super(programPath(name), [...toArguments(flags), ...args], { env: { ...CLEARED, ...env } });
    this.program = name;
  }

  // The log's lines as objects; a line that is not JSON becomes {msg: line, raw: true}.
  get log() {
    return this.stderr.items.filter((line) => line !== '').map((line) => {
      try { return JSON.parse(line); } catch { return { msg: line, raw: true }; }
    });
  }

  #lookUp() {
    const found = {};
    for (const line of this.log) {
      if (line.msg !== 'listening') continue;
      found[line.listener] = { address: line.address, port: Number(line.address.split(':').pop()) };
    }
    return found;
  }

  async listening() {
    const wanted = LISTENERS[this.program];
    this.listeners = await until(() => `${this.program} listens; its log:\n${this.stderr.items.join('\n')}\n`, () => {
      const found = this.#lookUp();
      return wanted.every((listener) => found[listener]) && found || !this.running && this.fail();
    }, { deadline: 10000 });
    this.port = this.listeners.socketio?.port;
    this.grpcAddress = this.listeners.grpc && `127.0.0.1:${this.listeners.grpc.port}`;
    this.adminUrl = `http://127.0.0.1:${this.listeners.admin.port}`;
    this.url = this.port && `http://127.0.0.1:${this.port}`;
    return this;
  }

  fail() {
    throw Object.assign(new Error(`${this.program} ended early: ${this.stderr.items.join('\n')}`), { fatal: true });
  }

  async admin(path) {
    const response = await fetch(this.adminUrl + path);
    return { status: response.status, body: await response.text() };
  }

  isReady() { return this.admin('/readyz').then(({ status }) => status === 200, () => false); }

  async ready(deadline = 10000) {
    await until(() => `${this.program} is ready; its log:\n${this.stderr.items.slice(-10).join('\n')}\n`,
      () => this.isReady(), { deadline });
    return this;
  }

  // All samples of /metrics: [{name, labels, value}].
  async metrics() {
    const { body } = await this.admin('/metrics');
    return body.split('\n').filter((line) => line && !line.startsWith('#')).map((line) => {
      const [, name, labels = '', value] = /^([^{ ]+)(\{.*\})? (\S+)/.exec(line);
      return { name, labels, value: Number(value) };
    });
  }

  // The sum over all label sets of a metric.
  async metric(name) {
    const samples = (await this.metrics()).filter((sample) => sample.name === name);
    return samples.reduce((sum, { value }) => sum + value, 0);
  }
}

const LOCAL = {
  'notifications-edge': { listen: '127.0.0.1:0', admin_listen: '127.0.0.1:0', threads: 2 },
  'notifications-server': { grpc_listen: '127.0.0.1:0', admin_listen: '127.0.0.1:0' },
  'notifications-gateway': { listen: '127.0.0.1:0', grpc_listen: '127.0.0.1:0', admin_listen: '127.0.0.1:0', threads: 2 },
};

// Starts one of the servers and waits until it listens (and, unless `ready: false`, is ready).
export async function start(name, flags = {}, { ready = true, ...options } = {}) {
  const program = new Program(
    name, { ...LOCAL[name], log_format: 'json', drain: '0s', ...flags }, options);
  try {
    await program.listening();
    if (ready) await program.ready();
    return program;
  } catch (error) {
    await program.kill();
    throw error;
  }
}

export const startEdge = (redis, flags, options) =>
  start('notifications-edge', { redis_url: redis.url, ...flags }, options);
export const startServer = (redis, flags, options) =>
  start('notifications-server', { redis_url: redis.url, ...flags }, options);
export const startGateway = (flags, options) => start('notifications-gateway', flags, options);

// `notifyctl ARGS` against the gRPC front at `address`.
export function notifyctl(address, args, options = {}) {
  return run(programPath('notifyctl'), args, { ...options, env: { ...CLEARED, NOTIFICATIONS_SERVER: address, ...options.env } });
}

// The stock Node gateway, as a Process with `port` and `url`.
export async function startStock(redis, env = {}) {
  const stock = new Process(process.execPath, [join(ROOT, 'tests/peers/stock_gateway.mjs')], {
    env: { ...CLEARED, REDIS_URL: redis.url, PORT: '0', HOST: '127.0.0.1', ...env },
  });
  try {
    await until(() => `the stock gateway is ready: ${stock.stderr.items.join('\n')}`, () => {
      if (!stock.running) throw new Error('it ended');
      const line = stock.stdout.items.find((text) => text.startsWith('{"ready"'));
      stock.port = line && JSON.parse(line).port;
      return stock.port;
    }, { deadline: 15000 });
  } catch (error) {
    await stock.kill();
    throw error;
  }
  stock.url = `http://127.0.0.1:${stock.port}`;
  return stock;
}

export function stopAll(...processes) {
  return Promise.all(processes.filter(Boolean).map((one) => one.stop()));
}
