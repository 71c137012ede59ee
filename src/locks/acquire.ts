/** The promise face of a lock: a subscription that a lease keeps until it is released or lost. */
import { asyncScheduler, type Observable, type SchedulerLike } from 'rxjs';
import { LockAbortedError, LockTimeoutError } from '../errors.ts';
import { duration } from '../options.ts';

/** How long `acquire()` waits: `timeout` ms (up to 2^31 - 1; 0 for a single attempt), or until `signal` is aborted. Without either, for its turn. */
export interface AcquireOptions {
  readonly signal?: AbortSignal;
  readonly timeout?: number;
}

/** Subscribes, and resolves with the first value; the subscription goes on. A wait that ends early is unsubscribed. */
export const acquire = <T>(
  lock$: Observable<T>,
  name: string,
  scheduler: SchedulerLike = asyncScheduler,
  { signal, timeout }: AcquireOptions,
): Promise<T> =>
  new Promise((resolve, reject) => {
    if (timeout !== undefined) duration('timeout', timeout, 0);
    if (signal !== undefined && !(signal instanceof AbortSignal)) {
      throw new TypeError(`signal must be an AbortSignal, got ${String(signal)}`);
    }
    if (signal?.aborted) throw new LockAbortedError(name, signal.reason);
    let resolved = false;
    const giveUp = (error: Error): void => {
      settle();
      subscription.unsubscribe();
      reject(error);
    };
    const abort = (): void => giveUp(new LockAbortedError(name, signal?.reason));
    const alarm = timeout && scheduler.schedule(() => giveUp(new LockTimeoutError(name, timeout)), timeout);
    const settle = (): void => {
      if (alarm) alarm.unsubscribe();
      signal?.removeEventListener('abort', abort);
    };
    signal?.addEventListener('abort', abort);
    const subscription = lock$.subscribe({
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
        if (!resolved) reject(new LockTimeoutError(name, 0));
      },
    });
  });
