// What README.md shows works as it stands.
//
// A fenced block right after `<!-- test:NAME -->` is run against running programs and a Redis:
//   test:publish-…  runs to its end with code 0, and a subscriber hears what it published
//   test:stream-…   runs on; events are published until it prints one
//   test:…          runs to its end with code 0
// One whose name holds -journal- runs against programs with the journal on, that journal nothing by
// themselves: what it publishes has a position.
// sh blocks run in bash, js in node, python in Debian's python3, cpp is compiled and linked with the
// installed publisher library. The default ports in a block are replaced by those of the programs.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { GrpcClient } from './support/grpc.mjs';
import { Process, run } from './support/processes.mjs';
import { BIN, ROOT, startEdge, startServer, stopAll } from './support/programs.mjs';
import { RedisServer } from './support/redis.mjs';
import { SocketIoClient } from './support/clients.mjs';
import { until } from './support/wait.mjs';

const LANGUAGES = { sh: 'sh', bash: 'sh', shell: 'sh', js: 'mjs', javascript: 'mjs', mjs: 'mjs', py: 'py', python: 'py', cpp: 'cc', 'c++': 'cc' };

// [{name, language, text}] of a Markdown text.
export function markedBlocks(markdown) {
  const blocks = [];
  const pattern = /<!-- test:([\w-]+) -->\s*\n```([\w+]*)\n([\s\S]*?)\n```/g;
  for (const [, name, language, text] of markdown.matchAll(pattern)) blocks.push({ name, language, text });
  const marks = markdown.match(/<!-- test:/g)?.length ?? 0;
  assert.equal(blocks.length, marks, 'each <!-- test:NAME --> stands right before a fenced block');
  assert.equal(new Set(blocks.map(({ name }) => name)).size, blocks.length, 'names are unique');
  for (const { name, language } of blocks) assert.ok(LANGUAGES[language], `${name}: no way to run ${language}`);
  return blocks;
}

describe('blocks of a README', () => {
  it('are found by their marks', () => {
    const fence = '```';
    const text = `a\n<!-- test:one -->\n${fence}sh\necho 1\necho 2\n${fence}\n${fence}sh\nnot marked\n${fence}\n<!-- test:two-x -->\n\n${fence}js\nx\n${fence}\n`;
    assert.deepEqual(markedBlocks(text), [{ name: 'one', language: 'sh', text: 'echo 1\necho 2' }, { name: 'two-x', language: 'js', text: 'x' }]);
    assert.throws(() => markedBlocks('<!-- test:lost -->\nno block'), /right before/);
  });
});

const readme = join(ROOT, 'README.md');
const blocks = existsSync(readme) ? markedBlocks(readFileSync(readme, 'utf8')) : [];

