// The Redis outage at its full ten seconds.
process.env.FULL = '1';
await import('../redis_outage.test.mjs');
