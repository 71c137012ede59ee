/** The options of `whileHeld` and `withLock`: how long work waits for its lock. */
import type { Observable } from 'rxjs';
import { Acquirable } from '../locks/acquirable.ts';
import { inTime } from '../locks/in-time.ts';
import { duration, optionsIn } from '../options.ts';

/**
 * Settings of `whileHeld` and `withLock`.
 *
 * @example const brief: WhileHeldOptions = { timeout: 5_000 };
 */
export interface WhileHeldOptions {
  /** How long to wait, in ms, before a LockTimeoutError: 0 (a single attempt) to 2^31 - 1. Default: no bound. */
  readonly timeout?: number | undefined;
}

/** Checks the options. @throws TypeError, RangeError */
export const timeoutOf = (options?: WhileHeldOptions): number | undefined => {
  if (options === undefined) return undefined;
  const { timeout } = optionsIn('options', options, ['timeout']);
  if (timeout !== undefined) duration('timeout', timeout, 0);
  return timeout;
};

/** @throws TypeError for a single attempt (`timeout: 0`) if there are other operators between the lock and this one */
export const bounded = <H>(source: Observable<H>, timeout: number): Observable<H> => {
  if (source instanceof Acquirable) return source.inTime(timeout);
  if (timeout > 0) return source.pipe(inTime(timeout));
  throw new TypeError(
    'timeout 0, a single attempt, needs the lock without operators behind it: pipe lock.try() instead',
  );
};
