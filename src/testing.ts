/** `redisync/testing`: the same coordinator over a store in memory, for specs without Redis and in virtual time. */
import { asyncScheduler, type SchedulerLike } from 'rxjs';
import { exponentialBackoff } from './backoff.ts';
import { LockCoordinator } from './coordinator.ts';
import { DEFAULTS, type Options, optionsIn, reading, schedulerIn, show } from './options.ts';
import { Memory, MemoryStore } from './store/memory.ts';
import { ownStore } from './store/open-store.ts';

export { Memory } from './store/memory.ts';

/**
 * Options of a coordinator, and the memory that it works on. Default: a memory of its own.
 *
 * @example const options: MemoryOptions = { memory: new Memory({ latency: 5 }), ttl: 300 };
 */
export interface MemoryOptions extends Options {
  readonly memory?: Memory | undefined;
}

/** Without jitter, so that a marble diagram is the same on every run. */
const BACKOFF = exponentialBackoff({ initial: 50, max: 1_000, jitter: 0 });

/**
 * Locks that work as on Redis, in this process alone. Inside `TestScheduler.run` all of it is virtual time: a lock is
 * granted, and a release acknowledged, on the frame on which it is asked for. Coordinators that share a `Memory`
 * contend as services that share a Redis do.
 *
 * A lease that is held is renewed for ever, so give `expectObservable(locks.mutex('x'))` an unsubscription, or pipe the
 * lock through work that ends: virtual time does not run out otherwise.
 *
 * Under the fake timers of Jest, Vitest or Sinon it goes by their time. Each answer is a timer, so advance them before you
 * await one: `const asked = lock.acquire(); await vi.advanceTimersByTimeAsync(1); const lease = await asked;`.
 *
 * @param options those of a LockCoordinator, and `memory`; the default `backoff` has no jitter
 * @throws TypeError, RangeError
 * @example
 * testScheduler.run(({ cold, expectObservable }) => {
 *   const locks = memoryCoordinator();
 *   const one$ = cold('a--|').pipe(withLock(locks.mutex('x')));
 *   const two$ = cold('b--|').pipe(withLock(locks.mutex('x')));
 *   expectObservable(merge(one$, two$)).toBe('a--b--|');
 * });
 */
export const memoryCoordinator = (options: MemoryOptions = {}): LockCoordinator => {
  const given = optionsIn('options', options, ['memory', ...DEFAULTS]);
  const { memory = new Memory(), scheduler: timed = asyncScheduler, backoff = BACKOFF, ...others } = given;
  const isMemory = reading('memory', () => memory instanceof Memory);
  if (!isMemory) throw new TypeError(`memory must be a Memory of redisync/testing, got ${show(memory)}`);
  schedulerIn(timed);
  const scheduler = onItsOwnClock(timed);
  return new LockCoordinator(ownStore(new MemoryStore(memory, scheduler)), { ...others, backoff, scheduler });
};

/**
 * `TestScheduler.run` makes the asyncScheduler virtual, its `now()` included, but not the real clocks that a lease on the
 * asyncScheduler is judged by (see clock). Any other scheduler is its own clock, so this wraps it as another scheduler.
 */
const onItsOwnClock = (scheduler: SchedulerLike): SchedulerLike => ({
  now: () => scheduler.now(),
  schedule: scheduler.schedule.bind(scheduler),
});
