/** Work that runs under a lease, and needs it. */
import {
  catchError,
  concat,
  defer,
  from,
  ignoreElements,
  merge,
  type Observable,
  type ObservableInput,
  type OperatorFunction,
  switchMap,
  takeUntil,
  throwError,
} from 'rxjs';
import { HeldLease, type Lease } from '../lease/lease.ts';

/**
 * What a lock emits: one lease, or those of `allOf`.
 *
 * @example const stillHeld = (held: Held): boolean => [held].flat().every((lease) => lease.held);
 */
export type Held = Lease | readonly Lease[];

const leasesOf = (held: Held): HeldLease[] => [held].flat().filter((lease) => lease instanceof HeldLease);

/** Completes when every lease has been given back, as far as Redis answers. */
const released = (held: Held): Observable<never> =>
  merge(...leasesOf(held).map((lease) => lease.released$)).pipe(ignoreElements());

/**
 * Runs `work` under the lease that the source emits.
 *
 * - the work completes: the lock is released, Redis acknowledges it, then the result completes
 * - the work errors: the lock is released, then the result errors with the work's error
 * - the lease is lost: the work is unsubscribed, and the result errors with the LockLostError
 * - the result is unsubscribed: the work is, then the release starts
 *
 *     lock   ----L------------|
 *     work        --a--b--|
 *     result ------a--b-------|   the last stretch is the acknowledged release
 *
 * @throws TypeError for anything but a function
 * @example locks.mutex('report').pipe(whileHeld(lease => build(lease.fence)))
 */
export const whileHeld = <H extends Held, R>(work: (held: H) => ObservableInput<R>): OperatorFunction<H, R> => {
  if (typeof work !== 'function') throw new TypeError('work must be a function of the lease');
  return switchMap((held) => {
    const over$ = merge(...leasesOf(held).map((lease) => lease.over$));
    return concat(
      defer(() => from(work(held))).pipe(
        takeUntil(over$),
        catchError((error: unknown) =>
          concat(
            released(held),
            throwError(() => error),
          ),
        ),
      ),
      released(held),
    );
  });
};
