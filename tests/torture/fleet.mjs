// Two edges, two servers, one Redis: started, harmed and brought back.
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { ROOT, startEdge, startServer } from '../e2e/support/programs.mjs';
import { RedisServer } from '../e2e/support/redis.mjs';

export class Fleet {
  members = {};  // name -> {program, start, listener, log}
  harm = 0;      // faults under way
  lastHarm = 0;  // when the last one was over
  problems = [];  // processes that ended though nobody asked them to, or not as asked

  constructor(proxy, { flags, env }) {
    Object.assign(this, { proxy, flags, env });
  }

  async start() {
    this.redis = await RedisServer.start(['--appendonly', 'yes', '--appendfsync', 'always', '--auto-aof-rewrite-percentage', '0']);
    for (const name of ['edge-1', 'edge-2']) await this.#launch(name, startEdge, 'edge');
    for (const name of ['server-1', 'server-2']) await this.#launch(name, startServer, 'server');
  }

  async #launch(name, start, listener) {
    const before = this.members[name];
    const own = name.startsWith('edge') ? { ping_interval: '2s', ping_timeout: '2s', session_ttl: this.flags.session_ttl, threads: 1 } : {};
    const { session_ttl: _, ...common } = this.flags;
    const program = await start(this.redis, { ...common, ...own }, { ready: false, env: this.env });
    const member = this.members[name] = { program, start, listener, log: before?.log ?? [] };
    program.exited.then((exit) => {
      if (member.leaving) return;
      this.problems.push(`${name} ended by itself: ${JSON.stringify(exit)}: ${program.stderr.items.slice(-2).join(' | ')}`);
      member.gone = true;
      this.#route();
    });
    this.#route();
  }

  #route() {
    for (const listener of ['edge', 'server']) {
      const ports = Object.values(this.members).filter((member) => member.listener === listener && !member.gone)
        .map(({ program }) => program.listeners[listener === 'edge' ? 'socketio' : 'grpc'].port);
      this.proxy.route(listener, ports);
    }
  }

  names(listener) { return Object.keys(this.members).filter((name) => !listener || this.members[name].listener === listener); }

  async #during(work) {
    ++this.harm;
    try {
      await work();
    } finally {
      --this.harm;
      this.lastHarm = Date.now();
    }
  }

  // Ends a process and brings it back after `ms`.
  replace(name, signal, ms) {
    return this.#during(async () => {
      const member = this.members[name];
      if (member.busy) return;
      member.busy = member.gone = member.leaving = true;
      if (signal === 'SIGKILL') this.#route();
      const exit = await member.program.stop(signal, 20000);
      if (signal === 'SIGTERM' && exit.code !== 0) this.problems.push(`${name} did not end well: ${JSON.stringify(exit)}`);
      this.#keepLog(name);
      this.#route();
      await delay(ms);
      await this.#launch(name, member.start, member.listener);
    });
  }

  freeze(name, ms) {
    return this.#during(async () => {
      const member = this.members[name];
      if (member.busy) return;
      member.busy = true;
      member.program.signal('SIGSTOP');
      await delay(ms);
      member.program.signal('SIGCONT');
      member.busy = false;
    });
  }

  restartRedis(signal, ms) {
    return this.#during(async () => {
      await this.redis.down(signal);
      await delay(ms);
      await this.redis.restart();
    });
  }

  freezeRedis(ms) {
    return this.#during(async () => {
      this.redis.freeze();
      await delay(ms);
      this.redis.thaw();
    });
  }

  killConnections(type) {
    return this.#during(() => this.redis.cli('CLIENT', 'KILL', 'TYPE', type).catch(() => {}));
  }

  async ready() {
    for (const { program, gone } of Object.values(this.members)) if (!gone) await program.ready(20000);
  }

  #keepLog(name) {
    const { program, log } = this.members[name];
    log.push(...program.stderr.items);
  }

  // Writes what the processes said into build/torture; returns the folder.
  saveLogs() {
    const folder = join(ROOT, 'build/torture');
    mkdirSync(folder, { recursive: true });
    for (const name of this.names()) {
      this.#keepLog(name);
      writeFileSync(join(folder, `${name}.log`), this.members[name].log.join('\n'));
    }
    return folder;
  }

  async stop() {
    for (const member of Object.values(this.members)) member.leaving = true;
    await Promise.all(Object.values(this.members).map(({ program }) => program.kill()));
    await this.redis?.stop();
  }
}
