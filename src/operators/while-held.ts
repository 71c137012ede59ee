/** Work that runs under a lease, and needs it. */
import {
  defer,
  merge,
  Observable,
  type ObservableInput,
  type ObservedValueOf,
  type Observer,
  type OperatorFunction,
  Subscriber,
  Subscription,
} from 'rxjs';
import { LockLostError } from '../errors.ts';
import type { HeldLease } from '../lease/held-lease.ts';
import { show } from '../options.ts';
import { type Held, leasesOf, tooMany } from './held.ts';
import { bounded, timeoutOf, type WhileHeldOptions } from './timeout.ts';

/** A hint for the error of a lease that is released when it arrives. */
const HINT = 'its subscription has ended: was the lock piped through take(1) or firstValueFrom?';

/** @param ended whether its subscription is known to have ended */
const lossOf = ({ name, loss }: HeldLease, ended: boolean): LockLostError =>
  ended && loss.reason === 'released' ? new LockLostError(name, 'released', undefined, HINT) : loss;

/**
 * Work under the leases that a source emits. When the work is over it unsubscribes from the source. Written by hand,
 * because the teardown has state: the work is unsubscribed first, then its leases are released, and the result ends last,
 * also if a teardown throws on the way, as a user's may.
 * It observes the source. It is one object, because its steps as closures cost each subscription 1 KB.
 */
class Work<H extends Held, O extends ObservableInput<unknown>> implements Observer<H> {
  private leases: readonly HeldLease[] = [];
  /** Whether the source has completed. */
  private completed = false;
  private readonly working = new Subscription();
  private readonly incoming = new Subscriber<H>(this);
  private readonly result: Subscriber<ObservedValueOf<O>>;
  private readonly work: (held: H) => O;

  constructor(result: Subscriber<ObservedValueOf<O>>, work: (held: H) => O) {
    this.result = result;
    this.work = work;
  }

  start(source: Observable<H>): void {
    this.result.add(this);
    source.subscribe(this.incoming);
  }

  next(held: H): void {
    if (this.working.closed) return; // the work is over already
    try {
      this.begin(held);
    } catch (error) {
      this.result.error(error);
    }
  }

  error(error: unknown): void {
    if (this.working.closed && error instanceof LockLostError) return; // the loss was handled already
    try {
      this.working.unsubscribe();
    } finally {
      this.result.error(error);
    }
  }

  complete(): void {
    this.completed = true;
    if (this.leases.length === 0) this.result.complete();
  }

  /** Unsubscribes from the work and from the source. A lease of a completed source, or of a promise, has no subscription, so it is released. */
  unsubscribe(): void {
    try {
      this.working.unsubscribe();
    } finally {
      try {
        this.incoming.unsubscribe();
      } finally {
        for (const lease of this.leases) if (this.completed || lease.byPromise) void lease.release();
      }
    }
  }

  private begin(held: H): void {
    const given = leasesOf(held);
    if (this.leases.length > 0) throw tooMany(given);
    this.leases = given;
    const over = given.find((lease) => !lease.held);
    const last = over?.loss.reason === 'released' ? given : given.filter((lease) => lease === over);
    if (over) this.endAfter(last, () => this.result.error(lossOf(over, true)));
    else this.workUnder(held);
  }

  private workUnder(held: H): void {
    const { result, working } = this;
    for (const lease of this.leases) working.add(lease.end$.subscribe(() => this.cutOff(lease, this.completed)));
    let end: (() => void) | undefined;
    const worker = new Subscriber<ObservedValueOf<O>>({
      next: (value) => result.next(value),
      error: (error: unknown) => {
        end = () => result.error(error);
      },
      complete: () => {
        end = () => result.complete();
      },
    });
    working.add(worker); // before it is subscribed: otherwise unsubscribing during a first, synchronous value would not stop it
    defer(() => this.work(held)).subscribe(worker);
    worker.add(() => {
      if (end) this.done(end); // after the teardown of the work, also if it ended while it was being subscribed to
    });
  }

  /** The work has ended. Its lease may have run out before that without anything having read the clocks: then the result errors. */
  private done(end: () => void): void {
    const over = this.leases.find((lease) => !lease.held);
    this.endAfter(this.leases, over ? () => this.result.error(over.loss) : end);
  }

  /**
   * The lease ended before the work. A loss errors the result at once, because releasing the other leases may take long.
   * A release is awaited first: an error of the source that comes meanwhile says more, as `timeout` unsubscribes first and
   * errors then.
   */
  private cutOff(lease: HeldLease, ended: boolean): void {
    const { result, working } = this;
    const { loss } = lease;
    const last = (): void => this.endAfter(this.leases, () => result.error(lossOf(lease, ended)));
    try {
      working.unsubscribe();
    } finally {
      if (loss.reason === 'released') result.add(lease.settled$.subscribe({ complete: last }));
      else this.endAfter([lease], () => result.error(loss));
    }
  }

  /** Ends the result when the releases of these leases are done. */
  private endAfter(last: readonly HeldLease[], end: () => void): void {
    try {
      this.unsubscribe();
    } finally {
      this.result.add(merge(...last.map(({ settled$ }) => settled$)).subscribe({ complete: end }));
    }
  }
}

/**
 * Runs `work` under the lease that the source emits.
 *
 * - the work completes: the source is unsubscribed, which releases the lock; Redis acknowledges it, then the result
 *   completes
 * - the work errors: likewise, then the result errors with the work's error
 * - the lease is over before the work is, or was before it began: the work is unsubscribed, and the result errors with
 *   the LockLostError, whose `reason` is `released` if somebody else released it
 * - the result is unsubscribed: the work is, then the source, and the release starts
 *
 * A lease that several works share is released by the last of them; one whose source has completed, such as that of a
 * promise, is released by the operator. It works under one lease: a second one is an error.
 *
 *     lock   ----L------------!
 *     work        --a--b--|
 *     result ------a--b-------|   the last stretch is the acknowledged release
 *
 * A `timeout` bounds the wait for the lease, whatever operators are between the lock and this one. When it is over, the
 * result errors with a LockTimeoutError that says who holds, or with a RedisUnreachableError if Redis never answered. It
 * does not bound the work.
 *
 * @param options.timeout ms to wait; 0 for a single attempt, of a lock itself; default: for as long as it takes
 * @throws TypeError for anything but a function; a source of anything but leases is an error of the result; RangeError
 * @example locks.mutex('report').pipe(whileHeld(lease => build(lease.fence)))
 */
export const whileHeld = <H extends Held, O extends ObservableInput<unknown>>(
  work: (held: H) => O,
  options?: WhileHeldOptions,
): OperatorFunction<H, ObservedValueOf<O>> => {
  if (typeof work !== 'function') throw new TypeError(`work must be a function of the lease, got ${show(work)}`);
  const timeout = timeoutOf(options);
  return (source) => underLeaseOf(source, work, timeout);
};

/** @param timeout as `timeoutOf` has checked it */
export const underLeaseOf = <H extends Held, O extends ObservableInput<unknown>>(
  source: Observable<H>,
  work: (held: H) => O,
  timeout: number | undefined,
): Observable<ObservedValueOf<O>> => {
  const leases$ = timeout === undefined ? source : bounded(source, timeout);
  return new Observable((subscriber) => new Work(subscriber, work).start(leases$));
};
