// Child processes of a test: logs kept, ended by process id, never left behind.
import { spawn } from 'node:child_process';
import { Inbox, within } from './wait.mjs';

const living = new Set();
function killAll() {
  for (const child of living) {
    try { child.kill('SIGKILL'); } catch { /* it is gone */ }
  }
}
process.on('exit', killAll);
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) {
  process.on(signal, () => { killAll(); process.exit(1); });
}

export class Process {
  // Lines of stderr and of stdout, as they come.
  stderr = new Inbox();
  stdout = new Inbox();

  constructor(file, args = [], { env = {}, input, cwd } = {}) {
    this.name = file.split('/').pop();
    this.child = spawn(file, args, {
      cwd, env: { ...process.env, ...env }, stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    living.add(this.child);
    this.pid = this.child.pid;
    if (input !== undefined) this.child.stdin.on('error', () => {}).end(input);
    const closed = new Promise((resolve) => this.child.on('close', resolve));
    // {code, signal} once it has ended and its output is read.
    this.exited = new Promise((resolve, reject) => {
      this.child.on('error', (error) => { living.delete(this.child); reject(error); });
      this.child.on('exit', async (code, signal) => {
        living.delete(this.child);
        await closed;
        this.exit = { code, signal };
        resolve(this.exit);
      });
    });
    this.exited.catch(() => {});
    for (const stream of ['stdout', 'stderr']) this.#readLines(this.child[stream], this[stream]);
  }

  #readLines(stream, inbox) {
    let rest = '';
    stream.setEncoding('utf8');
    stream.on('data', (text) => {
      const lines = (rest + text).split('\n');
      rest = lines.pop();
      for (const line of lines) inbox.push(line);
    });
    stream.on('end', () => { if (rest) inbox.push(rest); });
  }

  get running() { return this.exit === undefined; }

  signal(name) { this.child.kill(name); }

  // Waits for the end that comes by itself.
  ended(ms = 10000) { return within(ms, `the end of ${this.name}`, this.exited); }

  // SIGTERM, then SIGKILL if that is not heeded in time.
  async stop(signal = 'SIGTERM', ms = 5000) {
    if (!this.running) return this.exit;
    this.child.kill('SIGCONT');
    this.child.kill(signal);
    try {
      return await this.ended(ms);
    } catch {
      this.child.kill('SIGKILL');
      return this.ended(ms);
    }
  }

  kill() { return this.stop('SIGKILL'); }
}

// Runs a program to its end: {code, signal, stdout, stderr}.
export async function run(file, args = [], { ms = 15000, ...options } = {}) {
  const program = new Process(file, args, options);
  try {
    const { code, signal } = await program.ended(ms);
    return {
      code, signal,
      stdout: program.stdout.items.join('\n'), stderr: program.stderr.items.join('\n'),
    };
  } finally {
    if (program.running) await program.kill();
  }
}
