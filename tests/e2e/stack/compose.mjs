// compose/docker-compose.e2e.yml as a list of what to run: the same programs, flags and environment.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CORE_SCHEMA, load, mergeTag } from 'js-yaml';
import { ROOT } from '../support/programs.mjs';

const schema = CORE_SCHEMA.withTags(mergeTag);
export const readYaml = (path) => load(readFileSync(join(ROOT, path), 'utf8'), { schema });

// What runs beside the topology, not in it.
const ASIDE = new Set(['test-runner', 'prometheus', 'grafana']);

// The program that a stage of the Dockerfile starts.
function entrypoint(target) {
  const stages = readFileSync(join(ROOT, 'compose/Dockerfile'), 'utf8').split(/^FROM /m);
  const stage = stages.find((text) => new RegExp(` AS ${target}$`, 'm').test(text));
  const found = stage && /^ENTRYPOINT (\[.*\])$/m.exec(stage);
  if (!found) throw new Error(`stage ${target} of the Dockerfile has no ENTRYPOINT`);
  return JSON.parse(found[1])[0].split('/').pop();
}

// [{name, names, kind: 'redis' | 'program' | 'envoy', program, args, env}]; `names`: what others call it.
export function services(path = 'compose/docker-compose.e2e.yml') {
  const file = readYaml(path);
  return Object.entries(file.services).filter(([name]) => !ASIDE.has(name)).map(([name, service]) => {
    const target = service.build?.target;
    const kind = target === 'envoy' ? 'envoy' : target ? 'program' : service.image?.startsWith('redis:') ? 'redis' : undefined;
    if (!kind) throw new Error(`service ${name}: nobody knows how to run it as a process`);
    return {
      name, kind,
      names: [name, ...(service.networks?.default?.aliases ?? [])],
      program: kind === 'program' ? entrypoint(target) : undefined,
      args: kind === 'redis' ? service.command.slice(1) : service.command ?? [],
      env: service.environment ?? {},
    };
  });
}
