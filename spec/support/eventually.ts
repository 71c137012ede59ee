/** Waits for a condition by looking repeatedly, and fails if it does not come true in time. */
import { setTimeout as sleep } from 'node:timers/promises';
import { patience } from './lateness.ts';

export const eventually = async (
  what: string,
  condition: () => Promise<boolean> | boolean,
  within = 10_000,
): Promise<void> => {
  const since = performance.now();
  while (!(await condition())) {
    if (performance.now() - since > patience(within)) throw new Error(`Not within ${within} ms: ${what}`);
    await sleep(20);
  }
};
