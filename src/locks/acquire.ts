/** The promise face of a lock: a subscription that a lease keeps until it is released or lost. */
import {
  asyncScheduler,
  fromEvent,
  type Observable,
  type Observer,
  type SchedulerLike,
  type Subscription,
  share,
} from 'rxjs';
import { LockAbortedError, LockTimeoutError } from '../errors.ts';
import { HeldLease } from '../lease/held-lease.ts';
import { duration, optionsIn, reading, show } from '../options.ts';

/**
 * How long `acquire()` waits: `timeout` ms (up to 2^31 - 1; 0 for a single attempt), or until `signal` is aborted. Without either, for its turn.
 *
 * @example const bound: AcquireOptions = { timeout: 5_000, signal: request.signal };
 */
export interface AcquireOptions {
  /** Leaves the queue when it is aborted, with a LockAbortedError. It does not end a lease that was granted. */
  readonly signal?: AbortSignal | undefined;
  /** How long to wait, in ms, before a LockTimeoutError: 0 (a single attempt) to 2^31 - 1. Default: for its turn. */
  readonly timeout?: number | undefined;
}

/** What is acquired. */
export interface Source<T> {
  readonly name: string;
  readonly scheduler: SchedulerLike | undefined;
  /** Makes the stream, of a single attempt unless it is to be patient. */
  open(patient: boolean): Observable<T>;
  /** It has timed out, after `timeout` ms. Tells the error, where that is another than that others hold the lock. */
  late(timeout: number): Error | undefined;
}

/** Subscribes, and resolves with the first value; the subscription goes on. A wait that ends early is unsubscribed. */
export const acquire = <T>(source: Source<T>, options: AcquireOptions = {}): Promise<T> => {
  const given = optionsIn('options', options, ['timeout', 'signal']);
  const { signal, timeout } = given;
  if (timeout !== undefined) duration('timeout', timeout, 0);
  if (signal !== undefined && !reading('signal', () => quacks(signal))) {
    throw new TypeError(`signal must be an AbortSignal, got ${show(signal)}`);
  }
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw new LockAbortedError(source.name, signal.reason);
    new Acquisition(source, given, resolve, reject).start();
  });
};

/** A polyfill's or another realm's is no instance of ours, and does as well. */
const quacks = ({ aborted, addEventListener, removeEventListener }: AbortSignal): boolean =>
  typeof aborted === 'boolean' && typeof addEventListener === 'function' && typeof removeEventListener === 'function';

const aborts = new WeakMap<AbortSignal, Observable<unknown>>();

/** One listener for all who wait by the same signal, and only while they do: from the eleventh on Node warns of a leak. */
const abortOf = (signal: AbortSignal): Observable<unknown> => {
  const known = aborts.get(signal);
  if (known) return known;
  const abort$ = fromEvent(signal, 'abort').pipe(share());
  aborts.set(signal, abort$);
  return abort$;
};

class Acquisition<T> implements Observer<T> {
  private readonly source: Source<T>;
  private readonly options: AcquireOptions;
  private readonly resolve: (value: T) => void;
  private readonly reject: (error: unknown) => void;
  private subscription: Subscription | undefined;
  private alarm: Subscription | undefined;
  private aborted: Subscription | undefined;
  private settled = false;

  constructor(
    source: Source<T>,
    options: AcquireOptions,
    resolve: (value: T) => void,
    reject: (error: unknown) => void,
  ) {
    this.source = source;
    this.options = options;
    this.resolve = resolve;
    this.reject = reject;
  }

  start(): void {
    const { source, options } = this;
    const { signal, timeout } = options;
    if (signal) {
      const leave = (): void => this.giveUp(new LockAbortedError(source.name, signal.reason));
      this.aborted = abortOf(signal).subscribe(leave);
    }
    if (timeout) {
      const late = (): void => this.giveUp(source.late(timeout) ?? new LockTimeoutError(source.name, timeout));
      this.alarm = (source.scheduler ?? asyncScheduler).schedule(late, timeout);
    }
    this.subscription = source.open(timeout !== 0).subscribe(this);
  }

  next(value: T): void {
    this.settle();
    for (const lease of [value].flat()) if (lease instanceof HeldLease) lease.byPromise = true;
    this.resolve(value);
  }

  error(error: unknown): void {
    this.settle();
    this.reject(error);
  }

  /** A single attempt that was denied; a lease that was released completes too. */
  complete(): void {
    if (!this.settled) this.error(new LockTimeoutError(this.source.name, 0));
  }

  private giveUp(error: Error): void {
    this.subscription?.unsubscribe();
    this.error(error);
  }

  private settle(): void {
    this.settled = true;
    this.alarm?.unsubscribe();
    this.aborted?.unsubscribe();
  }
}
