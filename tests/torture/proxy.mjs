// The client leg: a TCP proxy that passes each connection on to a process chosen at random, and can
// lose what is on its way. A process of its own, so that its work is not on the clients' clock.
//
// Messages in: {backends: {name: [port]}} sets where connections go; {fault: {name, kind, share, ms}}
// harms so many of the connections of a listener: 'cut' resets them; 'swallow' throws away what the
// server sends and resets the connection after `ms`; 'stall' holds everything back for `ms`.
// Messages out: {listening: {name: port}}, {done: {name, kind, count}}.
import { fork } from 'node:child_process';
import { createServer, connect } from 'node:net';
import { fileURLToPath } from 'node:url';

class Listener {
  backends = [];
  connections = new Set();

  constructor(name) {
    this.name = name;
    this.server = createServer({ noDelay: true }, (client) => this.#accept(client));
  }

  listen() {
    return new Promise((resolve) => this.server.listen(0, '127.0.0.1', () => resolve(this.server.address().port)));
  }

  #accept(client) {
    client.on('error', () => {});
    if (!this.backends.length) return client.destroy();
    const port = this.backends[Math.floor(Math.random() * this.backends.length)];
    const upstream = connect({ port, host: '127.0.0.1', noDelay: true });
    const one = { client, upstream, swallow: false };
    this.connections.add(one);
    const over = () => {
      this.connections.delete(one);
      client.destroy();
      upstream.destroy();
    };
    client.on('close', over);
    upstream.on('error', over).on('close', over);
    client.on('data', (bytes) => { if (!one.swallow && !upstream.write(bytes)) { client.pause(); upstream.once('drain', () => client.resume()); } });
    upstream.on('data', (bytes) => { if (!one.swallow && !client.write(bytes)) { upstream.pause(); client.once('drain', () => upstream.resume()); } });
    client.on('end', () => upstream.end());
    upstream.on('end', () => { if (!one.swallow) client.end(); });
  }

  harm({ kind, share, ms }) {
    const chosen = [...this.connections].filter(() => Math.random() < share);
    for (const one of chosen) {
      const reset = () => { one.client.resetAndDestroy(); one.upstream.resetAndDestroy(); };
      if (kind === 'cut') reset();
      if (kind === 'swallow') { one.swallow = true; setTimeout(reset, Math.random() * ms); }
      if (kind === 'stall') {
        one.upstream.pause();
        one.client.pause();
        setTimeout(() => { one.upstream.resume(); one.client.resume(); }, Math.random() * ms);
      }
    }
    return chosen.length;
  }
}

async function main() {
  const listeners = {};
  process.on('disconnect', () => process.exit(0));
  process.on('message', ({ backends, fault }) => {
    for (const [name, ports] of Object.entries(backends ?? {})) listeners[name].backends = ports;
    if (fault) process.send({ done: { ...fault, count: listeners[fault.name].harm(fault) } });
  });
  const listening = {};
  for (const name of process.argv.slice(2)) {
    listeners[name] = new Listener(name);
    listening[name] = await listeners[name].listen();
  }
  process.send({ listening });
}

// The proxy as the harness sees it.
export class Proxy {
  ports = {};
  harmed = 0;  // connections

  static start(...names) {
    const proxy = new Proxy();
    proxy.child = fork(fileURLToPath(import.meta.url), names);
    return new Promise((resolve, reject) => {
      proxy.child.on('error', reject).on('message', ({ listening, done }) => {
        if (done) proxy.harmed += done.count;
        if (listening) {
          proxy.ports = listening;
          resolve(proxy);
        }
      });
    });
  }

  route(name, ports) { this.#send({ backends: { [name]: ports } }); }
  harm(name, kind, share, ms = 0) { this.#send({ fault: { name, kind, share, ms } }); }
  #send(message) { if (this.child.connected) this.child.send(message); }
  stop() { if (this.child.connected) this.child.disconnect(); }
}

if (process.send && process.argv[1] === fileURLToPath(import.meta.url)) await main();
