/** The promise face of a lock: a subscription that stays until the lease is released or lost. */
import { fromEvent, noop, type Observable, Subscriber, share } from 'rxjs';
import { LockAbortedError } from '../errors.ts';
import { leasesIn } from '../lease/held-lease.ts';
import { duration, optionsIn, reading, show } from '../options.ts';

/**
 * How long `acquire()` waits: `timeout` ms (up to 2^31 - 1; 0 for a single attempt), or until `signal` is aborted. Without either the wait has no bound.
 *
 * @example const bound: AcquireOptions = { timeout: 5_000, signal: request.signal };
 */
export interface AcquireOptions {
  /** Leaves the queue when it is aborted, with a LockAbortedError. It does not end a lease that was granted. */
  readonly signal?: AbortSignal | undefined;
  /** How long to wait, in ms, before a LockTimeoutError: 0 (a single attempt) to 2^31 - 1. Default: no bound. */
  readonly timeout?: number | undefined;
}

/** A wait without options. */
const UNBOUNDED: AcquireOptions = {};

/** Checks the options of a wait. @throws TypeError, RangeError */
export const waitOf = (options?: AcquireOptions): AcquireOptions => {
  if (options === undefined) return UNBOUNDED;
  const given = optionsIn('options', options, ['timeout', 'signal']);
  const { signal, timeout } = given;
  if (timeout !== undefined) duration('timeout', timeout, 0);
  if (signal !== undefined && !reading('signal', () => quacks(signal))) {
    throw new TypeError(`signal must be an AbortSignal, got ${show(signal)}`);
  }
  return given;
};

/**
 * Subscribes, and resolves with the first value; the subscription goes on. A wait that is aborted is unsubscribed.
 *
 * @param locks what is acquired, for the error of an abort
 * @param ended called with the error of the source, also after the first value
 */
export const acquire = <T>(
  source: Observable<T>,
  locks: { readonly names: string },
  signal?: AbortSignal,
  ended: (error: unknown) => void = noop,
): Promise<T> =>
  new Promise((resolve, reject) => {
    if (signal?.aborted) throw new LockAbortedError(locks.names, signal.reason);
    const error = (reason: unknown): void => {
      aborted?.unsubscribe();
      ended(reason);
      reject(reason);
    };
    const subscriber = new Subscriber<T>({
      next: (value) => {
        aborted?.unsubscribe();
        for (const lease of leasesIn(value)) lease.byPromise = true;
        resolve(value);
      },
      error,
      complete: noop,
    });
    const leave = (): void => {
      subscriber.unsubscribe();
      error(new LockAbortedError(locks.names, signal?.reason));
    };
    const aborted = signal && abortOf(signal).subscribe(leave);
    source.subscribe(subscriber);
  });

/** Whether it works as an AbortSignal. A polyfill's or another realm's is no instance of ours, and works as well. */
const quacks = (signal: AbortSignal | null): boolean =>
  typeof signal?.aborted === 'boolean' &&
  typeof signal.addEventListener === 'function' &&
  typeof signal.removeEventListener === 'function';

const aborts = new WeakMap<AbortSignal, Observable<unknown>>();

/** Emits the abort of a signal. All waits on one signal share one listener, because Node warns of a leak at the eleventh. */
const abortOf = (signal: AbortSignal): Observable<unknown> => {
  const known = aborts.get(signal);
  if (known) return known;
  const abort$ = fromEvent(signal, 'abort').pipe(share());
  aborts.set(signal, abort$);
  return abort$;
};
