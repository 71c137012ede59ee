/** Work piped through a lock. */
import { defer, type MonoTypeOperatorFunction, type Observable } from 'rxjs';
import { type Held, whileHeld } from './while-held.ts';

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
 * @param lock a lock, or `allOf(…)`, or either with operators of your own, such as `timeout({ first: 5_000 })`
 * @example charge$.pipe(withLock(locks.mutex('order:42')))
 */
export const withLock =
  <T>(lock: Observable<Held>): MonoTypeOperatorFunction<T> =>
  (source) =>
    defer(() => lock).pipe(whileHeld(() => source));