describe('README.md', { timeout: 300000 }, () => {
  const fleets = {};  // by whether the journal is on
  const folder = join(ROOT, 'build/readme');  // below the root: node finds node_modules from there
  before(async () => {
    if (!blocks.length) return;
    rmSync(folder, { recursive: true, force: true });
    mkdirSync(folder, { recursive: true });
    await Promise.all([false, true].map(async (journal) => { fleets[journal] = await startFleet(journal); }));
  });
  after(() => Promise.all(Object.values(fleets).map(stopFleet)));

  async function startFleet(journal) {
    const redis = await RedisServer.start();
    const flags = journal ? { journal: 'on', journal_legacy: 'off' } : {};
    const [edge, server] = await Promise.all([startEdge(redis, flags), startServer(redis, flags)]);
    const grpc = new GrpcClient(server.grpcAddress);
    const browser = await SocketIoClient.connect(edge.url);
    await browser.subscribe('graph', 'threads');
    return { redis, edge, server, grpc, browser, journal, stream: await grpc.stream('*') };
  }
  async function stopFleet({ redis, edge, server, grpc, browser }) {
    grpc.close();
    browser.close();
    await stopAll(edge, server);
    await redis.stop();
  }

  it('has marked blocks', { skip: !existsSync(readme) && 'there is no README.md yet' }, () => {
    assert.ok(blocks.length > 0, 'no block of README.md is marked <!-- test:NAME -->');
  });

  // The text with the default ports replaced by the real ones.
  const localised = (text, { edge, server, redis }) => text
    .replace(/\b(127\.0\.0\.1|localhost):3011\b/g, `127.0.0.1:${edge.port}`)
    .replace(/\b(127\.0\.0\.1|localhost):50051\b/g, server.grpcAddress)
    .replace(/\b(127\.0\.0\.1|localhost):6379\b/g, `127.0.0.1:${redis.port}`)
    .replace(/\bredis-cli\b/g, `redis-cli -p ${redis.port}`)
    .replace(/\bnew Redis\(\)/g, `new Redis(${redis.port})`)
    .replace(/\bredis\.Redis\(\)/g, `redis.Redis(port=${redis.port})`);

  async function commandOf({ name, language, text }, fleet) {
    const kind = LANGUAGES[language];
    const file = join(folder, `${name}.${kind}`);
    writeFileSync(file, `${localised(text, fleet)}\n`);
    // A stream is one command that does not end: it takes the place of the shell, to be stopped.
    if (kind === 'sh' && name.startsWith('stream-')) return ['/bin/bash', ['-c', `exec ${localised(text, fleet)}`]];
    if (kind === 'sh') return ['/bin/bash', ['-euo', 'pipefail', file]];
    if (kind === 'mjs') return [process.execPath, [file]];
    if (kind === 'py') return ['/usr/bin/python3', [file]];
    return [await compiled(name, file), []];
  }

  // A library that was built with a sanitizer takes a program that is linked with it, too.
  function compiler() {
    const cache = readFileSync(join(BIN, '..', 'CMakeCache.txt'), 'utf8');
    const setting = (name) => new RegExp(`^${name}:\\w+=(.*)$`, 'm').exec(cache)?.[1] ?? '';
    const sanitizers = setting('NOTIFICATIONS_SANITIZE');
    return sanitizers ? `${setting('CMAKE_CXX_COMPILER')} -fsanitize=${sanitizers}` : 'g++';
  }

  let prefix;
  // Installs the publisher library once and links the program with what pkg-config says.
  async function compiled(name, file) {
    if (!prefix) {
      prefix = join(folder, 'installed');
      const installed = await run('cmake', ['--install', join(BIN, '..'), '--prefix', prefix], { ms: 120000 });
      assert.equal(installed.code, 0, installed.stderr);
    }
    const program = join(folder, name);
    const found = await run('find', [prefix, '-name', 'notifications-publisher.pc', '-printf', '%h']);
    const script = `${compiler()} -std=c++20 -O0 ${file} -o ${program} $(pkg-config --cflags --libs --static notifications-publisher)`;
    const built = await run('/bin/bash', ['-c', script], { ms: 180000, env: { PKG_CONFIG_PATH: found.stdout } });
    assert.equal(built.code, 0, built.stderr);
    return program;
  }

  const environment = ({ server, redis }) => ({
    PATH: `${BIN}:${process.env.PATH}`, HOME: folder,
    NOTIFICATIONS_SERVER: server.grpcAddress, REDIS_URL: redis.url, NOTIFICATIONS_REDIS_URL: redis.url,
  });
  const publishSome = ({ grpc }) => Promise.all([['graph'], ['threads'], ['thread:42'], ['thread:7']].map(
    (rooms) => grpc.publish({ event: 'readme_event', rooms, payload_json: '{"n":1}' })));

  for (const block of blocks) {
    it(`${block.name} works as it stands`, async () => {
      const fleet = fleets[block.name.includes('-journal-')];
      const { inbox } = fleet.stream;
      const heard = inbox.items.length;
      const [file, args] = await commandOf(block, fleet);
      const program = new Process(file, args, { cwd: ROOT, env: environment(fleet) });
      const said = () => `${program.stdout.items.join('\n')}\n${program.stderr.items.join('\n')}`;
      try {
        if (block.name.startsWith('stream-')) {
          await until(() => `it prints an event; it says\n${said()}`, async () => {
            assert.ok(program.running, `it ended: ${said()}`);
            await publishSome(fleet);
            return said().includes('readme_event');
          }, { deadline: 20000, every: 200 });
        } else {
          const { code } = await program.ended(60000);
          assert.equal(code, 0, said());
          if (!block.name.startsWith('publish-')) return;
          await inbox.count('an event is heard', heard + 1);
          assert.equal(inbox.items[heard].position !== '', fleet.journal, `its position: ${inbox.items[heard].position}`);
        }
      } finally {
        await program.stop();
      }
    });
  }
});
