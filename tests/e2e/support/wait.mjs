// Waiting with deadlines: no test sleeps for a fixed time.
import { setTimeout as delay } from 'node:timers/promises';

// How much longer every wait may take, for sanitizer builds and slow machines.
export const PATIENCE = Number(process.env.NOTIFICATIONS_PATIENCE ?? 1);

// Settles as `promise` does, or fails with "`what`: nothing within N ms".
export async function within(ms, what, promise) {
  let timer;
  const timeout = new Promise((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`${typeof what === 'function' ? what() : what}: nothing within ${ms} ms`)),
      ms * PATIENCE);
  });
  try {
    return await Promise.race([promise, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

// The first truthy value of `condition()` (may be async), asked again and again until the deadline.
// An exception counts as "not yet" and is shown when time is up; one that is `fatal` ends the wait.
export async function until(what, condition, { deadline = 5000, every = 15 } = {}) {
  const end = Date.now() + deadline * PATIENCE;
  let last;
  for (;;) {
    try {
      last = undefined;
      const value = await condition();
      if (value) return value;
    } catch (error) {
      if (error.fatal) throw error;
      last = error;
    }
    if (Date.now() > end) {
      const why = last ? `; last error: ${last.message}` : '';
      throw new Error(`${typeof what === 'function' ? what() : what}: not so within ${deadline} ms${why}`);
    }
    await delay(every);
  }
}

// A list that can be waited on: push() adds, next() takes in order.
export class Inbox {
  items = [];
  #waiters = [];

  push(item) {
    this.items.push(item);
    for (const wake of this.#waiters.splice(0)) wake();
  }

  // Resolves once the list satisfies `predicate`.
  async waitFor(what, predicate, ms = 5000) {
    const end = Date.now() + ms * PATIENCE;
    while (!predicate(this.items)) {
      const left = end - Date.now();
      if (left <= 0) {
        const tail = this.items.slice(-5).map((item) => JSON.stringify(item)?.slice(0, 300));
        throw new Error(`${what}: nothing within ${ms} ms; ${this.items.length} so far, last: ${tail.join(' | ')}`);
      }
      await new Promise((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#waiters.push(() => { clearTimeout(timer); resolve(); });
      });
    }
    return this.items;
  }

  count(what, n, ms) {
    return this.waitFor(`${what} (${n} wanted)`, (items) => items.length >= n, ms);
  }
}
