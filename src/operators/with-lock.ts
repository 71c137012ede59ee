/** Work piped through a lock. */
import { isObservable, type MonoTypeOperatorFunction, type Observable } from 'rxjs';
import { reading, show } from '../options.ts';
import type { Held } from './held.ts';
import { timeoutOf, type WhileHeldOptions } from './timeout.ts';
import { underLeaseOf } from './while-held.ts';

/**
 * The same values, under the lock: the source is subscribed to only while the lease is held.
 *
 * When the source completes, the lock is released, Redis acknowledges it, then the result completes; when it errors,
 * the lock is released first. When the lease is lost, the source is unsubscribed and the result errors with the
 * LockLostError. Unsubscribing starts the release at once.
 *
 *     lock   ----L-----------
 *     source     --a--b--|
 *     result ------a--b----|
 *
 * @param lock a lock, or `allOf(…)`, or either with operators of your own
 * @param options.timeout ms to wait for the lease, as with `whileHeld`; default: for as long as it takes
 * @throws TypeError for anything else; RangeError
 * @example charge$.pipe(withLock(locks.mutex('order:42')))
 */
export const withLock = <T>(lock: Observable<Held>, options?: WhileHeldOptions): MonoTypeOperatorFunction<T> => {
  if (!reading('lock', () => isObservable(lock)))
    throw new TypeError(`lock must be an Observable of leases, got ${show(lock)}`);
  const timeout = timeoutOf(options);
  return (source) => underLeaseOf(lock, () => source, timeout);
};
