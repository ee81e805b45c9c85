// `make torture`: DURATION seconds (60), SEED, BROKEN (see torture.mjs), CLIENTS (share of the crowd).
import { DEFAULTS, torture } from './torture.mjs';

const { DURATION, SEED, BROKEN, CLIENTS } = process.env;
const share = Number(CLIENTS || 1);
const report = await torture({
  ...(DURATION && { seconds: Number(DURATION) }),
  ...(SEED && { seed: Number(SEED) }),
  ...(BROKEN && { broken: BROKEN }),
  sizes: Object.fromEntries(Object.entries(DEFAULTS.sizes).map(([kind, count]) => [kind, Math.ceil(count * share)])),
});
process.exit(report.ok ? 0 : 1);
