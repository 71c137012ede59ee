/** The async context of who subscribes: what is told later is told in that, whoever shares the answer or the timer. */
import { AsyncResource } from 'node:async_hooks';
import { Observable } from 'rxjs';

/** Nothing is to be told of when it is collected, which costs what is told. */
export const UNTRACKED = { requireManualDestroy: true };

/** The same, told to each subscriber in its own context. */
export const inOwnContext = <T>(source: Observable<T>): Observable<T> =>
  new Observable((subscriber) => {
    const context = new AsyncResource('redisync', UNTRACKED);
    return source.subscribe({
      next: (value) => context.runInAsyncScope(subscriber.next, subscriber, value),
      error: (error: unknown) => context.runInAsyncScope(subscriber.error, subscriber, error),
      complete: () => context.runInAsyncScope(subscriber.complete, subscriber),
    });
  });
