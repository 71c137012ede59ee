/** Emits to each subscriber in its own async context, although the answer or the timer behind the emission is shared by many. */
import { AsyncResource } from 'node:async_hooks';
import { Observable, type Observer } from 'rxjs';

/** Passes everything on in the async context in which it was made. */
export class InContext<T> extends AsyncResource implements Observer<T> {
  private readonly observer: Observer<T>;

  constructor(observer: Observer<T>) {
    super('redisync', { requireManualDestroy: true }); // then Node emits nothing when it is collected, which would cost time for each
    this.observer = observer;
  }

  next(value: T): void {
    this.runInAsyncScope(this.observer.next, this.observer, value);
  }

  error(error: unknown): void {
    this.runInAsyncScope(this.observer.error, this.observer, error);
  }

  complete(): void {
    this.runInAsyncScope(this.observer.complete, this.observer);
  }
}

/** Mirrors the source to each subscriber in the async context in which it subscribed. */
export const inOwnContext = <T>(source: Observable<T>): Observable<T> =>
  new Observable((subscriber) => source.subscribe(new InContext(subscriber)));
