/** When a lease stops being believed: on the monotonic or on the wall clock, whichever is sooner. */
import type { Clock, Instant } from '../clock.ts';

/** The part of a ttl that can be believed: clocks may drift apart by 1 % and 2 ms (the Redlock page's allowance). */
export const validity = (ttl: number): number => ttl - ttl * 0.01 - 2;

/** ms for which a lease of `ttl` ms that counts from `since` can still be believed; 0 or less when that is over. */
export const remaining = (clock: Clock, since: Instant, ttl: number): number => {
  const valid = validity(ttl);
  return Math.min(since.now + valid - clock.now(), since.wall + valid - clock.wall());
};
