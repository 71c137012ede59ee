/** The base of locks, `allOf` and `anyOf`: an Observable of leases with a promise face. */
import { concat, defaultIfEmpty, defer, EMPTY, Observable, tap } from 'rxjs';
import { type HeldLease, leasesIn } from '../lease/held-lease.ts';
import type { Lease } from '../lease/lease.ts';
import type { LockDefinition } from '../lease/session-view.ts';
import { show } from '../options.ts';
import { type AcquireOptions, acquire, waitOf } from './acquire.ts';
import { inTime } from './in-time.ts';
import { busyError } from './late-error.ts';

/**
 * A lock, or several as one: an Observable of its lease, or leases, with a promise face.
 *
 * @example const charged = (lock: Acquirable<Lease>): Promise<string> => lock.using(({ fence }) => charge(fence));
 */
export abstract class Acquirable<T extends Lease | readonly Lease[]> extends Observable<T> {
  /**
   * One attempt: emits and stays open, or completes empty when others hold the lock or wait for it. If Redis fails, it
   * errors.
   *
   * @example locks.mutex('nightly').try().pipe(whileHeld(() => nightlyJob()))
   */
  abstract try(): Observable<T>;

  /** @internal The locks that it consists of. */
  abstract get parts(): readonly LockDefinition[];

  /** @internal Mirrors this, but errors with a LockTimeoutError if nothing is granted within so many ms; 0: a single attempt. */
  inTime(ms: number): Observable<T> {
    const { parts } = this;
    if (ms > 0) return this.pipe(inTime(ms, parts[0]?.terms.scheduler));
    return defer(() => {
      let granted = false;
      const tried$ = this.try().pipe(
        tap(() => {
          granted = true; // needed, because a lease that is released completes as a busy lock does
        }),
      );
      const busy$ = defer(() =>
        granted
          ? EMPTY
          : busyError(
              0,
              parts.map((wanted) => ({ wanted })),
            ),
      );
      return concat(tried$, busy$);
    });
  }

  /**
   * For promise code: resolves with the lease, which is held until `release()`, disposal or loss.
   *
   * @param options.timeout ms to wait; 0 for a single attempt; default: for as long as it takes
   * @param options.signal ends the wait when it is aborted; it has no effect on a lease that was granted
   * @throws LockTimeoutError after `timeout` ms; LockAbortedError (its `name` is AbortError) when `signal` is aborted
   * while waiting; RedisUnreachableError when Redis never answered; and what the Observable errors with
   * @example await using lease = await locks.mutex('x').acquire({ timeout: 5_000 });
   */
  acquire(options?: AcquireOptions): Promise<T> {
    return this.granted(options);
  }

  /**
   * A single attempt, for promise code: null when others hold the lock or wait for it.
   *
   * @throws what Redis failed with
   * @example const lease = await locks.mutex('nightly').tryAcquire();
   */
  tryAcquire(): Promise<T | null> {
    return acquire(this.try().pipe(defaultIfEmpty(null)), this);
  }

  /**
   * Acquires the lock, runs the work, and releases the lock, also if the work fails. For code without `await using`.
   *
   * @param options those of `acquire()`, for the wait
   * @throws LockLostError as soon as the lease is lost: pass `lease.signal` to the work, which runs on otherwise; a
   * CoordinatorClosedError likewise; and what `acquire()` and the work throw
   * @example await locks.mutex('order:42').using(({ signal }) => fetch('https://example.com/charge', { signal }));
   */
  async using<R>(work: (held: T) => R | PromiseLike<R>, options?: AcquireOptions): Promise<R> {
    if (typeof work !== 'function') throw new TypeError(`work must be a function of the lease, got ${show(work)}`);
    let closed: unknown; // the error of the stream: a coordinator that closes tells it before it releases
    const held = await this.granted(options, (error) => {
      closed = error;
    });
    const leases = leasesIn(held);
    const lossOf = (lease: HeldLease): Promise<never> =>
      new Promise((_, reject) => lease.end$.subscribe(() => reject(closed ?? lease.loss)));
    try {
      const result = await Promise.race([run(work, held), ...leases.map(lossOf)]);
      for (const lease of leases) lease.assertHeld(); // its time may be over without anything having read the clocks
      return result;
    } finally {
      await Promise.all(leases.map((lease) => lease.release()));
    }
  }

  private granted(options: AcquireOptions | undefined, ended?: (error: unknown) => void): Promise<T> {
    const { timeout, signal } = waitOf(options);
    return acquire(timeout === undefined ? this : this.inTime(timeout), this, signal, ended);
  }

  /** @internal The names of all parts, for errors. */
  get names(): string {
    return this.parts.map(({ name }) => name).join(', ');
  }
}

/** Runs the work, so that a work that throws at once rejects, and the lease is released. */
const run = async <T, R>(work: (held: T) => R | PromiseLike<R>, held: T): Promise<R> => work(held);
