/** The cold Observable that a lock is, with its promise face. A kind of lock is data: mode, limit, permits. */
import { Observable, type SchedulerLike } from 'rxjs';
import { begin, type Hold, hold, type Wanted } from '../lease/hold.ts';
import type { Lease } from '../lease/lease.ts';
import { type AcquireOptions, acquire, type Source } from './acquire.ts';

/**
 * A lock. Subscribing acquires it, in turn; it emits one lease, keeps that renewed, errors with a LockLostError when
 * it is lost, and releases on unsubscribe. Each subscription is an owner of its own, unless `owner` was given.
 * It stays open: it completes only after `lease.release()`.
 *
 * @example const subscription = locks.mutex('report').subscribe(lease => build(lease.fence));
 */
export class Lock extends Observable<Lease> {
  readonly name: string;
  /** Private at run time, too: a log of the lock would show the connection behind it, with its password. */
  readonly #wanted: Wanted;

  constructor(wanted: Wanted) {
    super(begin(wanted, true));
    this.name = wanted.name;
    this.#wanted = wanted;
  }

  /** @internal */
  get wanted(): Wanted {
    return this.#wanted;
  }

  /**
   * One attempt: emits a lease and stays open, or completes empty when others hold the lock or wait for it.
   * Errors with what Redis failed with, since a failure is neither.
   *
   * @example locks.mutex('nightly').try().pipe(whileHeld(() => nightlyJob()))
   */
  try(): Observable<Lease> {
    return this.open(false);
  }

  /** @internal With `patient` as subscribing does, else one attempt; `seen` sees the life that begins. */
  open(patient: boolean, seen?: (life: Hold) => void): Observable<Lease> {
    return hold(this.#wanted, patient, seen);
  }

  /**
   * For promise code: resolves with the lease, which is held until `release()`, disposal or loss.
   *
   * @throws LockTimeoutError after `timeout` ms; LockAbortedError (its `name` is AbortError) when `signal` is aborted
   * while waiting; and what the Observable errors with
   * @example await using lease = await locks.mutex('x').acquire({ timeout: 5_000 });
   */
  acquire(options: AcquireOptions = {}): Promise<Lease> {
    return acquire(new Asked(this.#wanted), options);
  }
}

/** A lock for the promise face, and the one life that it begins. */
class Asked implements Source<Lease> {
  readonly name: string;
  readonly scheduler: SchedulerLike;
  private readonly wanted: Wanted;
  private life: Hold | undefined;

  constructor(wanted: Wanted) {
    this.name = wanted.name;
    this.scheduler = wanted.terms.scheduler;
    this.wanted = wanted;
  }

  open(patient: boolean): Observable<Lease> {
    return hold(this.wanted, patient, (life) => {
      this.life = life;
    });
  }

  late(timeout: number): Error | undefined {
    return this.life?.late(timeout);
  }
}
