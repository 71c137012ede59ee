/** Emits to each subscriber in its own async context, although the answer or the timer behind the emission is shared by many. */
import { AsyncResource } from 'node:async_hooks';
import { Observable } from 'rxjs';

/** Node then emits nothing when the resource is collected; that would cost time for each. */
export const UNTRACKED = { requireManualDestroy: true };

/** Mirrors the source to each subscriber in the async context in which it subscribed. */
export const inOwnContext = <T>(source: Observable<T>): Observable<T> =>
  new Observable((subscriber) => {
    const context = new AsyncResource('redisync', UNTRACKED);
    return source.subscribe({
      next: (value) => context.runInAsyncScope(subscriber.next, subscriber, value),
      error: (error: unknown) => context.runInAsyncScope(subscriber.error, subscriber, error),
      complete: () => context.runInAsyncScope(subscriber.complete, subscriber),
    });
  });
