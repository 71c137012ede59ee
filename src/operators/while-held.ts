/** Work that runs under a lease, and needs it. */
import {
  defer,
  type MonoTypeOperatorFunction,
  merge,
  Observable,
  type ObservableInput,
  type ObservedValueOf,
  type OperatorFunction,
  Subscriber,
  switchMap,
  takeUntil,
} from 'rxjs';
import { HeldLease, type Lease } from '../lease/lease.ts';
import { show } from '../options.ts';

/**
 * What a lock emits: one lease, or those of `allOf`.
 *
 * @example const stillHeld = (held: Held): boolean => [held].flat().every((lease) => lease.held);
 */
export type Held = Lease | readonly Lease[];

/** Never none: work would run without a lock then, as under the null of a leadership. @throws TypeError */
const leasesOf = (held: Held): HeldLease[] => {
  const all = [held].flat();
  const leases = all.filter((lease) => lease instanceof HeldLease);
  if (leases.length > 0 && leases.length === all.length) return leases;
  throw new TypeError(`whileHeld and withLock need a lease, got ${show(held)}`);
};

/** Ends as the source does, after the source is unsubscribed and then `last$` has completed. */
const endAfter =
  <T>(last$: Observable<unknown>): MonoTypeOperatorFunction<T> =>
  (source) =>
    new Observable((subscriber) => {
      let end: (() => void) | undefined;
      const working = new Subscriber<T>({
        next: (value) => subscriber.next(value),
        error: (error: unknown) => {
          end = () => subscriber.error(error);
        },
        complete: () => {
          end = () => subscriber.complete();
        },
      });
      subscriber.add(working); // before it works: who unsubscribes within a first value would not stop it else
      source.subscribe(working);
      working.add(() => {
        if (end) subscriber.add(last$.subscribe({ complete: end }));
      });
    });

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
 * @throws TypeError for anything but a function; a source of anything but leases is an error of the result
 * @example locks.mutex('report').pipe(whileHeld(lease => build(lease.fence)))
 */
export const whileHeld = <H extends Held, O extends ObservableInput<unknown>>(
  work: (held: H) => O,
): OperatorFunction<H, ObservedValueOf<O>> => {
  if (typeof work !== 'function') throw new TypeError('work must be a function of the lease');
  return switchMap((held) => {
    const leases = leasesOf(held);
    return defer(() => work(held)).pipe(
      takeUntil(merge(...leases.map(({ over$ }) => over$))),
      endAfter(merge(...leases.map(({ released$ }) => released$))), // as far as Redis answers
    );
  });
};
