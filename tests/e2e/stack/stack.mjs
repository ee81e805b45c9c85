// The topology of compose/docker-compose.e2e.yml as plain processes on free ports of the loopback
// interface. In front stands Envoy, or HAProxy with the same routes where there is no Envoy.
//
// STACK_URL set: a stack that somebody else brought up, such as Compose; it is only talked to.
import { execFileSync } from 'node:child_process';
import { accessSync, constants, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { Process } from '../support/processes.mjs';
import { BIN, ROOT } from '../support/programs.mjs';
import { until } from '../support/wait.mjs';
import { readYaml, services } from './compose.mjs';
import { haproxyConfig } from './haproxy.mjs';

function onPath(program) {
  return [...process.env.PATH.split(delimiter), '/usr/sbin'].map((folder) => join(folder, program)).find((file) => {
    try { accessSync(file, constants.X_OK); return true; } catch { return false; }
  });
}

// `count` ports that are free now, all different.
async function freePorts(count) {
  const servers = Array.from({ length: count }, () => net.createServer());
  await Promise.all(servers.map((server) => new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

export async function answers(url, wanted = 200) {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    await response.arrayBuffer();
    return response.status === wanted;
  } catch {
    return false;
  }
}

// One service of the stack.
class Service {
  constructor(description, port) {
    Object.assign(this, description);
    this.port = port;  // declared port -> the real one
  }

  // A flag or a value with the addresses of this host in it.
  translate(text, stack) {
    return String(text).replace(/([A-Za-z0-9.-]+):(\d+)(?!\S*:)/g, (whole, host, port) => {
      if (host === '0.0.0.0') return `127.0.0.1:${this.port(port)}`;
      const [other] = stack.called(host);
      return other ? `127.0.0.1:${other.port(port)}` : whole;
    });
  }

  start(stack, { env = {} } = {}) {
    const settings = Object.entries({ ...this.env, ...env }).map(([key, value]) => `${key}=${this.translate(value, stack)}`);
    const args = this.args.map((arg) => this.translate(arg, stack));
    // As in a container: nothing of the environment here.
    this.process = new Process('/usr/bin/env', ['-i', ...settings, join(BIN, this.program), ...args]);
  }

  get adminUrl() {
    const flag = this.args.find((arg) => arg.startsWith('--admin_listen='));
    return flag && `http://127.0.0.1:${this.port(flag.split(':').pop())}`;
  }

  async metrics() {
    const text = await (await fetch(`${this.adminUrl}/metrics`)).text();
    return text.split('\n').filter((line) => line && !line.startsWith('#')).map((line) => {
      const [, name, labels = '', value] = /^([^{ ]+)(\{.*\})? (\S+)/.exec(line);
      return { name, labels, value: Number(value) };
    });
  }

  // The sum over the samples whose labels contain `labels`.
  async metric(name, labels = '') {
    return (await this.metrics()).filter((sample) => sample.name === name && sample.labels.includes(labels))
      .reduce((sum, { value }) => sum + value, 0);
  }

  log() { return [...this.process.stdout.items, ...this.process.stderr.items].slice(-15).join('\n'); }
}

export class Stack {
  // `env`: settings that differ from Compose's; `envoy(config)`: edits the parsed envoy.yaml.
  static async start({ env = {}, envoy = () => {} } = {}) {
    const stack = new Stack();
    if (process.env.STACK_URL) {
      stack.remote = true;
      stack.url = process.env.STACK_URL;
      await until('the stack answers', () => answers(`${stack.url}/api/status`), { deadline: 60000, every: 200 });
      return stack;
    }
    stack.directory = mkdtempSync(join(tmpdir(), 'notifications-stack-'));
    stack.env = env;
    try {
      await stack.#start(envoy);
    } catch (error) {
      await stack.stop();
      throw error;
    }
    return stack;
  }

  async #start(editEnvoy) {
    const described = services();
    const ports = await freePorts(described.length * 4 + 4);
    this.services = described.map((description) => {
      const known = new Map();
      return new Service(description, (declared) => {
        if (!known.has(Number(declared))) known.set(Number(declared), ports.pop());
        return known.get(Number(declared));
      });
    });
    const redis = this.service('redis');
    redis.process = new Process('redis-server', ['--bind', '127.0.0.1', '--port', String(redis.port(6379)), '--dir', this.directory, ...redis.args]);
    await until('Redis accepts connections', () => redis.process.stdout.items.some((line) => line.includes('Ready to accept')), { deadline: 10000 });
    const programs = this.services.filter(({ kind }) => kind === 'program');
    for (const service of programs) {
      if (!existsSync(join(BIN, service.program))) throw new Error(`${service.program} is not built (${BIN})`);
      service.start(this, { env: service.adminUrl ? this.env : {} });
    }
    for (const service of programs) await this.isUp(service);
    await this.#startProxy(editEnvoy);
    await until(() => `the proxy routes to everyone: ${this.proxy.log()}`, async () =>
      await answers(`${this.url}/api/status`) && await answers(`${this.url}/socket.io/`, 400), { deadline: 15000, every: 50 });
  }

  async #startProxy(editEnvoy) {
    this.proxy = this.services.find(({ kind }) => kind === 'envoy');
    const envoy = readYaml('envoy/envoy.yaml');
    editEnvoy(envoy);
    const port = this.proxy.port(8080);
    this.url = `http://127.0.0.1:${port}`;
    const file = join(this.directory, 'proxy.cfg');
    const program = onPath('envoy');
    this.proxyKind = program ? 'envoy' : 'haproxy';
    if (program) {
      writeFileSync(file, JSON.stringify(this.#envoyHere(envoy)));
      this.proxy.process = new Process(program, ['-c', file, '--disable-hot-restart', '--log-level', 'warn']);
    } else {
      writeFileSync(file, haproxyConfig(envoy, (host) => this.called(host), port));
      const haproxy = onPath('haproxy');
      if (!haproxy) throw new Error('neither envoy nor haproxy is installed');
      this.proxy.process = new Process(haproxy, ['-db', '-f', file]);
    }
  }

  // envoy.yaml with the addresses of this host.
  #envoyHere(envoy) {
    for (const listener of [...envoy.static_resources.listeners, envoy.admin]) {
      const { socket_address: address } = listener.address;
      Object.assign(address, { address: '127.0.0.1', port_value: this.proxy.port(address.port_value) });
    }
    for (const cluster of envoy.static_resources.clusters) {
      for (const group of cluster.load_assignment.endpoints) {
        group.lb_endpoints = group.lb_endpoints.flatMap(({ endpoint }) => {
          const { address: host, port_value: port } = endpoint.address.socket_address;
          return (host === '127.0.0.1' ? [this.proxy] : this.called(host)).map((service) => ({
            endpoint: {
              address: { socket_address: { address: '127.0.0.1', port_value: service.port(port) } },
              ...(endpoint.health_check_config && { health_check_config: { port_value: service.port(endpoint.health_check_config.port_value) } }),
            },
          }));
        });
      }
    }
    const descriptors = join(this.directory, 'notifications.pb');
    execFileSync('protoc', [`-I${join(ROOT, 'proto')}`, '--include_imports', `--descriptor_set_out=${descriptors}`, 'notifications/v1/gateway.proto']);
    for (const filter of envoy.static_resources.listeners[0].filter_chains[0].filters[0].typed_config.http_filters) {
      if (filter.typed_config.proto_descriptor) filter.typed_config.proto_descriptor = descriptors;
    }
    return envoy;
  }

  called(name) { return this.services.filter(({ names }) => names.includes(name)); }
  service(name) { return this.services.find((service) => service.name === name); }
  get edges() { return this.called('edge'); }

  // Waits until a program is ready, or, having no readiness, answers.
  async isUp(service) {
    const url = service.adminUrl ? `${service.adminUrl}/readyz` : `http://127.0.0.1:${service.port(3010)}/healthz`;
    await until(() => `${service.name} is up:\n${service.log()}\n`, () => {
      if (!service.process.running) throw new Error('it ended');
      return answers(url);
    }, { deadline: 15000 });
  }

  async startAgain(service) {
    service.start(this, { env: service.adminUrl ? this.env : {} });
    await this.isUp(service);
  }

  async stop() {
    const order = [...(this.services ?? [])].sort((a, b) => (a.kind === 'redis') - (b.kind === 'redis'));
    await Promise.all(order.filter(({ process, kind }) => process && kind !== 'redis').map(({ process }) => process.stop()));
    await Promise.all(order.map(({ process }) => process?.stop()));
    if (this.directory) rmSync(this.directory, { recursive: true, force: true });
  }
}
