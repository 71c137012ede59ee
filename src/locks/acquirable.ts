/** What can be acquired, by promise too: a lock, all of some, any of some. */
import { Observable } from 'rxjs';
import { LockTimeoutError } from '../errors.ts';
import { HeldLease } from '../lease/held-lease.ts';
import type { Lease } from '../lease/lease.ts';
import { type AcquireOptions, acquire, type Source } from './acquire.ts';

/**
 * A lock, or several as one: an Observable of what is held, with its promise face.
 *
 * @example const charged = (lock: Acquirable<Lease>): Promise<string> => lock.using(({ fence }) => charge(fence));
 */
export abstract class Acquirable<T extends Lease | readonly Lease[]> extends Observable<T> {
  /**
   * One attempt: emits and stays open, or completes empty when others hold the lock or wait for it. Errors with what
   * Redis failed with, since a failure is neither.
   *
   * @example locks.mutex('nightly').try().pipe(whileHeld(() => nightlyJob()))
   */
  abstract try(): Observable<T>;

  /** @internal What is asked, afresh for each promise. */
  protected abstract asked(): Source<T>;

  /**
   * For promise code: resolves with what is held until `release()`, disposal or loss.
   *
   * @param options.timeout ms to wait; 0 for a single attempt; default: for as long as it takes
   * @param options.signal ends the wait when it is aborted; once that is over it has no influence
   * @throws LockTimeoutError after `timeout` ms; LockAbortedError (its `name` is AbortError) when `signal` is aborted
   * while waiting; RedisUnreachableError when Redis was never heard; and what the Observable errors with
   * @example await using lease = await locks.mutex('x').acquire({ timeout: 5_000 });
   */
  acquire(options: AcquireOptions = {}): Promise<T> {
    return acquire(this.asked(), options);
  }

  /**
   * A single attempt, for promise code: null when others hold the lock or wait for it.
   *
   * @throws what Redis failed with
   * @example const lease = await locks.mutex('nightly').tryAcquire();
   */
  async tryAcquire(): Promise<T | null> {
    try {
      return await this.acquire({ timeout: 0 });
    } catch (error) {
      if (error instanceof LockTimeoutError) return null;
      throw error;
    }
  }

  /**
   * Acquires, works, and releases whatever becomes of the work, where there is no `await using`.
   *
   * @param options those of `acquire()`, for the wait
   * @throws LockLostError as soon as the lease is lost: hand `lease.signal` to the work, which runs on otherwise; and what
   * `acquire()` and the work throw
   * @example await locks.mutex('order:42').using(({ signal }) => fetch('https://example.com/charge', { signal }));
   */
  async using<R>(work: (held: T) => R | PromiseLike<R>, options: AcquireOptions = {}): Promise<R> {
    if (typeof work !== 'function') throw new TypeError('work must be a function of the lease');
    const held = await this.acquire(options);
    const leases = [held].flat().filter((lease) => lease instanceof HeldLease);
    try {
      const result = await Promise.race([run(work, held), ...leases.map(lossOf)]);
      for (const lease of leases) lease.assertHeld(); // it may be over, and nobody have looked
      return result;
    } finally {
      await Promise.all(leases.map((lease) => lease.release()));
    }
  }
}

/** What throws at once rejects as well, so that the lease is released. */
const run = async <T, R>(work: (held: T) => R | PromiseLike<R>, held: T): Promise<R> => work(held);

const lossOf = (lease: HeldLease): Promise<never> =>
  new Promise((_, reject) => lease.over$.subscribe(() => reject(lease.loss)));
