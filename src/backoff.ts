/** Back-off: how long to wait before each next attempt, and the operator that waits so. */
import {
  asyncScheduler,
  type MonoTypeOperatorFunction,
  type Observable,
  retry,
  type SchedulerLike,
  throwError,
  timer,
} from 'rxjs';
import { mayPass } from './errors.ts';
import { type Backoff, duration, LONGEST, numberIn, optionsIn, schedulerIn, show } from './options.ts';

/** The wait that a back-off returns for an attempt, checked: a value that is no number of ms would mean no wait. @throws TypeError, RangeError */
export const waitAfter = (backoff: Backoff, attempt: number): number => {
  const ms = backoff(attempt);
  numberIn(`backoff(${attempt})`, ms, 0, LONGEST);
  return ms;
};

/**
 * The same wait after every attempt.
 *
 * @param ms integer, 0 to 2^31 - 1
 * @throws RangeError, TypeError
 * @example locks.mutex('order:42', { backoff: constantBackoff(1_000) }); // the Go redisync's default
 */
export const constantBackoff = (ms: number): Backoff => {
  duration('ms', ms, 0);
  return () => ms;
};

const EXPONENTIAL = ['initial', 'max', 'jitter'];

/**
 * Waits that double from `initial` to `max`. With `jitter` 1 each wait is drawn evenly from 0 to its full length,
 * which spreads attempts best (AWS Architecture Blog, "Exponential Backoff and Jitter", full jitter);
 * with 0 it is not drawn at all.
 *
 * @param options.initial ms, integer from 1; default: 50
 * @param options.max ms, integer from `initial`; default: 5 000
 * @param options.jitter the share of each wait that is drawn, 0 to 1; default: 0.5
 * @throws RangeError, TypeError
 * @example locks.mutex('order:42', { backoff: exponentialBackoff({ initial: 100, max: 10_000, jitter: 1 }) });
 */
export const exponentialBackoff = (
  options: { initial?: number | undefined; max?: number | undefined; jitter?: number | undefined } = {},
): Backoff => {
  const given = optionsIn('options', options, EXPONENTIAL);
  const { initial = 50, jitter = 0.5 } = given;
  duration('initial', initial, 1);
  const { max = Math.max(5_000, initial) } = given;
  duration('max', max, initial);
  numberIn('jitter', jitter, 0, 1);
  return (attempt) => {
    const full = Math.min(max, initial * 2 ** Math.min(attempt - 1, 31));
    return Math.round(full * (1 - jitter * Math.random()));
  };
};

/** The waits between attempts to renew or release a lease, which must succeed before it lapses. */
export const soon = exponentialBackoff({ initial: 25, max: 1_000, jitter: 0 });

/**
 * Subscribes again after each error that a retry can mend, after the wait that `backoff` returns. Counting starts over
 * after a value. Of this package's errors a loss, a timeout and a transient failure of Redis are retried; the others, such
 * as a CoordinatorClosedError, are rethrown at once. All other errors are retried. If `backoff` throws, the stream errors
 * with that.
 *
 * @param scheduler where the waits are timed; default: `asyncScheduler`
 * @param passes which errors are retried; default: as above
 * @throws TypeError for anything but a function; a wait out of 0 to 2^31 - 1 ms errors the stream with a RangeError
 * @example rates$.pipe(retryWithBackoff(exponentialBackoff({ initial: 100, max: 5_000 })))
 */
export const retryWithBackoff = <T>(
  backoff: Backoff,
  scheduler: SchedulerLike = asyncScheduler,
  passes: (error: unknown) => boolean = mayPass,
): MonoTypeOperatorFunction<T> => {
  if (typeof backoff !== 'function') {
    throw new TypeError(`backoff must be a function of the attempt, got ${show(backoff)}`);
  }
  schedulerIn(scheduler);
  if (typeof passes !== 'function') throw new TypeError(`passes must be a function of the error, got ${show(passes)}`);
  const delay = (error: unknown, attempt: number): Observable<unknown> =>
    passes(error) ? timer(waitAfter(backoff, attempt), scheduler) : throwError(() => error);
  return retry({ delay, resetOnSuccess: true });
};
