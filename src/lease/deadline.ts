/** When a lease stops being believed: on two clocks, of which the stricter one counts. */
import type { Clock, Instant } from '../clock.ts';

/** The part of a ttl that can be believed: clocks may drift apart by 1 % and 2 ms (the Redlock page's allowance). */
export const validity = (ttl: number): number => ttl - ttl * 0.01 - 2;

/** ms until `ttl` after `since` can no longer be believed; 0 or less when it is over. */
export const remaining = (clock: Clock, since: Instant, ttl: number): number => {
  const valid = validity(ttl);
  return Math.min(since.now + valid - clock.now(), since.wall + valid - clock.wall());
};
