/** The promise face of a lock: a subscription that a lease keeps until it is released or lost. */
import { asyncScheduler, type Observable, type SchedulerLike, type Subscription } from 'rxjs';
import { LockAbortedError, LockTimeoutError } from '../errors.ts';
import { duration, optionsIn, show } from '../options.ts';

/** How long `acquire()` waits: `timeout` ms (up to 2^31 - 1; 0 for a single attempt), or until `signal` is aborted. Without either, for its turn. */
export interface AcquireOptions {
  readonly signal?: AbortSignal;
  readonly timeout?: number;
}

/**
 * Subscribes, and resolves with the first value; the subscription goes on. A wait that ends early is unsubscribed.
 * `open` makes the stream, of a single attempt unless it is to be patient; `trouble` tells why it is still without a value.
 */
export const acquire = <T>(
  open: (patient: boolean) => Observable<T>,
  name: string,
  scheduler: SchedulerLike = asyncScheduler,
  options: AcquireOptions = {},
  trouble: () => Error | undefined = () => undefined,
): Promise<T> => {
  optionsIn('options', options);
  const { signal, timeout } = options;
  if (timeout !== undefined) duration('timeout', timeout, 0);
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw new TypeError(`signal must be an AbortSignal, got ${show(signal)}`);
  }
  return new Promise((resolve, reject) => {
    if (signal?.aborted) throw new LockAbortedError(name, signal.reason);
    let subscription: Subscription | undefined;
    let resolved = false;
    const giveUp = (error: Error): void => {
      settle();
      subscription?.unsubscribe();
      reject(error);
    };
    const abort = (): void => giveUp(new LockAbortedError(name, signal?.reason));
    const late = (): void => giveUp(new LockTimeoutError(name, timeout ?? 0, trouble()));
    const alarm = timeout && scheduler.schedule(late, timeout);
    const settle = (): void => {
      if (alarm) alarm.unsubscribe();
      signal?.removeEventListener('abort', abort);
    };
    signal?.addEventListener('abort', abort);
    subscription = open(timeout !== 0).subscribe({
      next: (value) => {
        settle();
        resolved = true;
        resolve(value);
      },
      error: (error: unknown) => {
        settle();
        reject(error);
      },
      complete: () => {
        // A single attempt that was denied; a lease that was released completes too.
        if (!resolved) giveUp(new LockTimeoutError(name, 0));
      },
    });
  });
};
