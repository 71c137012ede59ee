/** The time of this process, on the two clocks that a lease is judged by. */
import { asyncScheduler, type SchedulerLike } from 'rxjs';

/** A monotonic and a wall clock, both in ms. */
export interface Clock {
  now(): number;
  wall(): number;
}

/**
 * The real clocks. `performance.now()` stands still while a machine sleeps and `Date.now()` can step back,
 * so neither suffices alone.
 */
const systemClock: Clock = { now: () => performance.now(), wall: () => Date.now() };

/** The clocks that belong to a scheduler: a virtual one is its own monotonic and wall clock. */
export const clockOf = (scheduler: SchedulerLike): Clock =>
  scheduler === asyncScheduler ? systemClock : { now: () => scheduler.now(), wall: () => scheduler.now() };

/** An instant on both clocks, such as the sending of a command, from which its lease is counted. */
export interface Instant {
  readonly now: number;
  readonly wall: number;
}

export const instant = (clock: Clock): Instant => ({ now: clock.now(), wall: clock.wall() });

/** The part of a ttl that can be believed: clocks may drift apart by 1 % and 2 ms (the Redlock page's allowance). */
export const validity = (ttl: number): number => ttl - ttl * 0.01 - 2;

/** ms for which a lease of `ttl` ms that counts from `since` can still be believed, by the clock that says less; 0 or less when that is over. */
export const remaining = (clock: Clock, since: Instant, ttl: number): number => {
  const valid = validity(ttl);
  return Math.min(since.now + valid - clock.now(), since.wall + valid - clock.wall());
};
